"""Rows that are not there: what the clocks of both sides say of lost rows and of the rate.

The interval of the run's rows is read at the low end of its steps, where rows that are lost do not show: a row that is
lost makes one step longer, another rate makes every step longer. Rows are counted as lost against the interval that is
the run's own, so a changed rate is not a gap too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.clocksteps import leap
from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.duplicates import repeat_test, repeat_words, repeated
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Kind
from trueup.kernel.stats import share_test

ROWS = "(rows)"
"""What a finding about the rows themselves is called: it is about no one metric."""

_LOW = 0.1
_HOLE = 1.5


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one clock.

    Args:
        low, middle: their 10 % quantile and their median, in seconds, of those above 0.
        moves: float64[k], the steps.
    """

    low: float
    middle: float
    moves: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Losses:
    """What is lost on one side.

    Args:
        interval: of its rows, in seconds.
        lost: rows.
        expected: rows, the lost ones among them.
        longest: greatest step, in seconds.
        row: the row before it.
    """

    interval: float
    lost: int
    expected: int
    longest: float
    row: int

    @property
    def share(self) -> float:
        """Share of the expected rows that is lost."""
        return self.lost / self.expected

    def numbers(self, rows: int, times: NDArray[np.float64]) -> dict[str, Any]:
        """Return what is shown of it."""
        return {
            "n": rows,
            "step": self.interval,
            "lost_rows": self.lost,
            "lost_share": self.share,
            "longest_gap_s": self.longest,
            "longest_gap_at_s": float(times[self.row]),
            "longest_gap_row": self.row,
        }


@dataclass(frozen=True, slots=True)
class Clocks:
    """What two clocks say.

    Args:
        tests: of rate and of lost rows; none where the clocks are too short.
        told: the words for each, and the row to name.
        baseline, run: their numbers.
        span: rows before and after the longest gap of the run.
    """

    tests: tuple[RawTest, ...]
    told: Mapping[Kind, tuple[str, int]]
    baseline: Mapping[str, Any]
    run: Mapping[str, Any]
    span: tuple[int, int]


def _steps(times: NDArray[np.float64]) -> Steps:
    moves = np.diff(times)
    least, most = float(moves.min()), float(moves.max())
    if least > 0.0 and most - least <= 1e-6 * most:
        return Steps(least, least, moves)
    above = moves[moves > 0.0]
    low, middle = np.quantile(above, [_LOW, 0.5])
    return Steps(float(low), float(middle), moves)


def _losses(moves: NDArray[np.float64], interval: float) -> Losses:
    holes = moves[moves > _HOLE * interval]
    lost = int(np.sum(np.rint(holes / interval) - 1.0))
    row = int(np.argmax(moves))
    return Losses(interval, lost, len(moves) + 1 + lost, float(moves[row]), row)


def _rate(first: Steps, second: Steps, config: CompareConfig) -> tuple[RawTest, float]:
    """Test whether the steps changed as a whole; the ratio of intervals is 1 unless low end and middle agree."""
    low, middle = second.low / first.low, second.middle / first.middle
    ratio = (min(low, middle) if low > 1.0 else max(low, middle)) if (low > 1.0) == (middle > 1.0) else 1.0
    floor = np.log(config.rate_floor)
    strength = float(abs(np.log(ratio)) / floor)
    between = first.middle * np.sqrt(ratio)
    counts = [int(np.count_nonzero(side.moves > between)) for side in (first, second)]
    result = share_test(counts[0], len(first.moves), counts[1], len(second.moves))
    p_value = result.p_value if strength >= 1.0 else 1.0
    return RawTest("sample_interval", Kind.RATE, result.statistic, p_value, ratio, config.rate_floor, strength), ratio


def clocks(first: NDArray[np.float64], second: NDArray[np.float64], config: CompareConfig) -> Clocks:
    """Compare the clock of a run with its baseline's.

    Args:
        first: float64[n], the baseline's, seconds, never falling, n ≥ 2.
        second: float64[m], the run's.
        config: floors.
    """
    baseline, run = _steps(first), _steps(second)
    rate, ratio = _rate(baseline, run, config)
    interval = baseline.middle * (ratio if rate.strength >= 1.0 else 1.0)
    before, after = _losses(baseline.moves, baseline.middle), _losses(run.moves, interval)
    numbers = before.numbers(len(first), first), after.numbers(len(second), second)
    span = after.row, after.row + 1
    if min(len(first), len(second)) < config.min_n:
        return Clocks((), {}, *numbers, span)
    result = share_test(before.lost, before.expected, after.lost, after.expected)
    more = max(0.0, after.share - before.share)
    p_value = result.p_value if more > 0.0 else 1.0
    gap = RawTest("missing_rows", Kind.GAP, result.statistic, p_value, more, config.gap_floor, more / config.gap_floor)
    told = {
        Kind.GAP: (_gap_words(before, after, float(second[after.row])), after.row + 1),
        Kind.RATE: (_rate_words(before.interval, after.interval), 0),
    }
    tests = [rate, gap]
    once, again = repeated(baseline.moves == 0.0), repeated(run.moves == 0.0)
    twice = repeat_test("repeated_times", once, again, config)
    if twice is not None:
        tests.append(twice)
        told[Kind.DUPLICATION] = (repeat_words(once, again, timed=True), again.first or 0)
        numbers = numbers[0] | once.numbers(), numbers[1] | again.numbers()
    # where rows are lost beyond the floor, a leap is one of the gaps
    leaps = leap(run.moves, interval, baseline.moves, config) if more < config.gap_floor else None
    if leaps is not None:
        tests.append(leaps.test)
        told[Kind.CLOCK] = (leaps.words, leaps.row)
    return Clocks(tuple(tests), told, *numbers, span)


def _gap_words(before: Losses, after: Losses, at: float) -> str:
    return (
        f"{explain.share(after.share)} of the run's rows are missing ({after.lost:,} of {after.expected:,}, at one every "
        f"{explain.number(after.interval)} s), against {explain.share(before.share)} of the baseline's; the longest gap is "
        f"{explain.number(after.longest)} s, {explain.number(at)} s after the first row"
    )


def _rate_words(before: float, after: float) -> str:
    first, second = explain.two_numbers(before, after)
    verb = "rose" if after > before else "fell"
    return f"the interval from row to row {verb} from {first} to {second} s{explain.percent(before, after)}"
