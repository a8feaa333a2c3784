"""What a comparison of long tables may cost."""

import time
import tracemalloc

import numpy as np

from tests.domains.telemetry.engine.tables import table, ten_columns, three_drifts
from trueup.domains.telemetry.engine.compare import CompareConfig, compare

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
