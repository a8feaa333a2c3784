"""Sources that are files: recorded messages replayed, syslog files followed."""

import csv
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from trueup.domains.telemetry.sources.live.event import Dead, Event, dead
from trueup.domains.telemetry.sources.live.follow import Follower, Line, Place
from trueup.domains.telemetry.sources.live.payload import Fields, event_of
from trueup.domains.telemetry.sources.live.sink import TRANSPORT, Sink
from trueup.kernel.errors import UnreadableInput, UsageError

POLL_SECONDS = 0.1
PLACE, HEADER = "place", "header"
LINES = 2_000


class Reader(Protocol):
    """Makes an event of a line."""

    def read(self, line: Line, sink: Sink) -> Event | Dead | None:
        """Return the line as an event; None for one that is no message (a header, an empty line)."""


class Messages:
    """Lines of recorded messages: JSON objects, or the cells of a CSV with a header.

    Args:
        name: of the file; the topic of its events.
        columns: of a CSV whose header was read before; None for JSON lines.
    """

    def __init__(self, name: str, fields: Fields, *, separator: str = "", columns: list[str] | None = None) -> None:
        self._name, self._fields, self._separator, self._columns = name, fields, separator, columns
        self._turn: int | None = None

    def read(self, line: Line, sink: Sink) -> Event | Dead | None:
        """Return the line as an event; its key is its place in the file."""
        data = line.data.rstrip(b"\r")
        if line.too_long:
            return dead(self._name, sink.now(), "too_long", data, size=line.size)
        if self._separator:
            if line.offset == 0:
                self._columns = self._cells(data)
                sink.cursor(HEADER, json.dumps(self._columns))
                return None
            if not data:
                return None
            made = self._row(data)
            if made is None:
                return dead(self._name, sink.now(), "not_a_row_of_the_header", data)
            data = made
        elif not data.strip():
            return None
        found = event_of(self._name, data, sink.now(), self._fields, keyed=False)
        if isinstance(found, Dead):
            return found
        key = b"o" + line.turn.to_bytes(4, "big") + line.offset.to_bytes(8, "big")
        return found._replace(key=key)

    def _cells(self, data: bytes) -> list[str]:
        text = data.decode("utf-8", "backslashreplace")
        return next(csv.reader(io.StringIO(text), delimiter=self._separator), [])

    def _row(self, data: bytes) -> bytes | None:
        try:
            cells = self._cells(data)
        except csv.Error:
            return None
        if self._columns is None or len(cells) != len(self._columns):
            return None
        return json.dumps(dict(zip(self._columns, map(_typed, cells), strict=True)), ensure_ascii=False).encode()


def _typed(cell: str) -> str | float | int | None:
    if not cell:
        return None
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell


@dataclass
class FileSource:
    """A file that is read line by line, each line once.

    Args:
        path: the file.
        reader: makes events of its lines.
        place: where to go on.
        follow: go on with what is appended, and with the file that takes the name.
        speed: 0 for as fast as possible, else how many times faster than it was recorded (1: as it was).
        kind: of the source.
    """

    path: Path
    reader: Reader
    place: Place | None = None
    follow: bool = False
    speed: float = 0.0
    kind: str = "file_replay"
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    _began: tuple[float, int] | None = field(default=None, init=False)

    def run(self, sink: Sink, stop: Callable[[], bool]) -> None:
        """Read to the end, or for as long as it is followed."""
        follower = Follower(self.path, self.place)
        sink.live()
        try:
            while not stop():
                if sink.full and not sink.commit():
                    self.sleep(POLL_SECONDS / 2)
                    continue
                more = self._take(follower, sink, stop)
                self._tell(follower, sink)
                if more:
                    continue
                sink.commit()
                if not self.follow:
                    self._end(follower, sink)
                    return
                if not self._turn(follower, sink):
                    self.sleep(POLL_SECONDS)
        finally:
            follower.close()

    def _take(self, follower: Follower, sink: Sink, stop: Callable[[], bool]) -> bool:
        """Put the lines that are there; tell whether there were any."""
        end: Line | None = None
        for line in follower.lines(LINES):
            end = line
            if not self._give(line, sink, stop) or sink.full:
                break
        if end is None:
            return False
        sink.cursor(PLACE, follower.place.text())
        return True

    def _give(self, line: Line, sink: Sink, stop: Callable[[], bool]) -> bool:
        event = self.reader.read(line, sink)
        if event is None:
            return True
        if self.speed and isinstance(event, Event):
            self._wait(event, sink, stop)
        sink.put(event)
        return not self.speed or not stop()

    def _wait(self, event: Event, sink: Sink, stop: Callable[[], bool]) -> None:
        if event.device_time is None:
            return
        if self._began is None:
            self._began = (self.monotonic(), event.device_time)
        due = self._began[0] + (event.device_time - self._began[1]) / 1e6 / self.speed
        while (left := due - self.monotonic()) > 0 and not stop():
            if sink.due:
                sink.commit()
            self.sleep(min(left, POLL_SECONDS))

    def _turn(self, follower: Follower, sink: Sink) -> bool:
        try:
            turned = follower.turned()
        except UnreadableInput as exc:
            sink.fault(TRANSPORT, exc.message)
            return False
        sink.well(TRANSPORT)
        if turned is None:
            return False
        last = turned[0]
        if last is not None:
            event = self.reader.read(last, sink)
            if event is not None:
                sink.put(event)
        sink.cursor(PLACE, follower.place.text())
        return True

    def _end(self, follower: Follower, sink: Sink) -> None:
        last = follower.rest()
        if last is not None:
            event = self.reader.read(last, sink)
            if event is not None:
                sink.put(event)
            sink.cursor(PLACE, follower.place.text())
            sink.commit()

    @staticmethod
    def _tell(follower: Follower, sink: Sink) -> None:
        if follower.notes:
            sink.count("truncations", len(follower.notes))
            follower.notes.clear()


def file_replay(path: Path, cursors: dict[str, str], *, fields: Fields, follow: bool = False, speed: float = 0.0) -> FileSource:
    """Return a source that replays recorded messages: JSON lines, or a CSV or TSV with a header.

    Raises:
        UsageError: the file's ending is none of those.
        UnreadableInput: it cannot be read.
    """
    separators = {".jsonl": "", ".ndjson": "", ".json": "", ".log": "", ".csv": ",", ".tsv": "\t"}
    if path.suffix.lower() not in separators:
        raise UsageError(f"{path}: its messages cannot be told apart by its ending", remedy="name a .jsonl, .csv or .tsv file")
    if not path.is_file():
        raise UnreadableInput(f"{path}: there is no such file", remedy="name a readable file")
    header = json.loads(cursors[HEADER]) if HEADER in cursors else None
    reader = Messages(path.name, fields, separator=separators[path.suffix.lower()], columns=header)
    place = Place.parse(cursors[PLACE]) if PLACE in cursors else None
    return FileSource(path, reader, place=place, follow=follow, speed=speed)
