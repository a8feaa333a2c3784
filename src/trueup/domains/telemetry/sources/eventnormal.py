"""Normalises a file of events into another: what was taken, what was set aside, and why."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from trueup.domains.telemetry.engine import units
from trueup.domains.telemetry.engine.normalise import Normaliser, Pair, Refusal, Rule
from trueup.domains.telemetry.sources.cells import NUMERIC_SHARE
from trueup.domains.telemetry.sources.eventlines import Lines
from trueup.domains.telemetry.sources.events import Source, kind_of, open_events
from trueup.domains.telemetry.sources.eventsql import Clock, bad_sql, good_sql, pairs_sql, store_rules
from trueup.domains.telemetry.sources.eventtexts import texts_of
from trueup.domains.telemetry.sources.eventwrite import Wanted, copy_out, write_quarantine
from trueup.domains.telemetry.sources.session import connect, faults, literal
from trueup.kernel.errors import UnreadableInput

if TYPE_CHECKING:
    import duckdb

_MEMORY_MIB = 96
_MAX_PAIRS = 100_000
_SAMPLE_ROWS = 5000
_INTEGER = re.compile(r"\s*[+-]?\d{1,19}\s*", re.ASCII)
_HEAD = re.compile(r"(?P<name>.*\S)\s*[\[(](?P<unit>[^\[\]()]+)[\])]\s*")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the values of one canonical metric came from.

    Args:
        raw_name: as it was sent.
        raw_unit: as it was sent; empty where nothing was.
        rule: what became of them.
        rows: how many were taken.
    """

    raw_name: str
    raw_unit: str
    rule: Rule
    rows: int


@dataclass(frozen=True, slots=True)
class Normalised:
    """What became of a file.

    Args:
        lines: lines or rows of the file, without its header.
        events: values in it, missing ones included.
        written: values that were written.
        missing: cells that say nothing was measured.
        left_out: cells of columns that are not carried.
        quarantined: reason to number of what was set aside.
        provenance: where the values came from.
        excluded: columns that are not carried, with the reason.
        clock: how the output tells the time.
        notes: what a reader should know.
    """

    lines: int
    events: int
    written: int
    missing: int
    left_out: int
    quarantined: Mapping[str, int]
    provenance: tuple[Provenance, ...]
    excluded: tuple[tuple[str, str], ...]
    clock: str
    notes: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Share of what was set aside among all that holds something."""
        aside = sum(self.quarantined.values())
        return aside / (aside + self.written) if aside else 0.0


@dataclass(slots=True)
class _Work:
    """One attempt at a file."""

    connection: duckdb.DuckDBPyConnection
    source: Source
    normaliser: Normaliser
    scratch: Path
    lines: Lines
    counts: dict[Pair, tuple[int, int, bool]] = field(default_factory=dict)
    rules: dict[Pair, Rule | Refusal] = field(default_factory=dict)
    left_out: dict[Pair, str] = field(default_factory=dict)
    clock: Clock = Clock.NONE


def normalise_file(path: Path, wanted: Wanted, normaliser: Normaliser, *, workdir: Path) -> Normalised:
    """Normalise a file.

    Every record is either written, missing, left out with its column, or set aside: the four are counted apart, and their sum
    is held against a count of the file's records that the reader had no part in.

    Args:
        path: long (``metric,value[,unit,timestamp,tags]``) or wide (a time and one column a metric), as CSV, TSV, JSON lines or
            Parquet.
        wanted: what is written, and where.
        normaliser: the rules.
        workdir: an existing folder for what is being made.

    Raises:
        UnreadableInput: no such file, or no table of events.
        StorageFull: no room; nothing was written.
    """
    named = str(path)
    kind = kind_of(path)
    for damaged in (False, True):
        with tempfile.TemporaryDirectory(dir=workdir, prefix=".normalise-", ignore_cleanup_errors=True) as folder:
            scratch = Path(folder)
            lines = Lines(scratch / "rejected.csv", damaged)
            try:
                with (
                    faults(named, workdir),
                    connect(scratch, reads=path, memory_mib=_MEMORY_MIB, joins_as_written=True) as connection,
                ):
                    return _attempt(connection, path, wanted, normaliser, lines)
            except UnreadableInput:
                if damaged or kind != "csv":
                    raise
    raise AssertionError


def _attempt(
    connection: duckdb.DuckDBPyConnection, path: Path, wanted: Wanted, normaliser: Normaliser, lines: Lines
) -> Normalised:
    scratch = lines.path.parent
    with texts_of(normaliser.schema, scratch) as texts:
        source = open_events(
            connection, path, scratch=scratch, name_of=lambda head: split_head(head, normaliser), texts=texts, lines=lines
        )
    work = _Work(connection, source, normaliser, scratch, lines)
    _settle(work, path)
    work.clock = _clock(work)
    return _write(work, path, wanted)


def split_head(head: str, normaliser: Normaliser) -> tuple[str, str]:
    """Return the name and the unit that the head of a column holds: ``temp [degC]`` and ``power (kW)`` hold both."""
    known = head in normaliser.schema.fields or (normaliser.registry and normaliser.registry.resolve(head))
    found = None if known else _HEAD.fullmatch(head)
    if not found:
        return head, ""
    label = found["unit"].strip()
    meant = normaliser.schema.unit_aliases.get(label, label)
    return (found["name"], label) if units.known(meant) else (head, "")


def _settle(work: _Work, path: Path) -> None:
    """Find every name and unit of the file and what becomes of it."""
    found = work.connection.execute(f"{pairs_sql(work.source.rows)} limit {_MAX_PAIRS + 1}").fetchall()
    if len(found) > _MAX_PAIRS:
        raise UnreadableInput(
            f"{path}: more than {_MAX_PAIRS} different metrics and units", remedy="check which column holds the name"
        )
    if sum(row[3] for row in found) != work.source.events:
        raise _lost(path)
    wide: dict[Pair, list[int]] = {}
    for metric, unit, is_wide, count, missing, numbers in found:
        before = work.counts.get((metric, unit), (0, 0, False))
        work.counts[metric, unit] = (before[0] + count, before[1] + missing, is_wide)
        if is_wide:
            wide[metric, unit] = [count - missing, numbers]
    for pair, (filled, numbers) in wide.items():
        if not filled:
            work.left_out[pair] = "no values"
        elif numbers < NUMERIC_SHARE * filled and not _expected(work.normaliser, pair):
            work.left_out[pair] = "text column"
    work.rules = work.normaliser.settle(pair for pair in work.counts if pair not in work.left_out)
    if work.source.columns:
        _refuse_merged(work, path)
    store_rules(work.connection, work.rules | {pair: Refusal("excluded") for pair in work.left_out}, frozenset(work.left_out))


def _expected(normaliser: Normaliser, pair: Pair) -> bool:
    """Tell whether a column is known to hold a metric: then text in it is corrupt, and no reason to leave the column out."""
    rule = normaliser.rule(*pair)
    return isinstance(rule, Rule) and rule.mapped_by != "none"


def _lost(path: Path) -> UnreadableInput:
    return UnreadableInput(f"{path}: not every record could be read", remedy="export the file again")


def _refuse_merged(work: _Work, path: Path) -> None:
    """Refuse two columns of one table that are one metric: which of them it is, nobody can tell."""
    heads: dict[str, Pair] = {}
    for pair, rule in work.rules.items():
        if isinstance(rule, Rule) and (other := heads.setdefault(rule.metric, pair)) != pair:
            words = f"{path}: line 1: the columns {other[0]!r} and {pair[0]!r} are both the metric {rule.metric!r}"
            raise UnreadableInput(words, remedy="remove one of the columns, or one of the aliases")


def _clock(work: _Work) -> Clock:
    """Say how the file tells the time, by its first rows."""
    if not work.source.timed:
        return Clock.NONE
    rows = work.connection.execute(f"select time from ({work.source.rows}) limit {_SAMPLE_ROWS}").fetchall()  # noqa: S608 - built by source
    cells = [row[0] for row in rows if row[0]]
    if cells and all(_INTEGER.fullmatch(cell) for cell in cells):
        return Clock.INTEGER
    return Clock.NUMBER if 2 * sum(map(_is_number, cells)) > len(cells) else Clock.MOMENT


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _write(work: _Work, path: Path, wanted: Wanted) -> Normalised:
    source, connection = work.source, work.connection
    expected = sum(count - missing for pair, (count, missing, _) in work.counts.items() if pair not in work.left_out)
    part = work.scratch / f"made{wanted.output.suffix.lower()}"
    written = copy_out(connection, good_sql(source.rows, work.clock, timed=source.timed, tagged=source.tagged), part, work.clock)
    bad_by_pair: Counter[Pair] = Counter()
    quarantined: Counter[str] = Counter()
    aside = work.scratch / "aside.parquet"
    if written != expected:
        _set_aside(work, aside)
        if work.clock is Clock.INTEGER and _some(connection, aside, "reason = 'bad_time' and number"):
            work.clock = Clock.NUMBER  # some times have decimals, so all times do
            return _write(work, path, wanted)
        for name, unit, reason, count in connection.execute(
            f"select name, sent, reason, count(*) from read_parquet({literal(str(aside))}) group by all"  # noqa: S608 - quoted
        ).fetchall():
            bad_by_pair[name, unit] += count
            quarantined[reason] += count
    if written + sum(quarantined.values()) != expected:
        raise _lost(path)
    quarantined.update(write_quarantine(connection, wanted, source.original, aside if quarantined else None, work.lines))
    wanted.publish(part)
    provenance = [
        Provenance(*pair, rule, count - missing - bad_by_pair[pair])
        for pair, (count, missing, _) in work.counts.items()
        if isinstance(rule := work.rules.get(pair), Rule)
    ]
    left_out = sum(work.counts[pair][0] - work.counts[pair][1] for pair in work.left_out)
    return Normalised(
        lines=source.lines,
        events=source.events,
        written=written,
        missing=sum(missing for _, missing, _ in work.counts.values()),
        left_out=left_out,
        quarantined=dict(sorted(quarantined.items())),
        provenance=tuple(item for item in provenance if item.rows),
        excluded=(*source.excluded, *((pair[0], why) for pair, why in work.left_out.items())),
        clock=str(work.clock),
        notes=source.notes,
    )


def _set_aside(work: _Work, aside: Path) -> None:
    rows = bad_sql(work.source.numbered, work.clock, timed=work.source.timed)
    work.connection.execute(f"copy ({rows}) to {literal(str(aside))} (format parquet)")


def _some(connection: duckdb.DuckDBPyConnection, aside: Path, where: str) -> bool:
    found = connection.execute(f"select count(*) from read_parquet({literal(str(aside))}) where {where}").fetchone()  # noqa: S608 - quoted
    return bool(found and found[0])
