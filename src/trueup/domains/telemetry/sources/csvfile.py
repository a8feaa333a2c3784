"""CSV and TSV: header, delimiter and column types are found here; DuckDB then reads with nothing left to guess."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trueup.domains.telemetry.sources.cells import NON_FINITE, NULL_WORDS, NUMBER, is_number
from trueup.domains.telemetry.sources.csvscan import Scan, scan
from trueup.domains.telemetry.sources.relation import Field, Relation, cell_sql, kind_sql
from trueup.domains.telemetry.sources.session import exact_path, literal
from trueup.kernel.errors import UnreadableInput

if TYPE_CHECKING:
    import duckdb

_SAMPLE_BYTES = 1 << 18
_SAMPLE_RECORDS = 200
_BUFFER_BYTES = 4_000_000
_LINE_BYTES = 2_000_000
_GROUP_CELLS = 225_280  # rows x columns of one Parquet row group: about 1.8 MB of numbers while it is written
_DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is laid out.

    Args:
        delimiter: one character.
        names: column names, in file order.
        header: the first record holds the names.
        numeric: by the first records, which columns hold only numbers.
    """

    delimiter: str
    names: tuple[str, ...]
    header: bool
    numeric: tuple[bool, ...]


def read_csv(connection: duckdb.DuckDBPyConnection, path: Path, *, named: str, scratch: Path, tabs: bool) -> Relation:
    """Read a delimited text file into a Parquet spool and open that.

    The file is first read with the types of its first records. Where a later cell does not keep to them, or the
    records do not come out as counted beforehand, it is read once more as text, cell by cell.

    Args:
        connection: an open session.
        path: the file.
        named: what errors call it.
        scratch: the session's own folder.
        tabs: the file's name says that tabs separate its columns.

    Raises:
        UnreadableInput: not such a table; the message gives the line where one is known.
    """
    seen, plain = scan(path, named=named), path
    if seen.bom or seen.mixed_endings or _starts_blank(path):
        plain = _plain(path, scratch)
        seen = scan(plain, named=named)
    if not seen.records:
        return empty(connection)
    layout = _layout(path, named=named, tabs=tabs)
    notes = () if layout.header else (f"{named} has no header line: its columns are called {layout.names[0]} and so on",)
    expected = seen.records - layout.header + (seen.blank if len(layout.names) == 1 else 0)
    if not expected:
        return empty(connection, layout.names, notes)
    spool = scratch / "table.parquet"
    rows = _spooled(connection, plain, spool, layout, layout.numeric) if not seen.underscores else None
    texts = tuple(not numeric for numeric in layout.numeric)
    if rows != expected:
        texts = (True,) * len(layout.names)
        rows = _spooled(connection, plain, spool, layout, (False,) * len(layout.names))
    if rows != expected:
        _accept(path, layout, rows, named=named, seen=seen)
    fields = [
        Field(name, f"c{index}", f"k{index}" if text else None)
        for index, (name, text) in enumerate(zip(layout.names, texts, strict=True))
    ]
    return Relation(connection, f"read_parquet({exact_path(spool)})", fields, rows or 0, named=named, notes=notes)


def empty(connection: duckdb.DuckDBPyConnection, names: tuple[str, ...] = (), notes: tuple[str, ...] = ()) -> Relation:
    """Return a table without rows."""
    fields = [Field(name, "v", excluded="no values") for name in names]
    return Relation(connection, "(select 1.0 as v limit 0)", fields, 0, named="", notes=notes)


def _spooled(
    connection: duckdb.DuckDBPyConnection, path: Path, spool: Path, layout: Layout, numeric: tuple[bool, ...]
) -> int | None:
    """Copy the file into the spool; return its rows, or None where the reader gave up."""
    import duckdb

    types = ", ".join(f"'c{index}': '{'DOUBLE' if is_double else 'VARCHAR'}'" for index, is_double in enumerate(numeric))
    cells = ", ".join(
        f"c{index}" if is_double else f"{cell_sql(f'c{index}')} as c{index}, {kind_sql(f'c{index}')} as k{index}"
        for index, is_double in enumerate(numeric)
    )
    nulls = ", ".join(literal(word) for word in NULL_WORDS)
    rows = max(2048, _GROUP_CELLS // len(numeric))
    try:
        copied = connection.execute(
            f"copy (select {cells} from read_csv({exact_path(path)}, auto_detect=false, delim={literal(layout.delimiter)}, "  # noqa: S608 - every part is ours or quoted
            f"quote='\"', escape='\"', header={'true' if layout.header else 'false'}, columns={{{types}}}, "
            f"nullstr=[{nulls}], buffer_size={_BUFFER_BYTES}, max_line_size={_LINE_BYTES}, compression='none')) "
            f"to {literal(str(spool.absolute()))} (format parquet, compression uncompressed, row_group_size {rows})"
        ).fetchone()
    except (duckdb.ConversionException, duckdb.InvalidInputException):
        return None
    return int(copied[0]) if copied else None


def _records(path: Path, delimiter: str, limit: int | None = None) -> Iterator[tuple[int, list[str]]]:
    """Give each record that holds something with the physical line it begins in."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        text: Iterator[str] = iter(stream.read(limit).splitlines(keepends=True)) if limit else stream
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        line = 1
        for record in reader:
            yield line, record
            line = reader.line_num + 1


def _sample(path: Path, delimiter: str) -> list[list[str]]:
    records: list[list[str]] = []
    try:
        for _, record in _records(path, delimiter, _SAMPLE_BYTES):
            if record:
                records.append(record)
            if len(records) > _SAMPLE_RECORDS:
                break
    except csv.Error:  # the sample may end inside a quoted cell; a real fault is found and located by the full read
        pass
    return records


def _layout(path: Path, *, named: str, tabs: bool) -> Layout:
    samples = {delimiter: _sample(path, delimiter) for delimiter in ("\t" if tabs else _DELIMITERS)}
    delimiter = max(samples, key=lambda one: _fit(samples[one]))
    records = samples[delimiter]
    if not records:
        raise UnreadableInput(f"{named}: line 1: a quoted cell does not end", remedy="close the quote, or export the file again")
    first = [cell.strip() for cell in records[0]]
    filled = [cell for cell in first if cell not in NULL_WORDS]
    header = not (filled and all(is_number(cell) for cell in filled))
    body = records[1:] if header else records
    width = len(first)
    if header and width > 1 and not first[-1] and all(len(row) < width or not row[-1].strip() for row in body):
        first, width = first[:-1], width - 1  # every line ends with a delimiter: that is no column
    names = tuple(cell or f"Unnamed: {index}" for index, cell in enumerate(first)) if header else _numbered(width)
    _refuse_duplicates(names, named)
    return Layout(delimiter, names, header, tuple(_only_numbers(body, index) for index in range(width)))


def _numbered(width: int) -> tuple[str, ...]:
    return tuple(f"column{index}" for index in range(width))


def _fit(records: list[list[str]]) -> tuple[float, int]:
    """Say how well a delimiter explains the first records: the share as wide as the first, then the width."""
    if not records or len(records[0]) == 1:
        return (0.0, 0)
    width = len(records[0])
    return (sum(len(record) == width for record in records) / len(records), width)


def _refuse_duplicates(names: tuple[str, ...], named: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UnreadableInput(f"{named}: line 1: two columns are called {name!r}", remedy="give every column its own name")
        seen.add(name)


def _only_numbers(records: list[list[str]], index: int) -> bool:
    cells = (record[index].strip() for record in records if index < len(record))
    return all(cell in NULL_WORDS or NUMBER.fullmatch(cell) or NON_FINITE.fullmatch(cell) for cell in cells)


def _starts_blank(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(1) in {b"\n", b"\r"}


def _plain(path: Path, scratch: Path) -> Path:
    """Write the same text with one kind of line end, no byte order mark and no blank lines before the header."""
    target = scratch / "plain.csv"
    begun = False
    with path.open(encoding="utf-8-sig", newline=None) as source, target.open("w", encoding="utf-8", newline="\n") as out:
        while chunk := source.read(_SAMPLE_BYTES):
            text = chunk if begun else chunk.lstrip("\n")
            begun = begun or bool(text)
            out.write(text)
    return target


def _accept(path: Path, layout: Layout, rows: int | None, *, named: str, seen: Scan) -> None:
    """Find the line that the fast reader stumbled over; accept its result only if a second count bears it out.

    Raises:
        UnreadableInput: with the first line that does not fit.
    """
    width, count, blank, line = len(layout.names), 0, 0, 0
    try:
        for line, record in _records(path, layout.delimiter):
            if not record:
                blank += 1
                continue
            count += 1
            if len(record) < width or any(cell.strip() for cell in record[width:]):
                raise UnreadableInput(
                    f"{named}: line {line}: has {len(record)} cells where the first line has {width}",
                    remedy="make every line as long as the header, and quote cells that hold the delimiter",
                )
    except csv.Error as error:
        reason = str(error)
        words = (
            "a quoted cell does not end"
            if "end of data" in reason
            else re.sub(r"^'(.)' expected.*", r"text after a closing quote", reason)
        )
        start = line + 1 if count else 1
        raise UnreadableInput(
            f"{named}: line {start}: {words}", remedy="double the quotes inside quoted cells, or export the file again"
        ) from None
    expected = count - layout.header + (blank if width == 1 else 0)
    if rows != expected:
        raise UnreadableInput(
            f"{named}: its {seen.lines} lines cannot be read as a table ({expected} records counted, {rows or 0} read)",
            remedy="export the file again as plain CSV",
        )
