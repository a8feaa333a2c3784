"""When a schedule fires: cron or interval, zones, jitter, and what becomes of runs that were missed.

The clock may be stepped: a schedule's planned moment only ever rises, so a clock that is set back lets it wait and never
fires an occurrence twice.

Daylight saving, for cron lines in a zone (the rules of Debian's cron): a line that names its hour and falls into the
hour that is left out fires right after the gap; one that falls into the hour that comes twice fires once. Lines with
``*`` as hour or minute go by elapsed time and fire in both.

References:
    cronsim; Debian cron(8), "Notes" on daylight saving; PEP 495.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from trueup.kernel.errors import UsageError
from trueup.kernel.work.engine.backoff import chance

GRACE = timedelta(minutes=1)
"""A run that is later than this was missed."""

CATCH_UP = 100
"""How many missed runs ``all`` makes up for at once, the newest ones."""


class Missed(StrEnum):
    """What becomes of runs whose moment passed while nobody was there to fire them."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Timing:
    """When a schedule fires.

    Args:
        cron: five or six fields; empty for an interval.
        every: seconds between runs; 0 for a cron line.
        jitter: each run is put off by 0…jitter seconds, the same for the same occurrence.
        timezone: IANA name in which the cron line is read.
        anchor: intervals are counted from here.
    """

    cron: str
    every: int
    jitter: int
    timezone: str
    anchor: datetime

    def next(self, after: datetime) -> datetime:
        """Return the first planned moment after another, in UTC."""
        if self.every:
            done = (after - self.anchor) // timedelta(seconds=self.every)
            return self.anchor + (max(done, 0) + 1) * timedelta(seconds=self.every)
        zone = ZoneInfo(self.timezone)
        # The hour that comes twice reads the same twice: a moment that is not later in UTC was an earlier occurrence.
        for found in CronSim(self.cron, after.astimezone(zone)):
            moment: datetime = found.astimezone(UTC)
            if moment > after:
                return moment
        raise UsageError(f"the cron line {self.cron!r} never fires", remedy="name a day that its month has")

    def fires_at(self, planned: datetime, *, seed: str) -> datetime:
        """Return when an occurrence really fires: its planned moment and its jitter."""
        return planned + timedelta(seconds=int(chance(f"{seed}:{planned.isoformat()}") * self.jitter))


def checked(timing: Timing) -> Timing:
    """Return a timing that can be kept.

    Raises:
        UsageError: no such zone, not a cron line, both or neither of cron and interval.
    """
    if bool(timing.cron) == bool(timing.every):
        raise UsageError("a schedule has a cron line or an interval", remedy="give exactly one of the two")
    if timing.every and timing.jitter > timing.every:
        raise UsageError(f"a jitter of {timing.jitter} s is longer than the interval of {timing.every} s")
    try:
        zone = ZoneInfo(timing.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"there is no time zone {timing.timezone!r}", remedy="use an IANA name such as Europe/Berlin") from None
    if timing.cron:
        try:
            CronSim(timing.cron, timing.anchor.astimezone(zone))
        except CronSimError as exc:
            raise UsageError(f"{timing.cron!r} is no cron line: {exc}", remedy="minute hour day month weekday") from None
        timing.next(timing.anchor)
    return timing


@dataclass(frozen=True, slots=True)
class Firing:
    """What a look at a schedule found.

    Args:
        occurrences: planned moments to run now, the oldest first.
        planned: the next planned moment; later than every occurrence given.
        next_at: when that one fires.
    """

    occurrences: tuple[datetime, ...]
    planned: datetime
    next_at: datetime


def due(timing: Timing, planned: datetime, now: datetime, *, missed: Missed, seed: str) -> Firing:
    """Return which occurrences of a schedule run now.

    Args:
        timing: when it fires.
        planned: its next planned moment, as stored.
        now: the present moment; may lie before what it was at the last look.
        missed: what becomes of runs that are late.
        seed: of the jitter; the schedule's id.
    """
    if now < planned:
        return Firing((), planned, timing.fires_at(planned, seed=seed))
    ripe, unripe = _newest(timing, planned, now, CATCH_UP if missed is Missed.ALL else 1, seed)
    following = unripe or timing.next(now)
    if missed is Missed.SKIP:
        ripe = [moment for moment in ripe if now - timing.fires_at(moment, seed=seed) <= GRACE]
    return Firing(tuple(ripe), following, timing.fires_at(following, seed=seed))


def _newest(timing: Timing, planned: datetime, now: datetime, count: int, seed: str) -> tuple[list[datetime], datetime | None]:
    """Return the newest occurrences from ``planned`` that have fired by ``now``, and the first that has not.

    The window is doubled until it holds enough, so a long outage of a frequent schedule is not walked whole.
    """
    before = planned - timedelta(microseconds=1)
    reach = max(timedelta(minutes=2), timedelta(seconds=(count + 1) * timing.every))
    while True:
        start = max(before, now - reach)
        found = _walk(timing, start, now)
        ripe = list(takewhile(lambda moment: timing.fires_at(moment, seed=seed) <= now, found))
        if len(ripe) >= count or start == before:
            return ripe[-count:], found[len(ripe)] if len(ripe) < len(found) else None
        reach *= 2


def _walk(timing: Timing, start: datetime, now: datetime) -> list[datetime]:
    found = []
    moment = timing.next(start)
    while moment <= now:
        found.append(moment)
        moment = timing.next(moment)
    return found
