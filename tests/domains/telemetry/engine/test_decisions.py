"""Weaknesses of one-number comparisons that must not come back, and decisions that are the same to the last byte."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.domains.telemetry.engine.tables import judged, only, table
from trueup.domains.telemetry.engine.asserts import Assert
from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.domains.telemetry.engine.config import MetricRule
from trueup.domains.telemetry.engine.document import document
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.whole import examine_run
from trueup.kernel.evidence.engine.encode import encode
from trueup.kernel.words import Verdict

N = 600


def noise(seed, n=N):
    return np.random.default_rng(seed).normal(size=n)


@pytest.mark.requirement("telemetry:W8.1.5")
def test_a_run_with_the_mean_and_the_last_value_of_its_baseline_is_still_found_different():
    baseline, run = noise(1), 3.0 * noise(2)
    run[-1] = baseline[-1]
    run[:-1] += (baseline.sum() - run.sum()) / (N - 1)
    assert (run.mean(), run[-1]) == (pytest.approx(baseline.mean()), baseline[-1])
    assert only(judged(baseline, run)).kind is Kind.SCALE


@pytest.mark.requirement("telemetry:W8.1.6")
@pytest.mark.parametrize("values", [np.full(N, 3.0), np.random.default_rng(3).poisson(2.0, N).astype(float)])
def test_identical_samples_with_ties_have_a_distance_of_0(values):
    found = judged(values, values.copy())
    assert found.verdict is Verdict.PASS
    assert all(test.statistic == 0.0 for test in found.metrics[0].tests if test.kind is Kind.SHAPE)


@pytest.mark.requirement("telemetry:W8.1.6")
def test_the_distribution_test_is_carried_out_on_every_metric_and_adjusted():
    found = compare(table(a=noise(1), b=noise(2)), table(a=noise(3), b=noise(4)), config=CompareConfig())
    tests = {(metric.metric, test.name) for metric in found.metrics for test in metric.tests}
    assert {("a", "kolmogorov_smirnov"), ("b", "kolmogorov_smirnov")} <= tests


@pytest.mark.requirement("telemetry:W8.1.6")
@pytest.mark.parametrize("n", [2, 10, 19])
def test_samples_too_small_for_the_test_are_not_judged(n):
    assert judged(noise(1, n), 5.0 + noise(2, n)).verdict is Verdict.INSUFFICIENT_DATA


@pytest.mark.requirement("telemetry:W8.1.7")
@given(st.floats(-50.0, 50.0), st.sampled_from([-1.0, 1.0]), st.floats(0.6, 40.0))
def test_a_decrease_is_told_as_a_decrease_and_an_increase_as_an_increase(level, sign, size):
    finding = only(judged(level + noise(1), level + sign * size + noise(2)))
    before, after = finding.baseline["mean"], finding.run["mean"]
    assert (after < before) is (sign < 0)
    assert f"x {'fell' if sign < 0 else 'rose'} from " in finding.explanation
    wrong = ("rose", "increase", "grew") if sign < 0 else ("fell", "decrease", "shrank", "−−")
    assert not any(word in finding.explanation for word in wrong)


@pytest.mark.requirement("telemetry:W8.1.7")
@pytest.mark.parametrize(("cut", "stop"), [(300, N), (0, 300), (0, N)])
def test_a_change_is_said_to_last_only_where_it_does(cut, stop):
    rows = np.arange(N)
    finding = only(judged(noise(1), noise(2) + 3.0 * ((rows >= cut) & (rows < stop))))
    lasts = stop == N
    assert (finding.onset_index is not None) is lasts
    assert not any(word in finding.explanation for word in ("consecutive", "cycles", "in a row"))
    if cut:
        assert finding.onset_index == pytest.approx(cut, abs=0.02 * N)


@pytest.mark.requirement("telemetry:W8.1.7")
def test_persistence_is_quoted_only_where_it_was_checked():
    values = np.zeros(50)
    values[[10, 30]] = 9.0
    plain, lasting = Assert("a", "x", "<", 5.0), Assert("b", "x", "<", 5.0, persistence=(2, 5))
    first, second = examine_run(None, table(x=values), config=CompareConfig(), checks=(plain, lasting)).asserts
    assert ("in a row" in first.check.condition, "2 of 5 in a row" in second.check.condition) == (False, True)
    assert [str(one.result) for one in (first, second)] == ["fail", "pass"]


@pytest.mark.requirement("telemetry:W8.1.8")
def test_the_order_of_findings_knows_no_unit_and_lists_no_metric_twice():
    shifts = {"small": 1.0, "middle": 3.0, "large": 9.0}
    orders = set()
    for factors in ((1.0, 1.0, 1.0), (1e9, 1.0, 1e-9), (1e-6, 1e6, 1.0)):
        sides = [
            table(**{
                name: factor * (noise(place + 10 * side) + side * shift)
                for place, ((name, shift), factor) in enumerate(zip(shifts.items(), factors, strict=True))
            })
            for side in (0, 1)
        ]  # fmt: skip
        findings = compare(*sides, config=CompareConfig()).findings
        assert len({(finding.metric, finding.kind) for finding in findings}) == len(findings)
        orders.add(tuple(dict.fromkeys(finding.metric for finding in findings)))
    assert orders == {("large", "middle", "small")}


@pytest.mark.requirement("telemetry:Q4")
def test_signals_that_contradict_each_other_fail_and_each_is_named_with_its_side():
    rules = {name: MetricRule(drift_is_fail=True) for name in ("left", "right")}
    first, run = table(left=noise(1), right=noise(2)), table(left=noise(3) + 2.0, right=noise(4) - 2.0)
    found = compare(first, run, config=CompareConfig(rules=rules))
    assert found.verdict is Verdict.FAIL
    said = {finding.metric: finding.explanation for finding in found.findings}
    assert {name: ("rose" in words, "fell" in words) for name, words in said.items()} == {
        "left": (True, False),
        "right": (False, True),
    }
    assert [metric.verdict for metric in found.metrics] == [Verdict.FAIL, Verdict.FAIL]


@pytest.mark.requirement("telemetry:Q4")
def test_a_signal_that_improves_does_not_make_up_for_one_that_breaks():
    rules = {"left": MetricRule(fail_above=6.0), "right": MetricRule(fail_above=6.0)}
    run = table(left=noise(3) - 2.0, right=noise(4) + 6.0)
    found = compare(table(left=noise(1), right=noise(2)), run, config=CompareConfig(rules=rules))
    assert found.verdict is Verdict.FAIL
    assert {finding.metric for finding in found.findings if finding.kind is Kind.LIMIT} == {"right"}


def decided():
    """Return the bytes of a decision with findings of many kinds, asserts and an outlook."""
    first, run = table(a=noise(1), b=noise(2), c=noise(3)), table(a=noise(4) + 1.0, b=3.0 * noise(5), d=noise(6))
    rules = {name: MetricRule(maximum=9.0, critical=name == "c") for name in "abc"}
    checks = (Assert("one", "a", "<", 2.0), Assert("two", "gone", "in", (1.0, 2.0)))
    config = CompareConfig(rules=rules, registered=frozenset("abc"))
    return encode(document(examine_run(first, run, config=config, checks=checks)))


@pytest.mark.requirement("telemetry:Q8")
def test_twenty_repeats_of_a_decision_are_the_same_to_the_last_byte():
    assert len({decided() for _ in range(20)}) == 1


@pytest.mark.requirement("telemetry:Q8")
def test_a_decision_does_not_depend_on_how_a_process_orders_its_sets():
    code = "import sys; from tests.domains.telemetry.engine.test_decisions import decided; sys.stdout.buffer.write(decided())"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        )
        assert json.loads(done.stdout) == json.loads(decided())
        assert done.stdout == decided()
