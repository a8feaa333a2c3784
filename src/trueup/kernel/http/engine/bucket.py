"""The token bucket: in any span of time no more than ``burst + rate × elapsed`` tokens leave it.

References:
    RFC 2697/2698 (token buckets of traffic meters); RFC 6585 section 4 and RFC 9110 section 10.2.3 (429, Retry-After).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """How fast a caller may ask.

    Args:
        rate: tokens a second that flow in.
        burst: tokens that the bucket holds when it is full.
    """

    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class Level:
    """What is in a bucket at a moment (seconds)."""

    tokens: float
    at: float


@dataclass(frozen=True, slots=True)
class Draw:
    """What became of the asking: whether a token was given, what is left, and after how many seconds there is one."""

    given: bool
    level: Level
    wait: float


def draw(limit: Limit, level: Level | None, now: float) -> Draw:
    """Take one token, if there is a whole one.

    A clock that was stepped back lets nothing flow in until it has caught up: time is the greatest ever seen.

    Args:
        limit: rate and burst.
        level: what the bucket held; None for a full one.
        now: seconds.

    >>> draw(Limit(rate=1, burst=2), Level(0.0, 10.0), 10.5).wait
    0.5
    """
    before = level or Level(float(limit.burst), now)
    at = max(before.at, now)
    tokens = min(float(limit.burst), before.tokens + limit.rate * (at - before.at))
    if tokens < 1:
        return Draw(given=False, level=Level(tokens, at), wait=(1 - tokens) / limit.rate + (at - now))
    return Draw(given=True, level=Level(tokens - 1, at), wait=0.0)
