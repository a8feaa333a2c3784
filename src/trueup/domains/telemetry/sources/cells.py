"""What a cell is, and what a column of cells therefore is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from trueup.domains.telemetry.sources import moments
from trueup.domains.telemetry.sources.moments import micros

NULL_WORDS = ("", "NULL", "null", "NA", r"\N")
"""Cells that say nothing was measured: empty, or a database's or R's word for it."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NON_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)
NUMERIC_SHARE = 0.5


class Cell(IntEnum):
    """What one cell holds."""

    NUMBER = 0
    MISSING = 1
    TEXT = 2
    BOOLEAN = 3
    MOMENT = 4
    NESTED = 5
    ZONED = 6
    """A moment that names its zone."""
    UNREAD = 7
    """A time of day, or a date in some other writing."""
    UNGUESSED = 8
    """A date whose day and month could be either."""
    UNCOMPUTED = 9
    """A formula of a sheet whose value was not stored."""


TIMES: Mapping[Cell, re.Pattern[str]] = {
    Cell.MOMENT: re.compile(moments.PLAIN, re.ASCII),
    Cell.ZONED: re.compile(moments.ZONED, re.ASCII),
    Cell.UNGUESSED: re.compile(moments.UNGUESSED, re.ASCII),
    Cell.UNREAD: re.compile(moments.UNREAD, re.ASCII),
}
"""What says when, by its first match."""
CLOCKS = frozenset({Cell.MOMENT, Cell.ZONED})
"""What of it can be read as a clock."""


def is_number(text: str) -> bool:
    """Tell whether a cell is a number written without regard to any country (no ``1,5``, ``1_000`` or ``0x10``)."""
    return NUMBER.fullmatch(text) is not None or NON_FINITE.fullmatch(text) is not None


def text_cell(text: str) -> tuple[Cell, float]:
    """Return what a text cell is and its value: of a number, of a boolean, of a moment in microseconds since 1970.

    >>> text_cell("1e3"), text_cell("true"), text_cell("1,5")[0], text_cell("NA")[0]
    ((<Cell.NUMBER: 0>, 1000.0), (<Cell.BOOLEAN: 3>, 1.0), <Cell.TEXT: 2>, <Cell.MISSING: 1>)
    """
    text = text.strip()
    if text in NULL_WORDS:
        return Cell.MISSING, 0.0
    if is_number(text):
        return Cell.NUMBER, float(text)
    if (word := text.lower()) in {"true", "false"}:
        return Cell.BOOLEAN, float(word == "true")
    if not text[0].isdigit():
        return Cell.TEXT, 0.0
    kind = next((kind for kind, writing in TIMES.items() if writing.fullmatch(text)), Cell.TEXT)
    return kind, micros(text) if kind in CLOCKS else 0.0


@dataclass(frozen=True, slots=True)
class Role:
    """What a column is taken for.

    Args:
        kept: the kind of cell that is compared; None when the column is excluded.
        reason: why it is excluded.
        missing: cells without a value.
        quarantined: reason to number of cells set aside.
        clock: the kind of cell that tells the time, in microseconds since 1970; None where the column is no such clock.
    """

    kept: Cell | None
    reason: str = ""
    missing: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)
    clock: Cell | None = None

    @property
    def read(self) -> Cell | None:
        """The kind of cell that can be read as numbers; None where there is none."""
        return self.clock if self.kept is None else self.kept


def role(counts: Mapping[Cell, int]) -> Role:
    """Decide what a column is from the number of its cells of each kind.

    Numeric when at least half of the cells that hold something are numbers, else boolean (compared as 0 and 1) by the
    same measure. The other cells are set aside and counted, never dropped in silence.
    """
    missing = counts.get(Cell.MISSING, 0)
    filled = sum(counts.values()) - missing
    if not filled:
        return Role(None, "no values", missing)
    for kind in (Cell.NUMBER, Cell.BOOLEAN):
        if counts.get(kind, 0) >= NUMERIC_SHARE * filled:
            return Role(kind, "", missing, _aside(counts, filled - counts[kind]))
    times = {kind: counts[kind] for kind in TIMES if counts.get(kind)}
    if sum(times.values()) >= NUMERIC_SHARE * filled:
        return _when(times, missing)
    if counts.get(Cell.NESTED, 0) >= NUMERIC_SHARE * filled:
        return Role(None, "nested values", missing)
    return Role(None, "text column", missing)


def _aside(counts: Mapping[Cell, int], cells: int) -> dict[str, int]:
    uncomputed = counts.get(Cell.UNCOMPUTED, 0)
    return {reason: count for reason, count in (("text", cells - uncomputed), ("no_stored_value", uncomputed)) if count}


def _when(times: Mapping[Cell, int], missing: int) -> Role:
    """Say how a column of times is written, and whether it can be read as a clock."""
    if len(CLOCKS & times.keys()) == 2:
        return Role(None, "time column (written as text, some with a zone and some without)", missing)
    most = max(times, key=lambda kind: times[kind])
    if most is Cell.UNGUESSED:
        return Role(None, "text column (dates whose day and month are not guessed: write 2026-02-01)", missing)
    if most is Cell.UNREAD:
        return Role(None, "time column (written as text, not as ISO 8601 with a date)", missing)
    words = "with a zone" if most is Cell.ZONED else "without a zone"
    return Role(None, f"time column (by date, {words})", missing, clock=most)
