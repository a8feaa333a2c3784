"""What every live source promises, held against each of them by one story: fed, killed, started again, stopped."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.conformance.sources.rigs import RIGS, Mqtt, number
from tests.conformance.sources.running import Captures, until

BATCH = 100


def story(rig, captures):
    """Tell a rig's story; return the numbers that must be there, and how the last run ended."""
    must = set(range(BATCH))
    rig.running = first = captures.start(*rig.args()).live()
    rig.feed(0, BATCH)
    rig.feed_poison()
    if rig.keeps:
        rig.feed(BATCH, 2 * BATCH)
        must |= set(range(BATCH, 2 * BATCH))
    else:
        until(lambda: captures.file() and captures.counters()["received"] > BATCH, "what was sent is stored")
    first.kill()
    if rig.keeps:
        rig.feed(2 * BATCH, 3 * BATCH)
        must |= set(range(2 * BATCH, 3 * BATCH))
    rig.running = again = captures.start(*rig.args()).live()
    rig.feed(3 * BATCH, 4 * BATCH)
    must |= set(range(3 * BATCH, 4 * BATCH))
    until(lambda: captures.counters()["received"] >= len(must) + 1, f"all is stored, not {captures.counters()}", 20)
    return must, again.stop()


def stored(captures):
    return [n for n in map(number, captures.payloads()) if n is not None]


@pytest.fixture(scope="module", params=RIGS)
def told(request, template_home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rig")
    captures = Captures(Path(shutil.copytree(template_home, folder / "home")))
    rig = RIGS[request.param](folder)
    rig.begin()
    try:
        must, ended = story(rig, captures)
        yield rig, captures, must, ended
    finally:
        captures.close()
        rig.end()


@pytest.mark.requirement("telemetry:W8.2.3")
def test_nothing_that_was_acknowledged_or_stored_is_lost_by_a_kill(told):
    _, captures, must, _ = told
    assert must - set(stored(captures)) == set()


def test_each_event_is_stored_once(told):
    _, captures, must, _ = told
    assert len(stored(captures)) == len(must)


def test_a_message_that_makes_no_sense_is_kept_and_counted_once(told):
    rig, captures, _, _ = told
    summary = captures.file().summary()
    assert {"raw": summary["raw"], **summary["counters"]}[rig.poison] == 1


def test_what_was_received_was_stored_known_or_dead(told):
    _, captures, _, _ = told
    counters = captures.counters()
    assert counters["received"] == counters["stored"] + counters["duplicates"] + counters["dead_lettered"]


def test_a_stop_is_clean_and_told_with_its_counts(told):
    _, _, _, (code, document) = told
    assert (code, document["not_stored"], document["reason"]) == (0, 0, "SIGTERM")


def test_the_log_holds_one_record_whose_digest_is_that_of_all_events(told):
    _, captures, _, _ = told
    assert len(captures.entries("telemetry.capture.start")) == 2
    (record,) = captures.entries("telemetry.capture.record")
    assert (record["after"], record["until"]) == (0, captures.file().last())
    assert record["sha256"] == captures.file().digest(0, record["until"])


def test_a_source_that_acknowledges_before_it_stores_is_found_out(captures, tmp_path):
    captures.program = [sys.executable, str(Path(__file__).with_name("hasty.py"))]
    rig = Mqtt(tmp_path)
    rig.begin()
    try:
        running = captures.start(*rig.args()).live()
        rig.feed(0, BATCH)
        running.kill()
        captures.start(*rig.args(), "--duration", "2").ended()
    finally:
        rig.end()
    assert set(range(BATCH)) - set(stored(captures)) != set()
