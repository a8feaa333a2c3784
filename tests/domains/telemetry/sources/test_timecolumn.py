"""Clocks and row counters are recognised; what merely resembles one stays a metric."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.timecolumn import epoch_unit, has_counter_name, has_time_name, time_reason

CLOCKS = (
    "ts",
    "TS",
    "time",
    "Timestamp",
    "datetime",
    "date",
    "epoch",
    "time_ms",
    "Time (s)",
    "eventTime",
    "unix_time",
    "timestamp_utc",
    "t",
    "t_s",
    "t [ms]",
    "elapsed_s",
)
METRICS = (
    "response_time",
    "cpu_time",
    "uptime",
    "T",
    "T1",
    "t1",
    "temp",
    "lap_time",
    "time_to_first_byte",
    "runtime",
    "m00",
    "timeouts",
    "system_time",
)
RNG = np.random.default_rng(11)
type Floats = NDArray[np.float64]

RISING: Floats = np.arange(100, dtype=np.float64) * 0.1
EPOCH_MS: Floats = 1.7e12 + np.arange(100, dtype=np.float64) * 100.0


@pytest.mark.parametrize("name", CLOCKS)
def test_a_time_name_with_values_that_never_fall_is_a_clock(name: str) -> None:
    assert time_reason(name, RISING) == "time column (by name, never falls)"


@pytest.mark.parametrize("name", METRICS)
def test_a_rising_metric_with_a_name_that_only_resembles_time_stays_a_metric(name: str) -> None:
    assert time_reason(name, RISING) is None


def test_a_time_name_with_falling_values_stays_a_metric() -> None:
    assert time_reason("time", RNG.normal(5, 1, 100)) is None


def test_a_time_name_with_a_constant_that_is_no_moment_stays_a_metric() -> None:
    assert time_reason("time", np.full(50, 5.0)) is None


def test_a_time_name_with_epoch_values_out_of_order_is_a_clock() -> None:
    assert time_reason("ts", EPOCH_MS[::-1]) == "time column (by name, epoch ms)"


@pytest.mark.parametrize(("factor", "unit"), [(1.0, "s"), (1e3, "ms"), (1e6, "µs"), (1e9, "ns")])
def test_regular_epoch_values_are_a_clock_under_any_neutral_name(factor: float, unit: str) -> None:
    values: Floats = (1.7e9 + np.arange(100, dtype=np.float64)) * factor
    assert time_reason("x", values) == f"time column (by value, epoch {unit})"


def test_integer_milliseconds_with_repeats_and_jitter_are_a_clock() -> None:
    steps = RNG.choice([0.0, 98.0, 100.0, 102.0], 500)
    assert time_reason("x", 1.7e12 + np.cumsum(steps, dtype=np.float64)) == "time column (by value, epoch ms)"


def test_a_leak_whose_bytes_look_like_seconds_stays_a_metric() -> None:
    assert time_reason("rss_bytes", 1.5e9 + np.arange(1000, dtype=np.float64) * 4096.0) is None
    assert time_reason("x", 1.5e9 + np.cumsum(RNG.exponential(1e5, 1000), dtype=np.float64)) is None


def test_a_constant_in_the_range_of_epoch_seconds_stays_a_metric() -> None:
    assert time_reason("x", np.full(100, 1.7e9)) is None


def test_a_rising_counter_outside_every_epoch_range_stays_a_metric() -> None:
    assert time_reason("x", np.arange(100, dtype=np.float64) * 7.0) is None
    assert time_reason("packets", np.arange(100.0, dtype=np.float64)) is None


@pytest.mark.parametrize("name", ["index", "Index", "row", "seq", "Unnamed: 0", "column0", "row_id", "sample", "", "#", "no."])
def test_a_counter_name_with_steps_of_one_is_a_row_counter(name: str) -> None:
    assert time_reason(name, np.arange(5.0, 90.0, dtype=np.float64)) == "row counter (one more in every row)"


def test_a_row_counter_with_missing_cells_still_counts_rows() -> None:
    rows = np.array([0, 1, 4, 7], dtype=np.int64)
    assert time_reason("index", rows.astype(np.float64) + 10.0, rows=rows) == "row counter (one more in every row)"


@pytest.mark.parametrize(
    "values", [np.arange(50, dtype=np.float64) * 2.0, np.array([1.0, 2.0, 4.0]), np.array([3.0, 2.0, 1.0]), np.array([7.0])]
)
def test_a_counter_name_without_steps_of_one_stays_a_metric(values: Floats) -> None:
    assert time_reason("index", values) is None


def test_no_values_are_no_clock() -> None:
    assert time_reason("ts", np.array([])) is None
    assert epoch_unit(np.array([])) is None


def test_two_values_are_too_few_to_be_a_clock_by_value() -> None:
    assert time_reason("x", EPOCH_MS[:2]) is None


def test_names_are_read_in_any_writing() -> None:
    assert has_time_name("SampleTimestampUTC")
    assert not has_time_name("")
    assert has_counter_name("rowNumber")
    assert not has_counter_name("row_count")


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=50), st.sampled_from(["m00", "rss_bytes", "latency_ms", "T1"]))
def test_values_below_every_epoch_are_never_a_clock_under_a_metric_name(values: list[float], name: str) -> None:
    assert time_reason(name, np.sort(np.array(values))) is None
