"""Deciding about a hop and what its name leads to: the part that HTTP and browsers share."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Protocol

from trueup.domains.automation.egress.record import Hop, Record
from trueup.domains.automation.engine.addresses import Address
from trueup.domains.automation.engine.decide import Asked, Decision, decide, may_connect
from trueup.domains.automation.engine.hostpolicy import Snapshot
from trueup.domains.automation.engine.tiers import Mode
from trueup.domains.automation.engine.urls import Target
from trueup.kernel.errors import Refused

JOB_HEADER, KEY_HEADER = "X-Automation-Job", "Idempotency-Key"

type Resolve = Callable[[str, int], Awaitable[list[Address]]]
type Snapshots = Callable[[], Snapshot]


class HopRefused(Refused):
    """A hop that is not made: ``rules`` name what refused it."""

    code = "POLICY_VIOLATION"

    def __init__(self, url: str, reason: str, rules: tuple[str, ...]) -> None:
        super().__init__(
            f"{url}: {reason}",
            remedy="see which rule refused it: trueup automation decide URL",
            details={"url": url, "rule_ids": list(rules), "reason": reason},
        )
        self.rules = rules


@dataclass(frozen=True, slots=True)
class Way:
    """An allowed hop: the one address that is connected to, and its line in the record.

    Args:
        dest: what a browser asks for it as (``image``, ``empty`` by a script, …); empty where it is a page, or nobody said.
    """

    target: Target
    decision: Decision
    address: Address
    hop: Hop
    dest: str = ""


class Toll(Protocol):
    """What an allowed hop has to pass yet, right before it is made: robots, limits, breakers."""

    async def enter(self, way: Way, /) -> tuple[str, str]:
        """Return the rule that holds a hop back, and words; empty where none does."""

    async def leave(self, way: Way, /) -> None:
        """Note that a hop that entered is over, however it ended."""


class NoToll:
    """For hops that nothing is counted for."""

    async def enter(self, _way: Way) -> tuple[str, str]:
        """Hold nothing back."""
        return "", ""

    async def leave(self, _way: Way) -> None:
        """Note nothing."""


async def at_once() -> None:
    """Wait for nothing."""


async def resolve(host: str, port: int) -> list[Address]:
    """Return every address of a name, as the system resolves it; none where it has none."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


@dataclass(slots=True)
class Gate:
    """One run's way out.

    Args:
        snapshots: what decides now; asked at every hop, so that a switch or a revocation holds from the next one on.
        asked: who asks, and for which tier.
        clock: the time.
        resolver: of names; each is asked once for a hop, and what it answers is what is connected to.
        toll: what counts hops, and may hold them back; whoever opens a way closes it.
        job: id of the job that runs; told to targets that are verified as one's own, and to no other.
        ready: waited for before each hop, where what decides has to be asked for.
    """

    snapshots: Snapshots
    asked: Asked
    clock: Callable[[], datetime]
    record: Record
    resolver: Resolve = field(default=resolve)
    toll: Toll = field(default_factory=NoToll)
    job: str = ""
    ready: Callable[[], Awaitable[None]] = field(default=at_once)

    async def open(
        self, url: str, *, method: str = "GET", via: str = "http", came_from: Target | None = None, dest: str = ""
    ) -> Way:
        """Decide about a hop, resolve its name once, check every answer, and say where to connect.

        Raises:
            HopRefused: it is not allowed; nothing was sent.
        """
        await self.ready()
        asked = Asked(self.asked.strategy, self.asked.roles_allow, self.asked.authorization, self.asked.job_type, came_from)
        now = self.clock()
        decision = decide(self.snapshots(), url, asked, now)
        target = decision.target
        if not decision.allowed or target is None:
            hop = self.record.note(decision, at=now, via=via, method=method)
            raise HopRefused(decision.url, hop.reason, hop.rule_ids)
        addresses = [target.address] if target.address is not None else await self.resolver(target.host, target.port)
        may, rule, reason = may_connect(decision, addresses)
        if not may:
            self.record.note(decision, at=now, via=via, method=method, rule=rule, reason=reason)
            raise HopRefused(decision.url, reason, (rule,))
        hop = self.record.note(decision, at=now, via=via, method=method)
        way = Way(target, decision, addresses[0], hop, dest)
        rule, reason = await self.toll.enter(way)
        if rule:
            raise self.refuse(way, rule, reason)
        hop.address = str(addresses[0])
        if self.record.leaving is not None:
            self.record.leaving(hop)
        return way

    async def close(self, way: Way) -> None:
        """Note that a hop is over, however it ended."""
        await self.toll.leave(way)

    def told(self, way: Way) -> dict[str, str]:
        """Return the headers by which a target that is one's own knows which job asks, and a repeated change as such."""
        if not self.job or way.decision.mode is not Mode.INTERNAL:
            return {}
        return {JOB_HEADER: self.job} | ({KEY_HEADER: f"{self.job}-{way.hop.intent}"} if way.hop.intent else {})

    def refuse(self, way: Way, rule: str, reason: str) -> HopRefused:
        """Note that a hop was refused after it was decided, and return what to raise."""
        way.hop.allowed, way.hop.rule_ids, way.hop.reason = False, (rule,), reason
        self.record.refused[way.target.host, rule] += 1
        return HopRefused(way.target.url, reason, (rule,))
