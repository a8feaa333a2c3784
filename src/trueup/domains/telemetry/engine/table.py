"""What a comparison reads: tables of numeric columns, one column in memory at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Excluded:
    """A column that is not compared, and why (``time column``, ``text column``, …)."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ColumnData:
    """One numeric column in row order.

    Args:
        values: float64[n], finite values only, in row order.
        rows: int64[n], the row (0-based, data rows) each value stands in; None when no row is missing.
        total: number of data rows of the table.
        missing: cells that were empty or null.
        quarantined: reason (``text``, ``non_finite``) to the number of cells set aside.
        owned: nobody else holds the values: whoever is given the column may use their room up.
    """

    values: NDArray[np.float64]
    total: int
    rows: NDArray[np.int64] | None = None
    missing: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)
    owned: bool = False


class Table(Protocol):
    """A readable table. Implementations live in ``sources``; the engine never opens a file."""

    @property
    def rows(self) -> int:
        """Number of data rows."""

    @property
    def numeric(self) -> Sequence[str]:
        """Names of the numeric columns in file order, time columns not among them."""

    @property
    def excluded(self) -> Sequence[Excluded]:
        """Columns that are not compared, each with its reason."""

    def column(self, name: str) -> ColumnData:
        """Read one numeric column."""


@runtime_checkable
class Clocked(Protocol):
    """A table that may know when its rows were taken."""

    def clock(self) -> NDArray[np.float64] | None:
        """Return float64[rows], seconds from the first row, in row order; None where no one clock is sound."""


@runtime_checkable
class RowTimed(Protocol):
    """A table that may know when its rows were taken even where they are in no order."""

    def row_times(self) -> NDArray[np.float64] | None:
        """Return float64[rows], seconds from the first row, in row order, falling or not; None without one time column."""


def times_of(table: Table) -> NDArray[np.float64] | None:
    """Return the times of a table as they stand, if it has one time column without a hole."""
    times = table.row_times() if isinstance(table, RowTimed) else None
    return times if times is not None and len(times) == table.rows and bool(np.isfinite(times).all()) else None


def clock_of(table: Table) -> NDArray[np.float64] | None:
    """Return the clock of a table, if it has a sound one: whole, finite, never falling."""
    times = table.clock() if isinstance(table, Clocked) else None
    if times is None or len(times) != table.rows or len(times) < 2 or not np.isfinite(times).all():
        return None
    return times if bool((np.diff(times) >= 0.0).all()) and times[-1] > times[0] else None
