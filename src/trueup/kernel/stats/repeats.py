"""Stretches of one and the same value."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Repeats:
    """The stretches of equal values of a series.

    Args:
        starts: int64[k], first index of each stretch of at least two equal values.
        lengths: int64[k], their lengths, ≥ 2.
        n: length of the series.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    n: int

    @property
    def equal(self) -> int:
        """Number of values that equal the one before them."""
        return int(np.sum(self.lengths)) - len(self.lengths)

    @property
    def longest(self) -> int:
        """Length of the longest stretch; 1 if no value repeats."""
        return int(self.lengths.max()) if len(self.lengths) else min(self.n, 1)


def repeats(values: NDArray[np.float64]) -> Repeats:
    """Find the stretches of equal values.

    >>> repeats(np.array([1.0, 1.0, 2.0, 3.0, 3.0, 3.0])).lengths.tolist()
    [2, 3]
    """
    same = np.flatnonzero(values[1:] == values[:-1])
    if not len(same):
        none = np.empty(0, dtype=np.int64)
        return Repeats(none, none, len(values))
    breaks = np.flatnonzero(np.diff(same) > 1)
    first = np.concatenate(([0], breaks + 1))
    last = np.concatenate((breaks, [len(same) - 1]))
    return Repeats(same[first], same[last] - same[first] + 2, len(values))


def upper_share(hits: int, n: int) -> float:
    """Return an upper bound, at about 97 %, of the share that so many hits in n show.

    References:
        The normal bound for a Poisson count, with three for no hits ("rule of three").
    """
    return min(1.0, (hits + 2.0 * math.sqrt(hits + 1.0) + 1.0) / (n + 3.0))


def run_p_value(length: int, n: int, share: float) -> float:
    """Return the probability of a stretch of at least ``length`` equal values among n.

    Args:
        length: of the stretch, ≥ 1.
        n: values.
        share: probability that a value equals the one before it.

    References:
        Feller (1968), "An introduction to probability theory and its applications", XIII.7; by the Poisson limit.
    """
    if length <= 1 or share >= 1.0:
        return 1.0
    if share <= 0.0:
        return 0.0
    expected = math.log(n) + (length - 1) * math.log(share) + math.log1p(-share)
    return -math.expm1(-math.exp(min(expected, 50.0)))
