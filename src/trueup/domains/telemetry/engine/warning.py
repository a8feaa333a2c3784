"""Early warning: what is not broken yet. Indicators, none of them a verdict.

* *variance growth:* the second half of the run scatters more widely than the first;
* *margin erosion:* less room is left to a limit than in the baseline;
* *time to limit:* when the run's trend reaches the limit, with an interval; "unknown" where no trend is sure, or the
  interval is open.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.sample import Sample, sample_of
from trueup.kernel.stats import autocorrelation_time, block_means, brown_forsythe, slope_test

# block means through whose pairs the robust line is laid
_POINTS = 200
_EXTREME = 0.99
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Growth:
    """Whether a run scatters more and more.

    Args:
        ratio: mean deviation of its second half over that of its first; None where it cannot be told.
        p_value: of the difference, one more or less; 1 where it cannot be told.
        significant: whether it grew beyond chance and beyond the floor.
    """

    ratio: float | None
    p_value: float
    significant: bool


@dataclass(frozen=True, slots=True)
class Margin:
    """The room that is left to a limit, in the metric's unit: from the extreme per cent of the values to the limit.

    Args:
        baseline, run: the room; negative beyond the limit.
        erosion: share of the baseline's room that is gone; None where the baseline had none.
    """

    baseline: float
    run: float
    erosion: float | None


@dataclass(frozen=True, slots=True)
class TimeToLimit:
    """When a limit is reached if the run goes on as it does.

    Args:
        known: whether it can be told.
        reason: why not, or what was found.
        seconds: from the end of the run; None where it is not known. 0 where it is reached already.
        low, high: its 95 % interval.
    """

    known: bool
    reason: str
    seconds: float | None = None
    low: float | None = None
    high: float | None = None


def variance_growth(values: NDArray[np.float64], config: CompareConfig) -> Growth:
    """Say whether a run scatters more widely in its second half than in its first.

    Args:
        values: float64[n], finite, in row order.
        config: significance, least sizes, floor of scale.

    References:
        Brown & Forsythe (1974), "Robust tests for the equality of variances".
    """
    half = len(values) // 2
    if half < config.min_n:
        return Growth(None, 1.0, significant=False)
    first, second = sample_of(values[:half]), sample_of(values[half:])
    tau = max(first.level.tau, second.level.tau, _spread_time(first), _spread_time(second))
    if half / tau < config.min_effective or first.spread.moments.mean <= 0.0:
        return Growth(None, 1.0, significant=False)
    result = brown_forsythe(first.values, second.values, effective1=first.n / tau, effective2=second.n / tau)
    ratio = second.spread.moments.mean / first.spread.moments.mean
    return Growth(ratio, result.p_value, significant=result.p_value < config.alpha and ratio >= config.scale_floor)


def _spread_time(sample: Sample) -> float:
    """Return the autocorrelation time of the deviations about their line: growth itself is no memory."""
    blocks = sample.spread.blocks
    times = np.arange(len(blocks)) - 0.5 * (len(blocks) - 1)
    rest = blocks - times * float(np.sum(times * blocks) / np.sum(times * times))
    return autocorrelation_time(rest, sample.n, sample.spread.moments.variance)


def _extreme(values: NDArray[np.float64], *, above: bool) -> float:
    return float(np.quantile(values, _EXTREME if above else 1.0 - _EXTREME))


def margin(baseline: NDArray[np.float64], run: NDArray[np.float64], limit: float, *, above: bool = True) -> Margin | None:
    """Say how much room is left to a limit, against the baseline; None where a side has no value.

    Args:
        baseline: float64[n], finite.
        run: float64[m], finite.
        limit: in the metric's unit.
        above: whether values above the limit break it; else those below.
    """
    if not len(baseline) or not len(run):
        return None
    sign = 1.0 if above else -1.0
    before, after = (sign * (limit - _extreme(side, above=above)) for side in (baseline, run))
    return Margin(before, after, (before - after) / before if before > 0.0 else None)


def time_to_limit(
    values: NDArray[np.float64], times: NDArray[np.float64], limit: float, config: CompareConfig, *, above: bool = True
) -> TimeToLimit:
    """Say when a run's trend reaches a limit.

    The line is the median of the slopes between block means (Theil and Sen), its interval their standard error with the
    autocorrelation of the rest; the limit is held against the line, not against single values.

    Args:
        values: float64[n], finite, in row order.
        times: float64[n], seconds, never falling.
        limit: in the metric's unit.
        config: significance and least sizes.
        above: whether values above the limit break it; else those below.

    References:
        Sen (1968), "Estimates of the regression coefficient based on Kendall's tau".
    """
    if len(values) < config.min_n or not times[-1] > times[0]:
        return TimeToLimit(known=False, reason=f"unknown: fewer than {config.min_n} values, or no time passes")
    sign = 1.0 if above else -1.0
    y, x = sign * block_means(values, _POINTS), block_means(times - times[0], _POINTS)
    slope = _median_slope(x, y)
    rest = y - slope * x
    level = float(np.median(rest))
    side = sample_of(rest - level)
    tau = side.level.tau
    effective = len(y) / tau
    test = slope_test(y - float(np.mean(y)), side.sd * math.sqrt(tau), effective)
    if effective < config.min_effective or test.p_value >= config.alpha:
        return TimeToLimit(known=False, reason="unknown: there is no significant trend")
    end = float(times[-1] - times[0])
    room = sign * limit - (level + slope * end)
    if room <= 0.0:
        return TimeToLimit(known=True, reason="the trend has reached the limit", seconds=0.0, low=0.0, high=0.0)
    if slope <= 0.0:
        return TimeToLimit(known=False, reason="unknown: the trend leads away from the limit")
    error = side.sd * math.sqrt(tau) / math.sqrt(float(np.sum((x - np.mean(x)) ** 2)))
    slow, fast = slope - _Z * error, slope + _Z * error
    if slow <= 0.0:
        return TimeToLimit(known=False, reason="unknown: the trend is too unsure for an interval")
    # the end of the line is known as well as its mean and its slope together
    reach = _Z * math.hypot(side.sd * math.sqrt(tau / len(y)), error * (end - float(np.mean(x))))
    low, high = max(0.0, room - reach) / fast, (room + reach) / slow
    return TimeToLimit(known=True, reason="the trend reaches the limit", seconds=room / slope, low=low, high=high)


def _median_slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    first, second = np.triu_indices(len(x), k=1)
    apart = x[second] - x[first]
    kept = apart > 0.0
    return float(np.median((y[second] - y[first])[kept] / apart[kept]))
