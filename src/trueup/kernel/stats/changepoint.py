"""Where a series changes its level: CUSUM test, location of the change, binary segmentation."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from trueup.kernel.stats.distributions import kolmogorov_sf


def cusum_statistic(series: NDArray[np.float64], deviation: float) -> float:
    """Return max_k |S_k| / (deviation * sqrt(n)), S_k the partial sums of the centred series.

    Args:
        series: float64[n].
        deviation: long-run standard deviation of one value of the series (``sd * sqrt(tau)``), > 0.

    References:
        Csörgő & Horváth (1997), "Limit theorems in change-point analysis", section 2.1.
    """
    n = len(series)
    sums = np.cumsum(series - float(np.mean(series)))
    return float(np.max(np.abs(sums))) / (deviation * math.sqrt(n))


def cusum_p_value(statistic: float) -> float:
    """Return the p-value of a CUSUM statistic: the sup of a Brownian bridge, which has Kolmogorov's law.

    References:
        Csörgő & Horváth (1997), section 2.1; Ploberger & Krämer (1992) for the statistic of centred values.
    """
    return kolmogorov_sf(statistic)


def locate_change(series: NDArray[np.float64], *, margin: int = 1) -> tuple[int, float]:
    """Find the split that explains most of a series by two levels.

    Args:
        series: float64[n], best centred; n ≥ 2 * margin.
        margin: least number of values on either side, ≥ 1.

    Returns:
        (k, gain): the second level starts at index k; gain is the fall of the sum of squares. (0, 0.0) when the
        series is too short to be split.

    References:
        Hawkins (1977), "Testing a sequence of observations for a shift in location".
    """
    n = len(series)
    if n < max(2, 2 * margin):
        return 0, 0.0
    sums = np.cumsum(series)
    total = float(sums[-1])
    k = np.arange(margin, n - margin + 1, dtype=np.float64)
    # (S_k - k S_n / n)^2 n / (k (n - k)) is the between-segments sum of squares
    between = sums[margin - 1 : n - margin] - k * (total / n)
    between *= between
    between *= n / (k * (n - k))
    best = int(np.argmax(between))
    return best + margin, float(between[best])


def segment_bounds(
    series: NDArray[np.float64],
    *,
    significant: Callable[[NDArray[np.float64]], bool],
    margin: int,
    most: int = 16,
) -> list[int]:
    """Cut a series into stretches of one level each by binary segmentation.

    Args:
        series: float64[n].
        significant: decides whether a stretch holds a change at all.
        margin: least length of a stretch.
        most: greatest number of stretches.

    Returns:
        Ascending bounds, from 0 to n inclusive; ``len(bounds) - 1`` stretches.

    References:
        Scott & Knott (1974), "A cluster analysis method for grouping means in the analysis of variance".
    """
    bounds = [0, len(series)]
    waiting = [(0, len(series))]
    while waiting and len(bounds) <= most:
        start, stop = waiting.pop(0)
        stretch = series[start:stop]
        cut, gain = locate_change(stretch, margin=margin)
        if cut == 0 or gain <= 0.0 or not significant(stretch):
            continue
        bounds.append(start + cut)
        waiting += [(start, start + cut), (start + cut, stop)]
    return sorted(bounds)
