"""The clock of a file: the one sound time column, in seconds; none where there is none, or more than one."""

import json

import duckdb
import numpy as np
import pytest

from trueup.domains.telemetry.engine.clock import is_time
from trueup.domains.telemetry.engine.table import clock_of
from trueup.domains.telemetry.sources.tabular import open_table

ROWS = 50
EPOCH_MS = 1_700_000_000_000


def rows(**columns):
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def csv(path, records):
    path.write_text("\n".join([",".join(records[0]), *(",".join(map(str, one.values())) for one in records)]) + "\n")


def jsonl(path, records):
    path.write_text("".join(json.dumps({key: cell for key, cell in one.items() if cell != ""}) + "\n" for one in records))


def parquet(path, records):
    source = path.with_suffix(".csv")
    csv(source, records)
    duckdb.sql(f"copy (from read_csv('{source}')) to '{path}' (format parquet)")


WRITERS = {"csv": csv, "jsonl": jsonl, "parquet": parquet}


@pytest.fixture(params=WRITERS)
def clock(request, tmp_path):
    def read(**columns):
        path = tmp_path / f"run.{request.param}"
        WRITERS[request.param](path, rows(**columns))
        with open_table(path, workdir=tmp_path / "work") as table:
            return clock_of(table)

    return read


X = np.random.default_rng(1).normal(size=ROWS).tolist()


def test_an_epoch_is_read_in_seconds_from_the_first_row(clock):
    found = clock(ts=[EPOCH_MS + 250 * k for k in range(ROWS)], x=X)
    assert found.tolist() == pytest.approx([0.25 * k for k in range(ROWS)])


def test_the_unit_in_a_name_counts(clock):
    assert clock(elapsed_ms=[20 * k for k in range(ROWS)], x=X)[-1] == pytest.approx(0.02 * (ROWS - 1))


def test_without_a_time_column_there_is_no_clock(clock):
    assert clock(x=X, y=X[::-1]) is None


def test_two_time_columns_are_no_clock(clock):
    assert clock(ts=[EPOCH_MS + k for k in range(ROWS)], elapsed_ms=list(range(ROWS)), x=X) is None


def test_a_time_that_falls_is_no_clock(clock):
    assert clock(ts=[EPOCH_MS + 1000 * k for k in (1, 0, *range(2, ROWS))], x=X) is None


def test_a_time_with_an_empty_cell_is_no_clock(clock):
    assert clock(ts=[EPOCH_MS + 1000 * k if k != 7 else "" for k in range(ROWS)], x=X) is None


def test_only_time_columns_are_clocks():
    assert is_time("time column (by name, epoch ms)")
    assert not is_time("row counter (one more in every row)")
