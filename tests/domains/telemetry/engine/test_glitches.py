"""A few values far out hide nothing: neither a shift nor a wider scatter, and on clean data they raise no alarm."""

import numpy as np
import pytest
from scipy.signal import lfilter

from tests.domains.telemetry.engine.tables import judged
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.table import ColumnData
from trueup.kernel.words import Verdict

FAR = [1e3, 1e4, -1e6, 1e20, 1e155, 1e308]


def series(rng, n, *, level=10.0, sd=0.5, far=(), memory=0.0):
    values = rng.normal(0.0, 1.0, n)
    if memory:
        values = lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], values)
    values = level + sd * values
    values[n // 3 : n // 3 + len(far)] = far
    return values


@pytest.mark.requirement("telemetry:Q3")
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("far", FAR)
def test_a_shift_is_found_beside_values_far_out(far, count):
    rng = np.random.default_rng(7)
    found = judged(series(rng, 2000), series(rng, 2000, level=15.0, far=[far] * count))
    assert found.verdict is Verdict.PASS_WITH_DRIFT
    assert Kind.LEVEL in {finding.kind for finding in found.findings}
    (level,) = [finding for finding in found.findings if finding.kind is Kind.LEVEL]
    assert 9.0 < level.effect < 11.0


def test_a_shift_is_found_beside_a_value_far_out_in_a_long_run_whose_columns_may_be_sorted_where_they_lie():
    rng = np.random.default_rng(7)
    sides = [ColumnData(series(rng, 20_000, **more), 20_000, owned=True) for more in ({}, {"level": 15.0, "far": [1e6]})]
    assert Kind.LEVEL in {finding.kind for finding in judged(*sides).findings}


def test_a_ramp_is_found_in_a_run_whose_baseline_has_a_value_far_out():
    rng = np.random.default_rng(13)
    ramp = series(rng, 250) + np.linspace(0.0, 6.0, 250)
    assert judged(series(rng, 250, memory=0.5, far=[500.0]), ramp).findings != ()


@pytest.mark.parametrize("far", FAR)
def test_a_value_far_out_in_the_baseline_hides_no_shift(far):
    rng = np.random.default_rng(8)
    found = judged(series(rng, 2000, far=[far]), series(rng, 2000, level=12.0))
    assert Kind.LEVEL in {finding.kind for finding in found.findings}


@pytest.mark.parametrize("far", FAR)
def test_a_wider_scatter_is_found_beside_a_value_far_out(far):
    rng = np.random.default_rng(9)
    found = judged(series(rng, 2000), series(rng, 2000, sd=1.5, far=[far]))
    assert Kind.SCALE in {finding.kind for finding in found.findings}


@pytest.mark.parametrize("far", FAR)
def test_one_value_far_out_is_told_and_is_no_drift_by_itself(far):
    rng = np.random.default_rng(10)
    found = judged(series(rng, 2000), series(rng, 2000, far=[far]))
    assert (found.verdict, found.findings) == (Verdict.PASS, ())
    assert any("1 of 2,000 values of the run lie more than a full baseline range outside" in note for note in found.notes)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("sides", [(True, True), (True, False), (False, True)])
def test_values_far_out_raise_no_alarm_on_clean_data(memory, sides):
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(40):
        baseline, run = (series(rng, 1000, memory=memory, far=[1e5] * rng.integers(1, 3) if far else ()) for far in sides)
        alarms += bool([finding for finding in judged(baseline, run).findings if finding.kind is not Kind.SPIKE])
    assert alarms <= 1


def test_a_series_of_heavy_tails_raises_no_alarm():
    rng = np.random.default_rng(12)
    alarms = sum(bool(judged(rng.standard_cauchy(1000), rng.standard_cauchy(1000)).findings) for _ in range(60))
    assert alarms <= 1


def test_what_rests_at_another_value_has_changed_whatever_stands_far_out():
    baseline, run = np.full(500, 10.0), np.full(500, 15.0)
    baseline[5], run[5] = 11.0, 1e6
    (finding,) = judged(baseline, run).findings
    assert (finding.kind, "rested at 10 and now rests at 15" in finding.explanation) == (Kind.CONSTANT_CHANGED, True)


def test_what_rests_at_the_same_value_has_not():
    baseline, run = np.full(500, 10.0), np.full(500, 10.0)
    baseline[5], run[5] = 11.0, 1e6
    assert judged(baseline, run).findings == ()
