"""What an allowed hop passes before it is made: a contact, robots, limits, ceilings and the breaker, in this order."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from trueup.domains.automation import breakers, meters
from trueup.domains.automation.agent import NO_CONTACT, SETTING
from trueup.domains.automation.desk import Desk
from trueup.domains.automation.egress.gate import HopRefused, Way
from trueup.domains.automation.egress.robots import Robots
from trueup.domains.automation.engine.decide import Decision
from trueup.domains.automation.engine.tiers import Mode
from trueup.domains.automation.meters import Turn

_WORDS = {
    "limit.minute": "it was reached as often within a minute as its policy allows",
    "limit.hour": "it was reached as often within an hour as its policy allows",
    "limit.concurrent": "as many requests to it run as its policy allows",
    "limit.retry_after": "it asked to be left alone",
    "ceiling.rps": "its authorization allows no more requests a second",
    "ceiling.concurrent": "its authorization allows no more requests at once",
    "ceiling.requests": "its authorization allows no more requests",
    "breaker.open": "it failed, or asked to be left alone, and its breaker is open",
}


def take(tenant: UUID, decision: Decision, now: datetime, *, lease: timedelta = meters.LEASE, within: str = "") -> Turn:
    """Count a hop, and ask the breaker, in one transaction: one that the breaker holds back is not counted.

    Args:
        tenant: whose.
        decision: that allows it.
        now: the time.
        lease: how long it counts as running at most.
        within: a lease that the caller holds already.
    """
    with transaction.atomic():
        turn = meters.begin_allowed(tenant, decision, now, lease=lease, within=within)
        if not turn.allowed or decision.target is None:
            return turn
        may, breaker = breakers.enter(tenant, decision.target.authority, now)
        if may:
            return turn
        transaction.set_rollback(True)
        return Turn("", "breaker.open", breaker.until)


def words(turn: Turn) -> str:
    """Say what holds a hop back, and until when."""
    again = f"; ask again at {turn.again:%Y-%m-%dT%H:%M:%SZ}" if turn.again else ""
    lowered = f"; its limits are lowered for a while: {turn.ease.why}" if turn.ease else ""
    return f"{_WORDS[turn.rule]}{again}{lowered}"


class Counted:
    """The toll of a run that needs no leave of robots files: of reading those themselves, and of looking for a challenge."""

    def __init__(self, desk: Desk, tenant: UUID, clock: Callable[[], datetime], *, contact: str) -> None:
        self._desk = desk
        self._tenant = tenant
        self._clock = clock
        self._contact = contact
        self._leases: dict[int, str] = {}

    async def enter(self, way: Way) -> tuple[str, str]:
        """Return the rule that holds a hop back, and words."""
        if not self._contact and not way.decision.private:
            return NO_CONTACT, f"no public place is reached without a contact: set {SETTING}"
        turn = await self._desk.put(lambda: take(self._tenant, way.decision, self._clock()))
        if turn.allowed:
            self._leases[id(way.hop)] = turn.lease
            return "", ""
        return turn.rule, words(turn)

    async def leave(self, way: Way) -> None:
        """End what the hop held."""
        lease = self._leases.pop(id(way.hop), "")
        if lease:
            await self._desk.put(lambda: meters.end(self._tenant, way.decision, lease))


class Polite(Counted):
    """The toll of everything else: robots files are obeyed, but where the target is verified as one's own."""

    def __init__(self, desk: Desk, tenant: UUID, clock: Callable[[], datetime], robots: Robots, *, contact: str) -> None:
        super().__init__(desk, tenant, clock, contact=contact)
        self._robots = robots

    async def enter(self, way: Way) -> tuple[str, str]:
        """Return the rule that holds a hop back, and words."""
        if self._contact or way.decision.private:
            rule, reason = await leave_of(self._robots, way)
            if rule:
                return rule, reason
        return await super().enter(way)


async def leave_of(robots: Robots, way: Way) -> tuple[str, str]:
    """Return the rule by which a site's file holds a hop back, and words; empty where the target is verified as one's own."""
    if way.decision.mode is Mode.INTERNAL:
        return "", ""
    try:
        may = await robots.may_fetch(way.target)
    except HopRefused as refused:
        return refused.rules[0], refused.details["reason"]
    return may.rule, may.reason
