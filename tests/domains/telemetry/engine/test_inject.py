"""Faults, computed: nothing before the start, the same for the same seed, and clocks moved as they were written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.telemetry.engine.inject import DEFAULTS, Dose, Fault, differs, inject, shifted_time, targets
from trueup.kernel.errors import UsageError

CELLS = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=2, max_size=60)


@given(st.sampled_from(list(Fault)), CELLS, st.floats(0, 0.99), st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_fault_and_the_input_stays_as_it_is(fault, cells, start, seed):
    values = np.array(cells)
    kept = values.copy()
    dose = Dose(start=start, **DEFAULTS[fault])
    one, two = (inject(fault, {"m": values}, len(values), seed=seed, dose=dose) for _ in range(2))
    assert np.array_equal(values, kept, equal_nan=True)
    assert one.columns.keys() == two.columns.keys()
    assert all(np.array_equal(one.columns[name], two.columns[name], equal_nan=True) for name in one.columns)
    assert (one.repeats is None) == (two.repeats is None)
    assert one.repeats is None or np.array_equal(one.repeats, two.repeats)


@given(st.sampled_from(list(Fault)), CELLS, st.floats(0, 0.99))
def test_nothing_changes_before_the_start(fault, cells, start):
    values = np.array(cells)
    made = inject(fault, {"m": values}, len(values), seed=1, dose=Dose(start=start, **DEFAULTS[fault]))
    assert all(not differs(values, column)[: made.start].any() for column in made.columns.values())
    assert made.repeats is None or (made.repeats[: made.start] == 1).all()
    assert made.shifted is None or not made.shifted[: made.start].any()


@given(CELLS)
def test_an_empty_cell_is_filled_by_no_fault(cells):
    values = np.array(cells)
    for fault in Fault:
        made = inject(fault, {"m": values}, len(values), seed=1, dose=Dose(start=0, **DEFAULTS[fault]))
        assert all(np.isnan(column[np.isnan(values)]).all() for column in made.columns.values())


def test_columns_are_drawn_for_one_by_one():
    values = np.arange(100.0)
    made = inject(Fault.SPIKE, {"a": values, "b": values}, 100, seed=1, dose=Dose(scale=30, count=5))
    assert not np.array_equal(made.columns["a"], made.columns["b"])


@pytest.mark.parametrize(
    ("cell", "seconds", "moved"),
    [
        ("1700000000", 5, "1700000005"),
        ("1700000000000", 5, "1700000005000"),
        ("1700000000000000000", 0.5, "1700000000500000000"),
        ("12.5", 5, "17.5"),
        ("2026-01-01T00:00:00Z", -1, "2025-12-31T23:59:59Z"),
        ("2026-01-01 00:00:00", 1, "2026-01-01 00:00:01"),
        ("2026-03-29T01:59:59+01:00", 1, "2026-03-29T02:00:00+01:00"),
        ("soon", 5, None),
        ("nan", 5, None),
    ],
)
def test_a_clock_is_moved_as_it_was_written(cell, seconds, moved):
    assert shifted_time(cell, seconds) == moved


@given(st.text(max_size=30), st.floats(-1e6, 1e6))
def test_any_cell_is_a_time_or_none(cell, seconds):
    moved = shifted_time(cell, seconds)
    assert moved is None or shifted_time(moved, 0) is not None


@pytest.mark.parametrize("fault", list(Fault))
def test_a_table_without_rows_is_refused(fault):
    with pytest.raises(UsageError):
        inject(fault, {"m": np.array([])}, 0, seed=0, dose=Dose())


def test_latency_faults_prefer_what_is_called_latency():
    assert targets(Fault.LATENCY_SPIKE, ["m", "Link_RTT"], []) == ("Link_RTT",)
    assert targets(Fault.LATENCY_SPIKE, ["m"], []) == ("m",)
