"""The file of a capture: its tables, and what is the matter with one that is not of this form."""

import sqlite3
from pathlib import Path
from uuid import UUID

from trueup.kernel.errors import ConfigurationError, Damaged, NotFound

VERSION = "1"
TABLES = """
create table if not exists meta(key text primary key, value text not null) without rowid, strict;
create table if not exists event(
    seq integer primary key, topic text not null, payload blob not null, received integer not null, dedup blob unique,
    sequence integer, device_time integer, metric text not null, raw integer not null
) strict;
create table if not exists dead(
    seq integer primary key, topic text not null, received integer not null, reason text not null, payload blob not null,
    size integer not null
) strict;
create table if not exists cursor(name text primary key, value text not null) without rowid, strict;
create table if not exists counter(name text primary key, value integer not null) without rowid, strict;
create table if not exists span(
    topic text not null, metric text not null, low integer not null, high integer not null, held integer not null,
    primary key (topic, metric)
) without rowid, strict;
"""

COUNTERS = ("received", "stored", "duplicates", "dead_lettered", "without_key", "dropped_by_kernel", "reconnects")


def place(home: Path, tenant: UUID, name: str) -> Path:
    """Return where the capture of a name is."""
    return home / "telemetry" / "captures" / str(tenant) / f"{name}.sqlite3"


def make_folder(path: Path) -> None:
    """Make the folders that a capture's file stands in, for nobody else to read."""
    for folder in reversed(path.parents[:3]):
        folder.mkdir(mode=0o700, exist_ok=True)


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open a capture's file; transactions are begun and ended by hand."""
    if write:
        make_folder(path)
        connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    else:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=5.0)
    try:
        if write:
            path.chmod(0o600)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            connection.execute("pragma cache_size = -16384")
    except BaseException:
        connection.close()
        raise
    return connection


def checked(connection: sqlite3.Connection, path: Path, tenant: UUID) -> dict[str, str]:
    """Return what a capture's file says of itself.

    Raises:
        Damaged: it is no capture, or another tenant's.
        ConfigurationError: a later version of Trueup made it.
        sqlite3.OperationalError: its disk does not answer.
    """
    try:
        meta = dict(connection.execute("select key, value from meta").fetchall())
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "no such table" not in str(error):
            raise  # the disk does not answer, which says nothing about the file
        raise Damaged(f"{path.name} is not a capture", remedy="move it away and start the capture again") from None
    if meta.get("version") != VERSION:
        raise ConfigurationError(f"{path.name} is of version {meta.get('version')}", remedy="use the Trueup that made it")
    if meta.get("tenant") != str(tenant):
        raise Damaged(f"{path.name} belongs to another tenant", remedy="move it back to where it was")
    return meta


def require(path: Path, name: str) -> None:
    """Refuse a capture that is not there.

    Raises:
        NotFound: so it is.
    """
    if not path.is_file():
        raise NotFound(f"there is no capture {name!r}", remedy="list them with 'trueup telemetry capture list'")
