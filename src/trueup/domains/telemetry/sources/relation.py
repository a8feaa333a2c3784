"""A table that lies in a Parquet file: its columns are read one at a time through DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.table import ColumnData, Excluded
from trueup.domains.telemetry.engine.timecolumn import has_time_name, time_reason
from trueup.domains.telemetry.sources.cells import NULL_WORDS, TIMES, Cell, Role, role
from trueup.domains.telemetry.sources.classified import Classified
from trueup.domains.telemetry.sources.moments import micros_sql
from trueup.domains.telemetry.sources.session import faults, literal

if TYPE_CHECKING:
    import duckdb

_PREFIX_ROWS = 2048


def value_sql(cell: str) -> str:
    """Return the SQL that reads a text cell as a number, or as 0 and 1, or null."""
    text = f"trim({cell})"
    return (
        f"coalesce(case when not contains({cell}, '_') then try_cast({text} as double) end, "
        f"case lower({text}) when 'true' then 1.0 when 'false' then 0.0 end)"
    )


def cell_sql(cell: str) -> str:
    """Return the SQL of a text cell's value, as ``cells.text_cell`` has it: moments are microseconds since 1970."""
    return f"coalesce({value_sql(cell)}, {micros_sql(f'trim({cell})')})"


def kind_sql(cell: str) -> str:
    """Return the SQL that names the kind of a text cell, as a number of ``Cell``."""
    text = f"trim({cell})"
    nulls = ", ".join(literal(word) for word in NULL_WORDS)
    times = " ".join(
        f"when regexp_full_match({text}, {literal(writing.pattern)}) then {kind:d}" for kind, writing in TIMES.items()
    )
    return (
        f"cast(case when {cell} is null or {text} in ({nulls}) then {Cell.MISSING:d} "
        f"when not contains({cell}, '_') and try_cast({text} as double) is not null then {Cell.NUMBER:d} "
        f"when lower({text}) in ('true', 'false') then {Cell.BOOLEAN:d} "
        f"{times} else {Cell.TEXT:d} end as tinyint)"
    )


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a relation.

    Args:
        name: as it stands in the file.
        value: SQL of its value as a double, null where there is none.
        kind: SQL of its cells' kind; None for a typed column, where null is missing and the rest is a value.
        excluded: the reason, where the type alone excludes it.
        clock: whether its value is the time, in microseconds since 1970.
    """

    name: str
    value: str
    kind: str | None = None
    excluded: str = ""
    clock: bool = False


@dataclass(slots=True)
class Relation(Classified):
    """The ``Table`` over a Parquet file, implementing the engine's protocol.

    Args:
        connection: an open session; its owner closes it.
        source: SQL of the relation.
        fields: its columns, in file order.
        rows: number of data rows.
        named: how errors call the file.
        batch: columns to look at in one go; a file that others wrote may hold a million rows of each in one block.
        notes: what a reader should know about how the file was read.
    """

    connection: duckdb.DuckDBPyConnection
    source: str
    fields: Sequence[Field]
    rows: int
    named: str = ""
    batch: int = 200
    notes: tuple[str, ...] = ()
    numeric: tuple[str, ...] = field(init=False, default=())
    excluded: tuple[Excluded, ...] = field(init=False, default=())
    _roles: dict[str, Role] = field(init=False, default_factory=dict)
    _fields: dict[str, Field] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Look at every column once: what it is, and whether it is a clock."""
        self._fields = {item.name: item for item in self.fields}
        self._roles = dict(self._classified())
        reasons = {name: found.reason for name, found in self._roles.items() if found.kept is None}
        reasons |= self._clocks([name for name, found in self._roles.items() if found.kept is not None])
        self.numeric = tuple(item.name for item in self.fields if item.name not in reasons)
        self.excluded = tuple(Excluded(item.name, reasons[item.name]) for item in self.fields if item.name in reasons)

    def _read(self, name: str) -> ColumnData:
        item, found = self._fields[name], self._roles[name]
        if item.kind is None or not (found.quarantined or found.clock):
            cells = item.value
        else:
            cells = f"case when {item.kind} = {found.read:d} then {item.value} end"
        values, rows = _values(self._fetch(f"{cells} as v")["v"])
        quarantined = dict(found.quarantined)
        finite = np.isfinite(values)
        if not finite.all():
            rows = np.arange(len(values), dtype=np.int64) if rows is None else rows
            quarantined["non_finite"] = len(values) - int(finite.sum())
            values, rows = values[finite], rows[finite]
        return ColumnData(
            values, total=self.rows, rows=rows, missing=found.missing, quarantined=quarantined, owned=values.flags.writeable
        )

    def _fetch(self, cells: str, rest: str = "") -> Mapping[str, Any]:
        with faults(self.named):
            return self.connection.execute(f"select {cells} from {self.source} {rest}").fetchnumpy()  # noqa: S608 - cells and source are built from quoted parts

    def _classified(self) -> Iterator[tuple[str, Role]]:
        for start in range(0, len(self.fields), self.batch):
            batch = self.fields[start : start + self.batch]
            counted = [
                (item.name, kind, f"count(*) filter ({item.kind} = {kind:d})" if item.kind else f"count({item.value})")
                for item in batch
                if not item.excluded
                for kind in (Cell if item.kind else (Cell.NUMBER,))
            ]
            counts: dict[str, dict[Cell, int]] = {}
            if counted:
                cells = ", ".join(f"{sql} as n{index}" for index, (_, _, sql) in enumerate(counted))
                found = self._fetch(cells)
                for index, (name, kind, _) in enumerate(counted):
                    counts.setdefault(name, {})[kind] = int(found[f"n{index}"][0])
            for item in batch:
                if item.excluded:
                    yield item.name, Role(None, item.excluded, clock=Cell.MOMENT if item.clock else None)
                    continue
                if item.kind is None:
                    counts[item.name][Cell.MISSING] = self.rows - counts[item.name][Cell.NUMBER]
                yield item.name, role(counts[item.name])

    def _clocks(self, names: Sequence[str]) -> dict[str, str]:
        """Find the clocks among the numeric columns; most are ruled out by their first rows."""
        reasons: dict[str, str] = {}
        for start in range(0, len(names), self.batch):
            batch = names[start : start + self.batch]
            cells = ", ".join(f"{self._fields[name].value} as v{index}" for index, name in enumerate(batch))
            prefix = self._fetch(cells, f"limit {_PREFIX_ROWS}")
            for index, name in enumerate(batch):
                values, _ = _values(prefix[f"v{index}"])
                values = values[np.isfinite(values)]
                if has_time_name(name) or bool((np.diff(values) >= 0).all()):
                    data = self._read(name)
                    reason = time_reason(name, data.values, rows=data.rows)
                    if reason:
                        reasons[name] = reason
        return reasons


def _values(fetched: Any) -> tuple[NDArray[np.float64], NDArray[np.int64] | None]:
    """Split what DuckDB returned into values and their rows (None where no row is missing)."""
    if not isinstance(fetched, np.ma.MaskedArray):
        return np.asarray(fetched, dtype=np.float64), None
    here = ~np.ma.getmaskarray(fetched)
    return np.asarray(fetched.data[here], dtype=np.float64), np.flatnonzero(here).astype(np.int64)
