"""Windows of a capture: every event is in exactly one of two that meet, late ones are counted aside, order changes nothing."""

import io
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup.domains.telemetry.engine.table import clock_of
from trueup.domains.telemetry.sources.live.capture import Capture
from trueup.domains.telemetry.sources.live.event import micros
from trueup.domains.telemetry.sources.live.payload import Fields, event_of
from trueup.domains.telemetry.sources.live.reading import CaptureFile, Span
from trueup.domains.telemetry.sources.live.toparquet import to_parquet
from trueup.domains.telemetry.sources.live.window import window_of
from trueup.domains.telemetry.sources.tabular import open_table

TENANT = UUID(int=1)
SECOND = 1_000_000
START = 1_700_000_000


@pytest.fixture
def captured(tmp_path_factory):
    """Store messages of the given times, in the given order; return the capture."""
    opened = []

    def store(times, *, received=START * SECOND):
        path = tmp_path_factory.mktemp("captures") / "telemetry" / "captures" / "t" / "it.sqlite3"
        capture = Capture(path, tenant=TENANT, name="it", kind="mqtt")
        opened.append(capture)
        bodies = [{"seq": n, "temp": n % 7} | ({} if at is None else {"ts": at}) for n, at in enumerate(times)]
        capture.commit([event_of("rig", json.dumps(body).encode(), received, Fields()) for body in bodies])
        return CaptureFile(path, TENANT, "it")

    yield store
    for capture in opened:
        capture.close()


def sequences(file, span):
    return [row.sequence for row in file.spanned(span)]


MICROS = st.integers(START * SECOND, START * SECOND + 20)


@pytest.mark.requirement("telemetry:Q7", "telemetry:W8.2.7")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MICROS, min_size=1, max_size=20), MICROS)
def test_of_two_windows_that_meet_each_event_is_in_exactly_one(captured, times, border):
    file = captured(times)
    before, after = sequences(file, Span(until=border)), sequences(file, Span(since=border))
    assert sorted([*before, *after]) == list(range(len(times)))
    assert [times[n] < border for n in before] == [True] * len(before)
    assert (window_of(file, Span(until=border)).events, window_of(file, Span(since=border)).events) == (len(before), len(after))


@pytest.mark.requirement("telemetry:Q7")
@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**9])
def test_a_windows_border_is_exact_in_every_unit_of_the_epoch(captured, scale):
    file = captured([(START + n) * scale for n in range(5)])
    assert sequences(file, Span(since=(START + 1) * SECOND, until=(START + 3) * SECOND)) == [1, 2]


@pytest.mark.requirement("telemetry:Q7")
@pytest.mark.parametrize("skew", [0.05, -0.05, 5, -5])
def test_a_senders_skew_moves_its_events_and_never_those_without_a_time(captured, skew):
    file = captured([START + skew, None])
    assert (0 in sequences(file, Span(since=START * SECOND)), 1 in sequences(file, Span(since=START * SECOND))) == (
        skew > 0,
        True,
    )


@pytest.mark.requirement("telemetry:Q7")
def test_the_hour_that_comes_twice_in_autumn_is_two_hours(captured):
    berlin = ZoneInfo("Europe/Berlin")
    times = [datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=fold) for fold in (0, 1)]
    file = captured([at.isoformat() for at in times])
    border = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    assert (sequences(file, Span(until=micros(border))), sequences(file, Span(since=micros(border)))) == ([0], [1])


@pytest.mark.requirement("telemetry:Q7")
def test_a_window_over_a_leap_second_holds_what_was_before_and_after(captured):
    midnight = datetime(2017, 1, 1, tzinfo=UTC)
    file = captured([(midnight + timedelta(seconds=n)).isoformat() for n in (-1, 0, 1)])
    assert sequences(file, Span(since=micros(midnight))) == [1, 2]


@pytest.mark.requirement("telemetry:Q2")
def test_of_late_events_those_within_the_allowance_count_and_others_are_counted_aside(captured):
    file = captured([START + 200, START + 170, START + 80, START + 201])
    span = Span(lateness=60 * SECOND)
    assert sequences(file, span) == [1, 0, 3]
    window = window_of(file, span)
    assert (window.events, window.late, window.lost) == (3, 1, 0)


@pytest.mark.requirement("telemetry:Q2")
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(12)))
def test_the_order_in_which_events_come_changes_no_value_of_the_run(captured, tmp_path, order):
    file = captured([START + n for n in range(12)])
    shuffled = captured([START + n for n in order])
    values = []
    for number, one in enumerate((file, shuffled)):
        out = tmp_path / f"{number}.parquet"
        to_parquet(one, out, scratch=tmp_path, fields=Fields(), zone=UTC, span=Span())
        with open_table(out, workdir=tmp_path / "work") as table:
            values.append((table.column("temp").values.tolist(), clock_of(table).tolist()))
    (sorted_values, sorted_clock), (found, clock) = values
    assert clock == sorted_clock == [float(n) for n in range(12)]
    assert [order.index(n) % 7 for n in range(12)] == found
    assert sorted_values == [n % 7 for n in range(12)]


@pytest.mark.requirement("telemetry:W8.2.6")
def test_a_window_without_events_holds_nothing_at_all(captured, tmp_path):
    file = captured([START])
    empty, out = Span(since=(START + 1) * SECOND), io.BytesIO()
    assert (window_of(file, empty).events, window_of(file, empty).started, file.export(out, span=empty)) == (0, None, 0)
    assert out.getvalue() == b""


def test_the_digest_of_a_window_is_that_of_its_events_in_the_order_they_were_stored(captured):
    file = captured([START + 5, START + 1, START + 3])
    assert file.digest_of(Span()) == file.digest(0, 3)
    assert file.digest_of(Span(since=(START + 2) * SECOND)) != file.digest(0, 3)
    assert file.digest_of(Span(last=2)) == file.digest(0, 2)
