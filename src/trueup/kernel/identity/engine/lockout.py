"""When an account closes after wrong passwords, and for how long.

References:
    NIST SP 800-63B, section 5.2.2 (rate limiting).
"""

from datetime import datetime, timedelta

TRIES = 10
"""Wrong passwords or codes in a row that close an account."""

FIRST = timedelta(minutes=15)
LONGEST = timedelta(hours=24)
WINDOW = timedelta(minutes=10)
"""Failures of one address are counted in windows of this length."""

PER_ADDRESS = 50
"""Failures of one address, over all accounts, in this and the last window, after which it must wait."""


def locked(until: datetime | None, now: datetime) -> bool:
    """Tell whether an account is closed at this moment."""
    return until is not None and now < until


def lock_for(lockouts: int) -> timedelta:
    """Return how long the next lock-out lasts: 15 minutes, doubled with each one before, at most a day.

    Args:
        lockouts: how many there have been since the last good login.

    >>> [str(lock_for(n)) for n in (0, 1, 9)]
    ['0:15:00', '0:30:00', '1 day, 0:00:00']
    """
    return min(FIRST * (1 << min(lockouts, 16)), LONGEST)


def window(now: datetime) -> datetime:
    """Return the start of the window that a moment lies in."""
    return datetime.fromtimestamp(now.timestamp() // WINDOW.total_seconds() * WINDOW.total_seconds(), tz=now.tzinfo)
