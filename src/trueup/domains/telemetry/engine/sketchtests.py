"""Whether one metric of a run differs from its baseline, by their sketches: the tests of ``detect``, asked of blocks and grids.

Level, scale and trend are asked of the blocks, as they are of a long series; the blocks' memory counts their independent
values. Shape is asked of the grids, and whatever their stated errors could have added to a distance is taken off it. What a
sketch cannot take apart is not judged: where the level moves within the run, or values are held, shape is left open, and the
metric cannot pass.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.detect import COARSE, Change, Detected, Lattice, pair, ratio_of, spread_ratio
from trueup.domains.telemetry.engine.onset import level_bounds, margin
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.sample import Track
from trueup.domains.telemetry.engine.sketch import MetricSketch
from trueup.domains.telemetry.engine.stuck import LEAST_STRETCH, RARE, TIMES, Held
from trueup.domains.telemetry.engine.trend import Trend, trend_test, without_trend
from trueup.kernel.stats import (
    BlockMoments,
    MidDistribution,
    Moments,
    RankGrid,
    TestResult,
    autocorrelation_time,
    cusum_p_value,
    cusum_statistic,
    ks_p_value,
    locate_change,
    poisson_sf,
    run_p_value,
    series_autocorrelation_time,
    tail_of,
    upper_share,
)

_TWO = 2
# a spike is twice as far out as anything in the baseline (see spikes)
_BEYOND = 2.0
_TAIL_SHARE, _TAIL_LEAST, _UNEXPECTED = 20, 10, 0.05
_STILL = 1e-9
# standard errors that the ends of a line are known to (see motion)
_ENDS = 6.0


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a metric as its tests need it.

    Args:
        sketch: what is known.
        blocks: its blocks, without a last one of less than half the length of the others.
        level, spread: values, and distances from the centre, as series.
    """

    sketch: MetricSketch
    blocks: BlockMoments
    level: Track
    spread: Track

    @property
    def n(self) -> int:
        """Number of values."""
        return self.sketch.n

    @property
    def sd(self) -> float:
        """Standard deviation, never 0."""
        return max(self.level.moments.sd, 1e-150)

    def value(self, block: int) -> int:
        """Return the index of the first value of a block."""
        return int(np.sum(self.blocks.counts[:block]))


def side_of(sketch: MetricSketch) -> Side:
    """Compute what the tests need of a sketch with values."""
    blocks, whole = sketch.blocks, sketch.moments()
    if len(blocks.counts) > _TWO and 2 * int(blocks.counts[-1]) < blocks.length:
        blocks = BlockMoments(blocks.counts[:-1], blocks.means[:-1], blocks.squares[:-1], blocks.away[:-1])
    centred = blocks.means - whole.mean
    level = Track(whole, centred, autocorrelation_time(centred, whole.n, whole.variance))
    distance = float(np.sum(sketch.blocks.counts * sketch.blocks.away)) / whole.n
    variance = max(0.0, sketch.square - whole.n * distance * distance) / max(whole.n - 1, 1)
    away = blocks.away - distance
    still = math.sqrt(variance) <= _STILL * distance
    tau = level.tau if still else autocorrelation_time(away, whole.n, variance)
    return Side(sketch, blocks, level, Track(Moments(whole.n, distance, 0.0 if still else variance), away, tau))


def stuck_test(baseline: MetricSketch, run: MetricSketch, config: CompareConfig) -> tuple[RawTest, Held | None]:
    """Test whether the run holds a value for longer than its baseline ever did (``stuck`` on the longest stretch alone)."""
    known, seen = baseline.streaks, run.streaks
    nothing = RawTest("longest_repeat", Kind.STUCK, float(seen.longest), 1.0, 0.0, config.stuck_floor, 0.0)
    share, least = upper_share(known.equal, known.n), max(LEAST_STRETCH, TIMES * known.longest)
    while least < seen.longest and run_p_value(least, seen.n, share) > RARE:
        least += max(1, least // 8)
    if seen.longest < least:
        return nothing, None
    effect, floor = seen.longest / seen.n, config.stuck_floor
    p_value = run_p_value(seen.longest, seen.n, share)
    test = RawTest("longest_repeat", Kind.STUCK, float(seen.longest), p_value, effect, floor, effect / floor)
    cells = np.arange(seen.start, seen.start + seen.longest)
    return test, Held(seen.start, seen.longest, seen.value, cells, seen.start + seen.longest == seen.n)


@dataclass(frozen=True, slots=True)
class _Moved:
    """What the run does in time: its fitted level, block by block, in place of its mean.

    Args:
        tests: of the trend.
        calm: the run's level without its trend.
        trend: what was taken out; None where it was not.
        fitted: float64[k], the level of each block; None where it does not surely move.
    """

    tests: tuple[RawTest, ...]
    calm: Track
    trend: Trend | None = None
    fitted: NDArray[np.float64] | None = None


def _trended(baseline: Side, run: Side, config: CompareConfig, sure: float) -> _Moved:
    joint = pair(baseline.level, run.level)
    blocks, deviation = run.level.blocks, joint.deviation
    slope, (start, rise, gain) = trend_test(blocks, deviation, joint.effective, baseline.sd, config)
    stepped = deviation > 0.0 and cusum_p_value(cusum_statistic(blocks, deviation)) < config.alpha
    cut, step = locate_change(blocks, margin=margin(len(blocks))) if stepped else (0, 0.0)
    if slope.is_sure(sure) and gain > step:
        mean = run.level.moments.mean
        slack = _ENDS * deviation / math.sqrt(len(blocks))
        left, trend = without_trend(blocks + mean, start / len(blocks), rise, baseline.level.moments.mean, slack)
        variance = max(0.0, run.level.moments.variance - gain / len(blocks))
        whole = Moments(run.n, float(np.mean(left)), variance)
        calm = Track(whole, left - whole.mean, autocorrelation_time(left - whole.mean, run.n, variance))
        placed = replace(trend, onset=run.value(trend.onset))
        return _Moved((slope,), calm, placed, blocks + mean - left + whole.mean)
    if not cut:
        return _Moved((slope,), run.level)
    fitted = _levels(run.level, deviation, config)
    slope, _ = trend_test(blocks - fitted, deviation, joint.effective, baseline.sd, config)
    return _Moved((slope,), run.level)


def _levels(track: Track, deviation: float, config: CompareConfig) -> NDArray[np.float64]:
    """Return the level of each block as that of its stretch, centred as the blocks are."""
    bounds = level_bounds(track, deviation, alpha=config.alpha)
    parts = [np.full(b - a, float(np.mean(track.blocks[a:b]))) for a, b in pairwise(bounds)]
    return np.concatenate(parts)


def _parts(series: NDArray[np.float64], counts: NDArray[np.int64]) -> tuple[int, float, float]:
    """Return the strongest cut of a series of block means, and the means before and after it."""
    cut, _ = locate_change(series, margin=margin(len(series)))
    if not cut:
        whole = float(np.average(series, weights=counts))
        return 0, whole, whole
    head, tail = (float(np.average(series[part], weights=counts[part])) for part in (slice(cut), slice(cut, None)))
    return cut, head, tail


def _level(
    baseline: Side, run: Side, moved: _Moved, config: CompareConfig, sure: float
) -> tuple[list[RawTest], Change, NDArray[np.float64] | None]:
    joint = pair(baseline.level, moved.calm)
    whole, within = joint.whole(), joint.within()
    first, second = joint.baseline.moments.mean, joint.run.moments.mean
    change, parts, fitted = Change(first, second, second, second, None), (second, second), moved.fitted
    effect = abs(second - first) / baseline.sd
    if within.p_value < config.alpha:
        cut, head, tail = _parts(moved.calm.blocks, run.blocks.counts)
        parts = (second + head, second + tail)
        if cut and max(abs(part - first) for part in parts) >= config.level_floor * baseline.sd:
            change = Change(first, second, *parts, run.value(cut))
    effects = [effect, max(abs(part - first) for part in parts) / baseline.sd]
    floor = config.level_floor
    tests = [
        RawTest(name, Kind.LEVEL, result.statistic, result.p_value, size, floor, size / floor)
        for name, result, size in zip(("welch", "cusum"), (whole, within), effects, strict=True)
    ]
    if change.cut is not None and tests[1].is_sure(sure):
        steps = _levels(moved.calm, joint.deviation, config)
        fitted = steps + (second if fitted is None else fitted)
    return tests, change, fitted


def _square_track(side: Side, fitted: NDArray[np.float64] | float) -> Track:
    """Return the squared distances from a fitted level as a series; blocks next to a step of it are left out."""
    squares = side.blocks.squares / side.blocks.counts + (side.blocks.means - fitted) ** 2
    if side.blocks.length > 1 and not isinstance(fitted, float):
        jump = np.abs(np.diff(fitted)) > 4.0 * float(np.median(np.abs(np.diff(fitted)))) + 1e-12 * side.sd
        beside = np.zeros(len(squares), dtype=bool)
        for shift in (-1, 0, 1, 2):
            places = np.flatnonzero(jump) + shift
            beside[places[(places >= 0) & (places < len(squares))]] = True
        squares = squares[~beside] if np.count_nonzero(~beside) >= len(squares) // 2 else squares
    mean = float(np.mean(squares))
    # a block's variance times its length is that of one value and its memory together
    variance = float(np.var(squares, ddof=1)) * side.n / len(squares) if len(squares) > 1 else 0.0
    return Track(Moments(side.n, mean, variance), squares - mean, series_autocorrelation_time(squares))


def _scale(
    baseline: Side, run: Side, fitted: NDArray[np.float64] | None, config: CompareConfig
) -> tuple[list[RawTest], Change, float] | str:
    """Test the spread; return the tests, the change and the memory, or why it cannot be tested."""
    if fitted is None:
        joint = pair(baseline.spread, run.spread)
        names, size = ("brown_forsythe", "cusum_deviations"), spread_ratio(joint.run.moments, joint.baseline.moments)
    else:
        joint = pair(_square_track(baseline, baseline.level.moments.mean), _square_track(run, fitted))
        names = ("squares", "cusum_squares")
        size = math.sqrt(ratio_of(joint.run.moments.mean, joint.baseline.moments.mean))
    first, second = joint.baseline.moments.mean, joint.run.moments.mean
    if not joint.suffices(config):
        return _too_slow(joint.effective, size, config)
    whole, within = joint.whole(), joint.within()
    change, sizes, floor = Change(first, second, second, second, None), [size, size], math.log(config.scale_floor)
    if within.p_value < config.alpha and len(joint.run.blocks) == len(run.blocks.counts):
        cut, *means = _parts(joint.run.blocks, run.blocks.counts)
        parts = [second + mean for mean in means]
        ratios = [ratio_of(part, first) for part in parts]
        ratios = ratios if fitted is None else [math.sqrt(ratio) for ratio in ratios]
        sizes[1] = max(ratios, key=lambda ratio: abs(math.log(ratio)))
        if cut and abs(math.log(sizes[1])) >= floor:
            change = Change(first, second, parts[0], parts[1], run.value(cut))
    if fitted is not None:
        roots = [math.sqrt(max(mean, 0.0)) for mean in (change.baseline, change.whole, change.head, change.tail)]
        change = Change(roots[0], roots[1], roots[2], roots[3], change.cut)
    tests = [
        RawTest(name, Kind.SCALE, result.statistic, result.p_value, one, config.scale_floor, abs(math.log(one)) / floor)
        for name, result, one in zip(names, (whole, within), sizes, strict=True)
    ]
    return tests, change, joint.tau


def _too_slow(effective: float, ratio: float, config: CompareConfig) -> str:
    if abs(math.log(ratio)) < math.log(config.scale_floor):
        return ""
    return (
        f"its deviations change too slowly to be tested ({effective:.1f} independent values, {config.min_effective:g} are "
        f"needed), and their ratio of {ratio:.2f} is not within the floor"
    )


def grid_distance(first: RankGrid, second: RankGrid) -> float:
    """Return the Kolmogorov-Smirnov distance of two grids, less what their stated errors could have added."""
    places = np.concatenate((first.values, second.values))
    apart = float(np.max(np.abs(first.upto(places) - second.upto(places))))
    return max(0.0, apart - first.rank_error - second.rank_error)


def _shape_distance(baseline: Side, run: Side) -> float:
    """Return the distance that no change of location and scale explains (``shape_distance`` of two grids)."""
    grids = (baseline.sketch.grid, run.sketch.grid)
    found = [grid_distance(*grids)]
    curves = [MidDistribution(grid.values, grid.mid_shares()) for grid in grids]
    quartiles = [[grid.quantile(share) for share in (0.25, 0.5, 0.75)] for grid in grids]
    alignments = (
        [(side.level.moments.mean, side.level.moments.sd) for side in (baseline, run)],
        [(middle, high - low) for low, middle, high in quartiles],
    )
    error = grids[0].rank_error + grids[1].rank_error
    for alignment in alignments:
        serves = all(
            unit > 1e-200 * max(abs(side.sketch.low), abs(side.sketch.high))
            for (_, unit), side in zip(alignment, (baseline, run), strict=True)
        )
        if serves:
            one, other = (curve.moved(origin=origin, unit=unit) for curve, (origin, unit) in zip(curves, alignment, strict=True))
            found.append(max(0.0, one.distance(other) - error))
    return min(found)


def _shape(baseline: Side, run: Side, tau: float, config: CompareConfig) -> RawTest:
    distance, floor = _shape_distance(baseline, run), config.shape_floor
    p_value = ks_p_value(distance, baseline.n / tau, run.n / tau)
    return RawTest("kolmogorov_smirnov", Kind.SHAPE, distance, p_value, distance, floor, distance / floor)


def _lattice(*sides: Side) -> Lattice:
    grids = [side.sketch.grid for side in sides]
    rests = any(grid.quantile(0.25) == grid.quantile(0.75) for grid in grids)
    seen = {value for grid in grids for value in grid.values[: COARSE + 1].tolist()}
    if len(seen) <= _TWO:
        return Lattice.TWO_VALUES
    return Lattice.FEW_VALUES if rests or len(seen) <= COARSE else Lattice.NONE


def detect_sketched(baseline: Side, run: Side, config: CompareConfig, sure: float) -> Detected:
    """Carry out the tests of a metric that has enough independent values.

    Args:
        baseline: the claim, not constant.
        run: what is, not constant.
        config: significance and floors.
        sure: p-value below which what is found is taken out before the tests that follow (``sure_below``).
    """
    hold, held = stuck_test(baseline.sketch, run.sketch, config)
    if hold.is_sure(sure):
        text = "beside the values that it held nothing is judged: a sketch cannot tell them from the rest"
        return Detected((hold,), None, None, Lattice.NONE, text, held=held)
    moved = _trended(baseline, run, config, sure)
    tests, level, fitted = _level(baseline, run, moved, config, sure)
    tests = [*tests, *moved.tests, hold]
    lattice = _lattice(baseline, run)
    found = _scale(baseline, run, fitted, config)
    if isinstance(found, str):
        return Detected(tuple(tests), level, None, lattice, found, trend=moved.trend, held=held)
    more, scale, memory = found
    unresolved = ""
    if fitted is not None:
        unresolved = "its level moves within the run, and its shape apart from that is not judged by a sketch"
    elif scale.cut is not None and more[1].is_sure(sure):
        unresolved = "its scatter changes within the run, and its shape apart from that is not judged by a sketch"
    else:
        more.append(_shape(baseline, run, max(pair(baseline.level, moved.calm).tau, memory), config))
    return Detected((*tests, *more), level, scale, lattice, unresolved, trend=moved.trend, held=held)


def far_out(baseline: Side, run: Side, config: CompareConfig) -> str:
    """Say that the run's farthest value is nothing the baseline's tail lets expect; empty where it is.

    Whether it is one value, many, or a lasting event no sketch tells: the metric is left open.
    """
    middles = [side.sketch.grid.quantile(0.5) for side in (baseline, run)]
    reaches = [
        max(side.sketch.high - middle, middle - side.sketch.low) for side, middle in zip((baseline, run), middles, strict=True)
    ]
    if reaches[1] < config.spike_floor * baseline.sd or reaches[1] <= _BEYOND * reaches[0]:
        return ""
    grid = baseline.sketch.grid
    order = np.argsort(np.abs(grid.values - middles[0]))[::-1]
    kept = order[: max(_TAIL_LEAST, int(np.searchsorted(np.cumsum(grid.weights[order]), grid.n // _TAIL_SHARE)))]
    tail = tail_of(np.abs(grid.values - middles[0])[kept], len(kept))
    if tail is None:
        return ""
    wider = max(1.0, ratio_of(run.spread.moments.mean, baseline.spread.moments.mean))
    expected = run.n * float(grid.weights[kept].sum()) / grid.n * tail.beyond(reaches[1] / wider)
    if poisson_sf(1, expected) >= _UNEXPECTED:
        return ""
    return (
        f"its farthest value is {reaches[1] / baseline.sd:,.3g} baseline standard deviations out, where its baseline lets none be "
        "expected; for how many values that holds a sketch does not say: compare the runs themselves"
    )


def departure_result(departing: float, n: int, others: int, tau: float) -> TestResult:
    """Test whether all departures from a constant fall on one side by chance.

    Args:
        departing: values that depart.
        n: values of the side that they are on.
        others: of the other side.
        tau: memory of the departing side: so many of them are worth one.

    References:
        Fisher's exact test for a table with an empty cell, as in ``constants``.
    """
    worth = max(1.0, departing / max(tau, 1.0))
    return TestResult(departing, math.pow(n / (n + others), worth))
