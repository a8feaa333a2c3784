"""How often and how many at once: limits of one authority, over every way of fetching and all retries together.

A window slides: in any minute, and in any hour, no more than the limit begin, however the calls fall. What was granted is kept
as moments, so the answer is exact; whoever stores them holds a lock over reading and writing it.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from trueup.domains.automation.engine.hostpolicy import Limits
from trueup.domains.automation.engine.moments import Moments

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Usage:
    """What one authority was used for.

    Args:
        begun: when hops began within the last hour, the oldest first.
        running: how many run now.
        not_before: until when the target asked to be left alone.
    """

    begun: Moments = field(default_factory=Moments)
    running: int = 0
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a hop may begin.

    Args:
        rule: that holds it back; empty where nothing does.
        again: when to ask again; None where that depends on others ending.
        usage: to store: with the hop in it where it may begin.
    """

    allowed: bool
    usage: Usage
    rule: str = ""
    again: datetime | None = None


def begin(usage: Usage, limits: Limits, now: datetime) -> Answer:
    """Ask for one hop.

    Args:
        usage: as it was stored.
        limits: of the policy; 0 of a kind allows none.
        now: the time; one that lies before the last hop (a clock set back) counts as that hop's.
    """
    last = usage.begun.last
    at = now if last is None else max(now, last)
    kept = usage.begun.after(at - HOUR)
    usage = replace(usage, begun=kept)
    if usage.not_before is not None and at < usage.not_before:
        return Answer(False, usage, "limit.retry_after", usage.not_before)  # noqa: FBT003 - the answer itself
    for window, most, rule in ((MINUTE, limits.per_minute, "limit.minute"), (HOUR, limits.per_hour, "limit.hour")):
        if kept.since(at - window) >= most:
            return Answer(False, usage, rule, kept.newest(most) + window if most else None)  # noqa: FBT003
    if usage.running >= limits.concurrent:
        return Answer(False, usage, "limit.concurrent")  # noqa: FBT003
    return Answer(True, replace(usage, begun=kept.plus(at), running=usage.running + 1))  # noqa: FBT003


def end(usage: Usage) -> Usage:
    """Note that a hop ended; one that was never counted ends nothing."""
    return replace(usage, running=max(0, usage.running - 1))


def asked_to_wait(usage: Usage, until: datetime) -> Usage:
    """Note that the target asked to be left alone until a time; an earlier one never shortens a longer wait."""
    return replace(usage, not_before=until if usage.not_before is None else max(until, usage.not_before))
