"""The longest stretch of equal values of a series, of which parts are seen one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.kernel.stats.repeats import repeats


@dataclass(frozen=True, slots=True)
class Streaks:
    """What has to be known of a series so that its stretches of equal values can be followed over its end.

    Args:
        n: values.
        first, last: the first and the last of them; 0 without values.
        head, tail: lengths of the first and of the last stretch.
        longest: length of the longest stretch, the first of equally long ones.
        start: its first index.
        value: its value.
        equal: number of values that equal the one before them.
    """

    n: int = 0
    first: float = 0.0
    last: float = 0.0
    head: int = 0
    tail: int = 0
    longest: int = 0
    start: int = 0
    value: float = 0.0
    equal: int = 0

    def then(self, other: Streaks) -> Streaks:
        """Return the streaks of this series followed by the other one; associative, and exact.

        >>> streaks(np.array([1.0, 2.0])).then(streaks(np.array([2.0, 2.0]))).longest
        3
        """
        if not self.n or not other.n:
            return self if self.n else other
        bridged = self.last == other.first
        bridge = self.tail + other.head if bridged else 0
        longest, start, value = self.longest, self.start, self.value
        if bridge > longest:
            longest, start, value = bridge, self.n - self.tail, self.last
        if other.longest > longest:
            longest, start, value = other.longest, self.n + other.start, other.value
        return Streaks(
            n=self.n + other.n,
            first=self.first,
            last=other.last,
            head=bridge if bridged and self.head == self.n else self.head,
            tail=bridge if bridged and other.tail == other.n else other.tail,
            longest=longest,
            start=start,
            value=value,
            equal=self.equal + other.equal + bridged,
        )


NO_STREAKS = Streaks()


def streaks(values: NDArray[np.float64]) -> Streaks:
    """Find the streaks of a series.

    Args:
        values: float64[n], in order.
    """
    n = len(values)
    if not n:
        return NO_STREAKS
    seen = repeats(values)
    first, last = float(values[0]), float(values[-1])
    if not len(seen.starts):
        return Streaks(n, first, last, 1, 1, 1, 0, first, 0)
    place = int(np.argmax(seen.lengths))
    start = int(seen.starts[place])
    return Streaks(
        n=n,
        first=first,
        last=last,
        head=int(seen.lengths[0]) if seen.starts[0] == 0 else 1,
        tail=int(seen.lengths[-1]) if seen.starts[-1] + seen.lengths[-1] == n else 1,
        longest=seen.longest,
        start=start,
        value=float(values[start]),
        equal=seen.equal,
    )
