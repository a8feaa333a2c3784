"""Dates as clocks: what is read, what is not guessed, and that a clock's steps are exact whatever its writing (Q7)."""

import json
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.domains.telemetry.engine.table import clock_of
from trueup.domains.telemetry.sources.cells import Cell, text_cell
from trueup.domains.telemetry.sources.moments import micros, micros_sql
from trueup.domains.telemetry.sources.relation import kind_sql
from trueup.domains.telemetry.sources.tabular import open_table

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 2, 1, 10, 11, 12, tzinfo=UTC)


def csv(path, times):
    path.write_text("when,x\n" + "".join(f"{time},{n % 7}\n" for n, time in enumerate(times)))


def jsonl(path, times):
    path.write_text("".join(json.dumps({"when": time, "x": n % 7}) + "\n" for n, time in enumerate(times)))


def parquet_text(path, times):
    pq.write_table(pa.table({"when": list(times), "x": [n % 7 for n in range(len(times))]}), path)


WRITERS = {"t.csv": csv, "t.jsonl": jsonl, "t.parquet": parquet_text}


@pytest.fixture(params=WRITERS)
def read(request, tmp_path):
    """Return a column of texts as the table's clock and the reason why it is not compared."""

    def table_of(times):
        path = tmp_path / request.param
        WRITERS[request.param](path, times)
        with open_table(path, workdir=tmp_path / "work") as table:
            reasons = {item.name: item.reason for item in table.excluded}
            return clock_of(table), reasons.get("when")

    return table_of


def steps(moments):
    return np.array([(at - moments[0]).total_seconds() for at in moments])


EVERY = [START + timedelta(milliseconds=250 * k) for k in range(20)]
WRITINGS = [
    ("with", [at.isoformat() for at in EVERY]),
    ("with", [at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for at in EVERY]),
    ("with", [at.astimezone(timezone(timedelta(hours=-5, minutes=-30))).isoformat(" ") for at in EVERY]),
    ("without", [at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] for at in EVERY]),
]


@pytest.mark.parametrize(("words", "times"), WRITINGS)
def test_a_column_of_iso_dates_is_the_clock_and_never_a_metric(read, words, times):
    clock, reason = read(times)
    assert clock.tolist() == steps(EVERY).tolist()
    assert reason == f"time column (by date, {words} a zone)"


def test_days_are_a_clock(read):
    assert read(["2026-02-27", "2026-02-28", "2026-03-01"])[0].tolist() == [0, 86_400, 172_800]


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (["01/02/2026", "02/02/2026", "13/02/2026"], "not guessed"),
        (["1.2.2026 10:00", "2.2.2026 10:00", "3.2.2026 10:00"], "not guessed"),
        (["2026/02/01", "2026/02/02", "2026/02/03"], "not guessed"),
        (["10:11:12", "10:11:13", "10:11:14"], "not as ISO 8601 with a date"),
        (["2026-02-01 10:11:12 PM", "2026-02-01 10:11:13 PM", "2026-02-01 10:11:14 PM"], "not as ISO 8601"),
        (["2026-02-01T10:00:00Z", "2026-02-01T10:00:01Z", "2026-02-01T10:00:02"], "some with a zone and some without"),
    ],
)
def test_what_cannot_be_told_apart_is_neither_guessed_nor_compared(read, times, words):
    clock, reason = read(times)
    assert clock is None
    assert words in reason


def test_a_day_that_the_calendar_does_not_have_spoils_the_clock(read):
    assert read(["2026-02-27T00:00:00Z", "2026-02-30T00:00:00Z", "2026-03-01T00:00:00Z"])[0] is None


def test_an_empty_cell_spoils_the_clock(read):
    assert read(["2026-02-27T00:00:00Z", "", "2026-03-01T00:00:00Z"])[0] is None


def test_a_number_is_the_clock_where_a_date_says_the_same_once_more(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("ts,when,x\n" + "".join(f"{at.timestamp()},{at.isoformat()},{n % 3}\n" for n, at in enumerate(EVERY)))
    with open_table(path, workdir=tmp_path / "work") as table:
        assert clock_of(table).tolist() == steps(EVERY).tolist()


@pytest.mark.parametrize(
    ("kind", "per_second"),
    [
        (pa.timestamp("s"), 1),
        (pa.timestamp("ms"), 10**3),
        (pa.timestamp("us"), 10**6),
        (pa.timestamp("ns"), 10**9),
        (pa.timestamp("us", tz="Europe/Berlin"), 10**6),
        (pa.date32(), None),
    ],
)
def test_a_column_of_times_by_type_is_the_clock(tmp_path, kind, per_second):
    path, first = tmp_path / "t.parquet", 20_485 if per_second is None else 1_770_000_000 * per_second
    pq.write_table(pa.table({"when": pa.array([first + k * (per_second or 1) for k in range(5)], kind), "x": range(5)}), path)
    with open_table(path, workdir=tmp_path / "work") as table:
        assert clock_of(table).tolist() == [k * (1 if per_second else 86_400) for k in range(5)]
        assert table.excluded[0].reason.startswith("time column (by type, ")


def test_a_null_among_times_by_type_spoils_the_clock(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"when": pa.array([1, None, 3], pa.timestamp("s")), "x": [1, 5, 2]}), path)
    with open_table(path, workdir=tmp_path / "work") as table:
        assert clock_of(table) is None


@pytest.mark.requirement("telemetry:Q7")
def test_a_clock_with_a_zone_is_even_across_the_change_to_and_from_summer_time(read):
    for day in (datetime(2026, 3, 29, tzinfo=BERLIN), datetime(2026, 10, 25, tzinfo=BERLIN)):
        first = day.astimezone(UTC)
        local = [(first + timedelta(minutes=30 * k)).astimezone(BERLIN).isoformat() for k in range(12)]
        assert np.diff(read(local)[0]).tolist() == [1_800.0] * 11


@pytest.mark.requirement("telemetry:Q7")
def test_a_local_clock_that_is_put_back_is_no_clock(read):
    first = datetime(2026, 10, 25, 0, 0, tzinfo=UTC) - timedelta(hours=1)
    local = [(first + timedelta(minutes=30 * k)).astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S") for k in range(8)]
    assert read(local)[0] is None


@pytest.mark.requirement("telemetry:Q7")
def test_a_clock_never_falls_over_a_leap_second(read):
    times = [
        "2016-12-31T23:59:59.5Z",
        "2016-12-31T23:59:60.0Z",
        "2016-12-31T23:59:60.5Z",
        "2017-01-01T00:00:00.0Z",
        "2017-01-01T00:00:00.5Z",
    ]
    assert read(times)[0].tolist() == [0.0, 0.5, 0.5, 0.5, 1.0]


MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001 - joined with a zone below
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.requirement("telemetry:Q7")
@given(MOMENTS, OFFSETS)
def test_a_moment_is_the_same_number_in_every_zone(at, zone):
    moment = at.replace(tzinfo=UTC)
    there = moment.astimezone(zone) if moment.year > 1970 else moment
    assert micros(there.isoformat()) == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.requirement("telemetry:Q7")
@given(st.integers(946_684_800, 4_102_444_799), st.integers(0, 999_999))
def test_a_date_and_its_epoch_number_are_one_moment_to_the_microsecond(second, micro):
    text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{micro:06d}Z"
    assert micros(text) == second * 1_000_000 + micro


TEXTS = st.one_of(
    st.text(alphabet="0123456789-:+TZ ./,", max_size=32),
    st.builds(
        "{:04d}-{:02d}-{:02d}{}{:02d}:{:02d}{}{}".format,
        st.integers(990, 9999), st.integers(0, 13), st.integers(0, 32), st.sampled_from("Tt _"), st.integers(0, 25), st.integers(0, 61),
        st.sampled_from(["", ":00", ":59.999999999", ":60.5", ":07,25", ":7"]),
        st.sampled_from(["", "Z", "z", " UTC", "+02", "-0530", " +23:59", "+24:00", " PM"]),
    ),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXTS, min_size=20, max_size=20))
def test_a_text_is_the_same_cell_in_sql_and_in_python(texts):
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select {kind_sql('t')}, {micros_sql('trim(t)')} from (select unnest($1::varchar[]) as t)", [texts]
        ).fetchall()
    for text, (kind, value) in zip(texts, found, strict=True):
        here, number = text_cell(text)
        assert Cell(kind) is here, text
        if here in (Cell.MOMENT, Cell.ZONED):
            assert value == (None if np.isnan(number) else number), text


def test_a_column_of_numbers_with_some_dates_stays_a_metric_and_counts_them(read, tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_text("x\n1\n2\n2026-02-01\n5\n")
    with open_table(path, workdir=tmp_path / "work") as table:
        data = table.column("x")
        assert (data.values.tolist(), dict(data.quarantined)) == ([1, 2, 5], {"text": 1})
