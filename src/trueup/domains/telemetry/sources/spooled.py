"""Columns of cells in a spool: for what is not laid out in columns already, read once and then column by column."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.table import ColumnData, Excluded
from trueup.domains.telemetry.engine.timecolumn import time_reason
from trueup.domains.telemetry.sources.cells import Cell, Role, role
from trueup.domains.telemetry.sources.classified import Classified


@dataclass(slots=True)
class Column:
    """Where a column's cells lie in the spool, and how many there are of each kind.

    Args:
        first_row: the row of its first cell; in those before it has none.
    """

    first_row: int
    counts: list[int] = field(default_factory=lambda: [0] * len(Cell))
    blocks: list[tuple[int, int]] = field(default_factory=list)
    """(offset, cells) of each block: float64 values, then one byte of kind per cell."""

    def append(self, spool: IO[bytes], values: NDArray[np.float64], kinds: NDArray[np.uint8]) -> None:
        """Write its next cells."""
        for kind, count in enumerate(np.bincount(kinds, minlength=len(Cell))):
            self.counts[kind] += int(count)
        self.blocks.append((spool.seek(0, 2), len(kinds)))
        spool.write(values.tobytes())
        spool.write(kinds.tobytes())

    @property
    def empty(self) -> bool:
        """Whether every cell of it is missing."""
        return sum(self.counts) == self.counts[Cell.MISSING]


class Spooled(Classified):
    """The ``Table`` over a spool of columns.

    Args:
        spool: open for as long as the table is read.
        columns: by name, in the order of the file.
        rows: number of data rows.
        notes: what a reader should know about how the file was read.
    """

    def __init__(self, spool: IO[bytes], columns: Mapping[str, Column], rows: int, *, notes: tuple[str, ...] = ()) -> None:
        self.rows = rows
        self.notes = notes
        self._spool = spool
        self._columns = columns
        self._roles = {name: self._role(column) for name, column in columns.items()}
        reasons = {name: found.reason for name, found in self._roles.items() if found.kept is None}
        for name in columns:
            if name not in reasons:
                data = self._read(name)
                if reason := time_reason(name, data.values, rows=data.rows):
                    reasons[name] = reason
        self.numeric: tuple[str, ...] = tuple(name for name in columns if name not in reasons)
        self.excluded: tuple[Excluded, ...] = tuple(Excluded(name, reasons[name]) for name in columns if name in reasons)

    def _role(self, column: Column) -> Role:
        counts = {kind: column.counts[kind] for kind in Cell}
        counts[Cell.MISSING] += self.rows - sum(column.counts)
        return role(counts)

    def _read(self, name: str) -> ColumnData:
        column, found = self._columns[name], self._roles[name]
        values = np.empty(sum(column.counts), dtype=np.float64)
        kinds = np.empty(len(values), dtype=np.uint8)
        done = 0
        for offset, cells in column.blocks:
            self._spool.seek(offset)
            values[done : done + cells] = np.frombuffer(self._spool.read(cells * 8), dtype=np.float64)
            kinds[done : done + cells] = np.frombuffer(self._spool.read(cells), dtype=np.uint8)
            done += cells
        kept = kinds == found.read
        finite = np.isfinite(values)
        quarantined = dict(found.quarantined)
        if broken := int((kept & ~finite).sum()):
            quarantined["non_finite"] = broken
        kept &= finite
        whole = column.first_row == 0 and len(values) == self.rows and bool(kept.all())
        rows = None if whole else np.flatnonzero(kept).astype(np.int64) + column.first_row
        return ColumnData(values[kept], total=self.rows, rows=rows, missing=found.missing, quarantined=quarantined)
