"""Opens a file of events, whatever it is written in, as rows of text: line, time, metric, value, unit, tags.

A file whose every record is one good line is read where it lies. Any other is first gone through line by line: what is no
record is set aside with its reason, and the rest is written out in order, each with the line it came from.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trueup.domains.telemetry.engine.timecolumn import has_counter_name, has_time_name
from trueup.domains.telemetry.sources.csvscan import EXPORT_REMEDY, Scan, scan
from trueup.domains.telemetry.sources.eventlines import MAX_LINE, Lines, clean_csv, clean_json
from trueup.domains.telemetry.sources.session import exact_path, identifier, literal, reason
from trueup.kernel.errors import UnreadableInput

if TYPE_CHECKING:
    import duckdb

    from trueup.domains.telemetry.sources.eventlines import Texts

_SAMPLE = 1 << 18
_HEAD_LINE = 1 << 16
_BUFFER_BYTES = 4_000_000
_WORDS: Mapping[str, frozenset[str]] = {
    "metric": frozenset({"metric", "name", "metricname", "signal", "parameter", "channel", "variable"}),
    "value": frozenset({"value", "val", "reading"}),
    "unit": frozenset({"unit", "units", "uom"}),
    "tags": frozenset({"tags"}),
}
_BINARY = (
    (b"\x1f\x8b", "compressed (gzip)"),
    (b"PK\x03\x04", "a spreadsheet or ZIP archive"),
    (b"\xff\xfe", "UTF-16, not UTF-8"),
    (b"\xfe\xff", "UTF-16, not UTF-8"),
    (b"SQLite format 3", "a database"),
)
_LONG = ("line", "last", "time", "metric", "value", "unit", "tags", "wide")


@dataclass(frozen=True, slots=True)
class Columns:
    """What each column of a table of events holds, by its number.

    Args:
        names: as they stand in the file.
        metric: of the names of metrics; None for a table with one column a metric.
        value: of the values.
        unit: of the units.
        time: of the times.
        tags: of the tags.
        metrics: of a wide table, the columns that hold a metric.
        excluded: columns that are not carried, with the reason.
    """

    names: tuple[str, ...]
    metric: int | None = None
    value: int | None = None
    unit: int | None = None
    time: int | None = None
    tags: int | None = None
    metrics: tuple[int, ...] = ()
    excluded: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A file of events as SQL.

    Args:
        rows: SQL of all rows: text columns ``time, metric, value, unit, tags``, and ``wide``, ``line`` and ``last``.
        numbered: the same with the numbers of the lines, which cost time.
        events: how many rows there are, counted by other means than reading them.
        lines: physical lines or rows of the file.
        timed: events have a time.
        tagged: events have tags.
        original: the file to show lines of; None where it has none.
        excluded: columns that are not carried, with the reason.
        columns: of a wide table, the metric columns: (name, unit).
        notes: what a reader should know about how the file was read.
    """

    rows: str
    numbered: str
    events: int
    lines: int
    timed: bool
    tagged: bool
    original: Path | None
    excluded: tuple[tuple[str, str], ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


_NOTHING = "select null::bigint as line, null::bigint as last, '' as time, '' as metric, '' as value, '' as unit, '' as tags, false as wide limit 0"

type NameOf = Callable[[str], tuple[str, str]]
"""Splits the head of a column into the metric's name and its unit."""


def kind_of(path: Path) -> str:
    """Return ``csv``, ``parquet`` or ``jsonl``, by content first and by extension second.

    Raises:
        UnreadableInput: no such file, or none of these.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror}", remedy="name a file that can be read") from None
    for magic, what in _BINARY:
        if head.startswith(magic):
            raise UnreadableInput(f"{path}: is {what}", remedy=EXPORT_REMEDY)
    if head.startswith(b"PAR1"):
        return "parquet"
    suffix = path.suffix.lower()
    if suffix in {".parquet", ".pq"}:
        raise UnreadableInput(f"{path}: is not a Parquet file", remedy="write it again, or give it the extension of what it is")
    if suffix in {".jsonl", ".ndjson", ".json"} or head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{":
        return "jsonl"
    return "csv"


def open_events(
    connection: duckdb.DuckDBPyConnection, path: Path, *, scratch: Path, name_of: NameOf, texts: Texts, lines: Lines
) -> Source:
    """Open a file of events.

    Args:
        connection: an open session that may read the file and ``scratch``.
        path: the file.
        scratch: the session's own folder.
        name_of: splits the head of a wide column.
        texts: reads the values out of lines of text, and names by topic.
        lines: takes what is no record.

    Raises:
        UnreadableInput: no such file, or no table of events.
    """
    match kind_of(path):
        case "parquet":
            return _parquet(connection, path, name_of)
        case "jsonl":
            counted = clean_json(path, scratch / "clean.csv", texts=texts, name_of=name_of, lines=lines)
            rows = _clean_rows(scratch / "clean.csv")
            return Source(rows, rows, counted.events, counted.lines, counted.timed, counted.tagged, path)
    return _csv(path, scratch, name_of, lines)


def _csv(path: Path, scratch: Path, name_of: NameOf, lines: Lines) -> Source:
    with path.open("rb") as stream:
        sample = stream.read(_SAMPLE).removeprefix(b"\xef\xbb\xbf")
    if not sample.strip():
        return Source(_NOTHING, _NOTHING, 0, 0, timed=False, tagged=False, original=path)
    delimiter, head = head_of(sample, path)
    columns = arranged(head, str(path))
    good = None if lines.damaged else _scanned(path)
    if good:
        read = _read_csv(path, delimiter, len(head), skipped=0)
        return _table(("null", "row_number() over () + 1"), read, columns, name_of, good.records - 1, path)
    clean = scratch / "clean.csv"
    records = clean_csv(path, clean, delimiter=delimiter, width=len(head), lines=lines)
    read = _read_csv(clean, ",", len(head) + 2, skipped=2)
    made = _table(("line", "line"), read, columns, name_of, records, path)
    return replace(made, lines=records + lines.count)


def _scanned(path: Path) -> Scan | None:
    """Return what the bytes say, where every record is one good line of text."""
    try:
        seen = scan(path, named=str(path))
    except UnreadableInput:
        return None
    return seen if seen.lines == seen.records and not (seen.bom or seen.mixed_endings or seen.blank) else None


def head_of(sample: bytes, path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the delimiter and the first line's cells."""
    text = sample.decode("utf-8", "replace").splitlines()
    begun = next((index for index, line in enumerate(text) if line.strip()), 0)
    fits: dict[str, tuple[float, int]] = {}
    heads: dict[str, tuple[str, ...]] = {}
    for delimiter in "\t" if path.suffix.lower() in {".tsv", ".tab"} else ",;\t|":
        cells = [next(csv.reader([line], delimiter=delimiter), []) for line in text[begun : begun + 50] if len(line) < _HEAD_LINE]
        width = len(cells[0]) if cells else 0
        fits[delimiter] = (sum(len(row) == width for row in cells) / len(cells), width) if width > 1 else (0.0, width)
        heads[delimiter] = tuple(cell.strip() for cell in cells[0]) if cells else ()
    best = max(fits, key=lambda one: fits[one])
    return best, heads[best]


def arranged(names: tuple[str, ...], named: str) -> Columns:
    """Say what each column holds.

    Raises:
        UnreadableInput: two columns of one name, no names, or no metric among them.
    """
    for name in names:
        if names.count(name) > 1:
            raise UnreadableInput(f"{named}: line 1: two columns are called {name!r}", remedy="give every column its own name")
    folded = ["".join(char for char in name.lower() if char.isalnum()) for name in names]
    found = {role: next((i for i, word in enumerate(folded) if word in words), None) for role, words in _WORDS.items()}
    time = next((i for i, name in enumerate(names) if has_time_name(name)), None)
    if found["metric"] is not None and found["value"] is not None:
        taken = {*found.values(), time}
        rest = tuple((name, "not carried over") for i, name in enumerate(names) if i not in taken)
        return Columns(names, found["metric"], found["value"], found["unit"], time, found["tags"], excluded=rest)
    metrics, excluded = [], []
    for index, name in enumerate(names):
        if index == time:
            continue
        if has_time_name(name):
            excluded.append((name, "time column (by name)"))
        elif has_counter_name(name):
            excluded.append((name, "row counter (by name)"))
        else:
            metrics.append(index)
    if not metrics or all(_is_number(name) for name in names):
        raise UnreadableInput(
            f"{named}: line 1: names neither the columns metric and value nor any metric",
            remedy="give the file a header line: metric,value,unit,timestamp, or a time and one column a metric",
        )
    return Columns(names, time=time, metrics=tuple(metrics), excluded=tuple(excluded))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return not text
    return True


def _read_csv(path: Path, delimiter: str, width: int, *, skipped: int) -> str:
    names = ("line", "last") if skipped else ()
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in (*names, *(f"c{index}" for index in range(width - skipped))))
    return (
        f"read_csv({exact_path(path)}, auto_detect=false, delim={literal(delimiter)}, quote='\"', escape='\"', "
        f"header={'false' if skipped else 'true'}, columns={{{types}}}, buffer_size={_BUFFER_BYTES}, max_line_size={MAX_LINE}, compression='none')"
    )


def _table(line: tuple[str, str], read: str, columns: Columns, name_of: NameOf, records: int, original: Path | None) -> Source:
    """Return the source over a table whose columns are ``c0``, ``c1`` …; ``line`` is SQL of its number, left out and asked for."""

    def cell(index: int | None) -> str:
        return "null" if index is None else f"c{index}"

    heads = tuple(name_of(columns.names[index]) for index in columns.metrics)
    if columns.metric is not None:
        values = (
            f"coalesce({cell(columns.metric)}, '') as metric, {cell(columns.value)} as value, coalesce({cell(columns.unit)}, '') as unit, "
            f"{cell(columns.tags)} as tags, false as wide"
        )
    else:
        names, units = (", ".join(literal(head[part]) for head in heads) for part in (0, 1))
        cells = ", ".join(cell(index) for index in columns.metrics)
        values = f"unnest([{names}]) as metric, unnest([{cells}]) as value, unnest([{units}]) as unit, null as tags, true as wide"
    last = "last" if "line" in line else "null"
    rows, numbered = (
        f"select cast({number} as bigint) as line, cast({last} as bigint) as last, {cell(columns.time)} as time, {values} from {read}"  # noqa: S608 - quoted
        for number in line
    )
    return Source(
        rows,
        numbered,
        records * (1 if columns.metric is not None else len(columns.metrics)),
        records,
        timed=columns.time is not None,
        tagged=columns.tags is not None,
        original=original,
        excluded=columns.excluded,
        columns=heads,
    )


def _clean_rows(path: Path) -> str:
    types = ", ".join(f"'{name}': '{_TYPES.get(name, 'VARCHAR')}'" for name in _LONG)
    return (
        "select line, last, time, coalesce(metric, '') as metric, value, coalesce(unit, '') as unit, tags, wide "  # noqa: S608 - quoted
        f"from read_csv({exact_path(path)}, auto_detect=false, delim=',', quote='\"', escape='\"', header=false, columns={{{types}}}, "
        f"max_line_size={4 * MAX_LINE}, compression='none')"
    )


_TYPES = {"line": "BIGINT", "last": "BIGINT", "wide": "BOOLEAN"}


def _parquet(connection: duckdb.DuckDBPyConnection, path: Path, name_of: NameOf) -> Source:
    import duckdb

    source = f"read_parquet({exact_path(path)}, hive_partitioning=false, file_row_number=true)"
    try:
        described = connection.execute(f"describe select * exclude (file_row_number) from {source}").fetchall()  # noqa: S608 - quoted
        counted = connection.execute(f"select count(*) from {source}").fetchone()  # noqa: S608 - quoted
    except duckdb.Error as error:
        raise UnreadableInput(f"{path}: is not a whole Parquet file ({reason(error)})", remedy="write the file again") from None
    kinds = {str(row[0]): str(row[1]) for row in described}
    nested = tuple(
        (name, "nested values") for name, kind in kinds.items() if kind.endswith(("]", ")")) and not kind.startswith("DECIMAL")
    )
    names = tuple(name for name in kinds if name not in dict(nested))
    columns = arranged(names, str(path))
    cells = ", ".join(f"{_text(identifier(name), kinds[name])} as c{index}" for index, name in enumerate(names))
    read = f"(select file_row_number, {cells} from {source})"  # noqa: S608 - quoted
    rows = int(counted[0]) if counted else 0
    made = _table(("null", "file_row_number + 1"), read, columns, name_of, rows, None)
    return replace(made, excluded=(*nested, *made.excluded))


def _text(cell: str, kind: str) -> str:
    """Return the SQL of a cell as text; a moment with a zone in UTC, so that no setting of the machine plays a part."""
    if kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"):
        cell = f"make_timestamp(epoch_us({cell}))"
    return f"cast({cell} as varchar)"
