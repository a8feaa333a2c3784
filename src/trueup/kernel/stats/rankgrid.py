"""A distribution in a bounded number of points, with a stated error, that can be merged with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RankGrid:
    """Weighted points that stand for a sample.

    For every v the number of values ≤ v differs from the weight of the points ≤ v by no more than ``error``. With no more
    different values than points the grid is the sample itself, and the error is 0.

    Args:
        values: float64[k], strictly ascending; each is a value of the sample.
        weights: int64[k], how many values each stands for, ≥ 1; their sum is the size of the sample.
        error: in ranks, ≥ 0.

    References:
        Manku, Rajagopalan & Lindsay (1998), "Approximate medians and other quantiles in one pass and with limited memory":
        collapsed buffers, whose errors add up.
    """

    values: NDArray[np.float64]
    weights: NDArray[np.int64]
    error: int = 0

    @property
    def n(self) -> int:
        """Size of the sample."""
        return int(self.weights.sum())

    @property
    def rank_error(self) -> float:
        """Greatest error of a rank, as a share of the sample."""
        return self.error / max(self.n, 1)

    def upto(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of values that are ≤ each place."""
        sums = np.concatenate(([0], np.cumsum(self.weights)))
        shares: NDArray[np.float64] = sums[np.searchsorted(self.values, places, side="right")] / max(self.n, 1)
        return shares

    def quantile(self, share: float) -> float:
        """Return a value whose rank is that share of the sample, within the error."""
        sums = np.cumsum(self.weights)
        # the middle of two values where the share falls between them, as the median of an even number does
        place = share * float(sums[-1])
        below = int(np.searchsorted(sums, place, side="left"))
        if float(sums[below]) == place and below + 1 < len(self.values):
            return 0.5 * float(self.values[below]) + 0.5 * float(self.values[below + 1])
        return float(self.values[below])

    def mid_shares(self) -> NDArray[np.float64]:
        """Return, for each point, the share below it and half of its own."""
        shares: NDArray[np.float64] = (np.cumsum(self.weights) - 0.5 * self.weights) / max(self.n, 1)
        return shares

    def thinned(self, points: int) -> RankGrid:
        """Return a grid of at most so many points; its error is stated anew."""
        if len(self.values) <= points:
            return self
        sums = np.cumsum(self.weights)
        before = sums - self.weights
        # points are grouped by the rank of their middle; each group is told by the point in its own middle
        groups = (before + sums) * points // (2 * int(sums[-1]))
        starts = np.concatenate(([0], np.flatnonzero(np.diff(groups)) + 1))
        first = before[starts]
        last = np.concatenate((first[1:], sums[-1:]))
        chosen = np.searchsorted(sums, first + (last - first + 1) // 2, side="left")
        moved = max(int((before[chosen] - first).max()), int((last - sums[chosen]).max()))
        return RankGrid(self.values[chosen], last - first, self.error + moved)


NOTHING = RankGrid(np.empty(0), np.empty(0, dtype=np.int64))


def rank_grid(ordered: NDArray[np.float64], points: int) -> RankGrid:
    """Make the grid of an ascending array.

    Args:
        ordered: float64[n], finite, ascending.
        points: at most so many, ≥ 2.

    Returns:
        A grid with a rank error of at most about ``1 / (2 * points)``; 0 where no more values are different.

    >>> rank_grid(np.array([1.0, 1.0, 2.0]), 8).weights.tolist()
    [2, 1]
    """
    n = len(ordered)
    if not n:
        return NOTHING
    starts = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))
    if len(starts) <= points:
        return RankGrid(ordered[starts], np.diff(np.append(starts, n)))
    bounds = np.arange(points + 1, dtype=np.int64) * n // points
    weights = np.diff(bounds)
    found = _joined(ordered[bounds[:-1] + (weights - 1) // 2], weights)
    return RankGrid(*found, int(weights.max()) // 2)


def merged_grids(grids: Sequence[RankGrid], points: int) -> RankGrid:
    """Return the grid of all samples together: errors add up, in ranks, and thinning adds its own.

    Args:
        grids: in any order.
        points: at most so many in the answer.
    """
    filled = [grid for grid in grids if len(grid.values)]
    if not filled:
        return NOTHING
    values = np.concatenate([grid.values for grid in filled])
    order = np.argsort(values, kind="stable")
    found = _joined(values[order], np.concatenate([grid.weights for grid in filled])[order])
    return RankGrid(*found, sum(grid.error for grid in filled)).thinned(points)


def _joined(ordered: NDArray[np.float64], weights: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Join equal points."""
    starts = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1))
    return ordered[starts], np.add.reduceat(weights, starts)
