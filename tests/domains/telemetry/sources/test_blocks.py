"""Blocks of rows: cut in turn without losing or mixing a row, and the unrest of a run."""

import duckdb
import numpy as np
import pytest

from trueup.domains.telemetry.sources.blocks import alternating_blocks, unrest
from trueup.kernel.errors import UsageError


def write(path, **columns):
    frame = {name: np.asarray(values) for name, values in columns.items()}
    connection = duckdb.connect()
    connection.register("frame", frame)
    connection.execute(f"copy (select * from frame) to '{path}' (format parquet)")
    return path


def read(path):
    return duckdb.sql(f"select row from '{path}'").fetchnumpy()["row"].tolist()


@pytest.mark.parametrize("count", [0, 1, 10, 35, 40])
def test_every_row_is_in_one_of_the_two_in_its_order(tmp_path, count):
    source = write(tmp_path / "run.parquet", row=np.arange(count, dtype=np.int64))
    even, odd = alternating_blocks(source, tmp_path, rows=10)
    assert read(even) == [n for n in range(count) if n // 10 % 2 == 0]
    assert read(odd) == [n for n in range(count) if n // 10 % 2 == 1]


def test_nothing_else_is_left_in_the_folder(tmp_path):
    source = write(tmp_path / "run.parquet", row=np.arange(40, dtype=np.int64))
    alternating_blocks(source, tmp_path, rows=10)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["even-run.parquet", "odd-run.parquet", "run.parquet"]


def test_blocks_of_no_rows_are_refused(tmp_path):
    with pytest.raises(UsageError):
        alternating_blocks(tmp_path / "run.parquet", tmp_path, rows=0)


def test_a_burst_of_one_second_is_unrest_and_a_steady_load_is_none(tmp_path):
    steady = np.tile([20.0, 30.0], 100)
    burst = steady.copy()
    burst[50:60] = 100.0
    for values, expected in ((steady, 0.0), (burst, 75.0), (steady[:5], 0.0)):
        path = write(tmp_path / "run.parquet", cpu_percent=values)
        assert unrest(path, "cpu_percent", rows=10, workdir=tmp_path) == pytest.approx(expected)
