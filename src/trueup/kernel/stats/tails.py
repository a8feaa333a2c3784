"""How far out values can be expected, from what a sample itself shows of its tail."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# 1 / 5: a tail is never taken to be lighter, for a sample does not show how light its tail is
_LIGHTEST = 0.2
_ERRORS = 2.0
_LEAST = 8


@dataclass(frozen=True, slots=True)
class Tail:
    """A power law for the greatest magnitudes of a sample.

    Args:
        start: magnitude from which on it holds, > 0.
        share: share of the values that lie there.
        index: extreme value index, at the upper end of its error.
    """

    start: float
    share: float
    index: float

    def beyond(self, magnitude: float) -> float:
        """Return the share of values that are expected beyond a magnitude."""
        if magnitude <= self.start:
            return self.share
        return self.share * math.exp(-math.log(magnitude / self.start) / self.index)


def tail_of(greatest: NDArray[np.float64], n: int) -> Tail | None:
    """Fit a tail to the greatest magnitudes of a sample; None where too few of them are above 0.

    Args:
        greatest: float64[k], magnitudes, descending.
        n: size of the whole sample.

    References:
        Hill (1975), "A simple general approach to inference about the tail of a distribution"; its standard error is
        index / sqrt(k).
    """
    kept = greatest[greatest > 0.0]
    if len(kept) < _LEAST:
        return None
    start = float(kept[-1])
    count = len(kept)
    index = float(np.mean(np.log(kept[:-1])) - np.log(start))
    return Tail(start, count / n, max(_LIGHTEST, index * (1.0 + _ERRORS / math.sqrt(count))))


def poisson_sf(count: int, mean: float) -> float:
    """Return P(N ≥ count) for a Poisson variable, also where it is tiny.

    >>> round(poisson_sf(1, 0.1), 6)
    0.095163

    References:
        Abramowitz & Stegun 26.4.21, summed from the tail's first term.
    """
    if count <= 0:
        return 1.0
    if mean <= 0.0:
        return 0.0
    if mean > count:
        # the body is the shorter sum there
        term, total = math.exp(-mean), 0.0
        for k in range(count):
            total += term
            term *= mean / (k + 1)
        return max(0.0, 1.0 - total)
    term = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
    total, k = 0.0, count
    while term > total * 1e-17 and term > 0.0:
        total += term
        k += 1
        term *= mean / k
    return min(1.0, total)
