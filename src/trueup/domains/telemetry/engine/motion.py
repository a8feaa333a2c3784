"""What a run does in time beside noise: trend, oscillation, steps; the strongest is taken out first.

Each of them also looks like the others, and like a change of level and scale. So they compete: whichever explains most
of the run's sum of squares is taken out, and the others are tested again on what is left. What is taken out is sure
beyond the adjustment for many tests; everything else stays in, and is tested as it is.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.onset import margin
from trueup.domains.telemetry.engine.oscillation import Wave, fast_line, line_test, reference_blocks, without_wave
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.sample import Sample, sample_of
from trueup.domains.telemetry.engine.trend import Trend, trend_test, without_trend
from trueup.kernel.stats import Peak, cusum_p_value, cusum_statistic, locate_change

_MOST_STEPS = 8
# standard errors of the mean: an end of a line is known half as well, and three of its errors are left to it
_ENDS = 6.0


@dataclass(frozen=True, slots=True)
class Motion:
    """What was found.

    Args:
        tests: of trend and oscillation.
        trend, wave: what was taken out; None where it was not.
        calm: the run without them.
    """

    tests: tuple[RawTest, ...]
    trend: Trend | None
    wave: Wave | None
    calm: Sample


@dataclass(slots=True)
class _Search:
    """The state of the competition, among the run's blocks."""

    blocks: NDArray[np.float64]
    ramp: tuple[float, float] | None = None  # start as a share, rise
    peak: Peak | None = None
    slope: RawTest | None = None
    line: RawTest | None = None


def _stepped(blocks: NDArray[np.float64], deviation: float, alpha: float) -> tuple[float, int]:
    """Return the gain of the best step, and its place; (0, 0) where there is none."""
    if deviation <= 0.0 or cusum_p_value(cusum_statistic(blocks, deviation)) >= alpha:
        return 0.0, 0
    cut, gain = locate_change(blocks, margin=margin(len(blocks)))
    return gain, cut


def _cut(blocks: NDArray[np.float64], cut: int) -> None:
    blocks[:cut] -= float(np.mean(blocks[:cut]))
    blocks[cut:] -= float(np.mean(blocks[cut:]))


def _compete(
    search: _Search,
    baseline: Sample,
    reference: NDArray[np.float64] | None,
    deviation: float,
    effective: float,
    config: CompareConfig,
    sure: float,
) -> None:
    steps = 0
    while steps < _MOST_STEPS:
        blocks, gains = search.blocks, {}
        slope, ramp = trend_test(blocks, deviation, effective, baseline.sd, config)
        if search.ramp is None:
            search.slope = slope
            gains["ramp"] = ramp[2] if slope.is_sure(sure) else 0.0
        line, peak = search.line, search.peak
        if search.peak is None and reference is not None:
            line, peak = line_test(blocks, reference, baseline.sd, config)
            search.line = line
            gains["wave"] = 0.5 * len(blocks) * peak.amplitude**2 if line.is_sure(sure) else 0.0
        gain, cut = _stepped(blocks, deviation, config.alpha)
        best = max(gains, key=lambda name: gains[name], default="")
        if best and gains[best] > max(gain, 0.0):
            if best == "ramp":
                search.ramp = ramp[0] / len(blocks), ramp[1]
                search.blocks, _ = without_trend(blocks, *search.ramp, 0.0, 0.0)
            elif peak is not None:
                search.peak = peak
                search.blocks, _ = without_wave(blocks, peak)
            search.blocks = search.blocks - float(np.mean(search.blocks))
        elif cut:
            _cut(blocks, cut)
            steps += 1
        else:
            return


def motion(baseline: Sample, run: Sample, deviation: float, effective: float, config: CompareConfig, sure: float) -> Motion:
    """Find trend and oscillation in a run.

    Args:
        baseline: the claim.
        run: what is.
        deviation: long-run standard deviation of one of the run's blocks.
        effective: independent values of the weaker side.
        config: significance and floors.
        sure: p-value below which something is taken out.
    """
    values, wave = run.values, None
    fast = fast_line(baseline, values, config)
    length = run.n / len(run.level.blocks)
    search = _Search(run.level.blocks.copy())
    if fast and fast[0].is_sure(sure) and fast[1].frequency * length > 0.25:
        values, wave = without_wave(values, fast[1])
        search.blocks = sample_of(values).level.blocks.copy()
        search.line = fast[0]
    reference = reference_blocks(baseline, run) if wave is None else None
    _compete(search, baseline, reference, deviation, effective, config, sure)
    if search.peak is not None:
        peak = search.peak
        values, wave = without_wave(values, Peak(peak.frequency / length, peak.amplitude, peak.ratio, peak.p_value))
    trend = None
    if search.ramp is not None:
        slack = _ENDS * deviation / math.sqrt(len(run.level.blocks))
        values, trend = without_trend(values, *search.ramp, baseline.level.moments.mean, slack)
    tests = [test for test in (search.slope, search.line, fast[0] if fast and wave is None else None) if test]
    calm = run if values is run.values else sample_of(values, owned=True)
    return Motion(tuple(tests), trend, wave, calm)
