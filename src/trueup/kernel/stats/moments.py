"""Location and scale of one sample, careful at any scale and offset."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and unbiased variance of a sample; the variance is 0.0 for n < 2."""

    n: int
    mean: float
    variance: float

    @property
    def sd(self) -> float:
        """Standard deviation, in the unit of the values."""
        return math.sqrt(self.variance)


def moments(values: NDArray[np.float64]) -> Moments:
    """Compute mean and unbiased variance in two passes with a correction for the rounded mean.

    Args:
        values: float64[n], finite; n ≥ 1. |values| ≤ 1e150 keeps the squares finite.

    >>> moments(np.array([1e12, 1e12 + 1, 1e12 + 2])).variance
    1.0

    References:
        Chan, Golub & LeVeque (1983), "Algorithms for computing the sample variance", eq. 1.7.
    """
    n = len(values)
    pivot = float(values[0])
    # the mean of differences from one of the values keeps the digits that a large offset would swallow
    shifted = values - pivot
    shift = float(np.mean(shifted))
    shifted -= shift
    # einsum, not dot: a threaded BLAS sums in an order that depends on the machine
    residue = float(np.sum(shifted))
    square = float(np.einsum("i,i->", shifted, shifted))
    variance = max(0.0, square - residue * residue / n) / (n - 1) if n > 1 else 0.0
    return Moments(n, pivot + shift, variance)


def quantile_sorted(ordered: NDArray[np.float64], share: float) -> float:
    """Return a quantile of an ascending array by linear interpolation between order statistics.

    References:
        Hyndman & Fan (1996), "Sample quantiles in statistical packages", definition 7.
    """
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    low, high = float(ordered[below]), float(ordered[above])
    weight = position - below
    # the convex form cannot overflow where high - low would
    return low if low == high else (1.0 - weight) * low + weight * high


def mad(ordered: NDArray[np.float64]) -> float:
    """Return the median absolute deviation from the median of an ascending array, times 1.4826.

    The factor makes it estimate the standard deviation of normal data.

    References:
        Rousseeuw & Croux (1993), "Alternatives to the median absolute deviation", section 1.
    """
    deviations = np.sort(np.abs(ordered - quantile_sorted(ordered, 0.5)))
    return 1.482602218505602 * quantile_sorted(deviations, 0.5)
