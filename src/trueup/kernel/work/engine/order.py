"""In which order jobs are taken: by priority, and by age, so that nothing starves."""

from datetime import UTC, datetime, timedelta

URGENT, DEFAULT, IDLE = 0, 5, 9
STEP = timedelta(minutes=1)
"""How much waiting makes up for one step of priority."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """Return a moment as whole microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def rank(priority: int, since: datetime) -> int:
    """Return a job's place; the lowest is taken first.

    A job's effective priority is ``priority - waited / STEP``. Since *now* is the same for all jobs, sorting by it is
    sorting by ``since + priority * STEP``, which never changes while the job waits: it can be stored and indexed.

    Args:
        priority: 0 (urgent) … 9 (when there is nothing else).
        since: when it may first run.

    >>> at = datetime(2026, 1, 1, tzinfo=UTC)
    >>> rank(9, at) < rank(0, at + 10 * STEP)
    True
    """
    return micros(since + priority * STEP)


def horizon(now: datetime) -> int:
    """Return the rank above which no job can be due yet."""
    return rank(IDLE, now)
