"""The databases that rooms keep beside the store: each is copied as of one moment, while others write to it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path


def captures(home: Path) -> Iterator[Path]:
    """Yield what rooms captured, by their names."""
    for path in sorted(home.glob("*/captures/*/*.sqlite3")):
        if path.is_file() and not path.is_symlink():
            yield path


def copy_database(source: Path, target: Path) -> Path:
    """Copy an SQLite database, without stopping who writes to it; return the copy, which is one file.

    References:
        SQLite documentation, "Online Backup API": in one step, the copy is of one moment.
    """
    target.unlink(missing_ok=True)
    uri = f"{source.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=30.0)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy, pages=-1)
        copy.execute("pragma journal_mode = delete")
    return target
