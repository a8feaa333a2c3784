"""A replay that was killed goes on by byte offset: every line once, whatever the moment of the kill, as fast as was asked for."""

import json
from collections import Counter

import pytest

from tests.conformance.sources.rigs import number, numbered
from tests.conformance.sources.running import until
from trueup.domains.telemetry.sources.live.capture import Committed
from trueup.domains.telemetry.sources.live.payload import Fields
from trueup.domains.telemetry.sources.live.sink import Sink
from trueup.domains.telemetry.sources.live.tail import file_replay

LINES = 60_000


@pytest.mark.requirement("telemetry:S4.1", "telemetry:W8.2.1", "telemetry:W8.2.3")
def test_a_replay_that_was_killed_twice_goes_on_by_byte_offset_and_stores_each_line_once(captures, tmp_path):
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in numbered(0, LINES)))
    args = ("--source", "file_replay", "--path", path)
    offsets = []
    for part in (1, LINES // 3):
        running = captures.start(*args)
        until(lambda: captures.file() and _stored(captures) >= part, "some of it is stored")  # noqa: B023 - called at once
        running.kill()
        offsets.append(json.loads(captures.file().summary()["cursors"]["place"])["offset"])
    code, document = captures.start(*args).ended()
    assert 0 < offsets[0] <= offsets[1] < path.stat().st_size
    assert (code, document["duplicates"], document["until"]) == (0, 0, LINES)
    assert Counter(map(number, captures.payloads())) == Counter(range(LINES))
    assert json.loads(captures.file().summary()["cursors"]["place"])["offset"] == path.stat().st_size


def _stored(captures):
    try:
        return captures.counters()["stored"]
    except Exception:  # noqa: BLE001 - the file is just being made
        return 0


class Nowhere:
    """A spool that keeps nothing."""

    def commit(self, events, dead, _cursors, _counts):
        return Committed(len(events), 0, len(dead))


@pytest.mark.requirement("telemetry:S4.1")
@pytest.mark.parametrize(("speed", "seconds"), [(0.0, 0.0), (1.0, 99.0), (10.0, 9.9), (0.5, 198.0)])
def test_a_replay_takes_as_long_as_was_recorded_or_a_factor_of_it(tmp_path, speed, seconds):
    path, now = tmp_path / "recorded.jsonl", [0.0]
    path.write_text("".join(json.dumps({"seq": n, "ts": 1_700_000_000 + n}) + "\n" for n in range(100)))
    source = file_replay(path, {}, fields=Fields(), speed=speed)
    source.monotonic, source.sleep = lambda: now[0], lambda pause: now.__setitem__(0, now[0] + pause)
    sink = Sink(Nowhere(), monotonic=lambda: now[0])
    source.run(sink, lambda: False)
    assert (sink.totals.received, now[0]) == (100, pytest.approx(seconds, abs=1e-6))
