"""What a cell is, and what a column of cells therefore is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

NULL_WORDS = ("", "NULL", "null", "NA", r"\N")
"""Cells that say nothing was measured: empty, or a database's or R's word for it."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NON_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)
MOMENT = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?|\d\d?:\d\d:\d\d.*|\d\d?[/.]\d\d?[/.]\d{4}.*"
_MOMENT = re.compile(MOMENT, re.ASCII)
NUMERIC_SHARE = 0.5


class Cell(IntEnum):
    """What one cell holds."""

    NUMBER = 0
    MISSING = 1
    TEXT = 2
    BOOLEAN = 3
    MOMENT = 4
    NESTED = 5


def is_number(text: str) -> bool:
    """Tell whether a cell is a number written without regard to any country (no ``1,5``, ``1_000`` or ``0x10``)."""
    return NUMBER.fullmatch(text) is not None or NON_FINITE.fullmatch(text) is not None


def text_cell(text: str) -> tuple[Cell, float]:
    """Return what a text cell is and, for a number or a boolean, its value.

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
    return (Cell.MOMENT if _MOMENT.fullmatch(text) else Cell.TEXT), 0.0


@dataclass(frozen=True, slots=True)
class Role:
    """What a column is taken for.

    Args:
        kept: the kind of cell that is compared; None when the column is excluded.
        reason: why it is excluded.
        missing: cells without a value.
        quarantined: reason to number of cells set aside.
    """

    kept: Cell | None
    reason: str = ""
    missing: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)


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
            aside = filled - counts[kind]
            return Role(kind, "", missing, {"text": aside} if aside else {})
    if counts.get(Cell.MOMENT, 0) >= NUMERIC_SHARE * filled:
        return Role(None, "time column (written as text)", missing)
    if counts.get(Cell.NESTED, 0) >= NUMERIC_SHARE * filled:
        return Role(None, "nested values", missing)
    return Role(None, "text column", missing)
