"""A breaker for each host: after failures it is left alone, longer each time; one probe decides whether it is well again."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Phase(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """After how many failures in a row, and for how long; the last cooldown is that of all later ones."""

    failures: int = 3
    cooldowns: tuple[timedelta, ...] = (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
    probe_within: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of one host.

    Args:
        failures: in a row.
        trips: how often it opened without closing since.
        until: when an open one lets a probe through, or a probe counts as lost.
        forced: whether somebody opened it; it then stays open until it is reset.
    """

    phase: Phase = Phase.CLOSED
    failures: int = 0
    trips: int = 0
    until: datetime | None = None
    forced: bool = False


def enter(breaker: Breaker, rule: BreakerRule, now: datetime) -> tuple[bool, Breaker]:
    """Ask to reach the host: whether to, and the state to store.

    Of callers that ask while it is half open, one alone is let through, as the probe; a probe that never reported counts
    as lost after ``probe_within``.
    """
    if breaker.phase is Phase.CLOSED:
        return True, breaker
    if breaker.forced or (breaker.until is not None and now < breaker.until):
        return False, breaker
    return True, replace(breaker, phase=Phase.HALF_OPEN, until=now + rule.probe_within)


def succeeded(breaker: Breaker) -> Breaker:
    """Note a success: it closes what was half open."""
    return breaker if breaker.forced or breaker.phase is Phase.OPEN else Breaker()


def failed(breaker: Breaker, rule: BreakerRule, now: datetime) -> Breaker:
    """Note a failure: a probe that failed, or enough of them in a row, open it."""
    if breaker.forced or breaker.phase is Phase.OPEN:
        return breaker
    failures = breaker.failures + 1
    if breaker.phase is Phase.CLOSED and failures < rule.failures:
        return replace(breaker, failures=failures)
    cooldown = rule.cooldowns[min(breaker.trips, len(rule.cooldowns) - 1)]
    return Breaker(Phase.OPEN, failures, breaker.trips + 1, now + cooldown)


def force_open(breaker: Breaker) -> Breaker:
    """Leave the host alone until somebody resets it."""
    return replace(breaker, phase=Phase.OPEN, until=None, forced=True)
