"""Opens a recorded table, whatever it is written in."""

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Protocol

from trueup.domains.telemetry.engine.table import Table
from trueup.domains.telemetry.sources.csvfile import empty, read_csv
from trueup.domains.telemetry.sources.csvscan import EXPORT_REMEDY
from trueup.domains.telemetry.sources.jsonlines import read_json_lines
from trueup.domains.telemetry.sources.longtable import LongTable, is_long
from trueup.domains.telemetry.sources.parquetfile import read_parquet
from trueup.domains.telemetry.sources.relation import Relation
from trueup.domains.telemetry.sources.session import connect, faults
from trueup.domains.telemetry.sources.spooled import Spooled
from trueup.domains.telemetry.sources.workbook import refused_compound
from trueup.domains.telemetry.sources.xlsx import read_xlsx
from trueup.kernel.errors import UnreadableInput, UsageError

_JSON_LINES = frozenset({".jsonl", ".ndjson", ".json"})
_KNOWN = (
    (b"%PDF", "a PDF"),
    (b"SQLite format 3", "a database"),
    (b"\x89HDF", "an HDF5 file"),
    (b"ARROW1", "an Arrow file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
)
_PACKAGE, _COMPOUND = (b"PK\x03\x04", b"PK\x05\x06"), b"\xd0\xcf\x11\xe0"
_HEAD = 4096
_PARQUET_MIB = 192
_COPY_BYTES = 1 << 18


@contextmanager
def open_table(path: Path, *, workdir: Path, sheet: str = "") -> Iterator["OpenTable"]:
    r"""Open a table for comparison, for the time of a ``with`` block.

    Read are CSV and TSV (comma, semicolon, tab or bar; RFC 4180 quoting), Parquet, JSON lines and XLSX, told apart by
    content first and by extension second; all but Parquet also gzipped. Memory stays flat: what is not Parquet already is
    spooled into a hidden folder of ``workdir``, which is gone when the block ends, however it ends.

    A file that is empty, or holds a header alone, is a table of no rows. Numbers are written without regard to any country
    (``1.5``, ``2e-3``); a column is numeric when at least half of its filled cells are. Other cells in it are counted
    as ``text``, ``NaN`` and infinities as ``non_finite``; empty cells and ``NULL``, ``null``, ``NA``, ``\N`` are missing.
    A Parquet file of events in long form (``metric``, ``value``, as ``normalize`` writes it) is a table of its metrics.
    Columns of ``true`` and ``false`` are compared as 1 and 0. Clocks and row counters are excluded (``engine.timecolumn``).

    Args:
        path: the file.
        workdir: where the spool may lie; made if need be.
        sheet: of a workbook; without one, the first that is not hidden.

    Yields:
        The table, with ``notes`` about how it was read.

    Raises:
        UnreadableInput: there is no such file, it may not be read, or it is no table; the message names the file and,
            where there are lines, the line.
        StorageFull: no room for the spool.
        UsageError: there is no such sheet, or a sheet was named and the file is no workbook.
    """
    named = str(path)
    _check(path, named)
    workdir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=workdir, prefix=".spool-", ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        with faults(named, workdir):
            table = _opened(path, Path(folder), stack, named=named, sheet=sheet)
        yield table


def _opened(path: Path, scratch: Path, stack: ExitStack, *, named: str, sheet: str) -> "OpenTable":
    plain, name = _unzipped(path, scratch, named=named)
    suffix = Path(name).suffix.lower()
    head = _head(plain)
    kind = _kind(head, suffix, named)
    if kind == "xlsx":
        return stack.enter_context(read_xlsx(plain, named=named, scratch=scratch, sheet=sheet))
    if sheet:
        raise UsageError(f"{named}: has no sheets", remedy="name a sheet of .xlsx workbooks only")
    if kind == "compound":
        raise refused_compound(plain, named)
    if kind == "jsonl":
        return stack.enter_context(read_json_lines(plain, named=named, scratch=scratch))
    connection = stack.enter_context(
        connect(scratch, reads=plain, memory_mib=_PARQUET_MIB if kind == "parquet" else _memory(head))
    )
    if kind == "empty":
        return empty(connection)
    if kind == "parquet":
        relation = read_parquet(connection, plain, named=named)
        if is_long(connection, relation):
            return LongTable(connection, relation.source, named=named)
        return relation
    return read_csv(connection, plain, named=named, scratch=scratch, tabs=suffix in {".tsv", ".tab"})


type OpenTable = Relation | Spooled | LongTable
"""A ``Table`` with ``notes``."""


def _conforms(table: OpenTable) -> Table:
    return table  # holds both kinds to the engine's protocol when types are checked


def _check(path: Path, named: str) -> None:
    try:
        if path.is_dir():
            raise UnreadableInput(f"{named}: is a folder", remedy="name a CSV, Parquet, JSON-lines or XLSX file")
        if not path.exists():
            raise UnreadableInput(f"{named}: there is no such file", remedy="check the path")
        if not path.is_file():
            raise UnreadableInput(f"{named}: is not a regular file", remedy="save its content to a file first")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableInput(f"{named}: cannot be opened ({reason})", remedy="check the path and its permissions") from None


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_HEAD)


def _unzipped(path: Path, scratch: Path, *, named: str) -> tuple[Path, str]:
    """Return the file to read and the name that tells its kind; a gzipped file is unpacked into the spool."""
    if not _head(path).startswith(b"\x1f\x8b"):
        return path, path.name
    target = scratch / "unpacked"
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    try:
        with gzip.open(path) as packed, target.open("wb") as out:
            _copy(packed, out)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise UnreadableInput(f"{named}: is a damaged gzip file", remedy="copy or compress it again") from None
    return target, name


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def _copy(source: _Readable, target: IO[bytes]) -> None:
    shutil.copyfileobj(source, target, _COPY_BYTES)


def _kind(head: bytes, suffix: str, named: str) -> str:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(_PACKAGE):
        return "xlsx"
    if head.startswith(_COMPOUND):
        return "compound"
    for magic, what in _KNOWN:
        if head.startswith(magic):
            raise UnreadableInput(f"{named}: is {what}, not a table of text", remedy=EXPORT_REMEDY)
    text = head.removeprefix(b"\xef\xbb\xbf").strip()
    if suffix in {".parquet", ".pq"}:
        raise UnreadableInput(f"{named}: is not a Parquet file", remedy="write it again, or give it the extension of what it is")
    if not text:
        return "empty" if len(head) < _HEAD else "csv"
    if suffix in _JSON_LINES or text.startswith(b'{"') or text == b"{}":
        return "jsonl"
    return "csv"


def _memory(head: bytes) -> int:
    """Return what DuckDB may hold, in MiB: more only for tables of hundreds of columns."""
    columns = 1 + max(head.count(mark) for mark in (b",", b";", b"\t", b"|"))
    return 64 if columns < 256 else 512
