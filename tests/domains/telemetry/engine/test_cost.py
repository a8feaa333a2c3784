"""What a comparison of long tables may cost."""

import time
import tracemalloc

import numpy as np
import pytest

from tests.domains.telemetry.engine.tables import table, ten_columns, three_drifts
from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.domains.telemetry.engine.metric import examine
from trueup.domains.telemetry.engine.sample import Series
from trueup.domains.telemetry.engine.table import ColumnData

MEBIBYTE = 2**20


def test_two_million_rows_of_ten_metrics_take_about_a_second():
    n = 1_000_000
    first, second = table(**ten_columns(n, 1)), table(**three_drifts(ten_columns(n, 2)))
    started = time.process_time()
    compare(first, second, config=CompareConfig())
    # measured: 0.4 s; the bound leaves room for a slower machine
    assert time.process_time() - started < 2.5


def test_a_metric_needs_no_more_than_six_arrays_of_its_length():
    n = 500_000
    r = np.random.default_rng(1)
    run = r.normal(size=n)
    run[n // 2 :] = 9.0 + 3.0 * run[n // 2 :]
    first, second = table(x=r.normal(size=n), y=r.normal(size=n)), table(x=run, y=run)
    compare(first, second, config=CompareConfig())
    tracemalloc.start()
    compare(first, second, config=CompareConfig())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6.3 * 8 * n + MEBIBYTE


def test_columns_that_nobody_else_holds_need_little_more_than_one_further_array():
    n = 500_000
    r = np.random.default_rng(1)
    first, second = (ColumnData(r.normal(size=n), n, owned=True) for _ in range(2))
    tracemalloc.start()
    examine("x", first, second, CompareConfig())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * 8 * n + MEBIBYTE


def test_columns_that_somebody_else_holds_are_left_as_they_are():
    r = np.random.default_rng(1)
    values = r.normal(size=10_000)
    kept = values.copy()
    examine("x", ColumnData(values, 10_000), ColumnData(values, 10_000), CompareConfig())
    assert np.array_equal(values, kept)


def test_columns_that_may_be_used_up_give_the_same_answer():
    r = np.random.default_rng(2)
    base, run = r.normal(size=20_000), r.normal(size=20_000) * np.where(np.arange(20_000) < 9_000, 1.0, 3.0)
    run[[5, 700, 9_000]] = 90.0
    kept, used = (
        examine("x", *(ColumnData(side.copy(), 20_000, owned=owned) for side in (base, run)), CompareConfig())
        for owned in (False, True)
    )
    assert repr(kept.detected) == repr(used.detected)
    assert np.array_equal(kept.pictures.run_histogram, used.pictures.run_histogram)


def test_values_whose_order_was_given_up_are_not_read_in_row_order():
    series = Series(np.random.default_rng(1).normal(size=5000), owned=True)
    series.give_up_order()
    assert np.all(np.diff(series.ordered) >= 0.0)
    with pytest.raises(RuntimeError, match="order"):
        _ = series.values
