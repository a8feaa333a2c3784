"""The toll of a job: a page is counted once at each authority that it reaches, and its parts ride with it.

A job holds one lease at an authority until it ends, so the limit of what runs at once counts jobs. Every request is decided
about and recorded; what changes something out there is written down before it is sent.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from trueup.domains.automation import intents, meters
from trueup.domains.automation.agent import NO_CONTACT, SETTING
from trueup.domains.automation.desk import Asks
from trueup.domains.automation.egress.gate import HopRefused, Way
from trueup.domains.automation.egress.robots import Copies, Copy, Robots, origin_of
from trueup.domains.automation.engine.decide import Decision
from trueup.domains.automation.meters import Turn
from trueup.domains.automation.tolls import leave_of, take, words

PARTS = 500
"""Requests that ride with one page at one authority."""
READING = frozenset({"GET", "HEAD", "OPTIONS", "CONNECT"})
HEAVY = frozenset({"image", "video", "audio", "font", "track"})
_GLANCE = 0.1  # seconds between two looks at whether a job must stop while it waits for its turn


type Locks = defaultdict[str, asyncio.Lock]


def locks() -> Locks:
    """Return a lock for every name that is asked for."""
    return defaultdict(asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Held:
    """A job, as far as its tolls know it.

    Args:
        job: its id, and that of its leases: an attempt goes on with those of one whose worker died. None for a run that is no job.
        lease: how long what it holds counts as running at most.
        patience: seconds that are left to wait for a turn.
        go_on: leaves when the job must stop.
        contact: under which sites find out about us.
        light: whether pictures, sounds and fonts of pages are left out.
    """

    tenant: UUID
    job: UUID | None
    lease: timedelta
    patience: Callable[[], float]
    go_on: Callable[[], None]
    contact: str
    light: bool = False


@dataclass(slots=True)
class _Visit:
    """What a job holds at one authority: a lease, pages that were counted, those paid for and not yet asked for, parts.

    Args:
        given: whether the first page was paid for before the run began, and nobody counted on that yet.
    """

    decision: Decision
    lease: str
    pages: int = 1
    paid: int = 0
    parts: int = 0
    given: bool = False


class Leases:
    """What a job holds, at all authorities together."""

    def __init__(self, desk: Asks, held: Held, clock: Callable[[], datetime]) -> None:
        self.desk, self.held, self.clock = desk, held, clock
        self._visits: dict[str, _Visit] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._intents = 0
        self._seats: list[tuple[Decision, str]] = []

    def begun(self, decision: Decision, lease: str) -> None:
        """Note a turn that was taken before the job's run began, and is not used yet."""
        if decision.target is not None:
            self._visits[decision.target.authority] = _Visit(decision, lease, paid=1, given=True)

    async def count(self, decision: Decision, *, part: bool, ahead: bool = False) -> tuple[str, str]:
        """Count a hop; return the rule that holds it back, and words.

        Args:
            decision: that allows it.
            part: whether it belongs to a page.
            ahead: whether it is paid for before it is asked for.
        """
        authority = decision.target.authority if decision.target else ""
        async with self._locks[authority]:
            visit = self._visits.get(authority)
            if visit is not None and visit.given and ahead and not part:
                visit.given = False
                return "", ""
            if visit is not None and (part or (visit.paid and not ahead)):
                return self._rides(visit, part=part)
            turn = await self._turn(decision)
            if not turn.allowed:
                return turn.rule, words(turn)
            if visit is None:
                self._visits[authority] = _Visit(decision, turn.lease, paid=int(ahead))
            else:
                visit.decision, visit.pages, visit.paid = decision, visit.pages + 1, visit.paid + int(ahead)
            return "", ""

    @staticmethod
    def _rides(visit: _Visit, *, part: bool) -> tuple[str, str]:
        if not part:
            visit.paid, visit.given = visit.paid - 1, False
            return "", ""
        visit.parts += 1
        if visit.parts > PARTS * visit.pages:
            return "limit.parts", f"a page asks for more than {PARTS} parts"
        return "", ""

    async def seats(self, decision: Decision, wanted: int) -> int:
        """Hold room for doing several things at once, beside the turn that is held; return for how many there is room."""
        held = self.held
        if held.job is None:
            return 1
        names = [held.job.hex, *(f"{held.job.hex}/{number}" for number in range(2, wanted + 1))]
        room = await self.desk.put(lambda: meters.hold(held.tenant, decision, names, self.clock(), lease=held.lease))
        self._seats = [(decision, name) for name in names[1:room]]
        return room

    async def _turn(self, decision: Decision) -> Turn:
        """Take a turn, waiting for it as long as the job has patience."""
        held, within = self.held, self.held.job.hex if self.held.job else ""
        while True:
            now = self.clock()
            turn = await self.desk.put(partial(take, held.tenant, decision, now, lease=held.lease, within=within))
            wait = (turn.again - now).total_seconds() if turn.again else 0.25
            waits = turn.rule.startswith(("limit.", "ceiling.rps", "ceiling.concurrent"))
            if turn.allowed or not waits or wait > held.patience() or not (turn.again or turn.rule.endswith(".concurrent")):
                return turn
            await self.sleep(wait)

    async def sleep(self, seconds: float) -> None:
        """Wait, and leave when the job must stop."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0:
            self.held.go_on()
            await asyncio.sleep(min(left, _GLANCE))

    async def intend(self, way: Way) -> None:
        """Write down that something is about to be changed out there."""
        job = self.held.job
        if job is None or way.hop.method in READING:
            return
        self._intents += 1
        way.hop.intent = number = self._intents
        await self.desk.put(
            lambda: intents.sent(self.held.tenant, job, number, way.hop.method, way.target.authority, self.clock())
        )

    def end(self) -> None:
        """Let go of everything."""
        for decision, lease in self.given_up():
            self.desk.ask(partial(meters.end, self.held.tenant, decision, lease))

    def given_up(self) -> list[tuple[Decision, str]]:
        """Hold nothing any more; return what is to be ended."""
        found = [(visit.decision, visit.lease) for visit in self._visits.values()] + self._seats
        self._visits.clear()
        self._seats = []
        return found


class RobotsToll:
    """The toll of reading robots files for a job: it takes the turn that the page then rides on."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    async def enter(self, way: Way) -> tuple[str, str]:
        """Return the rule that holds a hop back, and words."""
        if not self._leases.held.contact and not way.decision.private:
            return NO_CONTACT, f"no public place is reached without a contact: set {SETTING}"
        return await self._leases.count(way.decision, part=True, ahead=True)

    async def leave(self, _way: Way) -> None:
        """Keep the lease: the page follows."""


class JobToll:
    """The toll of everything else that a job asks for."""

    def __init__(self, leases: Leases, robots: Robots, reading: Locks) -> None:
        self._leases = leases
        self._robots = robots
        self._reading = reading

    async def enter(self, way: Way) -> tuple[str, str]:
        """Return the rule that holds a hop back, and words."""
        self._leases.held.go_on()
        if not self._leases.held.contact and not way.decision.private:
            return NO_CONTACT, f"no public place is reached without a contact: set {SETTING}"
        if self._leases.held.light and way.dest in HEAVY:
            return "tier.light", "the job leaves out what weighs much"
        rule, reason = await self._asked(way)
        if rule:
            return rule, reason
        rule, reason = await self._leases.count(way.decision, part=bool(way.dest))
        if not rule:
            await self._leases.intend(way)
        return rule, reason

    async def _asked(self, way: Way) -> tuple[str, str]:
        async with self._reading[origin_of(way.target)]:
            return await leave_of(self._robots, way)

    async def leave(self, _way: Way) -> None:
        """Keep the lease: it belongs to the job, and ends with it."""


class OnceRead:
    """Copies of robots files, each looked up once in a run."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._found: dict[str, Copy] = {}

    async def get(self, origin: str) -> Copy | None:
        """Return a copy."""
        found = self._found.get(origin) or await self._copies.get(origin)
        if found is not None:
            self._found[origin] = found
        return found

    async def put(self, origin: str, copy: Copy) -> None:
        """Keep a copy."""
        self._found[origin] = copy
        await self._copies.put(origin, copy)


async def pay(leases: Leases, decision: Decision) -> None:
    """Take the turn of a page before it is asked for, so that nobody waits with a connection open.

    Raises:
        HopRefused: there is none within the job's time.
    """
    rule, reason = await leases.count(decision, part=False, ahead=True)
    if rule:
        raise HopRefused(decision.url, reason, (rule,))
