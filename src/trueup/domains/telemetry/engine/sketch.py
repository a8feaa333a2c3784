"""Sketches: all that a drift check has to know of a table, in one pass, in flat memory, and such that parts can be merged.

A metric's sketch counts its cells, holds its distribution in a grid with a stated error (``kernel.stats.RankGrid``), its
extremes, its stretches of equal values, and the moments of its consecutive blocks: from those come mean and deviation, the
memory of the series, and its changes and trends. Counts, extremes and streaks of merged sketches are exactly those of the
whole; moments are so but for rounding; the error of the distribution is stated with it; a block's border is known to a block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.sample import clean
from trueup.domains.telemetry.engine.table import ColumnData, Excluded, Table, clock_of
from trueup.kernel.stats import (
    NO_BLOCKS,
    NO_STREAKS,
    NOTHING,
    BlockMoments,
    RankGrid,
    Streaks,
    block_moments,
    followed,
    merged_grids,
    rank_grid,
    streaks,
)

if TYPE_CHECKING:
    from trueup.kernel.stats import Moments

POINTS = 1024
"""Points of a finished grid: its error is at most 1 in 900 of the values, 1 in 600 beyond sixty million of them."""
BLOCKS = 1024
"""Greatest number of blocks; a series that is no longer is its own blocks."""

_CHUNK = 1 << 14
_FINE = 2 * POINTS
_FAN = 64


@dataclass(frozen=True, slots=True)
class MetricSketch:
    """What is known of one metric.

    Args:
        cells: rows of the table.
        missing: cells without a value.
        quarantined: reason to the number of cells set aside.
        low, high: least and greatest value; 0 without values.
        grid: the distribution.
        streaks: stretches of equal values.
        blocks: the series.
        square: sum of the squared distances from the centre that ``blocks.away`` is measured from.
    """

    cells: int = 0
    missing: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)
    low: float = 0.0
    high: float = 0.0
    grid: RankGrid = NOTHING
    streaks: Streaks = NO_STREAKS
    blocks: BlockMoments = NO_BLOCKS
    square: float = 0.0

    @property
    def n(self) -> int:
        """Number of values."""
        return self.streaks.n

    def moments(self) -> "Moments":
        """Return count, mean and variance of the values."""
        return self.blocks.moments()

    def counts(self) -> ColumnData:
        """Return the counts of its cells as a column without values."""
        return ColumnData(np.empty(0), self.cells, None, self.missing, self.quarantined)


@dataclass(frozen=True, slots=True)
class ClockSketch:
    """What is known of a clock.

    Args:
        rows: moments it gave.
        first, last: the first and the last of them, in seconds.
        seconds: sum of the steps from row to row.
        longest: greatest step.
        longest_at: when it began.
        steps: the distribution of the steps.
    """

    rows: int
    first: float
    last: float
    seconds: float
    longest: float
    longest_at: float
    steps: RankGrid


@dataclass(frozen=True, slots=True)
class TableSketch:
    """The sketches of a table, or of a part of its rows.

    Args:
        rows: data rows.
        metrics: name to sketch, in the table's order.
        excluded: columns without one, each with its reason.
        clock: None without a sound one.
    """

    rows: int
    metrics: Mapping[str, MetricSketch]
    excluded: tuple[Excluded, ...] = ()
    clock: ClockSketch | None = None


class Builder:
    """Makes a metric's sketch from its values, block after block; what it holds does not grow with them.

    Args:
        points: of the finished grid.
        blocks: greatest number of blocks.
    """

    def __init__(self, *, points: int = POINTS, blocks: int = BLOCKS) -> None:
        self._points, self._most = points, blocks
        self._waiting = np.empty(0)
        self._levels: list[list[RankGrid]] = [[]]
        self._blocks: list[BlockMoments] = []
        self._streaks = NO_STREAKS
        self._centre: float | None = None
        self._low, self._high, self._square = np.inf, -np.inf, 0.0

    def update(self, values: NDArray[np.float64]) -> None:
        """Take in further values.

        Args:
            values: float64[n], finite, in order.
        """
        if len(self._waiting):
            wanted = _CHUNK - len(self._waiting)
            self._waiting = np.concatenate((self._waiting, values[:wanted]))
            values = values[wanted:]
            if len(self._waiting) < _CHUNK:
                return
            self._take(self._waiting)
            self._waiting = np.empty(0)
        whole = len(values) // _CHUNK * _CHUNK
        for start in range(0, whole, _CHUNK):
            self._take(values[start : start + _CHUNK])
        self._waiting = values[whole:].copy()

    def _take(self, values: NDArray[np.float64]) -> None:
        ordered = np.sort(values)
        if self._centre is None:
            self._centre = float(ordered[len(ordered) // 2])
        self._low, self._high = min(self._low, float(ordered[0])), max(self._high, float(ordered[-1]))
        self._add(rank_grid(ordered, _FINE), 0)
        self._streaks = self._streaks.then(streaks(values))
        with np.errstate(over="ignore"):
            away = values - self._centre
            self._square = min(self._square + float(np.einsum("i,i->", away, away)), np.finfo(np.float64).max)
            length = max((part.length for part in self._blocks[:1]), default=1)
            self._blocks.append(block_moments(values, min(length, _CHUNK), self._centre))
            if sum(len(part.counts) for part in self._blocks) > 4 * self._most:
                self._blocks = [followed(self._blocks).within(self._most)]

    def _add(self, grid: RankGrid, level: int) -> None:
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(grid)
        if len(self._levels[level]) == _FAN:
            merged = merged_grids(self._levels[level], _FINE)
            self._levels[level] = []
            self._add(merged, level + 1)

    def sketch(self, *, cells: int | None = None, missing: int = 0, aside: Mapping[str, int] | None = None) -> MetricSketch:
        """Return the sketch of everything that was taken in; nothing can be added after that.

        Args:
            cells: rows of the table; the values where not given.
            missing: cells without a value.
            aside: reason to the number of cells set aside.
        """
        if len(self._waiting):
            self._take(self._waiting)
            self._waiting = np.empty(0)
        n = self._streaks.n
        total = n if cells is None else cells
        if not n:
            return MetricSketch(total, missing, dict(aside or {}))
        return MetricSketch(
            cells=total,
            missing=missing,
            quarantined=dict(aside or {}),
            low=float(self._low),
            high=float(self._high),
            grid=merged_grids([grid for level in self._levels for grid in level], self._points),
            streaks=self._streaks,
            blocks=followed(self._blocks).within(self._most),
            square=self._square,
        )


def sketch_column(column: ColumnData, *, points: int = POINTS, blocks: int = BLOCKS) -> MetricSketch:
    """Sketch one column.

    Args:
        column: as it was read; values that are not finite are set aside.
        points: of the grid.
        blocks: greatest number of blocks.
    """
    kept, builder = clean(column), Builder(points=points, blocks=blocks)
    builder.update(kept.values)
    return builder.sketch(cells=kept.total, missing=kept.missing, aside=kept.quarantined)


def sketch_clock(times: NDArray[np.float64]) -> ClockSketch:
    """Sketch a clock.

    Args:
        times: float64[n], seconds, finite, never falling, n ≥ 1.
    """
    steps = np.diff(times)
    builder = Builder()
    builder.update(steps)
    place = int(np.argmax(steps)) if len(steps) else 0
    return ClockSketch(
        rows=len(times),
        first=float(times[0]),
        last=float(times[-1]),
        seconds=float(times[-1] - times[0]),
        longest=float(steps[place]) if len(steps) else 0.0,
        longest_at=float(times[place]),
        steps=builder.sketch().grid,
    )


def sketch_table(table: Table) -> TableSketch:
    """Sketch a table; each column is read once and one is in memory at a time."""
    times = clock_of(table)
    clock = None if times is None else sketch_clock(times)
    del times
    metrics = {name: sketch_column(table.column(name)) for name in table.numeric}
    return TableSketch(table.rows, metrics, tuple(table.excluded), clock)


def merge_metrics(parts: Sequence[MetricSketch], *, points: int = POINTS, blocks: int = BLOCKS) -> MetricSketch:
    """Merge the sketches of one metric's consecutive stretches, in their order.

    Args:
        parts: at least one.
        points: of the grid.
        blocks: greatest number of blocks.
    """
    filled = [part for part in parts if part.n]
    aside: dict[str, int] = {}
    for part in parts:
        for reason, count in part.quarantined.items():
            aside[reason] = aside.get(reason, 0) + count
    joined = NO_STREAKS
    for part in filled:
        joined = joined.then(part.streaks)
    return MetricSketch(
        cells=sum(part.cells for part in parts),
        missing=sum(part.missing for part in parts),
        quarantined=aside,
        low=min((part.low for part in filled), default=0.0),
        high=max((part.high for part in filled), default=0.0),
        grid=merged_grids([part.grid for part in filled], points),
        streaks=joined,
        blocks=followed([part.blocks for part in filled]).within(blocks),
        square=min(sum(part.square for part in filled), float(np.finfo(np.float64).max)),
    )


def merge_clocks(parts: Sequence[ClockSketch]) -> ClockSketch:
    """Merge clocks, one after the other; where the next one begins earlier than the last ended, there is a seam and no step.

    Args:
        parts: at least one.
    """
    grids = [part.steps for part in parts]
    seconds = sum(part.seconds for part in parts)
    longest = max(parts, key=lambda part: part.longest)
    step, at = longest.longest, longest.longest_at
    for before, after in pairwise(parts):
        between = after.first - before.last
        if between >= 0.0:
            grids.append(RankGrid(np.array([between]), np.array([1], dtype=np.int64)))
            seconds += between
            step, at = (between, before.last) if between > step else (step, at)
    rows = sum(part.rows for part in parts)
    return ClockSketch(rows, parts[0].first, parts[-1].last, seconds, step, at, merged_grids(grids, POINTS))


def merge_tables(parts: Sequence[TableSketch]) -> TableSketch:
    """Merge the sketches of consecutive windows, or of several runs; a metric that not all of them have is left out.

    Args:
        parts: at least one, in order.
    """
    common = [name for name in parts[0].metrics if all(name in part.metrics for part in parts)]
    reasons = {item.name: item.reason for part in parts for item in part.excluded}
    reasons |= {name: "not in every part" for part in parts for name in part.metrics if name not in common}
    clocks = [part.clock for part in parts if part.clock is not None]
    return TableSketch(
        rows=sum(part.rows for part in parts),
        metrics={name: merge_metrics([part.metrics[name] for part in parts]) for name in common},
        excluded=tuple(Excluded(name, reason) for name, reason in reasons.items() if name not in common),
        clock=merge_clocks(clocks) if len(clocks) == len(parts) else None,
    )
