"""The detection matrix in small, with fixed seeds; the whole one is measured by the benchmark."""

import pytest

from benchmarks.telemetry.faults import FAULTS, SERIES
from benchmarks.telemetry.matrix import false_alarms, page, power, trials_of, wilson


@pytest.mark.requirement("telemetry:W8.1.5")
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_of_the_matrix_is_found_under_its_name_alone(fault):
    found = power(fault, 1_000, 40)
    assert found["named"] >= 38
    assert found["alone"] >= 38


@pytest.mark.requirement("telemetry:W8.1.6")
@pytest.mark.parametrize("n", [20, 300])
@pytest.mark.parametrize("series", SERIES)
def test_runs_without_a_fault_raise_no_alarm(series, n):
    # 40 runs at 1 %: three or more have a probability of 1 %
    assert false_alarms(series, n, 40)["alarms"] <= 2


@pytest.mark.parametrize("series", ["autoregression 0.5", "autoregression 0.9", "normal"])
def test_three_hundred_values_are_judged(series):
    assert false_alarms(series, 300, 40)["not_judged"] == 0


def test_wilsons_interval_is_that_of_the_books():
    assert wilson(8, 10) == pytest.approx((0.490, 0.943), abs=0.001)
    assert wilson(0, 10)[0] == 0.0


def test_long_series_are_given_fewer_trials():
    assert [trials_of(n, 600) for n in (20, 3_000, 100_000)] == [600, 600, 20]


def test_the_page_holds_every_row():
    found = {"metrics": 10, "power": [power("mean + 0.5 sd", 200, 2)], "false_alarms": [false_alarms("constant", 20, 2)]}
    text = page(found)
    assert "| mean + 0.5 sd | `level` | 2 | 100.0 |" in text
    assert "| constant | 20 | 2 | 0 | 0.0 (0.0–65.8) | 0.0 |" in text
