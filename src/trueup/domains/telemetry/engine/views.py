"""Tables made of tables: under canonical names and units, and several runs as one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.table import ColumnData, Excluded, Table, clock_of, times_of


@dataclass(frozen=True, slots=True)
class Source:
    """Where a canonical metric comes from: ``value × factor + offset`` of a raw column.

    Args:
        raw: the column's name in the file.
        unit: the canonical unit, that of the values after factor and offset; empty when not known.
    """

    raw: str
    unit: str = ""
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Mapped:
    """A table under canonical names and units.

    Args:
        table: what lies in the file.
        sources: canonical name to its raw column; columns that no metric comes from are left out.
    """

    table: Table
    sources: Mapping[str, Source]
    numeric: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Keep the file's order of columns."""
        place = {name: index for index, name in enumerate(self.table.numeric)}
        known = [name for name, source in self.sources.items() if source.raw in place]
        object.__setattr__(self, "numeric", tuple(sorted(known, key=lambda name: place[self.sources[name].raw])))

    @property
    def rows(self) -> int:
        """Number of data rows."""
        return self.table.rows

    @property
    def excluded(self) -> Sequence[Excluded]:
        """Columns that are not compared, under their canonical names where they have one."""
        canonical = {source.raw: name for name, source in self.sources.items()}
        return tuple(Excluded(canonical.get(item.name, item.name), item.reason) for item in self.table.excluded)

    def column(self, name: str) -> ColumnData:
        """Read one metric in its canonical unit."""
        source = self.sources[name]
        data = self.table.column(source.raw)
        if (source.factor, source.offset) == (1.0, 0.0):
            return data
        return replace(data, values=data.values * source.factor + source.offset)

    def clock(self) -> NDArray[np.float64] | None:
        """Return the table's clock, if it has a sound one."""
        return clock_of(self.table)

    def row_times(self) -> NDArray[np.float64] | None:
        """Return the times of the rows as they stand."""
        return times_of(self.table)


@dataclass(frozen=True, slots=True)
class Pooled:
    """Several runs as one table, one after the other; a metric that is not in each of them is left out.

    Args:
        tables: at least one.
    """

    tables: Sequence[Table]

    @property
    def rows(self) -> int:
        """Number of data rows of all of them."""
        return sum(table.rows for table in self.tables)

    @property
    def numeric(self) -> Sequence[str]:
        """Metrics that every table has, in the order of the first."""
        first, *others = self.tables
        return tuple(name for name in first.numeric if all(name in table.numeric for table in others))

    @property
    def excluded(self) -> Sequence[Excluded]:
        """Columns that are not compared, once each."""
        common = set(self.numeric)
        found = {item.name: item.reason for table in self.tables for item in table.excluded}
        for table in self.tables:
            found |= {name: "not in every run of the baseline" for name in table.numeric if name not in common}
        return tuple(Excluded(name, reason) for name, reason in found.items())

    def column(self, name: str) -> ColumnData:
        """Read one metric of all tables."""
        parts = [table.column(name) for table in self.tables]
        if len(parts) == 1:
            return parts[0]
        aside: dict[str, int] = {}
        for part in parts:
            for reason, count in part.quarantined.items():
                aside[reason] = aside.get(reason, 0) + count
        return ColumnData(
            np.concatenate([part.values for part in parts]),
            total=sum(part.total for part in parts),
            rows=self._rows_of(parts),
            missing=sum(part.missing for part in parts),
            quarantined=aside,
        )

    def clock(self) -> NDArray[np.float64] | None:
        """Return the clocks one after the other, without a gap at the seams; None unless every table has one."""
        found: list[NDArray[np.float64]] = []
        for table in self.tables:
            times = clock_of(table)
            if times is None:
                return None
            found.append(times + (found[-1][-1] + float(np.median(np.diff(times))) if found else 0.0))
        return found[0] if len(found) == 1 else np.concatenate(found)

    def row_times(self) -> NDArray[np.float64] | None:
        """Return the times of the rows as they stand, where it is one table; several have no common ones."""
        return times_of(self.tables[0]) if len(self.tables) == 1 else None

    @staticmethod
    def _rows_of(parts: Sequence[ColumnData]) -> NDArray[np.int64] | None:
        if all(part.rows is None for part in parts):
            return None
        before, found = 0, []
        for part in parts:
            rows = np.arange(len(part.values), dtype=np.int64) if part.rows is None else part.rows
            found.append(rows + before)
            before += part.total
        return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class Watched:
    """A table that says which of its columns is being read, and lets each be seen that was.

    Args:
        table: what is read.
        reading: called with the column's name before it is read.
        see: called with the column once it was.
    """

    table: Table
    reading: Callable[[str], None] = lambda _name: None
    see: Callable[[str, ColumnData], None] = lambda _name, _column: None

    @property
    def rows(self) -> int:
        """Number of data rows."""
        return self.table.rows

    @property
    def numeric(self) -> Sequence[str]:
        """Names of the numeric columns."""
        return self.table.numeric

    @property
    def excluded(self) -> Sequence[Excluded]:
        """Columns that are not compared."""
        return self.table.excluded

    def column(self, name: str) -> ColumnData:
        """Read one column, and say so."""
        self.reading(name)
        column = self.table.column(name)
        self.see(name, column)
        return column

    def clock(self) -> NDArray[np.float64] | None:
        """Return the table's clock, if it has a sound one."""
        return clock_of(self.table)

    def row_times(self) -> NDArray[np.float64] | None:
        """Return the times of the rows as they stand."""
        return times_of(self.table)
