"""Many runs at a glance: never better than the worst of them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.telemetry.engine.rollup import Judged, rollup
from trueup.kernel.words import Verdict

T0 = datetime(2026, 3, 1, tzinfo=UTC)


def run(n, verdict="PASS", *found):
    return Judged(f"r{n}", T0 + timedelta(hours=n), verdict, found)


def test_no_runs_are_unknown_and_no_pass():
    assert rollup([]).verdict is Verdict.UNKNOWN


def test_a_run_that_was_never_analysed_is_unknown():
    found = rollup([run(1), run(2, "")])
    assert (found.verdict, found.counts) == (Verdict.UNKNOWN, {"UNKNOWN": 1, "PASS": 1})


def test_metrics_are_ranked_by_the_runs_they_drifted_in():
    runs = [
        run(1, "PASS_WITH_DRIFT", ("volt", "level"), ("volt", "scale")),
        run(2, "PASS_WITH_DRIFT", ("amp", "level"), ("volt", "level")),
        run(3, "FAIL", ("amp", "trend")),
    ]
    found = rollup(runs, top=1)
    assert [(item.metric, item.runs, item.kinds, item.latest) for item in found.recurring] == [
        ("amp", 2, ("trend", "level"), True)
    ]
    assert found.concentration == 0.6
    assert found.order == ("r3", "r2", "r1")


def test_the_streak_counts_the_newest_runs_that_passed():
    assert rollup([run(1, "FAIL"), run(2), run(3)]).streak == 2
    assert rollup([run(1), run(2, "FAIL")]).streak == 0
    assert rollup([run(1), run(2)]).streak == 2


@given(st.lists(st.sampled_from([*map(str, Verdict), ""]), max_size=12), st.randoms())
def test_all_passed_is_said_only_when_all_did_and_the_order_does_not_matter(verdicts, rng):
    runs = [run(n, verdict) for n, verdict in enumerate(verdicts)]
    found = rollup(runs)
    assert (found.verdict is Verdict.PASS) == (bool(verdicts) and set(verdicts) == {"PASS"})
    assert sum(found.counts.values()) == len(verdicts)
    rng.shuffle(runs)
    assert rollup(runs) == found
