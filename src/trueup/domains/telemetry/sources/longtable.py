"""Events in long form (one row a value, as ``trueup telemetry normalize`` writes them) as a table: each metric is a column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.clock import clock_seconds
from trueup.domains.telemetry.engine.table import ColumnData, Excluded
from trueup.domains.telemetry.engine.timecolumn import time_reason
from trueup.domains.telemetry.sources.relation import Relation
from trueup.domains.telemetry.sources.session import faults, identifier

if TYPE_CHECKING:
    import duckdb

NAME, VALUE, TIME = "metric", "value", "time"
_TEXTS = frozenset({"VARCHAR", "ENUM"})
_NUMBERS = frozenset({"DOUBLE", "FLOAT", "BIGINT", "INTEGER", "DECIMAL"})
_UNREAD: NDArray[np.float64] = np.empty(0)
_CLOCKED = 200  # metrics whose times are held against each other
_MICROS = {"TIMESTAMP": f"epoch_us({identifier(TIME)})", "TIMESTAMP WITH TIME ZONE": f"epoch_us({identifier(TIME)})"}


def is_long(connection: duckdb.DuckDBPyConnection, relation: Relation) -> bool:
    """Tell whether a relation is in long form: a column of names called ``metric`` beside a number called ``value``."""
    with faults(relation.named):
        described = connection.execute(f"describe select * from {relation.source}").fetchall()  # noqa: S608 - quoted
    kinds = {row[0]: str(row[1]).split("(", 1)[0] for row in described}
    return kinds.get(NAME) in _TEXTS and kinds.get(VALUE) in _NUMBERS


@dataclass(slots=True)
class LongTable:
    """The ``Table`` over events: a metric's rows are its own events, in the order of the file.

    Args:
        connection: an open session; its owner closes it.
        source: SQL of the events.
        named: how errors call the file.
        notes: what a reader should know about how the file was read.
    """

    connection: duckdb.DuckDBPyConnection
    source: str
    named: str = ""
    notes: tuple[str, ...] = ()
    rows: int = field(init=False, default=0)
    numeric: tuple[str, ...] = field(init=False, default=())
    excluded: tuple[Excluded, ...] = field(init=False, default=())
    _counts: dict[str, int] = field(init=False, default_factory=dict)
    _clock: NDArray[np.float64] | None = field(init=False, default_factory=lambda: _UNREAD)

    def __post_init__(self) -> None:
        """Count the events of every metric once; ``rows`` is the greatest of the counts."""
        with faults(self.named):
            found = self.connection.execute(
                f"select {identifier(NAME)}, count(*), count({identifier(VALUE)}) from {self.source} group by 1 order by 1"  # noqa: S608 - quoted
            ).fetchall()
        self._counts = {name: events for name, events, values in found if name is not None and values}
        self.numeric = tuple(self._counts)
        self.rows = max((events for _, events, _ in found), default=0)
        self.excluded = tuple(
            Excluded(name if name is not None else "(no name)", "no values" if name is not None else "events without a name")
            for name, _, values in found
            if name is None or not values
        )

    def clock(self) -> NDArray[np.float64] | None:
        """Return the times of the events, in seconds from the first; None unless all metrics have the same, in order."""
        if self._clock is _UNREAD:
            self._clock = self._read_clock()
        return self._clock

    def _read_clock(self) -> NDArray[np.float64] | None:
        if not 0 < len(self.numeric) <= _CLOCKED or set(self._counts.values()) != {self.rows}:
            return None
        with faults(self.named):
            kind = self._time_kind()
            if not kind or not self._alike():
                return None
            time = _MICROS.get(kind, f"cast({identifier(TIME)} as double)")
            times = self._times(time, self.numeric[0])
            if not all(np.array_equal(times, self._times(time, name)) for name in self.numeric[1:]):
                return None
        reason = f"time column (by type, {kind.lower()})" if kind in _MICROS else time_reason(TIME, times)
        return clock_seconds(TIME, reason, times, self.rows) if reason else None

    def _alike(self) -> bool:
        """Tell, in one look, whether it is worth while to hold the metrics' times against each other."""
        found = self.connection.execute(
            f"select count(distinct s) from (select sum(hash({identifier(TIME)})) as s from {self.source} "  # noqa: S608 - quoted
            f"where {identifier(NAME)} is not null group by {identifier(NAME)})"
        ).fetchone()
        return found == (1,)

    def _times(self, time: str, name: str) -> NDArray[np.float64]:
        fetched = self.connection.execute(
            f"select {time} as t from {self.source} where {identifier(NAME)} = ? and {identifier(TIME)} is not null",  # noqa: S608 - quoted
            [name],
        ).fetchnumpy()
        return np.asarray(fetched["t"], dtype=np.float64)

    def _time_kind(self) -> str:
        described = self.connection.execute(f"describe select * from {self.source}").fetchall()  # noqa: S608 - quoted
        kind = next((str(row[1]).split("(", 1)[0] for row in described if row[0] == TIME), "")
        return kind if kind in _NUMBERS or kind in _MICROS else ""

    def column(self, name: str) -> ColumnData:
        """Read the values of one metric.

        Raises:
            KeyError: there is no metric of that name.
        """
        total = self._counts[name]
        with faults(self.named):
            fetched = self.connection.execute(
                f"select cast({identifier(VALUE)} as double) as v from {self.source} where {identifier(NAME)} = ?",  # noqa: S608 - quoted
                [name],
            ).fetchnumpy()["v"]
        rows: NDArray[np.int64] | None = None
        values = np.asarray(fetched.data if isinstance(fetched, np.ma.MaskedArray) else fetched, dtype=np.float64)
        if isinstance(fetched, np.ma.MaskedArray) and np.ma.getmaskarray(fetched).any():
            rows = np.flatnonzero(~np.ma.getmaskarray(fetched)).astype(np.int64)
            values = values[rows]
        missing = total - len(values)
        aside: dict[str, int] = {}
        finite = np.isfinite(values)
        if not finite.all():
            rows = np.arange(len(values), dtype=np.int64) if rows is None else rows
            aside["non_finite"] = int((~finite).sum())
            values, rows = values[finite], rows[finite]
        return ColumnData(values, total=total, rows=rows, missing=missing, quarantined=aside)
