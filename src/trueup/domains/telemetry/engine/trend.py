"""A run that leaves gradually: a line, from its beginning or from somewhere on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Kind
from trueup.kernel.stats import best_ramp, ramp, slope_test


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through a run.

    Args:
        onset: index of the value at which it begins.
        start, end: where it begins and where it ends, in the comparison's unit.
    """

    onset: int
    start: float
    end: float


def trend_test(
    blocks: NDArray[np.float64], deviation: float, effective: float, unit: float, config: CompareConfig
) -> tuple[RawTest, tuple[int, float, float]]:
    """Test whether a series of block means has a trend.

    Args:
        blocks: float64[k], centred.
        deviation: long-run standard deviation of one block.
        effective: independent values that it is known from.
        unit: the baseline's standard deviation, in which the rise is measured.
        config: the floor.

    Returns:
        The test, and (start, rise, gain) of the best ramp among the blocks.
    """
    result = slope_test(blocks, deviation, effective)
    found = best_ramp(blocks) if result.p_value < config.alpha else (0, 0.0, 0.0)
    straight = abs(result.statistic) * deviation * float(np.sqrt(12.0 / max(len(blocks), 1))) if not found[2] else abs(found[1])
    effect = straight / unit
    floor = config.trend_floor
    return RawTest("slope", Kind.TREND, result.statistic, result.p_value, effect, floor, effect / floor), found


def without_trend(
    values: NDArray[np.float64], start: float, rise: float, reference: float, slack: float
) -> tuple[NDArray[np.float64], Trend]:
    """Take a ramp out of a series, leaving it at the point of the ramp that is nearest to the reference.

    A run that starts at its baseline's level and leaves it has no change of level beside its trend.

    Args:
        values: float64[n].
        start: place of the ramp's beginning, a share of the series.
        rise: until its end.
        reference: the baseline's mean.
        slack: how far the ends of the ramp may be from where they are seen.
    """
    n = len(values)
    onset = min(int(start * n), n - 2)
    line = ramp(n, onset, rise)
    begin = float(np.mean(values - line))
    line += begin
    pivot = min(max(reference, min(begin, begin + rise) - slack), max(begin, begin + rise) + slack)
    return values - line + pivot, Trend(onset, begin, begin + rise)
