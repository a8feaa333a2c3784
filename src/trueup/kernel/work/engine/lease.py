"""Leases on the installation's own time scale.

A lease compares two readings of one scale: the *work time*, microseconds that pass while any worker runs. Each process
advances it by its monotonic clock and publishes the highest reading it knows; a reading never falls. The wall clock has
no part in it, so a clock that is stepped back or ahead neither lengthens, shortens nor ends a lease.
"""

from dataclasses import dataclass

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """A known point of the scale.

    Args:
        micros: work time.
        at: the process's monotonic clock then, seconds.
    """

    micros: int
    at: float

    def now(self, monotonic: float) -> int:
        """Return the work time at a later reading of the same monotonic clock."""
        return self.micros + max(0, int((monotonic - self.at) * SECOND))

    def merged(self, stored: int, monotonic: float) -> "Reading":
        """Return the newest point that both this process and the store know; never an earlier one."""
        return Reading(max(self.now(monotonic), stored), monotonic)


def until(now: int, seconds: float) -> int:
    """Return the end of a lease that begins now."""
    return now + int(seconds * SECOND)


def expired(lease_until: int, now: int) -> bool:
    """Tell whether another worker may take the job."""
    return lease_until <= now
