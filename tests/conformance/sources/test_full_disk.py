"""No room where captures are kept: degraded with an alert, nothing acknowledged, nothing lost, well again by itself."""

import json
import sqlite3
from contextlib import closing

import pytest

from tests.conformance.sources.rigs import RIGS, number
from tests.conformance.sources.running import until
from tests.conftest import Command

ROOM = 3 << 20
PADDING = "x" * 2_000
MANY = 4_000


def alerts(home):
    with closing(sqlite3.connect(home / "trueup.sqlite3")) as store:
        return store.execute("select rule, subject, state from notify_alert").fetchall()


def feed(rig, first, last):
    """Send big messages, each with its number."""
    messages = [json.dumps({"seq": n, "note": PADDING}).encode() for n in range(first, last)]
    if hasattr(rig, "broker"):
        rig.broker.publish(rig.topic, messages)
    else:
        with rig.path.open("ab") as file:
            file.write(b"".join(one + b"\n" for one in messages))


@pytest.fixture(params=["mqtt 3.1.1", "nats", "file_replay"])
def rig(request, tmp_path):
    found = RIGS[request.param](tmp_path)
    found.begin()
    yield found
    found.end()


@pytest.fixture
def filled(rig, captures):
    """A source that ran out of room half-way."""
    running = captures.start(*rig.args()).live()
    running.room(ROOM)
    feed(rig, 0, MANY)
    running.says("degraded: ")
    return running


def test_the_capture_is_degraded_and_says_so_by_an_alert(filled, captures):
    until(lambda: alerts(captures.home), "the alert is there")
    assert alerts(captures.home) == [("telemetry.capture.degraded", "capture:it", "open")]
    assert len(captures.payloads()) < MANY


def test_a_degraded_capture_is_shown_as_degraded(filled, captures):
    until(lambda: alerts(captures.home), "the alert is there")
    shown = Command(captures.home, captures.home.parent)("--json", "telemetry", "capture", "show", "it").json
    assert (shown["state"], bool(shown["reason"])) == ("degraded", True)


def test_with_room_again_it_goes_on_by_itself_and_has_lost_nothing(filled, captures):
    filled.room(-1)
    until(lambda: captures.counters()["stored"] == MANY, "all is stored")
    assert sorted(map(number, captures.payloads())) == list(range(MANY))
    code, document = filled.stop()
    assert (code, document["not_stored"]) == (0, 0)
    assert alerts(captures.home) == [("telemetry.capture.degraded", "capture:it", "resolved")]


def test_what_was_not_stored_is_there_after_a_kill_and_a_start_with_room(filled, rig, captures):
    filled.kill()
    captures.start(*rig.args()).live()
    until(lambda: captures.counters()["stored"] == MANY, "all is stored")
    assert sorted(map(number, captures.payloads())) == list(range(MANY))


def test_a_source_that_is_stopped_without_room_ends_with_an_error_and_says_how_much_is_not_stored(filled):
    code, document = filled.stop()
    assert (code, document["not_stored"] > 0) == (1, True)
