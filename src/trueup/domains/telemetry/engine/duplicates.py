"""Rows that are there twice: a link that delivers again, a logger that writes what it has written.

Where both sides have a clock, a row that bears the time of the row before it is a repeat. Without one, a row is a repeat when every
metric that hardly ever repeats by itself repeats at once. Either way the run is held against the baseline's own share of repeats,
and stretches are counted, not rows: a row that is there ten times is one event, and so is a sensor that hangs.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.table import ColumnData
from trueup.kernel.stats import share_test

type Mask = NDArray[np.bool_]

# a metric whose value equals the one before it more often says nothing of repeated rows; one that nearly always does in the
# run is held or constant there, which is found by other tests
_TELLING = 0.01
_HELD = 0.95
# of a lone metric, so many equal values in a row are a sensor that hangs (``stuck``), and fewer are rows that repeat
_STRETCH = 5


@dataclass(frozen=True, slots=True)
class Repeated:
    """Repeats of one side.

    Args:
        rows: rows that repeat the row before them.
        events: stretches of them.
        total: all rows.
        first: the first of them; None without one.
    """

    rows: int
    events: int
    total: int
    first: int | None

    @property
    def share(self) -> float:
        """Share of the rows that repeat the row before them."""
        return self.rows / max(self.total, 1)

    def numbers(self) -> dict[str, Any]:
        """Return what is shown of it."""
        return {"n": self.total, "repeated_rows": self.rows, "repeated_share": self.share}


def repeated(same: Mask) -> Repeated:
    """Count repeats.

    Args:
        same: bool[rows − 1], whether a row repeats the one before it.
    """
    rows = int(np.count_nonzero(same))
    if not rows:
        return Repeated(0, 0, len(same) + 1, None)
    events = int(np.count_nonzero(same[1:] & ~same[:-1])) + int(same[0])
    return Repeated(rows, events, len(same) + 1, int(np.argmax(same)) + 1)


def repeat_test(name: str, baseline: Repeated, run: Repeated, config: CompareConfig) -> RawTest | None:
    """Test whether more of the run's rows are repeats than of the baseline's; None where the run has none.

    Args:
        name: of the test.
        baseline: its repeats.
        run: its repeats.
        config: floor and least size.
    """
    if not run.rows or min(baseline.total, run.total) < config.min_n:
        return None
    result = share_test(baseline.events, baseline.total, run.events, run.total)
    more = max(0.0, run.share - baseline.share)
    p_value = result.p_value if more > 0.0 and run.events / run.total > baseline.events / baseline.total else 1.0
    floor = config.duplication_floor
    return RawTest(name, Kind.DUPLICATION, result.statistic, p_value, more, floor, more / floor)


def repeat_words(baseline: Repeated, run: Repeated, *, timed: bool) -> str:
    """Explain a finding of the test."""
    what = "bear the time of the row before them" if timed else "repeat the row before them in every metric that can tell"
    places = "place" if run.events == 1 else "places"
    return (
        f"{explain.share(run.share)} of the run's rows {what} ({run.rows:,} of {run.total:,}, in {run.events:,} {places}), "
        f"against {explain.share(baseline.share)} of the baseline's; {explain.place(run.first, run.total)}"
    )


def _same(column: ColumnData) -> Mask:
    """Tell which rows of a column hold what the row before them holds; two empty cells are alike."""
    if column.rows is None and len(column.values) == column.total:
        found: Mask = column.values[1:] == column.values[:-1]
        return found
    cells = np.full(column.total, np.nan)
    cells[np.arange(len(column.values)) if column.rows is None else column.rows] = column.values
    gone = np.isnan(cells)
    alike: Mask = (cells[1:] == cells[:-1]) | (gone[1:] & gone[:-1])
    return alike


def _short(same: Mask) -> Mask:
    """Keep the repeats in stretches of few equal values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False]))))
    kept = same.copy()
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if stop - start + 1 >= _STRETCH:
            kept[start:stop] = False
    return kept


@dataclass(slots=True)
class RowWatch:
    """Sees repeats of whole rows while the columns of both sides are read for other reasons: the baseline's, then the run's.

    Args:
        names: metrics that both sides have.
    """

    names: frozenset[str]
    _sides: list[Mask] = field(init=False, default_factory=list)
    _tellers: int = field(init=False, default=0)
    _waiting: tuple[str, Mask] | None = field(init=False, default=None)
    _over: bool = field(init=False, default=False)

    def baseline(self, name: str, column: ColumnData) -> None:
        """See a column of the baseline."""
        if self._over or name not in self.names or column.total < 2:
            return
        same = _same(column)
        self._waiting = (name, same) if same.mean() <= _TELLING else None

    def run(self, name: str, column: ColumnData) -> None:
        """See a column of the run."""
        if self._waiting is None or self._waiting[0] != name or column.total < 2:
            return
        (_, before), same = self._waiting, _same(column)
        self._waiting = None
        if self._sides and (len(before), len(same)) != tuple(map(len, self._sides)):
            # metrics with rows of their own: there are no whole rows
            self._sides, self._over = [], True
            return
        if same.mean() >= _HELD:
            return
        self._tellers += 1
        self._sides = [before & self._sides[0], same & self._sides[1]] if self._sides else [before, same]
        # once no row of the run is left that could be a repeat, no further column has to be looked at
        self._over = not self._sides[1].any()

    def found(self) -> tuple[Repeated, Repeated] | None:
        """Return the repeats of both sides; None where no metric can tell."""
        if not self._sides:
            return None
        before, after = self._sides if self._tellers > 1 else map(_short, self._sides)
        return repeated(before), repeated(after)
