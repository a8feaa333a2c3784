"""Whether one metric of a run differs from its baseline in level, scale or shape.

Level and scale are the same question asked of two series: the values, and their absolute deviations from the median
(Brown and Forsythe's device). Each is asked twice: does the mean of the whole run differ from the baseline's (Welch's
test), and does the run change within itself (CUSUM)? The second finds what the first cannot: a last tenth that leaves
hardly moves the mean of the whole, and its own step inflates the variance that the mean is judged by.

*Dependence.* All tests count independent values: n over the autocorrelation time tau. Under the null hypothesis the
run is the baseline's process, so the baseline's tau is the right one, and a run that has begun to wander is not excused
by its own long memory. That holds once the baseline knows its tau (``KNOWN`` independent values); below, the greater
of the baseline's and the run's own is taken, the run's with its strongest step removed.

*Separation of kinds.* Held stretches and spikes are taken out first, then trend and oscillation (``motion``); scale is
tested with the run's changes of level taken out too, shape with those of level and scale, so that one change is not
reported three times.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.motion import motion
from trueup.domains.telemetry.engine.onset import level_bounds, margin, value_bounds, without_levels
from trueup.domains.telemetry.engine.oscillation import Wave
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.sample import POINTS, Sample, Track, sample_of, spread_track
from trueup.domains.telemetry.engine.spikes import Spikes, spikes
from trueup.domains.telemetry.engine.stuck import Held, stuck
from trueup.domains.telemetry.engine.trend import Trend
from trueup.kernel.stats import (
    Moments,
    TestResult,
    autocorrelation_time,
    cusum_p_value,
    cusum_statistic,
    ks_p_value,
    locate_change,
    moments,
    quantile_sorted,
    shape_distance,
    welch_t,
)

# a tau estimated from so many independent values is good to about a fifth
KNOWN = 50.0
# where tau is known from both sides, so few independent values do: the tests' degrees of freedom tell how few they are
_FEW = 3.0
# so few different values make a lattice on which shape has no meaning apart from level and scale
COARSE = 12
_TWO = 2


class Lattice(IntEnum):
    """How many values a metric takes: a few, or mostly one of them, leave shape no meaning of its own."""

    NONE = 0
    FEW_VALUES = 1
    TWO_VALUES = 2


@dataclass(frozen=True, slots=True)
class Change:
    """How a series of the run stands to the baseline's.

    Args:
        baseline: the baseline's mean.
        whole: the run's mean.
        head, tail: its means before and after ``cut``; equal to ``whole`` without a cut.
        cut: index of the value at which the run changes within itself; None if it does not.
    """

    baseline: float
    whole: float
    head: float
    tail: float
    cut: int | None


@dataclass(frozen=True, slots=True)
class Detected:
    """What the tests of one metric gave.

    Args:
        level, scale: the changes the tests speak of; None where nothing was tested.
        lattice: how far level, scale and shape can move apart.
        unresolved: why the metric cannot be judged; empty when it was.
        trend, wave: what was taken out; None where nothing was.
        held, spikes: what the tests of them speak of; None where there is nothing.
    """

    tests: tuple[RawTest, ...]
    level: Change | None
    scale: Change | None
    lattice: Lattice
    unresolved: str
    trend: Trend | None = None
    wave: Wave | None = None
    held: Held | None = None
    spikes: Spikes | None = None

    def places(self) -> set[int]:
        """Return the indices of all values that a finding could name."""
        found = {0}
        found |= {change.cut for change in (self.level, self.scale) if change and change.cut is not None}
        found |= {self.trend.onset} if self.trend else set()
        found |= {self.wave.onset} if self.wave and self.wave.onset is not None else set()
        found |= {self.held.start} if self.held else set()
        return found | ({int(self.spikes.cells[0])} if self.spikes else set())


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two tracks with what is common to their tests."""

    baseline: Track
    run: Track
    tau: float
    deviation: float  # long-run standard deviation of one block of the run

    @property
    def effective(self) -> float:
        return min(self.baseline.moments.n, self.run.moments.n) / self.tau

    def suffices(self, config: CompareConfig) -> bool:
        return self.effective >= (min(_FEW, config.min_effective) if self.baseline.is_known else config.min_effective)

    def whole(self) -> TestResult:
        first, second = self.baseline.moments, self.run.moments
        return welch_t(
            first.mean,
            first.variance,
            max(first.n / self.tau, 2.0),
            second.mean,
            second.variance,
            max(second.n / self.tau, 2.0),
        )

    def within(self) -> TestResult:
        if self.deviation <= 0.0:
            return TestResult(0.0, 1.0)
        statistic = cusum_statistic(self.run.blocks, self.deviation)
        return TestResult(statistic, cusum_p_value(statistic))


def _without_step(track: Track) -> tuple[Moments, float]:
    """Return a track's moments and tau with its strongest step removed."""
    cut, gain = locate_change(track.blocks, margin=margin(len(track.blocks)))
    variance = max(0.0, track.moments.variance - gain / len(track.blocks))
    if cut == 0:
        return track.moments, track.tau
    blocks = track.blocks.copy()
    blocks[:cut] -= float(np.mean(blocks[:cut]))
    blocks[cut:] -= float(np.mean(blocks[cut:]))
    tau = autocorrelation_time(blocks, track.moments.n, variance)
    return replace(track.moments, variance=variance), tau


def pair(baseline: Track, run: Track) -> _Pair:
    """Join two tracks under one autocorrelation time (see the module's text)."""
    stepless, own = _without_step(run)
    tau = baseline.tau if baseline.is_known or baseline.effective >= KNOWN else max(baseline.tau, own)
    variance = max(baseline.moments.variance, stepless.variance)
    length = run.moments.n / len(run.blocks)
    return _Pair(baseline, run, tau, math.sqrt(variance * tau / length))


def effective_size(baseline: Sample, run: Sample) -> float:
    """Return the number of independent values that the shorter-lived side of a metric is worth."""
    return pair(baseline.level, run.level).effective


def _split(sample: Sample, joint: _Pair, alpha: float) -> list[int]:
    """Return the bounds, among the values, of the run's stretches of one level."""
    bounds = level_bounds(joint.run, joint.deviation, alpha=alpha)
    return value_bounds(sample.values, len(joint.run.blocks), bounds)


def _strongest_cut(sample: Sample, joint: _Pair) -> int:
    blocks = joint.run.blocks
    cut, _ = locate_change(blocks, margin=margin(len(blocks)))
    return value_bounds(sample.values, len(blocks), [0, cut, len(blocks)])[1]


def _level(baseline: Sample, run: Sample, joint: _Pair, config: CompareConfig) -> tuple[list[RawTest], Change, Sample, Track]:
    whole, within = joint.whole(), joint.within()
    first, second = joint.baseline.moments.mean, joint.run.moments.mean
    change, steady, spread = Change(first, second, second, second, None), run, baseline.spread
    parts = (second, second)
    if within.p_value < config.alpha:
        cut = _strongest_cut(run, joint)
        parts = float(np.mean(run.values[:cut])), float(np.mean(run.values[cut:]))
        # a step below the floor is left in: to take it out would disturb the spread more than it does
        if max(abs(part - first) for part in parts) >= config.level_floor * baseline.sd:
            change = Change(first, second, *parts, cut)
            bounds = _split(run, joint, config.alpha)
            # the same cuts in the baseline: a wander that both have must not be taken out of one side only
            spread = spread_track(
                without_levels(baseline.values, [bound * baseline.n // run.n for bound in bounds]), baseline.level.tau
            )
            steady = sample_of(without_levels(run.values, bounds), owned=True)
    effects = [abs(second - first) / baseline.sd, max(abs(part - first) for part in parts) / baseline.sd]
    tests = [
        RawTest(name, Kind.LEVEL, result.statistic, result.p_value, effect, config.level_floor, effect / config.level_floor)
        for name, result, effect in zip(("welch", "cusum"), (whole, within), effects, strict=True)
    ]
    return tests, change, steady, spread


def ratio_of(value: float, reference: float) -> float:
    """Return a ratio of two numbers that are not below 0, finite and above 0 whatever they are."""
    return max(value, 1e-150) / max(reference, 1e-150)


def spread_ratio(run: Moments, baseline: Moments) -> float:
    """Return the ratio of deviations that mean and root mean square agree on; 1 where they disagree.

    A pure change of scale changes both alike. Two humps in place of one raise the mean deviation at an equal standard
    deviation, heavier tails do the opposite: those are changes of shape.
    """
    mean = ratio_of(run.mean, baseline.mean)
    square = ratio_of(math.hypot(run.mean, run.sd), math.hypot(baseline.mean, baseline.sd))
    if (mean > 1.0) != (square > 1.0):
        return 1.0
    return min(mean, square) if mean > 1.0 else max(mean, square)


def _scale(joint: _Pair, steady: Sample, config: CompareConfig) -> tuple[list[RawTest], Change]:
    whole, within = joint.whole(), joint.within()
    first, second = joint.baseline.moments.mean, joint.run.moments.mean
    floor = math.log(config.scale_floor)
    change, sizes = Change(first, second, second, second, None), [spread_ratio(joint.run.moments, joint.baseline.moments)] * 2
    if within.p_value < config.alpha:
        deviations = steady.values - steady.median
        np.abs(deviations, out=deviations)
        blocks = joint.run.blocks
        place, _ = locate_change(blocks, margin=margin(len(blocks)))
        cut = value_bounds(deviations, len(blocks), [0, place, len(blocks)])[1]
        parts = float(np.mean(deviations[:cut])), float(np.mean(deviations[cut:]))
        sizes[1] = max((ratio_of(part, first) for part in parts), key=lambda ratio: abs(math.log(ratio)))
        if abs(math.log(sizes[1])) >= floor:
            change = Change(first, second, *parts, cut)
    tests = [
        RawTest(name, Kind.SCALE, result.statistic, result.p_value, size, config.scale_floor, abs(math.log(size)) / floor)
        for name, result, size in zip(("brown_forsythe", "cusum_deviations"), (whole, within), sizes, strict=True)
    ]
    return tests, change


def _aligned_distance(baseline: Sample, ordered: NDArray[np.float64]) -> float:
    own, theirs = moments(ordered), baseline.level.moments
    return shape_distance(baseline.ordered, ordered, centres=(theirs.mean, own.mean), deviations=(theirs.sd, own.sd))


def _shape(baseline: Sample, steady: Sample, scale: Change, tau: float, config: CompareConfig) -> RawTest:
    baseline.series.give_up_order()
    if not scale.cut:
        steady.series.give_up_order()
    distance = _aligned_distance(baseline, steady.ordered)
    if scale.cut and min(scale.head, scale.tail) > 0.0 and distance >= config.shape_floor:
        # two spreads in one run are no shape of their own: each part is measured in units of its mean deviation
        values = steady.values - steady.median
        values[: scale.cut] /= scale.head
        values[scale.cut :] /= scale.tail
        values.sort()
        distance = min(distance, _aligned_distance(baseline, values))
    p_value = ks_p_value(distance, baseline.n / tau, steady.n / tau)
    floor = config.shape_floor
    return RawTest("kolmogorov_smirnov", Kind.SHAPE, distance, p_value, distance, floor, distance / floor)


def _rests(sample: Sample) -> bool:
    """Whether at least half of the values are one and the same."""
    return quantile_sorted(sample.ordered, 0.25) == quantile_sorted(sample.ordered, 0.75)


def _lattice(baseline: Sample, run: Sample) -> Lattice:
    """Say how far level, scale and shape can move apart, from the different values of both sides."""
    seen: set[float] = set()
    for sample in (baseline, run):
        step = max(1, sample.n // POINTS)
        seen.update(np.unique(sample.ordered[::step])[: COARSE + 1].tolist())
    if len(seen) <= _TWO:
        return Lattice.TWO_VALUES
    return Lattice.FEW_VALUES if len(seen) <= COARSE or _rests(baseline) or _rests(run) else Lattice.NONE


def _rest(run: Sample, held: Held | None, lone: Spikes | None) -> tuple[Sample | None, NDArray[np.int64] | None]:
    """Return the run without the values taken out, and how many are left before each; (run, None) where none is."""
    out = [found.cells for found in (held, lone) if found]
    if not out:
        return run, None
    left = np.ones(run.n, dtype=bool)
    left[np.concatenate(out)] = False
    taken = np.flatnonzero(~left)
    before = taken - np.arange(len(taken))
    return (sample_of(run.values[left], owned=True) if len(taken) < run.n else None), before


def _placed(index: int | None, before: NDArray[np.int64] | None) -> int | None:
    """Return the place, in the run, of a value of what is left of it."""
    return index if before is None or index is None or index == 0 else index + int(np.searchsorted(before, index, side="right"))


def detect(baseline: Sample, run: Sample, config: CompareConfig, sure: float) -> Detected:
    """Carry out all tests of one metric that has enough independent values.

    Args:
        baseline: the claim, not constant.
        run: what is, not constant.
        config: significance and floors.
        sure: p-value below which held stretches, spikes, trend and oscillation are taken out (``sure_below``).
    """
    (hold, held), (lonely, lone) = stuck(baseline, run, config), spikes(baseline, run, config)
    first = (hold, lonely)
    rest, before = _rest(run, held if hold.is_sure(sure) else None, lone if lonely.is_sure(sure) else None)
    joint = pair(baseline.level, rest.level) if rest else None
    if rest is None or joint is None or rest.n < config.min_n or not joint.suffices(config):
        text = "beside the values that it held and those far outside, too few are left to be tested"
        return Detected(first, None, None, Lattice.NONE, text, held=held, spikes=lone)
    moved = motion(baseline, rest, joint.deviation, joint.effective, config, sure)
    found = _changes(baseline, rest, moved.calm, config)
    cuts = [change and replace(change, cut=_placed(change.cut, before)) for change in (found.level, found.scale)]
    trend, wave = moved.trend, moved.wave
    return replace(
        found,
        tests=(*found.tests, *moved.tests, *first),
        level=cuts[0],
        scale=cuts[1],
        trend=trend and replace(trend, onset=_placed(trend.onset, before) or 0),
        wave=wave and replace(wave, onset=_placed(wave.onset, before)),
        held=held,
        spikes=lone,
    )


def _changes(baseline: Sample, rest: Sample, run: Sample, config: CompareConfig) -> Detected:
    """Test level, scale and shape of a run whose trend and oscillation are taken out of ``rest``."""
    joint = pair(baseline.level, run.level)
    tests, level, steady, calm = _level(baseline, run, joint, config)
    spread = pair(calm, steady.spread)
    if not spread.suffices(config):
        ratio = ratio_of(spread.run.moments.mean, spread.baseline.moments.mean)
        unresolved = ""
        if abs(math.log(ratio)) >= math.log(config.scale_floor):
            unresolved = (
                f"its deviations change too slowly to be tested ({spread.effective:.1f} independent values, "
                f"{config.min_effective:g} are needed), and their ratio of {ratio:.2f} is not within the floor"
            )
        return Detected(tuple(tests), level, None, _lattice(baseline, rest), unresolved)
    more, scale = _scale(spread, steady, config)
    shape = _shape(baseline, steady, scale, max(joint.tau, spread.tau), config)
    rest.series.give_up_order()
    return Detected((*tests, *more, shape), level, scale, _lattice(baseline, rest), "")


def onset_of(change: Change, strength: Callable[[float], float]) -> tuple[int | None, float]:
    """Decide from which value on a change persists.

    Args:
        change: the run's means, before and after its own change.
        strength: signed size of a mean's difference from the baseline's, in floors (±1 is just worth mentioning).

    Returns:
        (index, mean): 0 with the whole run's mean when it differs from its start; the cut with the mean after it; None
        with the mean before the cut when the run starts different and then returns.
    """
    if change.cut is None:
        return 0, change.whole
    head, tail = strength(change.head), strength(change.tail)
    if abs(tail) >= 1.0:
        from_start = head * tail > 0.0 and abs(head) >= max(1.0, 0.5 * abs(tail))
        return (0, change.whole) if from_start else (change.cut, change.tail)
    if abs(head) >= 1.0:
        return None, change.head
    return 0, change.whole
