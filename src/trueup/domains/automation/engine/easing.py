"""Going easy on a host that fails: its limits are lowered by a share, and come back by themselves up to what its policy allows.

The breaker stops for good reason and altogether; this is what lies before it: a host that fails now and then is asked less often.
No share is ever above 1, so nothing here can raise what a policy allows.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trueup.domains.automation.engine.causes import Whose
from trueup.domains.automation.engine.hostpolicy import Limits
from trueup.domains.automation.engine.reliability import FEW, Outcome

RECENT, LOOKED_AT = timedelta(hours=1), 10
"""Runs that are looked at: of so long ago at most, and so many of the newest."""
TOLERATED = 0.3
"""Share of runs that may fail before anything is lowered."""
LEAST = 0.25
"""The smallest share: what is less is the breaker's."""
RECOVERY = timedelta(minutes=30)
"""After which a host is as its policy says again, where nothing fails."""
_STRAINED = frozenset({Whose.TARGET, Whose.WISH})


@dataclass(frozen=True, slots=True)
class Ease:
    """That a host is gone easy on.

    Args:
        share: of its limits, from ``LEAST`` to below 1, at the time ``at``.
        why: in words.
    """

    share: float
    at: datetime
    why: str


def ease(outcomes: Iterable[Outcome], now: datetime) -> Ease | None:
    """Return how easy to go on a host; None where it does well, or too little is known.

    Args:
        outcomes: of its runs; those that say nothing about the host's health are left out.
        now: the time.
    """
    told = [one for one in outcomes if now - RECENT < one.at <= now and (one.whose is None or one.whose in _STRAINED)]
    recent = sorted(told, key=lambda one: one.at)[-LOOKED_AT:]
    failed = sum(bool(one.code) for one in recent)
    if len(recent) < FEW or failed / len(recent) <= TOLERATED:
        return None
    share = max(LEAST, 1 - failed / len(recent))
    return Ease(share, now, f"{failed} of its last {len(recent)} runs failed")


def share_at(found: Ease | None, now: datetime) -> float:
    """Return the share of its limits that a host gets at a time: it grows back evenly, and is never above 1.

    >>> at = datetime(2026, 1, 1)
    >>> [share_at(Ease(0.5, at, ""), at + timedelta(minutes=m)) for m in (-5, 0, 15, 30, 90)]
    [0.5, 0.5, 0.75, 1.0, 1.0]
    """
    if found is None:
        return 1.0
    lowest = min(1.0, max(LEAST, found.share))
    over = min(1.0, max(0.0, (now - found.at) / RECOVERY))
    return min(1.0, lowest + (1 - lowest) * over)


def eased(most: Limits, share: float) -> Limits:
    """Return limits lowered to a share of theirs: whole numbers, at least 1 where there was any, never more than before.

    >>> eased(Limits(per_minute=10, per_hour=30, concurrent=1), 0.25)
    Limits(per_minute=2, per_hour=7, concurrent=1)
    """
    share = min(1.0, max(0.0, share))

    def less(limit: int) -> int:
        return min(limit, max(1, math.floor(limit * share))) if limit > 0 else limit

    return replace(most, per_minute=less(most.per_minute), per_hour=less(most.per_hour), concurrent=less(most.concurrent))
