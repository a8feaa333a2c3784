"""Reading a capture: what it holds, how it stands, its events for normalising."""

import hashlib
import json
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from uuid import UUID

from trueup.domains.telemetry.sources.live.capture import locked
from trueup.domains.telemetry.sources.live.event import stamped
from trueup.domains.telemetry.sources.live.payload import Fields, readings
from trueup.domains.telemetry.sources.live.schema import checked, connect, place, require
from trueup.domains.telemetry.sources.live.syslog_parse import parse
from trueup.kernel.errors import ConfigurationError, Conflict

PAGE = 5_000
_COLUMNS = "seq, topic, payload, received, sequence, device_time, metric, raw"


class Stored(NamedTuple):
    """One event as it is stored."""

    seq: int
    topic: str
    payload: bytes
    received: int
    sequence: int | None
    device_time: int | None
    metric: str
    raw: int


@dataclass(frozen=True, slots=True)
class Span:
    """Which events: of a time, up to a number.

    An event's time is its sender's, or that of its receipt where the sender named none.

    Args:
        since: epoch microseconds of the first moment.
        until: epoch microseconds of the first moment after it.
        last: number of the last event that may belong to it, so that it stays what it is while others come.
        lateness: microseconds by which an event may be older than the newest that was heard before it; None for any.
    """

    since: int = -(1 << 62)
    until: int = 1 << 62
    last: int = 1 << 62
    lateness: int | None = None

    @property
    def within(self) -> str:
        """The SQL condition of its time, over an event's ``at`` and ``seq``."""
        return f"at >= {self.since:d} and at < {self.until:d} and seq <= {self.last:d}"

    @property
    def late(self) -> str:
        """The SQL condition of an event that came too late."""
        return "false" if self.lateness is None else f"coalesce(at < high - {self.lateness:d}, false)"

    @property
    def events(self) -> str:
        """The SQL relation of events with their time ``at``, and with ``high``, the newest time heard before each."""
        timed = "select *, coalesce(device_time, received) as at from event"
        if self.lateness is None:
            return f"({timed})"
        before = "rows between unbounded preceding and 1 preceding"
        return f"(select *, max(at) over (order by seq {before}) as high from ({timed}))"  # noqa: S608 - our own columns


@dataclass(frozen=True, slots=True)
class CaptureFile:
    """A capture to read, also while it is written.

    Args:
        path: its file.
        tenant: whose it must be.
        name: of its source.
    """

    path: Path
    tenant: UUID
    name: str

    def open(self) -> sqlite3.Connection:
        """Open it for reading.

        Raises:
            NotFound: there is no such capture.
            Damaged: the file is none, or another tenant's.
            ConfigurationError: its disk does not answer.
        """
        require(self.path, self.name)
        try:
            connection = connect(self.path, write=False)
            try:
                checked(connection, self.path, self.tenant)
            except BaseException:
                connection.close()
                raise
        except sqlite3.OperationalError as error:
            raise ConfigurationError(
                f"{self.path}: cannot be read now ({error})", remedy="see that its disk works and can be written"
            ) from None
        return connection

    def meta(self) -> dict[str, str]:
        """Return what it says of itself: version, tenant, name, kind, last event of the last record."""
        with closing(self.open()) as connection:
            return dict(connection.execute("select key, value from meta").fetchall())

    def read(self, after: int = 0, limit: int = PAGE) -> list[Stored]:
        """Return up to ``limit`` events after a number, in the order in which they were stored."""
        with closing(self.open()) as connection:
            return _page(connection, after, limit)

    def events(self, after: int = 0) -> Iterator[Stored]:
        """Yield every event after a number, in flat memory."""
        with closing(self.open()) as connection:
            while page := _page(connection, after, PAGE):
                yield from page
                after = page[-1].seq

    def spanned(self, span: Span) -> Iterator[Stored]:
        """Yield the events of a span in the order of their times, and of their numbers where those are equal."""
        with closing(self.open()) as connection:
            rows = connection.execute(
                f"select {_COLUMNS} from {span.events} where {span.within} and not {span.late} order by at, seq"  # noqa: S608 - our own columns
            )
            yield from (Stored(*row) for row in rows)

    def last(self) -> int:
        """Return the number of the newest event, 0 where there is none."""
        with closing(self.open()) as connection:
            return int(connection.execute("select coalesce(max(seq), 0) from event").fetchone()[0])

    def digest(self, after: int, until: int) -> str:
        """Return the SHA-256 over the events of a range of numbers, hex.

        Each event is its number, its time of receipt, the lengths of topic and payload (four 64-bit integers, big-endian), then
        topic and payload.
        """
        return self._digest(f"event where seq > {after:d} and seq <= {until:d}")

    def digest_of(self, span: Span) -> str:
        """Return the SHA-256 over the events of a span in the order in which they were stored, hex, made in the same way."""
        return self._digest(f"{span.events} where {span.within} and not {span.late}")

    def _digest(self, events: str) -> str:
        digest, pack = hashlib.sha256(), struct.Struct(">QqQQ").pack
        with closing(self.open()) as connection:
            rows = connection.execute(
                f"select seq, received, cast(topic as blob), payload from {events} order by seq"  # noqa: S608 - our own columns
            )
            for seq, received, topic, payload in rows:
                digest.update(pack(seq, received, len(topic), len(payload)) + topic + payload)
        return digest.hexdigest()

    def summary(self) -> dict[str, Any]:
        """Return counters, gaps, dead letters by reason, and where the source stands."""
        with closing(self.open()) as connection:
            meta = dict(connection.execute("select key, value from meta").fetchall())
            counters = dict(connection.execute("select name, value from counter order by name").fetchall())
            counters["gaps"] = connection.execute("select coalesce(sum(high - low + 1 - held), 0) from span").fetchone()[0]
            letters = dict(connection.execute("select reason, count(*) from dead group by reason order by reason").fetchall())
            first, last = connection.execute("select min(received), max(received) from event").fetchone()
            raw = connection.execute("select count(*) from event where raw").fetchone()[0]
            cursors = dict(connection.execute("select name, value from cursor").fetchall())
        return {
            "name": meta["name"],
            "kind": meta["kind"],
            "delivery": "at-least-once" if counters["without_key"] else "exactly-once",
            "running": self.running(),
            "counters": counters,
            "raw": raw,
            "dead_letters": letters,
            "first_received": None if first is None else stamped(first),
            "last_received": None if last is None else stamped(last),
            "cursors": cursors,
        }

    def dead(self, limit: int = 20) -> list[dict[str, Any]]:
        """Return the newest dead letters."""
        query = "select seq, topic, received, reason, payload, size from dead order by seq desc limit ?"
        with closing(self.open()) as connection:
            rows = connection.execute(query, (limit,)).fetchall()
        return [
            {
                "seq": seq,
                "topic": topic,
                "received": stamped(received),
                "reason": reason,
                "payload": payload[:200].decode("utf-8", "backslashreplace"),
                "size": size,
            }
            for seq, topic, received, reason, payload, size in rows
        ]

    def running(self) -> bool:
        """Tell whether a process captures into it now."""
        try:
            locked(self.path, self.name).close()
        except Conflict:
            return True
        except OSError:
            return False  # nobody can hold what cannot be made: the place is read-only
        return False

    def export(self, file: BinaryIO, *, fields: Fields | None = None, zone: tzinfo = UTC, span: Span | None = None) -> int:
        """Write every value as one JSON line, in the order in which it was stored, of a span by its time; return how many.

        A line holds ``time`` (the sender's, else that of receipt), ``received``, ``topic``, ``metric``, ``value``, ``unit``,
        ``sequence`` and ``raw``; a syslog message has its text as its value.
        """
        kind, written = self.meta()["kind"], 0
        for event in self.events() if span is None else self.spanned(span):
            for row in rows_of(event, kind, fields or Fields(), zone):
                file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n")
                written += 1
        return written


def _page(connection: sqlite3.Connection, after: int, limit: int) -> list[Stored]:
    query = f"select {_COLUMNS} from event where seq > ? order by seq limit ?"  # noqa: S608 - our own columns
    return [Stored(*row) for row in connection.execute(query, (after, limit))]


def rows_of(event: Stored, kind: str, fields: Fields, zone: tzinfo = UTC) -> Iterator[dict[str, Any]]:
    """Yield the values that an event holds."""
    base = {
        "time": stamped(event.received if event.device_time is None else event.device_time),
        "received": stamped(event.received),
        "topic": event.topic,
    }
    end = {"sequence": event.sequence, "raw": bool(event.raw)}
    if kind == "syslog":
        found = parse(event.payload, event.received, zone=zone)
        more = {"severity": found.severity, "facility": found.facility, "host": found.host, "process": found.process}
        yield {**base, "metric": found.app, "value": found.text, "unit": "", **end, **more}
        return
    for reading in readings(event.topic, event.payload, fields):
        yield {**base, "metric": reading.metric, "value": reading.value, "unit": reading.unit, **end}


def captures(home: Path, tenant: UUID) -> list[CaptureFile]:
    """Return the captures of a tenant, by their names."""
    folder = place(home, tenant, "any").parent
    return [CaptureFile(path, tenant, path.name.removesuffix(".sqlite3")) for path in sorted(folder.glob("*.sqlite3"))]
