"""A straight line through a series, and a line that begins late."""

import math

import numpy as np
from numpy.typing import NDArray

from trueup.kernel.stats.distributions import t_sf
from trueup.kernel.stats.twosample import TestResult

_HINGES = 32
# a later beginning leaves too little of a line to tell it from a step
_LATEST = 0.85
_NEARLY = 0.97


def slope_test(series: NDArray[np.float64], deviation: float, effective: float) -> TestResult:
    """Test whether a series has a linear trend.

    Args:
        series: float64[n], n ≥ 2.
        deviation: long-run standard deviation of one value of the series (``sd * sqrt(tau)``).
        effective: number of independent values that the deviation is known from.

    Returns:
        The slope over its standard error; (0, 1) where nothing deviates.

    References:
        Ordinary least squares with a long-run variance: Grenander & Rosenblatt (1957), "Statistical analysis of
        stationary time series", section 7.
    """
    n = len(series)
    if deviation <= 0.0 or n < 3:
        return TestResult(0.0, 1.0)
    times = np.arange(n) - 0.5 * (n - 1)
    norm = math.sqrt(n * (n * n - 1.0) / 12.0)
    t = float(np.sum(times * series)) / (norm * deviation)
    return TestResult(t, min(1.0, 2.0 * t_sf(abs(t), max(effective - 2.0, 1.0))))


def best_ramp(series: NDArray[np.float64]) -> tuple[int, float, float]:
    """Fit a constant that turns into a line at the best of some places.

    Args:
        series: float64[n], centred; n ≥ 3.

    Returns:
        (start, rise, gain): the line begins at index start and rises by ``rise`` until the end; gain is the fall of
        the sum of squares.

    References:
        Hinkley (1971), "Inference in two-phase regression".
    """
    n = len(series)
    found = []
    for start in sorted({int(share * n) for share in np.linspace(0.0, _LATEST, _HINGES)}):
        ramp = np.maximum(np.arange(n, dtype=np.float64) - start, 0.0)
        last = float(ramp[-1])
        ramp -= float(np.mean(ramp))
        square = float(np.sum(ramp * ramp))
        if square <= 0.0:
            continue
        product = float(np.sum(ramp * series))
        gain = product * product / square
        found.append((start, product / square * last, gain))
    if not found:
        return 0, 0.0, 0.0
    best = max(found, key=lambda one: one[2])
    # a straight line is the simpler answer where it explains nearly as much
    return found[0] if found[0][2] >= _NEARLY * best[2] else best


def ramp(n: int, start: float, rise: float) -> NDArray[np.float64]:
    """Return a constant 0 that turns into a line at ``start`` and ends at ``rise``."""
    found: NDArray[np.float64] = np.maximum(np.arange(n, dtype=np.float64) - start, 0.0) * (rise / max(n - 1.0 - start, 1.0))
    return found
