"""Events in long form (one row a value, as ``trueup telemetry normalize`` writes them) as a table: each metric is a column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.table import ColumnData, Excluded
from trueup.domains.telemetry.sources.relation import Relation
from trueup.domains.telemetry.sources.session import faults, identifier

if TYPE_CHECKING:
    import duckdb

NAME, VALUE, TIME = "metric", "value", "time"
_TEXTS = frozenset({"VARCHAR", "ENUM"})
_NUMBERS = frozenset({"DOUBLE", "FLOAT", "BIGINT", "INTEGER", "DECIMAL"})


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
