"""Two-sample tests that take an effective sample size, so that they hold for dependent values too."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.kernel.stats.distributions import kolmogorov_sf, normal_sf, t_sf
from trueup.kernel.stats.moments import moments, quantile_sorted


@dataclass(frozen=True, slots=True)
class TestResult:
    """A test statistic (signed: second sample less first) with its two-sided p-value."""

    __test__ = False  # not a test case, whatever its name suggests to a collector

    statistic: float
    p_value: float


def welch_t(mean1: float, variance1: float, n1: float, mean2: float, variance2: float, n2: float, /) -> TestResult:
    """Test whether two means differ, without assuming equal variances.

    Args:
        mean1: mean of the first sample.
        variance1: its unbiased variance.
        n1: its (effective) size, > 1.
        mean2: mean of the second sample.
        variance2: its unbiased variance.
        n2: its (effective) size, > 1.

    Returns:
        t of (second - first). No variance on either side: (0, 1) for equal means, else (±inf, 0).

    References:
        Welch (1947), "The generalization of Student's problem"; degrees of freedom by Satterthwaite (1946).
    """
    part1, part2 = variance1 / n1, variance2 / n2
    difference = mean2 - mean1
    square = part1 + part2
    if square == 0.0:
        return TestResult(0.0, 1.0) if difference == 0.0 else TestResult(math.copysign(math.inf, difference), 0.0)
    t = difference / math.sqrt(square)
    # shares instead of squares: part1**2 would underflow for small units
    share1, share2 = part1 / square, part2 / square
    df = 1.0 / (share1 * share1 / (n1 - 1.0) + share2 * share2 / (n2 - 1.0))
    return TestResult(t, min(1.0, 2.0 * t_sf(abs(t), df)))


def brown_forsythe(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    *,
    effective1: float | None = None,
    effective2: float | None = None,
) -> TestResult:
    """Test whether two samples spread equally, by the absolute deviations from their medians.

    The deviations are compared by Welch's test, so unequal sizes and kurtoses do no harm. With two samples of equal
    size the statistic's square is the classic F statistic.

    Args:
        first: float64[n], in any order.
        second: float64[m], in any order.
        effective1: effective size of the first sample's deviations; its size if not given.
        effective2: the same of the second.

    References:
        Brown & Forsythe (1974), "Robust tests for the equality of variances".
    """
    spread1 = moments(np.abs(first - quantile_sorted(np.sort(first), 0.5)))
    spread2 = moments(np.abs(second - quantile_sorted(np.sort(second), 0.5)))
    return welch_t(
        spread1.mean, spread1.variance, effective1 or len(first), spread2.mean, spread2.variance, effective2 or len(second)
    )


def _grid(ordered: NDArray[np.float64], points: int | None) -> NDArray[np.float64]:
    if points is None or len(ordered) <= points:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, points).astype(np.int64)]


def ks_distance(first: NDArray[np.float64], second: NDArray[np.float64], *, points: int | None = None) -> float:
    """Return the greatest vertical distance of two empirical distribution functions; ties are exact.

    Args:
        first: float64[n], ascending, n ≥ 1.
        second: float64[m], ascending, m ≥ 1.
        points: evaluate at no more than this many order statistics of each sample (evenly spaced in rank). The answer
            is then too small by at most ``1 / (points - 1)``. None: at every value.

    >>> ks_distance(np.array([1.0, 1.0, 1.0]), np.array([1.0, 1.0]))
    0.0

    References:
        Conover (1999), "Practical nonparametric statistics", section 6.3. Both functions are right-continuous steps,
        so their distance is attained at a value of one of the samples, counted with all its ties.
    """
    places = np.concatenate((_grid(first, points), _grid(second, points)))
    share1 = np.searchsorted(first, places, side="right") / len(first)
    share2 = np.searchsorted(second, places, side="right") / len(second)
    return float(np.max(np.abs(share1 - share2)))


def ks_p_value(distance: float, n1: float, n2: float) -> float:
    """Return the asymptotic p-value of a two-sample Kolmogorov-Smirnov distance for (effective) sizes.

    Conservative for small samples and for ties.

    References:
        Smirnov (1948), "Table for estimating the goodness of fit of empirical distributions".
    """
    return kolmogorov_sf(distance * math.sqrt(n1 * n2 / (n1 + n2)))


def share_test(hits1: int, n1: int, hits2: int, n2: int) -> TestResult:
    """Test whether two shares differ, by the pooled normal test with continuity correction.

    Args:
        hits1: cells of the first sample with the property.
        n1: all its cells, ≥ 1.
        hits2: cells of the second sample with the property.
        n2: all its cells, ≥ 1.

    References:
        Fleiss, Levin & Paik (2003), "Statistical methods for rates and proportions", section 3.1.
    """
    pooled = (hits1 + hits2) / (n1 + n2)
    difference = hits2 / n2 - hits1 / n1
    variance = pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)
    if variance <= 0.0:
        return TestResult(0.0, 1.0)
    corrected = max(0.0, abs(difference) - 0.5 * (1.0 / n1 + 1.0 / n2))
    z = corrected / math.sqrt(variance)
    return TestResult(math.copysign(z, difference), min(1.0, 2.0 * normal_sf(z)))
