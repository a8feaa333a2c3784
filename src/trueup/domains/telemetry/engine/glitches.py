"""Values so far out that they would hide everything else: held at a distance before level, scale and shape are tested.

One reading of 10,000 among thousands near 10 makes the standard deviation a hundred times as large; held against that, a shift
of ten deviations is nothing, and the run would pass. So where a few values make the deviation of a side what it is, both sides
are judged with values beyond ``REACH`` robust deviations of their median drawn in to that distance. They keep their places, so
that what the series remembers is seen as it is. The values themselves are for the test of spikes, which sees them whole.

References:
    Huber & Ronchetti (2009), "Robust Statistics", 2nd ed., chapter 1 (winsorizing).
"""

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.sample import Sample, sample_of
from trueup.kernel.stats import quantile_sorted

REACH = 10.0
"""Robust standard deviations from the median at which values are held."""
_DOMINATED = 3.0
# no sample of a bell, nor of an exponential below a million, reaches so many mean deviations: looked at before anything is sorted
_FAR = 25.0
# of a normal distribution: the distance between its quartiles, and its median magnitude, in standard deviations
_QUARTILES, _MAGNITUDE = 1.3490, 0.6745
_HUGE, _BEYOND_ARITHMETIC = 2.0**400, 2.0**200


def tamed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values of which none is beyond arithmetic with the others: 2**200 times the middle magnitude stands for more.

    A value near the end of float64 would ask for a unit in which all others vanish, and with them what they say.

    Args:
        values: float64[n], finite, n ≥ 1; returned as they are where none is so far out.
    """
    if max(abs(float(values.min())), abs(float(values.max()))) < _HUGE:
        return values
    middle = (len(values) - 1) // 2
    most = _BEYOND_ARITHMETIC * (float(np.partition(np.abs(values), middle)[middle]) or 1.0)
    return np.clip(values, -most, most) if np.isfinite(most) else values


def robust_deviation(sample: Sample) -> float:
    """Return a standard deviation that a quarter of all values cannot change.

    Of what rests at one value, it is that of the values beside it; 0 where there are none.
    """
    ordered = sample.ordered
    distance = quantile_sorted(ordered, 0.75) - quantile_sorted(ordered, 0.25)
    if distance > 0.0:
        return distance / _QUARTILES
    away = np.abs(ordered - sample.median)
    away = np.sort(away[away > 0.0])
    return quantile_sorted(away, 0.5) / _MAGNITUDE if len(away) else 0.0


def _may_be_dominated(sample: Sample) -> bool:
    farthest = max(sample.high - sample.median, sample.median - sample.low)
    return farthest > _FAR * sample.spread.moments.mean


def _is_dominated(sample: Sample) -> bool:
    if not _may_be_dominated(sample):
        return False
    deviation = robust_deviation(sample)
    return deviation > 0.0 and sample.sd > _DOMINATED * deviation


def _held(sample: Sample) -> tuple[Sample, int]:
    reach = REACH * robust_deviation(sample)
    if not reach:
        return sample, 0
    low, high = sample.median - reach, sample.median + reach
    held = int(np.count_nonzero(sample.values < low) + np.count_nonzero(sample.values > high))
    return (sample_of(np.clip(sample.values, low, high), owned=True), held) if held else (sample, 0)


def without_glitches(baseline: Sample, run: Sample) -> tuple[Sample, Sample, int] | None:
    """Return both sides with far values held, and how many of the run's were; None where nothing is dominated by a few.

    Args:
        baseline: the claim, not constant.
        run: what is, not constant.
    """
    if not (_is_dominated(baseline) or _is_dominated(run)):
        return None
    (first, aside), (second, held) = _held(baseline), _held(run)
    return (first, second, held) if aside or held else None


def rests_elsewhere(baseline: Sample, run: Sample) -> bool:
    """Whether each side is one value for half of its length, not the same one, and a value far out hides it."""
    if baseline.median == run.median or not (_may_be_dominated(baseline) or _may_be_dominated(run)):
        return False
    return all(quantile_sorted(side.ordered, 0.25) == quantile_sorted(side.ordered, 0.75) for side in (baseline, run))
