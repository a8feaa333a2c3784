"""A clock that was set: it goes back, or it leaps on.

A clock that leaps on and rows that are lost look alike from inside one recording, and the words say so. A clock that is off by the
same amount from the first row to the last shows nowhere: that needs another clock to hold it against.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.clock import is_time, standing_seconds
from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.table import Table, times_of
from trueup.kernel.stats import poisson_sf, tail_of

# a leap is more than this often the longest step that the baseline has
_TIMES = 3.0
# how many of the baseline's longest steps tell of their tail
_SHARE, _LEAST, _MOST = 20, 10, 200


@dataclass(frozen=True, slots=True)
class Leap:
    """The test of a clock's greatest leap, the words of its finding, and the row after it."""

    test: RawTest
    words: str
    row: int


@dataclass(frozen=True, slots=True)
class Step:
    """One place where a clock was set back.

    Args:
        seconds: by how much, greater than 0.
        intervals: the same, in intervals of the baseline's rows.
        row: the row after it.
        words: what is wrong.
    """

    seconds: float
    intervals: float
    row: int
    words: str


def leap(moves: NDArray[np.float64], interval: float, before: NDArray[np.float64], config: CompareConfig) -> Leap | None:
    """Test the greatest leap of a run's clock; None where it is within what the baseline's clock does.

    The baseline's longest steps tell how long a step may be by chance: those of a logger that writes when something happens have
    no natural end, those of one that writes at a rate do.

    Args:
        moves: float64[n − 1], the run's steps in seconds.
        interval: of its rows.
        before: float64[m − 1], the baseline's steps in seconds.
        config: floor.
    """
    place, longest = int(np.argmax(moves)), float(before.max())
    greatest = float(moves[place])
    strength = min(greatest / (config.clock_floor * interval), greatest / (_TIMES * longest))
    tail = tail_of(_longest(before), len(before)) if strength >= 1.0 else None
    if tail is None:
        return None
    expected = len(moves) * tail.beyond(greatest)
    words = (
        f"the clock leaps {explain.number(greatest)} s at row {place + 1:,} of {len(moves) + 1:,}, where rows come every "
        f"{explain.number(interval)} s and the baseline's longest step is {explain.number(longest)} s: "
        f"the clock was set, or rows are lost"
    )
    intervals = greatest / interval
    test = RawTest("clock_leap", Kind.CLOCK, greatest, poisson_sf(1, expected), intervals, config.clock_floor, strength)
    return Leap(test, words, place + 1)


def _longest(moves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the longest steps, descending: so many that they tell how steps grow longer."""
    count = min(len(moves), max(_LEAST, min(_MOST, len(moves) // _SHARE)))
    return np.sort(np.partition(moves, len(moves) - count)[len(moves) - count :])[::-1]


def fall(times: NDArray[np.float64], interval: float) -> Step | None:
    """Return the greatest fall of a run's clock; None where it goes back by less than an interval, which is lateness.

    Args:
        times: float64[n], seconds, in row order.
        interval: of the baseline's rows.
    """
    moves = np.diff(times)
    falls = np.flatnonzero(moves < 0.0)
    if not len(falls) or -float(moves[falls].min()) < interval:
        return None
    place = int(falls[np.argmin(moves[falls])])
    depth, count = -float(moves[place]), len(falls)
    often = "once" if count == 1 else f"{count:,} times"
    words = (
        f"the clock goes back {often}, by {explain.number(depth)} s at row {place + 1:,} of {len(times):,}, and the baseline's never "
        f"does: it was set, or rows are not in order; lost rows and the rate cannot be judged"
    )
    return Step(depth, depth / interval, int(falls[0]) + 1, words)


def times_as_they_stand(baseline: Table, run: Table) -> NDArray[np.float64] | None:
    """Return the times of a run whose clock is not sound, in seconds from its first row; None where there are none.

    A clock that counts from 0 and falls looks like any metric: it is known by the baseline, where the same column is a clock.
    """
    found = times_of(run)
    if found is not None:
        return found
    clocks = [item for item in baseline.excluded if is_time(item.reason) and item.name in run.numeric]
    if len(clocks) != 1:
        return None
    column = run.column(clocks[0].name)
    return standing_seconds(clocks[0].name, clocks[0].reason, column.values, run.rows)
