"""Whether runs are fit to be a baseline, and whether one has grown old: each part with its control."""

from datetime import UTC, datetime, timedelta

import pytest

from trueup.domains.telemetry.engine.policy import SCHEMA, BaselinePolicy, policy_of
from trueup.domains.telemetry.engine.quality import DecayRule, Numbers, QualityRule, RunNumbers, decay, quality
from trueup.domains.telemetry.engine.selection import Strategy
from trueup.kernel.documents import check_schema, parse_yaml
from trueup.kernel.errors import UnreadableInput

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def run(name="r", n=1000, seconds=600.0, context=None, **means):
    means = means or {"volt": 12.0, "amp": 3.0}
    return RunNumbers(name, context or {}, seconds, {key: Numbers(n, mean, 0.2) for key, mean in means.items()})


def part(found, name):
    return next(item for item in found.parts if item.name == name)


def test_steady_runs_with_enough_values_are_fit():
    found = quality([run("a"), run("b", volt=12.02, amp=3.0)], QualityRule())
    assert found.passed is True
    assert found.score == 1.0


def test_too_few_values_are_not_fit():
    found = quality([run(n=30), run(n=30)], QualityRule(min_n=100))
    assert found.passed is False
    assert part(found, "samples").words == "volt has 60 values, 100 are needed"


def test_runs_without_a_common_metric_are_not_fit():
    assert quality([run("a", volt=1.0), run("b", amp=1.0)], QualityRule()).passed is False


def test_a_run_that_lies_apart_is_not_fit_and_is_named_by_its_metric():
    found = quality([run("a"), run("b"), run("c", volt=13.0, amp=3.0)], QualityRule())
    assert part(found, "stability").passed is False
    assert "volt lie 5 standard deviations apart" in part(found, "stability").words


def test_constant_metrics_that_are_equal_are_steady_and_that_differ_are_not():
    def still(mean):
        return RunNumbers("r", {}, 1.0, {"flag": Numbers(500, mean, 0.0)})

    assert quality([still(1.0), still(1.0)], QualityRule()).passed is True
    assert quality([still(1.0), still(2.0)], QualityRule()).passed is False


def test_a_length_that_is_asked_for_and_not_known_is_not_fit():
    rule = QualityRule(min_seconds=3600)
    assert part(quality([run(seconds=None)], rule), "span").passed is False
    assert part(quality([run(seconds=1800), run(seconds=1900)], rule), "span").passed is True
    assert part(quality([run(seconds=1800)], rule), "span").passed is False


def test_runs_of_different_circumstances_are_not_fit():
    lab, oven = {"environment": "lab"}, {"environment": "oven"}
    assert part(quality([run(context=lab), run(context=oven)], QualityRule()), "environment").passed is False
    assert part(quality([run(context=lab), run(context=lab)], QualityRule()), "environment").passed is True


@pytest.mark.requirement("telemetry:Q6")
def test_a_baseline_older_than_the_rule_allows_has_decayed_and_a_younger_one_has_not():
    means = {"a": 1.0, "b": 2.0, "c": 3.0}
    assert decay(NOW - timedelta(days=8), NOW, means, means, DecayRule()) == ("the baseline is 8 days old, at most 7 may be",)
    assert decay(NOW - timedelta(days=6), NOW, means, means, DecayRule()) == ()


@pytest.mark.requirement("telemetry:Q6")
def test_a_baseline_whose_metrics_moved_by_more_than_half_has_decayed():
    means = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    moved = {"a": 1.6, "b": 0.9, "c": 3.0, "d": 4.0}
    assert decay(NOW, NOW, means, moved, DecayRule())[0].startswith("2 of 4 metrics moved by more than 50%")
    assert decay(NOW, NOW, means, {**moved, "b": 1.1}, DecayRule()) == ()
    assert decay(NOW, NOW, {"a": 1.0, "b": 2.0}, {"a": 9.0, "b": 9.0}, DecayRule()) == ()


def test_a_policy_says_what_it_does_not_leave_to_the_default():
    text = "version: 1\nstrategy: last_pass\ncontext_match: [environment]\ndual: true\nquality: {min_n: 50}\ndecay: {max_age_days: 30}\n"
    document = parse_yaml(text, "p.yaml")
    check_schema(document, SCHEMA)
    made = policy_of(document.value)
    assert (made.strategy, made.context_match, made.dual) == (Strategy.LAST_PASS, ("environment",), True)
    assert (made.quality.min_n, made.decay.max_age, made.decay.moved_by) == (50, timedelta(days=30), 0.5)
    assert policy_of({"version": 1}) == BaselinePolicy()


@pytest.mark.parametrize(
    "text",
    [
        "version: 2\n",
        "strategy: golden\n",
        "version: 1\nstrategy: newest\n",
        "version: 1\nfallback: latest\n",
        "version: 1\nquality: {min_n: 1}\n",
    ],
)
def test_a_policy_that_is_not_of_the_schema_is_refused(text):
    with pytest.raises(UnreadableInput, match=r"p\.yaml:"):
        check_schema(parse_yaml(text, "p.yaml"), SCHEMA)
