"""A long series as the moments of its consecutive blocks: its mean and variance, its memory, its changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.kernel.stats.moments import Moments


@dataclass(frozen=True, slots=True)
class BlockMoments:
    """The blocks of a series, in its order.

    Args:
        counts: int64[k], values in each block, ≥ 1.
        means: float64[k].
        squares: float64[k], sums of squared deviations from the block's own mean.
        away: float64[k], mean distances from the series' centre (see ``block_moments``).
    """

    counts: NDArray[np.int64]
    means: NDArray[np.float64]
    squares: NDArray[np.float64]
    away: NDArray[np.float64]

    @property
    def n(self) -> int:
        """Values of all blocks."""
        return int(self.counts.sum())

    @property
    def length(self) -> int:
        """Values of the longest block; 1 where the blocks are the values."""
        return int(self.counts.max()) if len(self.counts) else 1

    def moments(self) -> Moments:
        """Return count, mean and unbiased variance of the series.

        References:
            Chan, Golub & LeVeque (1979), "Updating formulae and a pairwise algorithm for computing sample variances".
        """
        n = self.n
        if not n:
            return Moments(0, 0.0, 0.0)
        pivot = float(self.means[0])
        shifted = self.means - pivot
        shift = float(np.sum(self.counts * shifted)) / n
        shifted -= shift
        square = float(np.sum(self.squares)) + float(np.sum(self.counts * shifted * shifted))
        return Moments(n, pivot + shift, square / (n - 1) if n > 1 else 0.0)

    def joined(self, length: int) -> BlockMoments:
        """Return blocks of about ``length`` values, by the place in which each of the present ones begins."""
        if length <= 1 or len(self.counts) < 2:
            return self
        begins = np.cumsum(self.counts) - self.counts
        starts = np.concatenate(([0], np.flatnonzero(np.diff(begins // length)) + 1))
        if len(starts) == len(self.counts):
            return self
        counts = np.add.reduceat(self.counts, starts)
        pivots = np.repeat(self.means[starts], np.diff(np.append(starts, len(self.counts))))
        shifted = self.means - pivots
        shifts = np.add.reduceat(self.counts * shifted, starts) / counts
        total = np.add.reduceat(self.squares + self.counts * shifted * shifted, starts)
        squares = np.maximum(total - counts * shifts * shifts, 0.0)
        away = np.add.reduceat(self.counts * self.away, starts) / counts
        return BlockMoments(counts, self.means[starts] + shifts, squares, away)

    def within(self, most: int) -> BlockMoments:
        """Return at most so many blocks, of a length that is a power of two."""
        found, length = self, 1
        while length < self.length:
            length *= 2
        found = found.joined(length)
        while len(found.counts) > most:
            length *= 2
            found = found.joined(length)
        return found


NO_BLOCKS = BlockMoments(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0), np.empty(0))


def block_moments(values: NDArray[np.float64], length: int, centre: float) -> BlockMoments:
    """Compute the moments of a series' blocks.

    Args:
        values: float64[n], finite, in order.
        length: of a block; the last may be shorter.
        centre: from which distances are taken: a value in the middle of the distribution.
    """
    n = len(values)
    full = n // length
    parts = [_equal(values[: full * length].reshape(full, length), centre)] if full else []
    if n % length:
        parts.append(_equal(values[full * length :].reshape(1, n % length), centre))
    return followed(parts)


def _equal(rows: NDArray[np.float64], centre: float) -> BlockMoments:
    count, length = rows.shape
    away = np.abs(rows - centre)
    if length == 1:
        return BlockMoments(np.ones(count, dtype=np.int64), rows[:, 0].copy(), np.zeros(count), away[:, 0])
    # differences from a value of the block keep the digits that a large offset would swallow
    shifted = rows - rows[:, :1]
    shifts = shifted.mean(axis=1)
    shifted -= shifts[:, None]
    squares = np.einsum("ij,ij->i", shifted, shifted)
    return BlockMoments(np.full(count, length, dtype=np.int64), rows[:, 0] + shifts, squares, away.mean(axis=1))


def followed(parts: Sequence[BlockMoments]) -> BlockMoments:
    """Return the blocks of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return NO_BLOCKS
    return BlockMoments(
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.means for part in parts]),
        np.concatenate([part.squares for part in parts]),
        np.concatenate([part.away for part in parts]),
    )
