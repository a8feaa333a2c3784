"""Who sits where in a worker's slots: a job of its own takes one, jobs that are done together share one."""

from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Seats:
    """So many free slots, filled one job after the other.

    Args:
        free: slots that nobody sits in.
    """

    free: int
    _open: dict[Hashable, tuple[int, int]] = field(default_factory=dict)
    _taken: int = 0

    def take(self, fellows: Hashable, most: int) -> int | None:
        """Seat a job; return the number of its slot, None where there is none for it.

        Args:
            fellows: what it has in common with those it can share a slot with.
            most: jobs of that kind that share one; 1 for a job of its own.

        >>> seats = Seats(1)
        >>> [seats.take("a", 2) for _ in range(3)]
        [0, 0, None]
        """
        number, left = self._open.get(fellows, (0, 0)) if most > 1 else (0, 0)
        if left == 0:
            if self.free <= 0:
                return None
            self.free -= 1
            number, left = self._taken, most
            self._taken += 1
        if most > 1:
            self._open[fellows] = (number, left - 1)
        return number
