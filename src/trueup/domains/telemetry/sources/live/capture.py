"""The durable spool of one source: what it heard, and where it stands, in one transaction.

References:
    SQLite documentation, "Write-Ahead Logging" and ``PRAGMA synchronous`` (FULL: a commit is on the disk when it returns).
"""

import errno
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import IO
from uuid import UUID

from trueup.domains.telemetry.sources.live.event import KEPT_OF_DEAD, Dead, Event
from trueup.domains.telemetry.sources.live.schema import COUNTERS, TABLES, VERSION, checked, connect, make_folder
from trueup.kernel.errors import ConfigurationError, Conflict, StorageFull, UsageError

_INSERT = (
    "insert into event(topic, payload, received, dedup, sequence, device_time, metric, raw) values (?, ?, ?, ?, ?, ?, ?, ?) "
    "on conflict(dedup) do nothing"
)
_SPANS = (
    "insert into span(topic, metric, low, high, held) "
    "select topic, metric, min(sequence), max(sequence), count(*) from event where seq > ? and sequence is not null "
    "group by topic, metric on conflict(topic, metric) do update set "
    "low = min(low, excluded.low), high = max(high, excluded.high), held = held + excluded.held"
)

_NO_ROOM = frozenset({"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"})  # the second: no room for the index of the log


class SpoolFault(Exception):
    """The spool could not take a batch; nothing of it was written, and it may be tried again."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a batch.

    Args:
        stored: events that are new.
        duplicates: events that were known by their key.
        dead: dead letters written, those for a key used twice among them.
    """

    stored: int
    duplicates: int
    dead: int


class Capture:
    """The spool of one source, open for writing by this process alone.

    Args:
        path: its file; made when it is not there.
        tenant: whose.
        name: of the source.
        kind: of the source (``mqtt``).

    Raises:
        Conflict: another process captures into it.
        UsageError: it holds what another kind of source heard.
        Damaged: the file is no capture of this tenant.
        StorageFull: there is no room for it.
        ConfigurationError: the place is read-only, or cannot be written for another reason.
    """

    def __init__(self, path: Path, *, tenant: UUID, name: str, kind: str) -> None:
        self.path, self.tenant, self.name, self.kind = path, tenant, name, kind
        self._connection: sqlite3.Connection | None = None
        try:
            make_folder(path)
            self._lock = locked(path, name)
        except OSError as error:
            raise _unusable(error, path) from None
        try:
            self._open()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise _unusable(error, path) from None
        except BaseException:
            self.close()
            raise

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        connection = connect(self.path, write=True)
        try:
            if not connection.execute("select 1 from sqlite_master where name = 'meta'").fetchone():
                self._make(connection)
            meta = checked(connection, self.path, self.tenant)
            if meta["kind"] != self.kind:
                raise UsageError(
                    f"the capture {self.name!r} is of a {meta['kind']} source, not {self.kind}", remedy="give it another name"
                )
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _make(self, connection: sqlite3.Connection) -> None:
        connection.execute("begin immediate")
        for statement in TABLES.split(";"):
            connection.execute(statement)
        facts = {"version": VERSION, "tenant": str(self.tenant), "name": self.name, "kind": self.kind, "recorded": "0"}
        connection.executemany("insert into meta values (?, ?)", facts.items())
        connection.executemany("insert into counter values (?, 0)", [(name,) for name in COUNTERS])
        connection.execute("commit")

    def cursors(self) -> dict[str, str]:
        """Return where the source stands."""
        return dict(self._open().execute("select name, value from cursor").fetchall())

    def commit(
        self,
        events: Sequence[Event],
        dead: Sequence[Dead] = (),
        cursors: Mapping[str, str] | None = None,
        counts: Mapping[str, int] | None = None,
    ) -> Committed:
        """Write a batch and the cursor that it implies; when this returns, both are on the disk.

        Args:
            events: what was heard; one whose key is stored already is a duplicate.
            dead: what cannot be an event.
            cursors: where the source stands after it.
            counts: growth of counters that the source keeps (``dropped_by_kernel``).

        Raises:
            SpoolFault: no room, or the disk does not answer as it should; nothing was written.
        """
        try:
            connection = self._open()
            connection.execute("begin immediate")
            done = self._write(connection, events, dead, cursors or {}, counts or {})
            connection.execute("commit")
        except (sqlite3.Error, OSError) as exc:
            self._drop()
            raise SpoolFault(_reason(exc)) from None
        return done

    def _write(
        self,
        connection: sqlite3.Connection,
        events: Sequence[Event],
        dead: Sequence[Dead],
        cursors: Mapping[str, str],
        counts: Mapping[str, int],
    ) -> Committed:
        last = connection.execute("select coalesce(max(seq), 0) from event").fetchone()[0]
        before = connection.total_changes
        connection.executemany(_INSERT, events)
        stored = connection.total_changes - before
        reused = self._reused(connection, events) if stored < len(events) else []
        connection.execute(_SPANS, (last,))
        letters = [*dead, *reused]
        connection.executemany("insert into dead(topic, received, reason, payload, size) values (?, ?, ?, ?, ?)", letters)
        done = Committed(stored, len(events) - stored - len(reused), len(letters))
        grown = {
            "received": len(events) + len(dead),
            "stored": done.stored,
            "duplicates": done.duplicates,
            "dead_lettered": done.dead,
            "without_key": sum(event.key is None for event in events),
        }
        add = "insert into counter values (?, ?) on conflict(name) do update set value = value + excluded.value"
        connection.executemany(add, [*grown.items(), *counts.items()])
        connection.executemany("insert or replace into cursor values (?, ?)", cursors.items())
        return done

    @staticmethod
    def _reused(connection: sqlite3.Connection, events: Sequence[Event]) -> list[Dead]:
        """Return the events whose key is another message's: no duplicates, and not to be lost."""
        found = []
        for event in events:
            if event.key is not None:
                row = connection.execute("select payload from event where dedup = ?", (event.key,)).fetchone()
                if row is not None and row[0] != event.payload:
                    size = len(event.payload)
                    found.append(Dead(event.topic, event.received, "key_reused", event.payload[:KEPT_OF_DEAD], size))
        return found

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Release the file."""
        self._drop()
        self._lock.close()


def locked(path: Path, name: str) -> IO[str]:
    """Hold a capture for this process; the hold ends with the file or with the process.

    Raises:
        Conflict: another process holds it.
    """
    held = os.open(path.with_suffix(".lock"), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)  # a lock needs no writing
    file = os.fdopen(held)
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except OSError:
        file.close()
        raise Conflict(f"the capture {name!r} is running", remedy="stop it first, or give another name") from None
    return file


def _full(error: Exception) -> bool:
    if "disk is full" in str(error) or getattr(error, "sqlite_errorname", "") in _NO_ROOM:
        return True
    return getattr(error, "errno", None) in {errno.EFBIG, errno.ENOSPC, errno.EDQUOT}


def _unusable(error: Exception, path: Path) -> StorageFull | ConfigurationError:
    """Return why a capture cannot even be opened."""
    if _full(error):
        return StorageFull(f"{path}: {_reason(error)}", remedy="free some disk space or raise the limit, and start it again")
    return ConfigurationError(f"{path}: {_reason(error)}", remedy="make the home's folder writable, and start it again")


def _reason(error: Exception) -> str:
    words = str(error)
    if _full(error):
        return "no room left where captures are kept"
    if "readonly" in words or getattr(error, "errno", None) == errno.EROFS:
        return "the place where captures are kept is read-only"
    return f"captures cannot be written ({words.splitlines()[0] if words else type(error).__name__})"
