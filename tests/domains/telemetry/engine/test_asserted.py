"""What asserts make of a comparison: no answer that is missing passes, and a failure says where."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domains.telemetry.engine.tables import Memory, column, metric, table
from trueup.domains.telemetry.engine.asserted import assert_alone, with_asserts
from trueup.domains.telemetry.engine.asserts import Assert, Asserted, Outcome
from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.document import document
from trueup.domains.telemetry.engine.result import Comparison, Kind
from trueup.domains.telemetry.engine.whole import examine_run
from trueup.kernel.words import Verdict

V = Verdict
N = 200


def noise(seed):
    return np.random.default_rng(seed).normal(10.0, 1.0, N)


def holding(value=100.0, **more):
    return Assert("top", "x", "<", value, **more)


def whole(*checks, baseline=True, run=None):
    run = table(x=noise(2), y=noise(3)) if run is None else run
    return examine_run(table(x=noise(1), y=noise(4)) if baseline else None, run, config=CompareConfig(), checks=checks)


def test_asserts_that_hold_leave_a_pass_a_pass():
    found = whole(holding())
    assert (found.verdict, found.findings, [one.result for one in found.asserts]) == (V.PASS, (), [Outcome.PASS])


@pytest.mark.parametrize(
    ("severity", "verdict", "findings"), [("fail", V.FAIL, 1), ("warning", V.PASS_WITH_DRIFT, 1), ("info", V.PASS, 0)]
)
def test_a_broken_assert_weighs_what_its_severity_says(severity, verdict, findings):
    found = whole(holding(11.0, severity=severity))
    assert (found.verdict, len(found.findings), found.asserts[0].result) == (verdict, findings, Outcome.FAIL)
    assert any("info" in note for note in found.notes) is (severity == "info")


def test_the_metric_of_a_broken_assert_is_no_longer_a_pass():
    found = whole(holding(11.0))
    assert (metric(found).verdict, metric(found, "y").verdict) == (V.FAIL, V.PASS)
    assert metric(found).reason.startswith("assert top does not hold")


def test_the_metric_of_an_assert_that_nobody_can_answer_is_not_judged():
    values = noise(2)
    run = table(x=column(np.r_[values, 1.0], missing=[N], text=1), y=noise(3))
    found = whole(holding(), run=run)
    assert (found.verdict, metric(found).verdict) == (V.INSUFFICIENT_DATA, V.INSUFFICIENT_DATA)


@pytest.mark.parametrize("check", [Assert("a", "gone", "<", 1.0), Assert("a", "gone", "<", 1.0, "warning")])
def test_an_assert_about_a_metric_that_is_not_there_is_never_a_pass(check):
    assert whole(check).verdict is V.INSUFFICIENT_DATA


def test_what_cannot_be_told_outweighs_drift():
    drifted = table(x=noise(2) + 2.0, y=noise(3))
    assert whole(run=drifted).verdict is V.PASS_WITH_DRIFT
    assert whole(Assert("a", "gone", "<", 1.0), run=drifted).verdict is V.INSUFFICIENT_DATA


def test_without_a_baseline_asserts_fail_a_run_and_never_pass_it():
    assert whole(holding(), baseline=False).verdict is V.NO_BASELINE
    assert whole(holding(11.0), baseline=False).verdict is V.FAIL


@pytest.mark.parametrize("run", [table(x=[]), Memory({})])
def test_a_run_without_rows_is_no_data(run):
    found = assert_alone(run, [holding()])
    assert (found.verdict, found.asserts[0].result) == (V.NO_DATA, Outcome.UNKNOWN)


@pytest.mark.requirement("telemetry:S5.1")
def test_a_finding_of_an_assert_has_rows_times_values_and_the_condition():
    class Timed(Memory):
        def clock(self):
            return 0.5 * np.arange(self.rows)

    values = np.zeros(10)
    values[[4, 6]] = (12.51, 13.0)
    (finding,) = assert_alone(Timed(table(x=values).columns), [holding(12.5)]).findings
    assert (finding.kind, finding.index_range, finding.time_range, finding.onset_index) == (Kind.ASSERT, (4, 6), (2.0, 3.0), 4)
    assert (finding.run["first_values"], finding.run["first_rows"], finding.run["first_times_s"]) == (
        (12.51, 13.0),
        (4, 6),
        (2.0, 3.0),
    )
    assert finding.explanation == (
        "x: assert top (x < 12.5) does not hold in 2 of 10 samples, rows 4 to 6, 2 to 3 s after the first row; "
        "first values 12.51, 13"
    )


def test_failures_come_first_and_warnings_last():
    drifted = table(x=noise(2) + 2.0, y=noise(3))
    low, high = Assert("low", "y", "<", 10.0, "warning"), Assert("high", "y", "<", 11.0)
    found = whole(low, high, run=drifted)
    assert [(one.metric, one.kind) for one in found.findings] == [
        ("y", Kind.ASSERT),
        ("x", Kind.LEVEL),
        ("y", Kind.ASSERT),
    ]


def test_the_conditions_stand_among_the_numbers_that_decided():
    assert whole(holding()).config["asserts"] == [holding().as_dict()]
    assert "asserts" not in whole().config


def test_the_document_of_asserts_is_plain_data():
    body = document(whole(holding(11.0), Assert("list", "y", "not_in", (1.0, 2.0))))
    assert [item["result"] for item in body["asserts"]] == ["fail", "pass"]
    assert (body["asserts_verdict"], body["asserts"][1]["value"]) == ("FAIL", [1.0, 2.0])
    assert document(whole())["asserts_verdict"] is None


ANSWERS = st.builds(
    lambda severity, result: Asserted(
        Assert("a", "x", "<", 1.0, severity), result, "…", samples=2, count=1, rows=(0,), values=(2.0,)
    ),
    st.sampled_from(["info", "warning", "fail"]),
    st.sampled_from(list(Outcome)),
)


@given(st.sampled_from(list(Verdict)), st.lists(ANSWERS, max_size=6), ANSWERS)
def test_one_more_assert_never_makes_a_verdict_better(verdict, answers, more):
    answers = [replace(one, check=replace(one.check, id=f"a{place}")) for place, one in enumerate(answers)]
    bare = Comparison(verdict, (), (), (), (), 5, 5, {})
    order = [V.PASS, V.PASS_WITH_DRIFT, V.INSUFFICIENT_DATA, V.NO_BASELINE, V.UNKNOWN, V.STALE, V.NO_DATA, V.FAIL]
    some = with_asserts(bare, answers).verdict if answers else verdict
    assert order.index(with_asserts(bare, [*answers, more]).verdict) >= order.index(some) >= order.index(verdict)


def test_no_assert_at_all_is_nothing_to_pass_by():
    assert with_asserts(Comparison(V.PASS, (), (), (), (), 5, 5, {}), ()).verdict is V.INSUFFICIENT_DATA
