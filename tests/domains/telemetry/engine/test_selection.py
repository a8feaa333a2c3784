"""Which baseline is chosen: the decision table, and that nothing is chosen for want of something better."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.telemetry.engine.circumstances import CONTEXT, Circumstances, Level, Scope, likeness
from trueup.domains.telemetry.engine.selection import Candidate, Form, Strategy, Wanted, choose

T0 = datetime(2026, 3, 1, tzinfo=UTC)
HERE = Scope("P", "psu", "burn-in")


def run(name, *, trusted=True, hours=0, scope=HERE, **context):
    return Candidate(Form.RUN, f"id-{name}", name, Circumstances(scope, context), T0 + timedelta(hours=hours), trusted=trusted)


def version(name, *, tags=(), trusted=True, hours=0, scope=HERE, **context):
    at = T0 + timedelta(hours=hours)
    return Candidate(Form.VERSION, f"id-{name}", name, Circumstances(scope, context), at, frozenset(tags), trusted)


def wanted(strategy, *, must_match=(), name="", scope=HERE, tag="golden", **context):
    before = T0 + timedelta(hours=100)
    return Wanted("id-me", Circumstances(scope, context), before, strategy, tag=tag, must_match=must_match, name=name)


@pytest.mark.requirement("telemetry:S5.3")
@pytest.mark.parametrize("strategy", [Strategy.GOLDEN, Strategy.LAST_PASS, Strategy.ROLLING])
def test_an_empty_store_has_no_baseline(strategy):
    assert choose(wanted(strategy), []).candidate is None


@pytest.mark.requirement("telemetry:S5.3")
def test_a_run_that_cannot_stand_for_a_baseline_is_nobodys_last_pass():
    chosen = choose(wanted(Strategy.LAST_PASS), [run("a", trusted=False)])
    assert (chosen.candidate, chosen.reason.partition(":")[0]) == (None, "no_passed_runs")


@pytest.mark.requirement("telemetry:S5.3")
def test_the_newest_run_that_passed_is_the_last_pass():
    found = [run("old", hours=1), run("new", hours=5), run("failed", hours=9, trusted=False)]
    assert choose(wanted(Strategy.LAST_PASS), found).candidate.name == "new"


def test_a_run_recorded_later_is_not_the_baseline_of_an_earlier_one():
    assert choose(wanted(Strategy.LAST_PASS), [run("later", hours=200)]).candidate is None


@pytest.mark.requirement("telemetry:S5.3", "telemetry:W8.1.4")
def test_runs_that_state_no_program_are_comparable_with_each_other_and_with_no_other():
    nowhere = Scope()
    found = [run("unnamed", scope=nowhere), run("named")]
    assert choose(wanted(Strategy.LAST_PASS, scope=nowhere), found).candidate.name == "unnamed"
    assert choose(wanted(Strategy.LAST_PASS, scope=nowhere), found[1:]).candidate is None


@pytest.mark.requirement("telemetry:S5.3")
def test_another_programs_golden_version_is_not_ours():
    other = version("theirs", tags=["golden"], scope=Scope("Q", "psu", "burn-in"))
    chosen = choose(wanted(Strategy.GOLDEN), [other, version("untagged")])
    assert (chosen.candidate, chosen.reason.partition(":")[0]) == (None, "tag_not_found")


def test_the_version_that_bears_the_tag_is_chosen_and_no_newer_one():
    found = [version("good", tags=["golden"], hours=1), version("newer", hours=5), version("pilot", tags=["pilot"], hours=9)]
    assert choose(wanted(Strategy.GOLDEN), found).candidate.name == "good"
    assert choose(wanted(Strategy.GOLDEN, tag="pilot"), found).candidate.name == "pilot"
    assert choose(wanted(Strategy.ROLLING), found).candidate.name == "pilot"


@pytest.mark.requirement("telemetry:W8.1.3")
def test_a_version_that_nobody_consented_to_is_not_the_rolling_one():
    chosen = choose(wanted(Strategy.ROLLING), [version("anybodys", trusted=False)])
    assert (chosen.candidate, chosen.reason.partition(":")[0]) == (None, "no_versions")


def test_the_closest_circumstances_come_before_the_newest():
    found = [run("near", hours=1, environment="lab", operating_mode="nominal"), run("far", hours=5, environment="lab")]
    chosen = choose(wanted(Strategy.LAST_PASS, environment="lab", operating_mode="nominal"), found)
    assert (chosen.candidate.name, chosen.level) == ("near", Level.HIGH)


def test_circumstances_that_must_match_and_do_not_leave_no_baseline():
    found = [run("hot", environment="oven"), run("unsaid")]
    chosen = choose(wanted(Strategy.LAST_PASS, must_match=("environment",), environment="lab"), found)
    assert (chosen.candidate, chosen.reason.partition(":")[0]) == (None, "context_mismatch")
    assert "environment" in chosen.reason


def test_circumstances_that_differ_where_they_may_are_told():
    chosen = choose(wanted(Strategy.LAST_PASS, environment="lab"), [run("hot", environment="oven")])
    assert chosen.level is Level.LOW
    assert chosen.notes == ("environment of the baseline is oven, of the run lab",)


def test_a_named_baseline_of_another_scope_is_taken_and_told():
    other = version("v1", scope=Scope("Q", "", ""))
    chosen = choose(wanted(Strategy.EXPLICIT, name="v1"), [other])
    assert chosen.candidate == other
    assert "the baseline is of Q" in chosen.notes[0]


def test_a_run_is_not_held_against_itself():
    me = Candidate(Form.RUN, "id-me", "me", Circumstances(HERE), T0, trusted=True)
    for strategy in Strategy:
        assert choose(wanted(strategy, name="me"), [me]).candidate is None


@pytest.mark.parametrize(
    ("ours", "theirs", "level"),
    [
        ({}, {"environment": "lab"}, Level.NONE),
        ({"environment": "lab"}, {"environment": "lab"}, Level.HIGH),
        ({"environment": "lab", "scenario_id": "s"}, {"environment": "lab"}, Level.MED),
        ({"environment": "lab"}, {}, Level.LOW),
    ],
)
def test_likeness_has_four_levels(ours, theirs, level):
    assert likeness(ours, theirs).level is level


_contexts = st.dictionaries(st.sampled_from(CONTEXT), st.sampled_from(["a", "b"]))
_runs = st.lists(st.tuples(_contexts, st.booleans(), st.integers(0, 50), st.sampled_from([HERE, Scope()])), max_size=8)


@given(_runs, _contexts, st.sets(st.sampled_from(CONTEXT)), st.randoms())
def test_the_choice_is_eligible_and_does_not_depend_on_the_order(made, ours, must, rng):
    found = [run(f"r{i}", trusted=v, hours=h, scope=s, **c) for i, (c, v, h, s) in enumerate(made)]
    asked = wanted(Strategy.LAST_PASS, must_match=tuple(must), **ours)
    chosen = choose(asked, found).candidate
    if chosen is not None:
        assert chosen.trusted
        assert chosen.circumstances.scope == HERE
        assert all(chosen.circumstances.context.get(name) == ours[name] for name in must if name in ours)
    shuffled = list(found)
    rng.shuffle(shuffled)
    assert choose(asked, shuffled).candidate == chosen
