"""When something began, over and over: exact, and short however often it was.

What began at one moment is one mark with a count. Beyond ``FINE`` marks neighbours are joined into the later of them: the past
then seems nearer by a moment, never farther, so nothing that counts windows over it lets through more than it may.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

FINE = 1_000
"""Marks up to which each is kept as it is."""
_NEAR, _NEAR_STEP, _FAR_STEP = 60_000_000, 100_000, 10_000_000
"""What is joined beyond it: within a minute what began in one tenth of a second, before that in ten seconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


def ticks(at: datetime) -> int:
    """Return a moment as whole microseconds."""
    return (at - _EPOCH) // _TICK


def moment(count: int) -> datetime:
    """Return the moment that so many microseconds are."""
    return _EPOCH + count * _TICK


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments, the oldest first.

    Args:
        marks: microseconds, each once, rising.
        each: how often something began at each.
    """

    marks: tuple[int, ...] = ()
    each: tuple[int, ...] = ()

    @classmethod
    def of(cls, moments: Iterable[datetime]) -> "Moments":
        """Return these moments.

        >>> at = datetime(2026, 1, 1, tzinfo=UTC)
        >>> len(Moments.of([at, at, at + timedelta(seconds=1)]))
        3
        """
        found = cls()
        for at in sorted(moments):
            found = found.plus(at)
        return found

    def __len__(self) -> int:
        """Return how many they are."""
        return sum(self.each)

    def __iter__(self) -> Iterator[datetime]:
        """Yield each, as often as it is there."""
        for mark, count in zip(self.marks, self.each, strict=True):
            yield from [moment(mark)] * count

    @property
    def last(self) -> datetime | None:
        """The newest; None where there is none."""
        return moment(self.marks[-1]) if self.marks else None

    def after(self, at: datetime) -> "Moments":
        """Return those later than a moment."""
        first = bisect_right(self.marks, ticks(at))
        return Moments(self.marks[first:], self.each[first:]) if first else self

    def since(self, at: datetime) -> int:
        """Return how many are later than a moment."""
        return sum(self.each[bisect_right(self.marks, ticks(at)) :])

    def newest(self, number: int) -> datetime:
        """Return the ``number``-th newest, 1 for the last.

        Raises:
            IndexError: there are fewer.
        """
        for mark, count in zip(reversed(self.marks), reversed(self.each), strict=True):
            number -= count
            if number <= 0:
                return moment(mark)
        raise IndexError(number)

    def plus(self, at: datetime) -> "Moments":
        """Return these and one more, that is none earlier than the last."""
        mark = ticks(at)
        if self.marks and self.marks[-1] >= mark:
            return Moments(self.marks, (*self.each[:-1], self.each[-1] + 1))
        grown = Moments((*self.marks, mark), (*self.each, 1))
        return grown if len(grown.marks) <= FINE else grown._joined()

    def _joined(self) -> "Moments":
        near, found = self.marks[-1] - _NEAR, list[tuple[int, int]]()
        before: tuple[bool, int] | None = None
        for mark, count in zip(self.marks, self.each, strict=True):
            cell = (mark > near, mark // (_NEAR_STEP if mark > near else _FAR_STEP))
            if cell == before:
                found[-1] = (mark, found[-1][1] + count)
            else:
                found.append((mark, count))
            before = cell
        return Moments(tuple(mark for mark, _ in found), tuple(count for _, count in found))
