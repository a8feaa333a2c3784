"""DuckDB as this room uses it: bounded memory and disk, one thread, no network, nothing but the named folder."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trueup.domains.telemetry.sources.interrupts import held_back
from trueup.kernel.errors import StorageFull, UnreadableInput

if TYPE_CHECKING:
    import duckdb

MEMORY_MIB = 64
SPILL_LIMIT = "16GiB"


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_WORDS = ("No space left", "Disk quota", "File too large", "max_temp_directory_size")


def is_full(error: Exception) -> bool:
    """Tell whether a file error, Python's or DuckDB's, means that no room is left (disk, quota or limit)."""
    return getattr(error, "errno", None) in _FULL or any(words in str(error) for words in _FULL_WORDS)


def storage_full(place: Path) -> StorageFull:
    """Return the error to raise where no room is left at a place."""
    return StorageFull(f"{place}: no room left", remedy="free some disk space or raise the limit")


def identifier(name: str) -> str:
    """Quote a column name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a string for SQL."""
    return "'" + text.replace("'", "''") + "'"


def exact_path(path: Path) -> str:
    """Return a path as an SQL string that DuckDB takes literally: ``*``, ``?`` and ``[`` are no wildcards in it."""
    text = str(path.absolute()).replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")
    return literal(text)


@contextmanager
def connect(
    scratch: Path, *, reads: Path | None = None, memory_mib: int = MEMORY_MIB, joins_as_written: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory session that spills into ``scratch`` and takes nothing from the network.

    Once open it can reach ``scratch`` and ``reads`` and no other file, and its settings are locked.

    Args:
        scratch: an existing folder of the caller's own.
        reads: the one file beside it that may be read.
        memory_mib: what DuckDB itself may hold.
        joins_as_written: hold the right side of a join in memory; left to itself, DuckDB guesses how long a text file is, and
            has taken ten million lines for forty.
    """
    with held_back():  # its libraries end the process where they are interrupted while they load
        import duckdb

    folder, files = scratch.absolute(), [] if reads is None else [literal(str(reads.absolute())), exact_path(reads)]
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{memory_mib}MiB",
            "threads": 1,
            "temp_directory": str(folder / "spill"),
            "max_temp_directory_size": SPILL_LIMIT,
            "preserve_insertion_order": True,
            "allocator_bulk_deallocation_flush_threshold": "1MiB",  # what was read is given back, not kept for later
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        },
    )
    try:
        connection.execute("set parquet_metadata_cache = true")
        connection.execute(f"set allowed_directories = [{literal(str(folder))}, {exact_path(folder)}]")
        connection.execute(f"set allowed_paths = [{', '.join(files)}]")
        connection.execute("set enable_external_access = false")
        if joins_as_written:
            connection.execute("set disabled_optimizers = 'join_order, build_side_probe_side'")
        connection.execute("set lock_configuration = true")
        yield connection
    finally:
        connection.close()


def reason(error: Exception) -> str:
    """Return DuckDB's complaint in one line, without paths."""
    first = str(error).strip().splitlines()[0]
    return first.split("'")[0].strip(" :") if "'" in first else first


@contextmanager
def faults(named: str, place: Path | None = None) -> Iterator[None]:
    """Say in the reader's words what went wrong while a file was read, also when a column of it is.

    Args:
        named: how errors call the file.
        place: where the spool lies.

    Raises:
        UnreadableInput: the data cannot be read, or not in the memory allowed.
        StorageFull: no room for the spool.
    """
    with held_back():
        import duckdb

    try:
        with held_back():
            yield
    except duckdb.OutOfMemoryException:
        raise UnreadableInput(
            f"{named}: one block of its rows needs more memory than is allowed",
            remedy="write it with fewer columns or smaller row groups",
        ) from None
    except (duckdb.Error, OSError) as error:
        if is_full(error):
            raise storage_full(place or Path(named)) from None
        raise UnreadableInput(f"{named}: its data cannot be read ({reason(error)})", remedy="export the file again") from None
