"""A run's way out, whole: its gate with everything that a hop has to pass, for HTTP and for browsers alike."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from trueup.domains.automation import breakers, meters, snapshots
from trueup.domains.automation.agent import TOKEN, contact, user_agent
from trueup.domains.automation.desk import Asks
from trueup.domains.automation.egress import robots
from trueup.domains.automation.egress.bodies import folder_of
from trueup.domains.automation.egress.cutting import CUT_OFF
from trueup.domains.automation.egress.gate import Gate, HopRefused, at_once
from trueup.domains.automation.egress.http import Fetcher
from trueup.domains.automation.egress.record import Hop, Record
from trueup.domains.automation.egress.spool import Spool
from trueup.domains.automation.engine.blocked import retry_after
from trueup.domains.automation.engine.decide import Asked, Decision, decide
from trueup.domains.automation.engine.hostpolicy import Snapshot
from trueup.domains.automation.engine.tiers import may_open, strategy_of
from trueup.domains.automation.engine.urls import read
from trueup.domains.automation.jobspec import JobArgs, Watch
from trueup.domains.automation.robotcopies import StoredCopies
from trueup.domains.automation.runtolls import Held, JobToll, Leases, Locks, OnceRead, RobotsToll, locks, pay
from trueup.kernel.actions.base import Context
from trueup.kernel.work.errors import JobCancelled

if TYPE_CHECKING:
    from aiohttp import ClientSession

LEFT_OVER = timedelta(minutes=1)
"""How much longer a lease is than its run may be."""
_ITS_OWN = frozenset({"too_large", "encoding", "redirects", CUT_OFF})
"""Outcomes by which a host shows that it answers, or that are no fault of its."""


@dataclass(slots=True)
class Shared:
    """What attempts share that are made at the same time, for one tenant.

    Args:
        ready: sees to it that what decides is no older than a moment.
        snapshot: what decides.
        pool: of connections.
        copies: of robots files.
        reading: held while a robots file is read.
        leaving: writes down what is about to be sent for a job; each does so for itself by default.
    """

    ready: Callable[[], Awaitable[None]]
    snapshot: Callable[[], Snapshot]
    pool: "ClientSession | None"
    copies: robots.Copies
    reading: Locks
    leaving: Callable[[str, Hop], None] | None = None


class Reach:
    """The way out of one attempt at a job; used as a context manager in the loop.

    Args:
        ctx: of the action.
        job: id of the job.
        args: as it was frozen.
        watch: tells whether the job must stop.
        desk: asks the store.
        shared: with other attempts; nothing by default.
    """

    def __init__(self, ctx: Context, job: UUID, args: JobArgs, watch: Watch, desk: Asks, shared: Shared | None = None) -> None:
        self.ctx, self.job, self.args, self.watch, self.desk = ctx, job, args, watch, desk
        live = snapshots.Live(ctx.tenant)
        self.shared = shared or Shared(at_once, lambda: desk.ask(live), None, OnceRead(StoredCopies(desk, ctx.tenant)), locks())
        self.contact = contact()
        self.agent = user_agent(self.contact)
        leaving = self.shared.leaving
        self.spool = None if leaving else Spool(ctx.ports.data, job)
        self.record = Record(self.snapshot().digest, leaving=partial(leaving, str(job)) if leaving else self.spool)
        self.until = time.monotonic() + args.request.timeout_seconds
        self.asked = Asked(
            strategy_of(args.request.strategy),
            may_open(ctx.principal.roles),
            authorization=args.frozen.authorization,
            job_type=args.request.job_type,
        )
        held = Held(
            ctx.tenant,
            job,
            timedelta(seconds=args.request.timeout_seconds) + LEFT_OVER,
            lambda: max(0.0, self.until - time.monotonic()),
            self.require_wanted,
            self.contact,
            args.request.light,
        )
        self.leases = Leases(desk, held, ctx.clock)
        self._stack = AsyncExitStack()
        self.gate = Gate(self.snapshot, self.asked, ctx.clock, self.record, job=str(job), ready=self.shared.ready)

    @property
    def clock(self) -> Callable[[], datetime]:
        """The time."""
        return self.ctx.clock

    def snapshot(self) -> Snapshot:
        """Return what decides now."""
        return self.shared.snapshot()

    @property
    def pool(self) -> "ClientSession | None":
        """Connections that it shares; None where they are its own."""
        return self.shared.pool

    def decided(self, url: str) -> Decision:
        """Decide about a URL now."""
        return decide(self.snapshot(), url, self.asked, self.clock())

    async def __aenter__(self) -> "Reach":
        """Open what reads robots files."""
        shared, toll = self.shared, RobotsToll(self.leases)
        await shared.ready()
        gate = Gate(self.snapshot, self.asked, self.clock, self.record, toll=toll, job=str(self.job), ready=shared.ready)
        spill = folder_of(self.ctx.ports.data)
        fetcher = Fetcher(gate, agent=self.agent, bounds=robots.BOUNDS, pool=shared.pool, spill=spill)
        reading = await self._stack.enter_async_context(fetcher)
        files = robots.Robots(reading, shared.copies, self.clock, token=TOKEN)
        self.gate.toll = JobToll(self.leases, files, shared.reading)
        decision = self.decided(self.args.request.url)
        if self.watch.lease and decision.allowed:
            self.leases.begun(decision, self.watch.lease)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self._stack.aclose()
        if self.spool is not None:
            self.spool.close()

    def require_wanted(self) -> None:
        """Leave when the job must stop.

        Raises:
            JobCancelled: it must.
        """
        if why := self.watch.gone():
            raise JobCancelled(f"job {self.job} must stop: {why}")

    async def go_on(self, url: str) -> None:
        """Leave when the job must stop, or the place that it is at was switched off.

        Raises:
            JobCancelled: the job must stop.
            HopRefused: the kill switch is on.
        """
        self.require_wanted()
        await self.shared.ready()
        live = self.snapshot()
        for place in (self.args.request.url, url):
            host = read(place).host if place.startswith(("http://", "https://")) else ""
            if host and live.is_killed(host):
                raise HopRefused(place, f"{host} is switched off", ("kill_switch",))

    async def visit(self, url: str) -> None:
        """Decide about a page before it is opened, and wait for its turn.

        Raises:
            HopRefused: it is not allowed, or its turn does not come.
        """
        decision = self.decided(url)
        if not decision.allowed:
            hop = self.record.note(decision, at=self.clock(), via="browser", method="GET")
            raise HopRefused(decision.url, hop.reason, hop.rule_ids)
        try:
            await pay(self.leases, decision)
        except HopRefused as exc:
            rule, reason = exc.rules[0], exc.details["reason"]
            self.record.note(decision, at=self.clock(), via="browser", method="GET", rule=rule, reason=reason)
            raise

    def judge(self, *, blocked: str, at: str, wait: str) -> None:
        """Tell the breakers how every authority did, and obey one that asks to be left alone.

        Args:
            blocked: how the last page asked to be left alone; empty where it did not.
            at: its URL.
            wait: its Retry-After.
        """
        tenant, now = self.ctx.tenant, self.ctx.now
        place = read(at).authority if blocked else ""
        for authority, hops in by_authority(self.record.hops).items():
            self._noted(authority, blocked if authority == place else failing(hops), now)
        until = retry_after(wait, now) if blocked else None
        if until is not None:
            self.desk.ask(lambda: meters.asked_to_wait(tenant, place, until))

    def _noted(self, authority: str, reason: str, now: datetime) -> None:
        tenant = self.ctx.tenant
        if reason:
            self.desk.ask(lambda: breakers.failed(tenant, authority, reason, now))
        else:
            self.desk.ask(lambda: breakers.succeeded(tenant, authority, now))


def by_authority(hops: Sequence[Hop]) -> dict[str, list[Hop]]:
    """Return the hops that were made, by the place that they were made to."""
    found: dict[str, list[Hop]] = {}
    for hop in hops:
        if hop.allowed and hop.address:
            found.setdefault(read(hop.url).authority, []).append(hop)
    return found


def failing(hops: Sequence[Hop]) -> str:
    """Say how an authority failed: where at least half of what it was asked for did; empty where it did what it should."""
    reasons = [reason for hop in hops if (reason := _failed(hop))]
    return reasons[-1] if 2 * len(reasons) >= len(hops) and reasons else ""


def _failed(hop: Hop) -> str:
    if hop.status is None:
        return "" if hop.outcome in _ITS_OWN or not hop.outcome else hop.outcome
    return f"status {hop.status}" if hop.status >= 500 or hop.status == 429 else ""
