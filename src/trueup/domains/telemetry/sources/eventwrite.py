"""Writes normalised events, and the lines that were set aside; each file whole or not at all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, Any, BinaryIO

from trueup.domains.telemetry.engine.normalise import REASONS
from trueup.domains.telemetry.sources.eventlines import MAX_LINE, Lines
from trueup.domains.telemetry.sources.eventsql import Clock
from trueup.domains.telemetry.sources.session import literal
from trueup.kernel.errors import UsageError
from trueup.kernel.files import replacing

if TYPE_CHECKING:
    import duckdb

FORMATS = (".parquet", ".csv", ".jsonl")
_ROW_GROUP = 100_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is written, and where.

    Args:
        output: the events; its extension says how.
        quarantine: the lines that were set aside, as JSON lines.
    """

    output: Path
    quarantine: Path

    def publish(self, part: Path) -> None:
        """Give the finished file its name."""
        with part.open("rb") as made, replacing(self.output) as target:
            copyfileobj(made, target, 1 << 20)


def wanted(source: Path, output: Path, quarantine: Path | None, *others: Path | None) -> Wanted:
    """Say what is written, and refuse what would overwrite what is read.

    Raises:
        UsageError: an unknown extension, no such folder, or a file that is read as well.
    """
    if output.suffix.lower() not in FORMATS:
        raise UsageError(
            f"{output}: events are not written as {output.suffix or 'that'}",
            remedy=f"name a file that ends in {', '.join(FORMATS)}",
        )
    aside = quarantine or output.with_name(f"{output.name}.quarantine.jsonl")
    made = (output, aside, meta_of(output))
    for path in made:
        if not path.absolute().parent.is_dir():
            raise UsageError(f"{path}: there is no such folder", remedy="make it first")
        if path.is_dir():
            raise UsageError(f"{path}: is a folder", remedy="name a file")
        for other in (source, *others):
            if other is not None and _same(path, other):
                raise UsageError(f"{path}: is read and would be overwritten", remedy="choose another name")
    if any(_same(one, two) for index, one in enumerate(made) for two in made[index + 1 :]):
        raise UsageError(f"{aside}: is written twice", remedy="choose another name for --quarantine")
    return Wanted(output, aside)


def meta_of(output: Path) -> Path:
    """Return the side file that says where the values of a file came from."""
    return output.with_name(f"{output.name}.meta.json")


def _same(one: Path, two: Path) -> bool:
    return one.resolve() == two.resolve() or (one.exists() and two.exists() and one.samefile(two))


def copy_out(connection: duckdb.DuckDBPyConnection, rows: str, part: Path, clock: Clock) -> int:
    """Write rows in the form that the file's extension says; return how many."""
    suffix = part.suffix
    if suffix == ".parquet":
        form = f"format parquet, compression snappy, row_group_size {_ROW_GROUP}"
    else:
        form = "format csv, header" if suffix == ".csv" else "format json"
        if clock is Clock.MOMENT:
            rows = f"select * replace (strftime(time, '%Y-%m-%dT%H:%M:%S.%fZ') as time) from ({rows})"  # noqa: S608 - built by eventsql
    copied = connection.execute(f"copy ({rows}) to {literal(str(part))} ({form})").fetchone()
    return int(copied[0]) if copied else 0


def write_quarantine(
    connection: duckdb.DuckDBPyConnection, wanted: Wanted, original: Path | None, aside: Path | None, lines: Lines
) -> dict[str, int]:
    """Write what was set aside, with its original lines, in the order of the file.

    Returns:
        reason to number of the lines that were no records; those of ``aside`` are counted already.
    """
    counts: Counter[str] = Counter()
    parts = []
    if lines.count:
        read = f"read_csv({literal(str(lines.path))}, auto_detect=false, header=false, columns={{'line': 'BIGINT', 'last': 'BIGINT', 'reason': 'VARCHAR'}})"
        counts.update(dict(connection.execute(f"select reason, count(*) from {read} group by all").fetchall()))  # noqa: S608 - quoted
        parts.append(f"select line, last, reason, null as name, null as sent, null as cell from {read}")  # noqa: S608 - quoted
    if aside:
        parts.append(f"select line, last, reason, name, sent, cell from read_parquet({literal(str(aside))})")  # noqa: S608 - quoted
    with replacing(wanted.quarantine, mode=0o600) as target:
        if not parts:
            return {}
        found = connection.execute(f"{' union all '.join(parts)} order by line, name")
        if original:
            with original.open("rb") as stream:
                _write_lines(found, target, _Originals(stream))
        else:
            _write_lines(found, target, None)
    return dict(counts)


def _write_lines(found: duckdb.DuckDBPyConnection, target: BinaryIO, originals: _Originals | None) -> None:
    for line, last, reason, name, sent, cell in _fetched(found):
        row: dict[str, Any] = {"line": line, "reason": reason, "means": REASONS[reason]}
        if name is not None:
            row |= {"metric": name, "unit": sent, "value": cell}
        if originals:
            row |= originals.of(line, last)
        target.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")


def _fetched(found: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := found.fetchmany(5000):
        yield from rows


class _Originals:
    """Finds lines of a file by their numbers, which rise."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._at = 0
        self._held: dict[str, Any] = {}
        self._span = (0, 0)

    def of(self, line: int, last: int) -> dict[str, Any]:
        """Return the text of some lines; of more than 1 MiB the beginning and how long they are."""
        if self._span != (line, last):
            while self._at < line - 1:
                self._skip()
            kept, size = b"", 0
            while self._at < last:
                more, length = self._next()
                kept, size = (kept + more)[:MAX_LINE], size + length
            self._span, self._held = (line, last), {"text": kept.rstrip(b"\r\n").decode("utf-8", "backslashreplace")}
            if size > MAX_LINE:
                self._held["bytes"] = size
        return self._held

    def _skip(self) -> None:
        self._next()

    def _next(self) -> tuple[bytes, int]:
        """Return the beginning of the next line, and its length."""
        kept = data = self._stream.readline(MAX_LINE)
        size = len(data)
        while data and not data.endswith(b"\n"):
            data = self._stream.readline(MAX_LINE)
            size += len(data)
        self._at += 1
        return kept, size
