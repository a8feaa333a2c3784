"""Early warning over the runs of one test: does a metric scatter more from run to run, and when does it meet its limit?

Each run is one point: how widely it scatters, and its value nearest to the limit. Whether the points rise is asked of their
order alone (Mann and Kendall), how fast by the median slope (Theil and Sen); the p-values of all questions about all metrics are
adjusted together. Runs are counted one after the other, whatever time lies between them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.outlook import Limit
from trueup.kernel.stats import benjamini_hochberg
from trueup.kernel.stats.kendall import Line, mann_kendall, theil_sen
from trueup.kernel.words import Verdict

MIN_RUNS = 6
"""Fewer than these cannot be ordered beyond chance at 1 %."""


class Sign(StrEnum):
    """What an early warning speaks of."""

    VARIANCE = "variance_growth"
    MARGIN = "margin_erosion"


@dataclass(frozen=True, slots=True)
class Point:
    """What one run says of a metric: its name, number of values, deviation, least and greatest value."""

    run: str
    n: int
    sd: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Trend:
    """What the order of the runs says.

    Args:
        first, last: of the line through the points: at the first run and at the last.
        p_value: of a rise or fall, one more or less.
        q_value: the same, adjusted for all questions of all metrics.
        significant: whether it goes the bad way beyond chance.
    """

    sign: Sign
    first: float
    last: float
    p_value: float
    q_value: float = 1.0
    significant: bool = False


@dataclass(frozen=True, slots=True)
class RunsToLimit:
    """In how many more runs a limit is met if they go on so, with a 95 % interval; None where it is not known."""

    known: bool
    reason: str
    runs: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """The outlook of one metric over the runs of its test.

    Args:
        points: the runs that have it, the oldest first.
        limit: the bound that it is held against; None without one.
        trends: what was asked of them; none where there are too few runs.
        reach: when the bound is met; None without one.
        reason: why nothing could be said; empty where something was.
        signs: what speaks for trouble, in words.
    """

    metric: str
    unit: str
    points: tuple[Point, ...]
    limit: Limit | None
    trends: tuple[Trend, ...] = ()
    reach: RunsToLimit | None = None
    reason: str = ""
    signs: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "metric": self.metric,
            "unit": self.unit,
            "runs": len(self.points),
            "limit": self.limit and {"value": self.limit.value, "above": self.limit.above},
            "trends": [
                {
                    "sign": str(one.sign),
                    "first": one.first,
                    "last": one.last,
                    "p_value": one.p_value,
                    "q_value": one.q_value,
                    "significant": one.significant,
                }
                for one in self.trends
            ],
            "runs_to_limit": self.reach
            and {
                "known": self.reach.known,
                "reason": self.reach.reason,
                "runs": self.reach.runs,
                "low": self.reach.low,
                "high": self.reach.high,
            },
            "reason": self.reason,
            "signs": list(self.signs),
        }


def series(
    points: Mapping[str, Sequence[Point]],
    limits: Mapping[str, Sequence[Limit]],
    *,
    units: Mapping[str, str],
    alpha: float = 0.01,
) -> tuple[Series, ...]:
    """Look ahead over runs.

    Args:
        points: metric to its runs, the oldest first.
        limits: metric to its bounds; a metric with two is answered twice, one with none once.
        units: metric to its unit.
        alpha: share of clean series that may be warned of by chance.
    """
    bare = [
        Series(metric, units.get(metric, ""), tuple(some), limit)
        for metric, some in points.items()
        for limit in (tuple(limits.get(metric, ())) or (None,))
    ]
    looked = [_looked(one, first=place == 0 or bare[place - 1].metric != one.metric) for place, one in enumerate(bare)]
    q_values = iter(benjamini_hochberg([trend.p_value for one in looked for trend in one.trends]))
    return tuple(_judged(one, [replace(trend, q_value=next(q_values)) for trend in one.trends], alpha) for one in looked)


def verdict_of(found: Sequence[Series]) -> Verdict:
    """Say what the series give: signs are drift; a metric that could not be looked at leaves it open. No run's verdict changes."""
    if any(one.signs for one in found):
        return Verdict.PASS_WITH_DRIFT
    return Verdict.INSUFFICIENT_DATA if not found or any(one.reason for one in found) else Verdict.PASS


def _looked(one: Series, *, first: bool) -> Series:
    if len(one.points) < MIN_RUNS:
        return replace(one, reason=f"unknown: {len(one.points)} runs, at least {MIN_RUNS} are needed")
    trends = [_variance(one)] if first else []  # asked once, however many bounds there are
    return replace(one, trends=tuple(trends) if one.limit is None else (*trends, _margin(one, one.limit)))


def _line(values: Sequence[float]) -> tuple[Line, float]:
    y = np.array(values)
    return theil_sen(np.arange(len(y), dtype=np.float64), y), mann_kendall(y).p_value


def _variance(one: Series) -> Trend:
    least = min((point.sd for point in one.points if point.sd > 0.0), default=1.0)
    # logarithms, so that a deviation that doubles counts alike wherever it begins; one of 0 counts as the least
    line, p_value = _line([math.log(max(point.sd, least)) for point in one.points])
    end = len(one.points) - 1
    return Trend(Sign.VARIANCE, math.exp(line.level), math.exp(line.level + line.slope * end), p_value)


def _rooms(one: Series, limit: Limit) -> list[float]:
    return [limit.value - point.high if limit.above else point.low - limit.value for point in one.points]


def _margin(one: Series, limit: Limit) -> Trend:
    line, p_value = _line(_rooms(one, limit))
    return Trend(Sign.MARGIN, line.level, line.level + line.slope * (len(one.points) - 1), p_value)


def _judged(one: Series, trends: Sequence[Trend], alpha: float) -> Series:
    if one.reason:
        return one
    judged = tuple(replace(trend, significant=trend.q_value < alpha and _is_bad(trend)) for trend in trends)
    reach = _reach(one, one.limit, judged) if one.limit is not None else None
    return replace(one, trends=judged, reach=reach, signs=tuple(_words(one, judged, reach)))


def _is_bad(trend: Trend) -> bool:
    return trend.last > trend.first if trend.sign is Sign.VARIANCE else trend.last < trend.first


def _reach(one: Series, limit: Limit, trends: Sequence[Trend]) -> RunsToLimit:
    rooms = _rooms(one, limit)
    if rooms[-1] <= 0.0:
        return RunsToLimit(known=True, reason="the newest run is at the limit or beyond it", runs=0.0, low=0.0, high=0.0)
    if not any(trend.significant for trend in trends if trend.sign is Sign.MARGIN):
        return RunsToLimit(known=False, reason="unknown: the room to the limit does not shrink beyond chance")
    y, x = np.array(rooms), np.arange(len(rooms), dtype=np.float64)
    line = theil_sen(x, y)
    if not line.high < 0.0 or math.isinf(line.low):
        return RunsToLimit(known=False, reason="unknown: the trend is too unsure for an interval")

    def left(slope: float) -> float:
        """Return the runs from the newest one until a line of this slope through the points is at the limit."""
        return max(0.0, -float(np.median(y - slope * x)) / slope - float(x[-1]))

    found = [left(slope) for slope in (line.low, line.slope, line.high)]
    return RunsToLimit(known=True, reason="the room to the limit shrinks", runs=found[1], low=min(found), high=max(found))


def _words(one: Series, trends: Sequence[Trend], reach: RunsToLimit | None) -> Sequence[str]:
    said, unit = [], explain.of_unit(one.unit)
    for trend in trends:
        if trend.significant:
            before, after = explain.two_numbers(trend.first, trend.last)
            what = "the deviation grew" if trend.sign is Sign.VARIANCE else "the room to the limit shrank"
            said.append(f"{what} from {before} to {after}{unit} over {len(one.points)} runs")
    if reach is not None and reach.known and reach.runs is not None:
        if reach.runs == 0.0:
            said.append(reach.reason)
        else:
            low, high = (explain.number(value) for value in (reach.low or 0.0, reach.high or 0.0))
            said.append(f"if it goes on so the limit is met in {explain.number(reach.runs)} runs (95 %: {low} to {high})")
    return said
