"""What is expected of single metrics: bounds on every sample, sizes that matter, the registry; with and without a baseline."""

import numpy as np
import pytest

from tests.domains.telemetry.engine.tables import column, kinds, metric, only, table
from trueup.domains.telemetry.engine.compare import CompareConfig, compare, judge_alone
from trueup.domains.telemetry.engine.config import MetricRule
from trueup.domains.telemetry.engine.document import document
from trueup.domains.telemetry.engine.limits import broken_bounds, persistent
from trueup.domains.telemetry.engine.result import Kind
from trueup.kernel.errors import UsageError
from trueup.kernel.words import Verdict

N = 500


def noise(seed=0, n=N):
    return np.random.default_rng(seed).normal(size=n)


def ruled(baseline, run, **rule):
    config = CompareConfig(rules={"x": MetricRule(**rule)})
    return compare(table(x=baseline), table(x=run), config=config)


def alone(run, **rule):
    return judge_alone(table(x=run), CompareConfig(rules={"x": MetricRule(**rule)}))


def with_value(value, *places, seed=2):
    values = noise(seed)
    values[list(places)] = value
    return values


# ── bounds ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rule", "kind", "words"),
    [
        ({"maximum": 5.0}, Kind.INVARIANT, "above its maximum of 5"),
        ({"fail_above": 5.0}, Kind.LIMIT, "above its limit of 5"),
    ],
)
def test_one_sample_beyond_a_bound_fails_the_run(rule, kind, words):
    comparison = ruled(noise(1), with_value(9.0, 123), **rule)
    finding = only(comparison)
    assert (comparison.verdict, finding.kind, finding.worst, finding.q_value) == (Verdict.FAIL, kind, 9.0, None)
    assert finding.index_range == (123, 123)
    assert f"1 of 500 values (0.2 %) are {words}, the worst 9; rows 123 to 123 of 500" in finding.explanation


def test_a_value_below_the_minimum_fails_the_run():
    finding = only(ruled(noise(1), with_value(-9.0, 7, 300), minimum=-8.0))
    assert (finding.kind, finding.index_range, finding.worst) == (Kind.INVARIANT, (7, 300), -9.0)


def test_another_value_than_the_one_that_must_be_fails_the_run():
    run = np.zeros(100)
    run[40] = 1.0
    comparison = ruled(np.zeros(100), run, equals=0.0)
    assert (comparison.verdict, kinds(comparison)) == (Verdict.FAIL, ["invariant"])


@pytest.mark.parametrize("rule", [{"maximum": 5.0}, {"minimum": 5.0}, {"equals": 5.0}, {"fail_above": 5.0}])
def test_a_value_on_the_bound_keeps_it(rule):
    assert broken_bounds(np.full(9, 5.0), MetricRule(**rule)) == []


def test_a_bound_in_the_unit_of_the_metric_is_told_in_it():
    assert "limit of 5 V, the worst 9 V" in only(ruled(noise(1), with_value(9.0, 1), fail_above=5.0, unit="V")).explanation


@pytest.mark.requirement("telemetry:W8.1.8")
def test_several_broken_invariants_are_one_finding():
    run = with_value(9.0, 3)
    run[5] = -9.0
    finding = only(ruled(noise(1), run, minimum=-5.0, maximum=5.0))
    assert (finding.kind, finding.index_range) == (Kind.INVARIANT, (3, 5))
    assert finding.explanation.count("values (0.2 %) are") == 2


def test_a_bound_is_held_against_rows_where_cells_are_missing():
    run = column(with_value(9.0, 123), missing=range(10))
    assert only(ruled(noise(1), run, maximum=5.0)).index_range == (123, 123)


def test_fewer_than_k_of_n_samples_break_nothing():
    assert ruled(noise(1), with_value(9.0, 10, 20, 30), fail_above=5.0, persistence=(2, 5)).verdict is Verdict.PASS


def test_k_of_n_samples_break_it_where_they_stand_together():
    finding = only(ruled(noise(1), with_value(9.0, 10, 200, 203, 400), fail_above=5.0, persistence=(2, 5), tests=frozenset()))
    assert finding.index_range == (200, 203)


def test_persistence_is_that_of_every_window():
    r = np.random.default_rng(1)
    for _ in range(50):
        broken, n = r.random(30) < 0.3, int(r.integers(1, 9))
        k = int(r.integers(1, n + 1))
        windows = [range(start, start + n) for start in range(31 - n) if broken[start : start + n].sum() >= k]
        expected = [bool(broken[i]) and any(i in window for window in windows) for i in range(30)]
        assert persistent(broken, k, n).tolist() == expected


# ── without a baseline ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.requirement("telemetry:W8.1.1")
def test_a_broken_limit_fails_a_run_without_a_baseline():
    comparison = alone(with_value(9.0, 123), fail_above=5.0)
    assert (comparison.verdict, only(comparison).index_range) == (Verdict.FAIL, (123, 123))


@pytest.mark.requirement("telemetry:W8.1.1")
def test_a_run_without_a_baseline_that_keeps_its_bounds_is_no_pass():
    comparison = alone(noise(1), fail_above=50.0)
    assert (comparison.verdict, metric(comparison).verdict) == (Verdict.NO_BASELINE, Verdict.NO_BASELINE)


def test_a_missing_critical_metric_fails_a_run_without_a_baseline():
    config = CompareConfig(rules={"gone": MetricRule(critical=True)})
    assert judge_alone(table(x=noise(1)), config).verdict is Verdict.FAIL


@pytest.mark.requirement("telemetry:W8.1.1")
def test_a_critical_metric_with_a_cell_that_is_no_number_fails_a_run_without_a_baseline():
    comparison = alone(column(noise(1), non_finite=1), critical=True)
    assert (comparison.verdict, kinds(comparison)) == (Verdict.FAIL, ["quarantine"])


def test_a_run_without_rows_and_without_a_baseline_is_no_data():
    assert judge_alone(table(), CompareConfig()).verdict is Verdict.NO_DATA


# ── sizes that matter ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_difference_smaller_than_what_matters_passes():
    assert ruled(noise(1), 0.6 + noise(2), min_effect=1.0).verdict is Verdict.PASS


def test_a_difference_greater_than_what_matters_is_drift():
    assert kinds(ruled(noise(1), 1.6 + noise(2), min_effect=1.0)) == ["level"]


@pytest.mark.parametrize("rule", [{"drift_threshold": 0.1}, {"max_effect": 0.1}, {"drift_percent": 1.0}])
def test_a_significant_difference_beyond_a_threshold_is_drift_though_below_the_floor(rule):
    first, second = 10.0 + noise(1, 50_000), 10.15 + noise(2, 50_000)
    assert ruled(first, second).verdict is Verdict.PASS
    assert kinds(ruled(first, second, **rule)) == ["level"]


def test_a_difference_beyond_a_threshold_that_may_be_chance_is_none():
    assert ruled(10.0 + noise(1, 30), 10.0 + noise(2, 30), drift_threshold=1e-9).findings == ()


@pytest.mark.requirement("telemetry:W8.1.1")
def test_a_percent_rule_at_a_baseline_of_0_never_passes_in_silence():
    baseline = np.tile([-1.0, 1.0], 250)
    comparison = ruled(baseline, baseline * 1.0 + 5.0, drift_percent=10.0)
    assert "level" in kinds(comparison)
    assert any("says nothing of a baseline of 0" in note for note in comparison.notes)


@pytest.mark.requirement("telemetry:W8.1.1")
def test_a_percent_rule_at_a_constant_0_never_passes():
    assert ruled(np.zeros(100), np.full(100, 1e-6), drift_percent=10.0).verdict is Verdict.PASS_WITH_DRIFT


def test_a_constant_that_changed_by_less_than_matters_passes():
    assert ruled(np.full(100, 5.0), np.full(100, 5.01), min_effect=0.1).verdict is Verdict.PASS
    assert ruled(np.full(100, 5.0), np.full(100, 5.2), min_effect=0.1).verdict is Verdict.PASS_WITH_DRIFT


def test_a_floor_of_one_metric_is_its_own():
    config = CompareConfig(rules={"x": MetricRule(level_floor=2.0)})
    comparison = compare(table(x=noise(1), y=noise(2)), table(x=1 + noise(3), y=1 + noise(4)), config=config)
    assert [finding.metric for finding in comparison.findings] == ["y"]


def test_only_the_kinds_that_are_asked_for_are_tested():
    comparison = ruled(noise(1), 3.0 * noise(2) + 2.0, tests=frozenset({Kind.SCALE}))
    assert kinds(comparison) == ["scale"]


def test_drift_of_one_metric_can_fail():
    assert ruled(noise(1), 3 + noise(2), drift_is_fail=True).verdict is Verdict.FAIL


# ── what is there ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.requirement("telemetry:W8.1.1")
def test_a_metric_that_is_critical_by_its_rule_and_missing_fails():
    config = CompareConfig(rules={"y": MetricRule(critical=True)})
    assert compare(table(x=noise(1), y=noise(2)), table(x=noise(3)), config=config).verdict is Verdict.FAIL


def test_too_few_metrics_are_at_best_a_pass_with_drift_and_said_so():
    comparison = compare(table(x=noise(1), y=noise(2)), table(x=noise(3)), config=CompareConfig())
    assert (comparison.verdict, comparison.coverage) == (Verdict.PASS_WITH_DRIFT, 0.5)
    assert "coverage: 1 of 2 metrics of the baseline have a value in the run; 100 % are asked for" in comparison.notes


def test_full_coverage_is_not_told():
    comparison = compare(table(x=noise(1)), table(x=noise(3)), config=CompareConfig())
    assert (comparison.verdict, comparison.coverage, comparison.notes) == (Verdict.PASS, 1.0, ())


@pytest.mark.requirement("telemetry:W8.1.1")
def test_an_unknown_metric_that_grew_a_milliardfold_is_drift_and_named():
    config = CompareConfig(registered=frozenset({"x"}))
    comparison = compare(table(x=noise(1), new=5 + noise(2)), table(x=noise(3), new=1e9 * (5 + noise(4))), config=config)
    assert comparison.verdict is Verdict.PASS_WITH_DRIFT
    assert {finding.metric for finding in comparison.findings} == {"new"}
    assert "not in the registry: new" in comparison.notes


def test_an_unknown_metric_fails_when_strict():
    config = CompareConfig(registered=frozenset({"x"}), strict=True)
    comparison = compare(table(x=noise(1), new=noise(2)), table(x=noise(3), new=noise(4)), config=config)
    assert (comparison.verdict, metric(comparison, "new").verdict) == (Verdict.FAIL, Verdict.FAIL)


def test_registered_metrics_pass_when_strict():
    config = CompareConfig(registered=frozenset({"x"}), strict=True)
    assert compare(table(x=noise(1)), table(x=noise(3)), config=config).verdict is Verdict.PASS


# ── form ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ({"minimum": 2.0, "maximum": 1.0}, "minimum 2 is above maximum 1"),
        ({"persistence": (3, 2)}, "persistence"),
        ({"persistence": (0, 2)}, "persistence"),
        ({"min_effect": -1.0}, "min_effect"),
        ({"fail_above": float("nan")}, "fail_above"),
        ({"scale_floor": 1.0}, "scale_floor"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused_by_its_field(rule, word):
    with pytest.raises(UsageError, match=word):
        MetricRule(**rule)


def test_strict_without_a_registry_is_refused():
    with pytest.raises(UsageError, match="strict"):
        CompareConfig(strict=True)


def test_rules_are_written_into_evidence_in_a_stable_order():
    rules = {"b": MetricRule(maximum=1.0), "a": MetricRule(tests=frozenset({Kind.LEVEL, Kind.GAP}))}
    written = CompareConfig(rules=rules, registered=frozenset({"b", "a"})).as_dict()
    assert list(written["rules"]) == written["registered"] == ["a", "b"]
    assert written["rules"]["a"]["tests"] == ["gap", "level"]


def test_range_and_worst_value_stand_in_the_document():
    (finding,) = document(ruled(noise(1), with_value(9.0, 123), maximum=5.0))["findings"]
    assert (finding["index_range"], finding["worst"]) == ([123, 123], 9.0)
