"""Monotone trend of a short series by ranks: Mann and Kendall's test, Theil and Sen's line with its interval."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from trueup.kernel.stats.distributions import normal_sf
from trueup.kernel.stats.twosample import TestResult

_EXACT = 30
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Line:
    """A robust line ``level + slope·x`` and the 95 % interval of its slope (unbounded where the series is too short)."""

    level: float
    slope: float
    low: float
    high: float


@cache
def _orders(n: int) -> tuple[int, ...]:
    """Return how many of the n! orders have 0, 1, 2, … inversions."""
    counts = [1]
    for size in range(2, n + 1):
        sums = [0] * (len(counts) + size - 1)
        for place, count in enumerate(counts):
            for step in range(size):
                sums[place + step] += count
        counts = sums
    return tuple(counts)


def _signs(series: NDArray[np.float64]) -> tuple[int, NDArray[np.int64]]:
    first, second = np.triu_indices(len(series), k=1)
    _, ties = np.unique(series, return_counts=True)
    return int(np.sum(np.sign(series[second] - series[first]))), ties.astype(np.int64)


def mann_kendall(series: NDArray[np.float64]) -> TestResult:
    """Test whether a series rises or falls, against a series of independent values in any order.

    Exact up to 30 values without ties, else by the normal distribution with the correction for ties and continuity.

    Args:
        series: float64[n], finite, in order.

    Returns:
        Kendall's S (pairs that rise less pairs that fall), and the two-sided p-value; 1 for fewer than three values.

    References:
        Mann (1945), "Nonparametric tests against trend"; Kendall (1975), "Rank correlation methods".
    """
    n = len(series)
    if n < 3:
        return TestResult(0.0, 1.0)
    score, ties = _signs(series)
    if n <= _EXACT and int(ties.max()) == 1:
        counts = _orders(n)
        fewer = (len(counts) - 1 - abs(score)) // 2  # inversions of an order with this score, or its mirror
        return TestResult(float(score), min(1.0, 2.0 * sum(counts[: fewer + 1]) / math.factorial(n)))
    variance = (n * (n - 1) * (2 * n + 5) - float(np.sum(ties * (ties - 1) * (2 * ties + 5)))) / 18.0
    if variance <= 0.0 or score == 0:
        return TestResult(float(score), 1.0)
    return TestResult(float(score), min(1.0, 2.0 * normal_sf((abs(score) - 1) / math.sqrt(variance))))


def theil_sen(x: NDArray[np.float64], y: NDArray[np.float64]) -> Line:
    """Lay the line of the median slope through points, with the interval that Kendall's distribution gives its slope.

    Args:
        x: float64[n], n ≥ 2, rising strictly.
        y: float64[n], finite.

    References:
        Sen (1968), "Estimates of the regression coefficient based on Kendall's tau".
    """
    n = len(x)
    first, second = np.triu_indices(n, k=1)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    slope = float(np.median(slopes))
    reach = _Z * math.sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
    low, high = math.floor((len(slopes) - reach) / 2.0) - 1, math.ceil((len(slopes) + reach) / 2.0)
    bounds = (
        float(slopes[low]) if low >= 0 else -math.inf,
        float(slopes[high]) if high < len(slopes) else math.inf,
    )
    return Line(float(np.median(y - slope * x)), slope, *bounds)
