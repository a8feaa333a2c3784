"""The memory of a series: how many dependent values are worth one independent value.

The variance of the mean of n dependent values is ``variance * tau / n`` with the integrated autocorrelation time
``tau``; ``n / tau`` is the effective sample size. An estimate that is too small makes every test cry wolf, one that is
too large only costs power. So the estimate here is the greater of a parametric one, taken at the upper end of its
error, and a non-parametric one; and it is never below 1.
"""

import math

import numpy as np
from numpy.typing import NDArray

# standard errors by which an autoregression's coefficient is raised: one-sided 95 % at full resolution, where it is
# known best; a little where few blocks are left, or the noise of many coarse estimates would cost all power
_FINE_ERRORS = 1.645
_COARSE_ERRORS = 0.25
_LEAST_BLOCKS = 12


def block_means(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the means of ``count`` consecutive blocks of nearly equal length; the values themselves if fewer.

    Args:
        values: float64[n], best centred, since sums of a large offset lose digits.
        count: greatest number of blocks, ≥ 1.
    """
    n = len(values)
    if n <= count:
        return values
    starts = np.arange(count, dtype=np.int64) * n // count
    lengths = np.diff(np.append(starts, n))
    means: NDArray[np.float64] = np.add.reduceat(values, starts) / lengths
    return means


def _autocorrelations(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sample autocorrelations at lags 0…n-1 (biased form), by FFT."""
    n = len(centred)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    power = spectrum.real**2 + spectrum.imag**2
    covariances = np.fft.irfft(power, size)[:n]
    correlations: NDArray[np.float64] = covariances / covariances[0]
    return correlations


def _geyer_time(correlations: NDArray[np.float64]) -> float:
    """Sum the autocorrelations by Geyer's initial monotone sequence (pairs of lags, while positive, made monotone)."""
    pairs = correlations[: len(correlations) // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0.0)
    kept = pairs[: negative[0]] if len(negative) else pairs
    return float(2.0 * np.minimum.accumulate(kept).sum() - 1.0) if len(kept) else 1.0


def _autoregressive_time(first_lag: float, n: int, *, errors: float) -> float:
    """Return (1 + phi) / (1 - phi), phi corrected for its small-sample bias and raised by so many standard errors."""
    phi = first_lag + (1.0 + 3.0 * first_lag) / n
    phi = min(phi, 1.0)
    phi += errors * math.sqrt(max(0.0, 1.0 - phi * phi) / n)
    return math.inf if phi >= 1.0 else max(1.0, (1.0 + phi) / (1.0 - phi))


def _standardised(series: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the centred series over its peak, and the variance in the unit of the series; (…, 0) for a constant."""
    centred = series - float(np.mean(series))
    peak = float(np.max(np.abs(centred)))
    if peak == 0.0:
        return centred, 0.0
    centred /= peak
    return centred, float(np.mean(centred * centred)) * peak * peak


def series_autocorrelation_time(series: NDArray[np.float64]) -> float:
    """Estimate the integrated autocorrelation time of a whole series, 1…n, on the safe side.

    The greatest of three: Geyer's initial monotone sequence estimate; that of a first-order autoregression whose
    coefficient is bias-corrected and raised to the end of its one-sided 95 % interval; and the autoregressions of the
    series' means of 2, 4, 8, … values, while at least ``_LEAST_BLOCKS`` of them are left. The coarse ones see what the
    fine ones do not: a slow wander under white noise has a small correlation of neighbours.

    Args:
        series: float64[n]; a constant series (or n < 4) answers n: it is worth one value.

    References:
        Geyer (1992), "Practical Markov chain Monte Carlo", section 3.3; Kendall (1954), "Note on bias in the
        estimation of autocorrelation", for the correction (1 + 3 phi) / n.
    """
    n = len(series)
    if n < 4:
        return float(max(n, 1))
    centred, variance = _standardised(series)
    if variance <= 0.0:
        return float(n)
    correlations = _autocorrelations(centred)
    tau = max(1.0, _geyer_time(correlations), _autoregressive_time(float(correlations[1]), n, errors=_FINE_ERRORS))
    count = n // 2
    while count >= _LEAST_BLOCKS:
        blocks, spread = _standardised(block_means(series, count))
        if spread > 0.0:
            first_lag = float(np.mean(blocks[1:] * blocks[:-1]) / np.mean(blocks * blocks)) * (count - 1) / count
            tau = max(tau, n / count * spread / variance * _autoregressive_time(first_lag, count, errors=_COARSE_ERRORS))
        count //= 2
    return min(tau, float(n))


def autocorrelation_time(blocks: NDArray[np.float64], n: int, variance: float) -> float:
    """Estimate the integrated autocorrelation time of a long series from the means of its blocks.

    With blocks of length L the variance of the mean is ``var(block mean) * tau_of_blocks / blocks``; its ratio to
    ``variance / n`` is tau exactly, so no autocorrelation of the full series has to be summed: a million values cost
    as much as a few thousand.

    Args:
        blocks: float64[k], from ``block_means``; the series itself when k = n.
        n: length of the series.
        variance: variance of the full series.

    Returns:
        tau, 1…n.

    References:
        Flegal & Jones (2010), "Batch means and spectral variance estimators in Markov chain Monte Carlo".
    """
    within = series_autocorrelation_time(blocks)
    if len(blocks) == n:
        return within
    if variance <= 0.0:
        return float(n)
    length = n / len(blocks)
    ratio = length * float(np.var(blocks, ddof=1)) / variance
    return min(max(ratio, 1.0) * within, float(n))
