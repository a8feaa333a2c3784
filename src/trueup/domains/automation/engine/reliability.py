"""How well a host has served of late, from how runs ended: rates with their uncertainty, incidents, advice, and less when it fails.

What is learnt here can make us gentler, never harder: advice is offered and never applied, and the one thing that happens by
itself lowers the limits of a host that fails, and lets go again up to what its policy allows.

References:
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927), for one rate;
    R. G. Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10, for two.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from trueup.domains.automation.engine.causes import Whose, cause_of
from trueup.domains.automation.engine.percentiles import percentile

WINDOW, MOST = timedelta(days=30), 200
"""Runs that are looked at: of so long ago at most, and so many of the newest."""
RELIABLE = 0.9
"""Share of runs that has to succeed."""
FEW = 5
"""Runs below which no timeout is suggested, and nothing is lowered."""
_Z = 1.959963984540054  # 95 %, two-sided
_COUNTED = frozenset({Whose.TARGET, Whose.WISH, Whose.PAGE})


class Standing(StrEnum):
    """What is known of a host: nothing is claimed that its interval does not say."""

    RELIABLE = "reliable"
    UNRELIABLE = "unreliable"
    UNKNOWN = "unknown"


class Trend(StrEnum):
    """How the newer half of runs compares with the older."""

    BETTER = "better"
    SAME = "no difference seen"
    WORSE = "worse"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run ended.

    Args:
        code: of its error; empty where it completed.
        status: of the last page; None where there is none.
    """

    at: datetime
    code: str = ""
    elapsed_ms: int = 0
    status: int | None = None

    @property
    def whose(self) -> Whose | None:
        """Whose doing its end was; None where it completed."""
        return cause_of(self.code, self.status).whose if self.code else None

    @property
    def counts(self) -> bool:
        """Whether it says something about the host: refusals of ours, broken jobs and lost browsers do not."""
        return self.whose is None or self.whose in _COUNTED


@dataclass(frozen=True, slots=True)
class Incident:
    """Failures of one code in a row.

    Args:
        over: whether a run has succeeded, or failed otherwise, since.
    """

    code: str
    count: int
    begun: datetime
    last: datetime
    over: bool


@dataclass(frozen=True, slots=True)
class Reliability:
    """What runs say about one host.

    Args:
        runs: looked at; ``counted`` of them say something about the host.
        rate: of success; None where nothing is counted.
        low, high: its interval at 95 %.
        median_ms, p95_ms: of runs that succeeded; None where none did.
        errors: codes of all runs, the most frequent first.
        incidents: the newest first.
    """

    runs: int
    counted: int
    succeeded: int
    rate: float | None
    low: float
    high: float
    standing: Standing
    trend: Trend
    median_ms: float | None
    p95_ms: float | None
    errors: tuple[tuple[str, int], ...]
    incidents: tuple[Incident, ...]
    since: datetime | None
    until: datetime | None


def wilson(successes: int, of: int) -> tuple[float, float]:
    """Return the interval at 95 % of a rate; everything is possible where nothing was tried.

    >>> [round(end, 3) for end in wilson(9, 10)], wilson(0, 0)
    ([0.596, 0.982], (0.0, 1.0))
    """
    if of == 0:
        return 0.0, 1.0
    rate, square = successes / of, _Z * _Z
    middle = (rate + square / (2 * of)) / (1 + square / of)
    half = _Z * math.sqrt(rate * (1 - rate) / of + square / (4 * of * of)) / (1 + square / of)
    return max(0.0, min(middle - half, rate)), min(1.0, max(middle + half, rate))


def reliability(outcomes: Iterable[Outcome], now: datetime) -> Reliability:
    """Sum up how runs at one host ended.

    Args:
        outcomes: of its runs, in any order; those that are too old, or beyond the newest ``MOST``, are left out.
        now: the time.
    """
    recent = newest(outcomes, now)
    counted = [one for one in recent if one.counts]
    good = [one for one in counted if not one.code]
    times = [float(one.elapsed_ms) for one in good]
    low, high = wilson(len(good), len(counted))
    return Reliability(
        runs=len(recent),
        counted=len(counted),
        succeeded=len(good),
        rate=len(good) / len(counted) if counted else None,
        low=low,
        high=high,
        standing=_standing(low, high),
        trend=_trend(counted),
        median_ms=percentile(times, 0.5) if times else None,
        p95_ms=percentile(times, 0.95) if times else None,
        errors=tuple(sorted(Counter(one.code for one in recent if one.code).items(), key=lambda pair: (-pair[1], pair[0]))),
        incidents=tuple(reversed(incidents(counted))),
        since=recent[0].at if recent else None,
        until=recent[-1].at if recent else None,
    )


def newest(outcomes: Iterable[Outcome], now: datetime) -> list[Outcome]:
    """Return the runs that are looked at, the oldest first."""
    return sorted((one for one in outcomes if now - WINDOW < one.at <= now), key=lambda one: one.at)[-MOST:]


def _standing(low: float, high: float) -> Standing:
    if low >= RELIABLE:
        return Standing.RELIABLE
    return Standing.UNRELIABLE if high < RELIABLE else Standing.UNKNOWN


def _trend(counted: Sequence[Outcome]) -> Trend:
    half = len(counted) // 2
    if half < FEW:
        return Trend.UNKNOWN
    low, high = _difference(counted[:half], counted[half:])
    return Trend.BETTER if low > 0 else Trend.WORSE if high < 0 else Trend.SAME


def _difference(before: Sequence[Outcome], after: Sequence[Outcome]) -> tuple[float, float]:
    """Return the interval at 95 % of how much greater the rate of success is after than before."""
    (first, first_low, first_high), (then, then_low, then_high) = (_rate(side) for side in (before, after))
    step = then - first
    return step - math.hypot(then - then_low, first_high - first), step + math.hypot(then_high - then, first - first_low)


def _rate(side: Sequence[Outcome]) -> tuple[float, float, float]:
    good = sum(not one.code for one in side)
    return good / len(side), *wilson(good, len(side))


def incidents(counted: Sequence[Outcome]) -> list[Incident]:
    """Return failures of one code in a row, two at least, the oldest first.

    Args:
        counted: runs that say something about the host, the oldest first.
    """
    found: list[Incident] = []
    streak: list[Outcome] = []
    for one in [*counted, None]:
        if streak and (one is None or one.code != streak[0].code):
            if len(streak) > 1:
                found.append(Incident(streak[0].code, len(streak), streak[0].at, streak[-1].at, one is not None))
            streak = []
        if one is not None and one.code:
            streak.append(one)
    return found


def timeout_advice(outcomes: Iterable[Outcome], now: datetime, *, most: int) -> int | None:
    """Return the seconds that jobs on a host should be given: thrice what 19 of 20 need; None where too few succeeded.

    Args:
        outcomes: of its runs.
        now: the time.
        most: seconds that a job may be given at all; what is suggested is never more.
    """
    times = [one.elapsed_ms / 1000 for one in newest(outcomes, now) if not one.code]
    if len(times) < FEW:
        return None
    return max(1, min(most, max(5, math.ceil(3 * percentile(times, 0.95)))))


@dataclass(frozen=True, slots=True)
class Opened:
    """How one page was opened.

    Args:
        waited_for: ``load``, ``networkidle``, …
        code: of the step's error; empty where it was opened.
    """

    waited_for: str
    elapsed_ms: int
    code: str = ""


def wait_advice(opened: Sequence[Opened]) -> str:
    """Say what waiting for ``networkidle`` costs, where ``load`` was seen to do; empty where that is not known."""
    times: dict[str, list[float]] = {}
    for one in opened:
        if not one.code:
            times.setdefault(one.waited_for, []).append(float(one.elapsed_ms))
    late = sum(one.code in ("STEP_TIMEOUT", "JOB_TIMEOUT") for one in opened if one.waited_for == "networkidle")
    idle, load = times.get("networkidle", []), times.get("load", [])
    if len(load) < 3 or not (late or len(idle) >= 3):
        return ""
    words = []
    if len(idle) >= 3 and (more := percentile(idle, 0.5) - percentile(load, 0.5)) > 0:
        words.append(f"networkidle costs {more / 1000:.1f} s more than load")
    if late:
        words.append(f"networkidle timed out {late} {'time' if late == 1 else 'times'}")
    return f"{' and '.join(words)}; load opened the page {len(load)} times" if words else ""


@dataclass(frozen=True, slots=True)
class Drift:
    """A selector that was not found, and what could be meant: offered, never applied."""

    what: str
    count: int
    last: datetime
    offered: tuple[tuple[str, str, int], ...]


def drifts(misses: Iterable[tuple[datetime, str, Sequence[Mapping[str, str]]]]) -> list[Drift]:
    """Collect what was offered in the place of selectors, the one that was missed most often first.

    Args:
        misses: when, what the step said, and the hints: ``selector`` and ``why``.
    """
    seen: dict[str, list[tuple[datetime, Sequence[Mapping[str, str]]]]] = {}
    for at, what, offered in misses:
        seen.setdefault(what, []).append((at, offered))
    found = []
    for what, times in seen.items():
        counts = Counter((hint["selector"], hint["why"]) for _, offered in times for hint in offered)
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
        offers = tuple((selector, why, count) for (selector, why), count in ranked)
        found.append(Drift(what, len(times), max(at for at, _ in times), offers))
    return sorted(found, key=lambda one: (-one.count, one.what))
