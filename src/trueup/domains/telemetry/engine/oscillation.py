"""A run that swings at one frequency at which its baseline did not.

A long series is looked at twice: by its block means, which hold the slow swings, and by a few stretches at full
resolution, which hold the fast ones.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.sample import POINTS, Sample
from trueup.kernel.stats import Peak, block_means, periodogram, strongest_line

_STRETCHES = 4
# values in which a swing is taken to be steady when it is taken out; three periods of it at least
_STEADY = 256
_PERIODS = 3
# lines this near, relatively, or within this many cycles of the series, are the same line
_NEAR = 0.05
_NEAR_CYCLES = 2.0
_STILL = 0.5
_MOST_MEMORY = 0.99


@dataclass(frozen=True, slots=True)
class Wave:
    """A swing.

    Args:
        period: values of one cycle.
        amplitude: half of peak to peak, in the comparison's unit.
        onset: index of the value from which on it swings; None if it ceases.
    """

    period: float
    amplitude: float
    onset: int | None


def _near(power: NDArray[np.float64], frequency: float) -> float:
    """Return the amplitude at which the reference swings near a frequency."""
    n = 2.0 * len(power) - 1.0
    reach = max(_NEAR_CYCLES / n, _NEAR * frequency) * n
    low, high = int(max(1, frequency * n - reach)), int(frequency * n + reach) + 2
    there = power[low:high]
    return 2.0 * float(np.sqrt(np.max(there) / n)) if len(there) else 0.0


def _memory(series: NDArray[np.float64]) -> float:
    square = float(np.sum(series * series))
    return min(_MOST_MEMORY, max(0.0, float(np.sum(series[1:] * series[:-1])) / square)) if square > 0.0 else 0.0


def line_test(
    series: NDArray[np.float64], reference: NDArray[np.float64], deviation: float, config: CompareConfig
) -> tuple[RawTest, Peak]:
    """Test whether a series has a line that a reference has not.

    Args:
        series: float64[n], centred.
        reference: float64[m], centred.
        deviation: the baseline's standard deviation, in which the amplitude is measured.
        config: the floor.
    """
    power = periodogram(reference)
    peak = strongest_line(series, power, memory=_memory(reference))
    before = _near(power, peak.frequency) if peak.p_value < 1.0 else 0.0
    effect = float(np.sqrt(max(0.0, peak.amplitude**2 - before**2))) / deviation
    floor = config.oscillation_floor
    return RawTest("spectral_line", Kind.OSCILLATION, peak.ratio, peak.p_value, effect, floor, effect / floor), peak


def _stretches(values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    starts = np.linspace(0, len(values) - POINTS, _STRETCHES).astype(np.int64)
    return [values[start : start + POINTS] - float(np.mean(values[start : start + POINTS])) for start in starts]


def reference_blocks(baseline: Sample, run: Sample) -> NDArray[np.float64]:
    """Return the baseline's means of as many values as one of the run's blocks holds, centred."""
    length = run.n / len(run.level.blocks)
    count = round(baseline.n / length)
    if count == len(baseline.level.blocks):
        return baseline.level.blocks
    found: NDArray[np.float64] = block_means(baseline.values - baseline.level.moments.mean, max(count, 1))
    return found


def fast_line(baseline: Sample, values: NDArray[np.float64], config: CompareConfig) -> tuple[RawTest, Peak] | None:
    """Look for a fast swing in stretches of a long run; None where the run is not long."""
    if len(values) <= POINTS:
        return None
    reference = _stretches(baseline.values)[_STRETCHES // 2] if baseline.n > POINTS else baseline.level.blocks
    found = [line_test(stretch, reference, baseline.sd, config) for stretch in _stretches(values)]
    test, peak = min(found, key=lambda one: one[0].p_value)
    return replace(test, name="spectral_line_fast", p_value=min(1.0, _STRETCHES * test.p_value)), peak


def _demodulated(
    values: NDArray[np.float64], frequency: float, size: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the swing of each stretch of ``size`` values, taken out and its amplitude; the last one is longer."""
    calm = values.copy()
    bounds = [*range(0, max(len(values) - size, 0) + 1, size)][: max(1, len(values) // size)]
    starts = np.array(bounds, dtype=np.int64)
    amplitudes = np.zeros(len(starts))
    for place, start in enumerate(bounds):
        stop = bounds[place + 1] if place + 1 < len(bounds) else len(values)
        part = values[start:stop]
        turns = 2.0 * np.pi * frequency * np.arange(stop - start)
        base = np.column_stack((np.cos(turns), np.sin(turns), np.ones(stop - start)))
        fit = np.linalg.lstsq(base, part, rcond=None)[0]
        calm[start:stop] -= base[:, :2] @ fit[:2]
        amplitudes[place] = float(np.hypot(fit[0], fit[1]))
    return calm, starts, amplitudes


def without_wave(values: NDArray[np.float64], peak: Peak) -> tuple[NDArray[np.float64], Wave]:
    """Take a swing out of a series, stretch by stretch, as its phase and amplitude may wander.

    Returns:
        The rest, and the swing with the stretch from which on it persists.
    """
    size = max(_STEADY, int(_PERIODS / peak.frequency) + 1)
    calm, starts, amplitudes = _demodulated(values, peak.frequency, size)
    strong = amplitudes >= _STILL * float(np.max(amplitudes))
    weak = np.flatnonzero(~strong)
    first = 0 if not len(weak) else int(weak[-1]) + 1
    onset = int(starts[first]) if first < len(starts) else None
    amplitude = float(np.sqrt(np.mean(amplitudes[strong] ** 2)))
    return calm, Wave(1.0 / peak.frequency, amplitude, onset)
