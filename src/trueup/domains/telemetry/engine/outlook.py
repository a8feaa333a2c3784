"""Early warning of one run: for each metric that has a bound, how much room is left, and how long.

Nothing here is a verdict. A metric without a bound has no outlook: there is nothing that it could run into.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.config import CompareConfig, MetricRule
from trueup.domains.telemetry.engine.sample import clean
from trueup.domains.telemetry.engine.table import Table, clock_of
from trueup.domains.telemetry.engine.warning import Growth, Margin, TimeToLimit, margin, time_to_limit, variance_growth

ERODED = 0.25
"""Share of the baseline's room that has to be gone before it is a sign."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound of a metric: the value, and whether it is broken above or below."""

    value: float
    above: bool

    @property
    def words(self) -> str:
        """How people read it."""
        return f"{'at most' if self.above else 'at least'} {explain.number(self.value)}"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What threatens one bound of one metric.

    Args:
        growth: of the run's scatter within the run.
        margin: room that is left, against the baseline; None where a side has no value, or there is no baseline.
        reach: when the run's trend reaches the bound.
        signs: what speaks for trouble, in words; empty where nothing does.
    """

    metric: str
    unit: str
    limit: Limit
    growth: Growth
    margin: Margin | None
    reach: TimeToLimit
    signs: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "metric": self.metric,
            "unit": self.unit,
            "limit": self.limit.value,
            "above": self.limit.above,
            "growth": {"ratio": self.growth.ratio, "p_value": self.growth.p_value, "significant": self.growth.significant},
            "margin": self.margin and {"baseline": self.margin.baseline, "run": self.margin.run, "erosion": self.margin.erosion},
            "time_to_limit": {
                "known": self.reach.known,
                "reason": self.reach.reason,
                "seconds": self.reach.seconds,
                "low": self.reach.low,
                "high": self.reach.high,
            },
            "signs": list(self.signs),
        }


def limits_of(rule: MetricRule) -> tuple[Limit, ...]:
    """Return the nearest bound of a rule above, and the one below."""
    above = [bound for bound in (rule.fail_above, rule.maximum) if bound is not None]
    found = [Limit(min(above), above=True)] if above else []
    return (*found, *([Limit(rule.minimum, above=False)] if rule.minimum is not None else []))


def outlook(baseline: Table | None, run: Table, config: CompareConfig) -> tuple[Outlook, ...]:
    """Look ahead for every metric of a run that has a bound; each is read once more.

    Args:
        baseline: the table of the claim; None where there is none.
        run: the table of what is.
        config: bounds, significance and least sizes.
    """
    bound = [(name, limits) for name in run.numeric if (limits := limits_of(config.rule(name)))]
    if not bound or not run.rows:
        return ()
    times, there = clock_of(run), frozenset(baseline.numeric) if baseline is not None else frozenset()
    found: list[Outlook] = []
    for name, limits in bound:
        column = clean(run.column(name))
        before = clean(baseline.column(name)).values if baseline is not None and name in there else np.empty(0)
        at = times if times is None or column.rows is None else times[column.rows]
        growth = variance_growth(column.values, config)
        unit = config.rule(name).unit
        found += [_outlook(name, unit, limit, growth, before, column.values, at, config) for limit in limits]
    return tuple(found)


def _outlook(
    name: str,
    unit: str,
    limit: Limit,
    growth: Growth,
    before: NDArray[np.float64],
    values: NDArray[np.float64],
    times: NDArray[np.float64] | None,
    config: CompareConfig,
) -> Outlook:
    room = margin(before, values, limit.value, above=limit.above)
    if times is None or len(values) < 2:
        reach = TimeToLimit(known=False, reason="unknown: the run has no one sound clock")
    else:
        reach = time_to_limit(values, times, limit.value, config, above=limit.above)
    return Outlook(name, unit, limit, growth, room, reach, tuple(_signs(unit, growth, room, reach)))


def _signs(unit: str, growth: Growth, room: Margin | None, reach: TimeToLimit) -> Sequence[str]:
    said = []
    if growth.significant and growth.ratio is not None:
        said.append(f"the second half of the run scatters {explain.number(growth.ratio)} times as widely as the first")
    if room is not None and room.erosion is not None and room.erosion >= ERODED:
        before, after = explain.two_numbers(room.baseline, room.run)
        said.append(f"the room to the limit shrank from {before} to {after}{explain.of_unit(unit)}")
    if reach.known and reach.seconds is not None:
        if reach.seconds == 0.0:
            said.append("the trend has reached the limit")
        else:
            low, high = (explain.number(value) for value in (reach.low or 0.0, reach.high or 0.0))
            said.append(f"at this trend the limit is reached in {explain.number(reach.seconds)} s (95 %: {low} to {high} s)")
    return said
