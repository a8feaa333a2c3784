"""The spool: batches whole or not at all, duplicates by key, cursors with their batch, and the sink before it."""

import json
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.telemetry.sources.live.capture import Capture, SpoolFault
from trueup.domains.telemetry.sources.live.event import MAX_PAYLOAD, Dead, Event, key_of, moment
from trueup.domains.telemetry.sources.live.payload import Fields, event_of, readings
from trueup.domains.telemetry.sources.live.reading import CaptureFile
from trueup.domains.telemetry.sources.live.sink import Sink, State
from trueup.kernel.errors import Conflict, Damaged, NotFound, UsageError

TENANT = UUID(int=1)
NOW = 1_795_262_400_000_000


def message(n, **more):
    return event_of("rig/7", json.dumps({"seq": n, "temp": n / 10, **more}).encode(), NOW, Fields())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "telemetry" / "captures" / "t" / "it.sqlite3"


@pytest.fixture
def capture(path):
    found = Capture(path, tenant=TENANT, name="it", kind="mqtt")
    yield found
    found.close()


@pytest.fixture
def file(path):
    return CaptureFile(path, TENANT, "it")


def test_a_batch_and_its_cursor_are_there_after_the_commit(capture, file):
    done = capture.commit([message(1), message(2)], cursors={"place": "here"})
    assert (done.stored, capture.cursors(), len(file.read())) == (2, {"place": "here"}, 2)


def test_an_event_with_a_key_is_stored_once(capture, file):
    capture.commit([message(1)])
    done = capture.commit([message(1), message(2), message(2)])
    assert (done.stored, done.duplicates, file.last()) == (1, 2, 2)


def test_an_event_without_a_key_is_stored_each_time_and_counted(capture, file):
    plain = event_of("rig/temp", b"21.5", NOW, Fields())
    capture.commit([plain, plain])
    assert (file.last(), file.summary()["delivery"]) == (2, "at-least-once")


def test_another_message_under_a_known_key_is_no_duplicate_and_is_kept_as_a_dead_letter(capture, file):
    capture.commit([message(1)])
    done = capture.commit([message(1, temp=99)])
    assert (done.stored, done.duplicates, done.dead) == (0, 0, 1)
    assert file.summary()["dead_letters"] == {"key_reused": 1}


def test_a_sender_that_counts_anew_after_a_restart_loses_nothing_where_it_names_the_time(capture, file):
    capture.commit([message(1, ts=1_700_000_000), message(1, ts=1_700_000_100)])
    assert file.last() == 2


def test_one_process_captures_under_a_name_at_a_time(capture, path):
    with pytest.raises(Conflict):
        Capture(path, tenant=TENANT, name="it", kind="mqtt")


def test_a_capture_of_another_kind_of_source_is_refused(capture, path):
    capture.close()
    with pytest.raises(UsageError):
        Capture(path, tenant=TENANT, name="it", kind="syslog")


def test_another_tenants_file_is_refused(capture, path):
    with pytest.raises(Damaged):
        CaptureFile(path, UUID(int=2), "it").read()


def test_a_capture_that_is_not_there_is_not_found(file):
    with pytest.raises(NotFound):
        file.read()


def test_the_digest_of_a_range_changes_with_any_of_its_events(capture, file):
    capture.commit([message(1), message(2)])
    assert file.digest(0, 1) != file.digest(0, 2)
    assert file.digest(0, 2) == file.digest(0, 2)


def test_reading_goes_on_after_a_number(capture, file):
    capture.commit([message(n) for n in range(10)])
    assert [row.seq for row in file.read(after=4, limit=3)] == [5, 6, 7]


def test_a_message_that_is_too_long_is_a_dead_letter_with_its_size():
    found = event_of("t", b'"' + b"x" * MAX_PAYLOAD + b'"', NOW, Fields())
    assert isinstance(found, Dead)
    assert (found.reason, found.size) == ("too_long", MAX_PAYLOAD + 2)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_a_dead_letter(payload):
    found = event_of("t", payload, NOW, Fields())
    assert isinstance(found, Event | Dead)
    if isinstance(found, Event):
        assert found.payload == payload  # whatever it holds, what was sent is what is kept


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)


@given(st.dictionaries(st.text(), JSON))
def test_every_json_object_is_stored_and_read_back(tmp_path_factory, body):
    payload = json.dumps(body).encode()
    found = event_of("t", payload, NOW, Fields())
    assert isinstance(found, Event)
    for reading in readings("t", payload, Fields()):
        json.dumps(reading.value)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"21.5", [("t", 21.5, "")]),
        (b'{"metric": "temp", "value": 3, "unit": "K", "seq": 1}', [("temp", 3, "K")]),
        (b'{"temp": 1, "p": {"in": 2, "out": 3}, "ts": 5}', [("temp", 1, ""), ("p.in", 2, ""), ("p.out", 3, "")]),
        (b'{"value": 4}', [("t", 4, "")]),
    ],
)
def test_a_message_holds_one_named_metric_or_several_or_a_bare_number(body, expected):
    assert [tuple(one) for one in readings("t", body, Fields())] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_700_000_000, 1_700_000_000_000_000),
        (1_700_000_000_123, 1_700_000_000_123_000),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000_000),
        ("1700000000.5", 1_700_000_000_500_000),
        (float("nan"), None),
        (10**400, None),
        (True, None),
        ("yesterday", None),
        (-1, None),
    ],
)
def test_times_are_read_in_every_unit_and_what_is_none_is_none(value, expected):
    assert moment(value) == expected


def test_messages_of_one_moment_with_other_content_have_other_keys():
    one, other = (key_of("t", sequence=None, device_time=NOW, payload=body) for body in (b"a", b"b"))
    assert one != other


class Failing:
    """A spool on a disk that is full for a while."""

    def __init__(self, spool, faults):
        self.spool, self.faults = spool, faults

    def commit(self, events, dead, cursors, counts):
        if self.faults:
            self.faults -= 1
            raise SpoolFault("no room left")
        return self.spool.commit(events, dead, cursors, counts)


def test_a_batch_that_could_not_be_stored_is_kept_and_stored_later(capture, file):
    states, clock = [], [0.0]
    sink = Sink(Failing(capture, 2), changed=lambda state, reason: states.append((state, reason)), monotonic=lambda: clock[0])
    sink.put(message(1))
    answers = []
    for _ in range(4):
        answers.append(sink.commit())
        clock[0] += 1.0
    assert (answers, file.last()) == ([False, False, True, True], 1)
    assert states == [(State.DEGRADED, "no room left"), (State.LIVE, "")]


def test_after_a_fault_the_disk_is_not_asked_before_its_pause_is_over(capture):
    clock = [0.0]
    failing = Failing(capture, 1)
    sink = Sink(failing, monotonic=lambda: clock[0])
    sink.put(message(1))
    assert (sink.commit(), sink.commit(), sink.pending) == (False, False, 1)
    clock[0] = 0.2
    assert sink.commit()


def test_a_sink_stops_at_its_limit(capture):
    sink = Sink(capture, limit=2)
    sink.put(message(1))
    assert not sink.full
    sink.put(message(2))
    assert (sink.full, sink.finished) == (True, True)


def test_a_file_that_is_no_capture_is_told_as_damaged(path):
    path.parent.mkdir(parents=True)
    Path(path).write_bytes(b"no database at all" * 100)
    with pytest.raises(Damaged):
        CaptureFile(path, TENANT, "it").read()
