"""Single values far outside: not a wider scatter, but a few readings that do not belong to the rest.

Spikes are counted as events (neighbours belong to one, and what lasts is a change of level), and their number is held
against what the tail of the baseline lets expect there. The tail is widened by as much as the rest of the run scatters
more widely than the baseline: the far values of a metric whose whole scatter grew are no spikes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.sample import ENDS, Sample
from trueup.kernel.stats import poisson_sf, tail_of

# how many of the baseline's greatest magnitudes tell of its tail
_TAIL_SHARE, _TAIL_LEAST, _TAIL_MOST = 20, 10, 200
# a spike is twice as far out as anything in the baseline, lasts at most so many values or such a share of the run (a burst), and
# all of them are rarer than one in fifty
_BEYOND = 2.0
_LONGEST, _BURST = 3, 0.01
_MOST_SHARE = 0.02
_LEAST_EVENTS = 2
_RANKS = 1.5


@dataclass(frozen=True, slots=True)
class Spikes:
    """Values of a run that stand alone.

    Args:
        cells: int64[k], their indices.
        events: how many separate ones.
        farthest: the farthest value, in the comparison's unit.
        largest: its distance from the run's median, in baseline standard deviations.
    """

    cells: NDArray[np.int64]
    events: int
    farthest: float
    largest: float


def _greatest(sample: Sample, count: int) -> NDArray[np.float64]:
    """Return the greatest distances from the median, descending, from the two ends of the ordered values."""
    ordered = sample.ends if count <= ENDS else sample.ordered
    ends = np.concatenate((ordered[:count], ordered[max(count, len(ordered) - count) :]))
    return np.sort(np.abs(ends - sample.median))[::-1][:count]


def _events(run: Sample, reach: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the cells of all short events beyond a distance from the median, and the events' heights, descending."""
    away = run.values - run.median
    np.abs(away, out=away)
    cells = np.flatnonzero(away > reach).astype(np.int64)
    if not len(cells):
        return cells, np.empty(0)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(cells) > 1) + 1))
    lengths = np.diff(np.append(starts, len(cells)))
    short = lengths <= max(_LONGEST, int(_BURST * run.n))
    heights = np.maximum.reduceat(away[cells], starts)[short]
    return cells[np.repeat(short, lengths)], np.sort(heights)[::-1]


def spikes(baseline: Sample, run: Sample, config: CompareConfig) -> tuple[RawTest, Spikes | None]:
    """Test whether the run has more values far outside than the tail of the baseline lets expect.

    Returns:
        The test (its effect is the median spike's distance in baseline standard deviations), and the spikes, if any.
    """
    nothing = RawTest("tail_events", Kind.SPIKE, 0.0, 1.0, 0.0, config.spike_floor, 0.0)
    count = min(baseline.n, max(_TAIL_LEAST, min(_TAIL_MOST, baseline.n // _TAIL_SHARE)))
    greatest = _greatest(baseline, count)
    reach = max(_BEYOND * float(greatest[0]), config.spike_floor * baseline.sd)
    outside = 0
    if run.low < run.median - reach or run.high > run.median + reach:
        outside = int(np.count_nonzero(run.values < run.median - reach) + np.count_nonzero(run.values > run.median + reach))
    tail = tail_of(greatest, baseline.n)
    if outside < _LEAST_EVENTS or outside > _MOST_SHARE * run.n or tail is None:
        return nothing, None
    cells, heights = _events(run, reach)
    if len(heights) < _LEAST_EVENTS:
        return nothing, None
    wider = _wider(baseline, run, cells, tail.start, tail.share)
    # the k-th greatest is one of k events at least as far out; each k that is asked for is paid for
    ranks = sorted({min(len(heights), round(_LEAST_EVENTS * _RANKS**k)) for k in range(24)})
    p_value = min(poisson_sf(k, run.n * tail.beyond(float(heights[k - 1]) / wider)) for k in ranks)
    p_value = min(1.0, len(ranks) * p_value)
    effect = float(np.median(heights)) / baseline.sd
    test = RawTest(
        "tail_events", Kind.SPIKE, float(len(heights)), p_value, effect, config.spike_floor, effect / config.spike_floor
    )
    farthest = int(cells[np.argmax(np.abs(run.values[cells] - run.median))])
    return test, Spikes(cells, len(heights), float(run.values[farthest]), float(heights[0]) / baseline.sd)


def _wider(baseline: Sample, run: Sample, cells: NDArray[np.int64], start: float, share: float) -> float:
    """Return by how much the rest of the run scatters more widely than the baseline, at least 1.

    The greater of two ratios: of mean deviations, and of the magnitudes beyond which the same share of values lies.
    """
    total = run.spread.moments.mean * run.n - float(np.sum(np.abs(run.values[cells] - run.median)))
    rest = max(total, 0.0) / max(run.n - len(cells), 1)
    away = run.values - run.median
    np.abs(away, out=away)
    place = run.n - min(run.n, len(cells) + max(1, round(share * run.n)))
    away.partition(place)
    far = away[place]
    return max(1.0, rest / max(baseline.spread.moments.mean, 1e-150), float(far) / start)
