"""Events in long form are a table of their metrics."""

import duckdb
import pytest

from trueup.domains.telemetry.engine.table import clock_of
from trueup.domains.telemetry.sources.tabular import open_table


@pytest.fixture
def events(tmp_path):
    def write(rows, kinds="metric varchar, value double, time timestamp"):
        path = tmp_path / "events.parquet"
        connection = duckdb.connect()
        connection.execute(f"create table e ({kinds})")
        if rows:
            connection.executemany(f"insert into e values ({', '.join('?' * len(rows[0]))})", rows)
        connection.execute(f"copy e to '{path}' (format parquet)")
        return path

    return write


def test_every_metric_is_a_column_of_its_own_events(events, tmp_path):
    path = events([("volt", 1.0, None), ("amp", 5.0, None), ("volt", 2.0, None), ("volt", 3.0, None)])
    with open_table(path, workdir=tmp_path) as table:
        assert table.numeric == ("amp", "volt")
        assert table.rows == 3
        assert table.column("volt").values.tolist() == [1.0, 2.0, 3.0]
        assert table.column("volt").rows is None
        assert table.column("amp").total == 1


def test_values_that_are_missing_or_not_finite_are_counted(events, tmp_path):
    path = events([("x", 1.0, None), ("x", None, None), ("x", float("nan"), None), ("x", float("inf"), None), ("x", 2.0, None)])
    with open_table(path, workdir=tmp_path) as table:
        column = table.column("x")
    assert column.values.tolist() == [1.0, 2.0]
    assert column.rows.tolist() == [0, 4]
    assert (column.total, column.missing, column.quarantined) == (5, 1, {"non_finite": 2})


def test_a_metric_without_values_and_events_without_a_name_are_left_out_and_named(events, tmp_path):
    path = events([("x", 1.0, None), ("y", None, None), (None, 2.0, None)])
    with open_table(path, workdir=tmp_path) as table:
        assert table.numeric == ("x",)
        assert {item.name for item in table.excluded} == {"y", "(no name)"}
        with pytest.raises(KeyError):
            table.column("y")


def test_a_wide_table_that_has_a_column_called_value_stays_wide(events, tmp_path):
    path = events([(1.0, 2.0)], kinds="metric double, value double")
    with open_table(path, workdir=tmp_path) as table:
        assert set(table.numeric) | {item.name for item in table.excluded} == {"metric", "value"}


def test_no_events_are_a_table_of_no_rows(events, tmp_path):
    with open_table(events([]), workdir=tmp_path) as table:
        assert (table.rows, table.numeric) == (0, ())


def at(second):
    return f"2026-02-01 10:00:{second:02d}"


def test_the_events_have_a_clock_where_all_metrics_were_taken_together(events, tmp_path):
    path = events([(name, float(k), at(k)) for k in (0, 1, 2, 9) for name in ("amp", "volt")])
    with open_table(path, workdir=tmp_path) as table:
        assert clock_of(table).tolist() == [0, 1, 2, 9]


@pytest.mark.parametrize(
    "rows",
    [
        [("amp", 1.0, at(0)), ("volt", 1.0, at(0)), ("amp", 2.0, at(1)), ("volt", 2.0, at(2))],
        [("amp", 1.0, at(0)), ("volt", 1.0, at(1)), ("amp", 2.0, at(1)), ("volt", 2.0, at(0))],
        [("amp", 1.0, at(0)), ("volt", 1.0, at(0)), ("amp", 2.0, at(1))],
        [("amp", 1.0, at(0)), ("amp", 2.0, None)],
        [("amp", 1.0, at(1)), ("amp", 2.0, at(0))],
        [("amp", 1.0, None), ("amp", 2.0, None)],
    ],
)
def test_metrics_with_times_of_their_own_have_no_common_clock(events, tmp_path, rows):
    with open_table(events(rows), workdir=tmp_path) as table:
        assert clock_of(table) is None


def test_the_clock_of_events_may_be_epoch_numbers(events, tmp_path):
    path = events([("x", 1.0, 1_770_000_000_000 + 250 * k) for k in range(5)], "metric varchar, value double, time bigint")
    with open_table(path, workdir=tmp_path) as table:
        assert clock_of(table).tolist() == [0, 0.25, 0.5, 0.75, 1]
