"""How long to wait before the next attempt.

References:
    M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: full jitter.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta


def chance(seed: str) -> float:
    """Return a number in 0…1, uniform over seeds, the same for the same seed on every machine; spreads load, guards nothing."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:7]) / 2**56


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter.

    Args:
        base: upper bound of the first wait, seconds.
        cap: upper bound of every wait, seconds.
    """

    base: float = 1.0
    cap: float = 300.0

    def bound(self, attempt: int) -> float:
        """Return the longest wait after the given attempt (1, 2, …), seconds."""
        return min(self.cap, self.base * 2.0 ** min(attempt - 1, 60))

    def wait(self, attempt: int, *, seed: str) -> timedelta:
        """Return the wait after the given attempt: uniform in 0…bound, the same for the same seed.

        >>> Backoff().wait(3, seed="job") == Backoff().wait(3, seed="job") <= timedelta(seconds=4)
        True
        """
        return timedelta(seconds=chance(f"{seed}:{attempt}") * self.bound(attempt))
