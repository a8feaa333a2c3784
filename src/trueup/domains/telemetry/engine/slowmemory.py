"""The memory of a slow metric, where both sides together know it better than either alone.

Three hundred values of a first-order autoregression with a coefficient of 0.9 are worth sixteen independent ones, but
either side alone knows its coefficient too badly to say so, and is put off. Under the null hypothesis both are one
process: pooled, its coefficient is known. It is only used where a first-order autoregression is what is seen, that is
where the means of long blocks vary no more than it lets them; a wander under noise, and a random walk, stay unknown.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.sample import Sample
from trueup.kernel.stats import block_means

_LEAST = 300
# beyond, it cannot be told from a random walk
_MOST = 0.955
_BLOCKS = 12
# pooled variances of block means, over what is expected, that chance hardly ever exceeds
_TOO_MUCH = 2.5
_ERRORS = 1.645


def _sums(series: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the sums of products of neighbours and of squares, and the variance of the means of long blocks."""
    centred = series - float(np.mean(series))
    means = block_means(centred, _BLOCKS)
    return float(np.sum(centred[1:] * centred[:-1])), float(np.sum(centred * centred)), float(np.var(means, ddof=1))


def _mean_variance(phi: float, length: float) -> float:
    """Return the variance of a mean of so many values of a first-order autoregression of variance 1."""
    decay = phi * (1.0 - math.pow(phi, length)) / (length * (1.0 - phi))
    return (1.0 + phi) / (length * (1.0 - phi)) * (1.0 - 2.0 * decay / (1.0 + phi))


def pooled_time(baseline: Sample, run: Sample) -> float | None:
    """Return the autocorrelation time of both sides as one first-order autoregression; None where they are none.

    References:
        Kendall (1954), "Note on bias in the estimation of autocorrelation"; the upper end of a one-sided 95 % interval.
    """
    sides = (baseline, run)
    if any(side.n < _LEAST or side.n != len(side.level.blocks) for side in sides):
        return None
    peak = max(float(np.max(np.abs(side.level.blocks))) for side in sides)
    sums = [_sums(side.level.blocks / peak) for side in sides]
    total = sum(side.n for side in sides)
    square = sum(one[1] for one in sums)
    first = sum(one[0] for one in sums) / square
    if not 0.0 < first <= _MOST:
        return None
    # each side's mean is its own: the bias is that of one side
    phi = min(first + (1.0 + 3.0 * first) * len(sides) / total, 0.99)
    length = min(side.n for side in sides) / _BLOCKS
    expected = _mean_variance(phi, length) * square / total
    ratio = sum(one[2] for one in sums) / len(sides) / expected
    if ratio > _TOO_MUCH:
        return None
    upper = min(phi + _ERRORS * math.sqrt((1.0 - phi * phi) / total), 0.995)
    return (1.0 + upper) / (1.0 - upper) * max(1.0, ratio)


def with_time(sample: Sample, tau: float) -> Sample:
    """Return a sample whose autocorrelation time is known; deviations forget no later than values."""
    level, spread = (replace(track, tau=tau, is_known=True) for track in (sample.level, sample.spread))
    return replace(sample, level=level, spread=spread)
