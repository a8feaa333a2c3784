"""The tier assault: load with faults on a system that is verified as one's own, request by request under its ceilings."""

import asyncio
import time
from collections import defaultdict

from trueup.domains.automation.egress.bodies import folder_of
from trueup.domains.automation.egress.cutting import cut_off
from trueup.domains.automation.egress.gate import HopRefused, Toll, Way
from trueup.domains.automation.egress.http import Bounds, Fetcher, FetchFailed, Request, Response, connections
from trueup.domains.automation.engine.blocked import blocked
from trueup.domains.automation.engine.decide import Decision, decide
from trueup.domains.automation.engine.endings import BLOCKED, Ending
from trueup.domains.automation.engine.loading import ABORTED, OFFLINE, Load, Tally
from trueup.domains.automation.executors import Found, refused
from trueup.domains.automation.reach import Reach
from trueup.kernel.work.engine.backoff import chance

GIVEN_UP = "GIVEN_UP"
RATES = frozenset({"limit.minute", "limit.hour", "ceiling.rps"})
"""Rules that say later: a run goes as fast as they let it, and ends with its time."""
_TELL = 0.5


class _Clocked:
    """A toll that measures how long each user's hops are out there: waiting for a turn is not the target's time."""

    def __init__(self, toll: Toll) -> None:
        self._toll = toll
        self._left: dict[int, float] = {}
        self._spent: defaultdict[object, float] = defaultdict(float)

    async def enter(self, way: Way) -> tuple[str, str]:
        rule, reason = await self._toll.enter(way)
        if not rule:
            self._left[id(way.hop)] = time.monotonic()
        return rule, reason

    async def leave(self, way: Way) -> None:
        since = self._left.pop(id(way.hop), None)
        if since is not None:
            self._spent[asyncio.current_task()] += time.monotonic() - since
        await self._toll.leave(way)

    def spent_ms(self) -> float:
        """Return how long the hops of this task took since it was asked last, in milliseconds."""
        return 1_000 * self._spent.pop(asyncio.current_task(), 0.0)


class _Run:
    """One run of load: what was asked for, what came, and why it ended."""

    def __init__(self, reach: Reach, load: Load) -> None:
        self.reach, self.load, self.tally = reach, load, Tally()
        self.request = Request(reach.args.request.url, load.method, body=load.body.encode())
        self.clocked = _Clocked(reach.gate.toll)
        reach.gate.toll = self.clocked
        self.begun = time.monotonic()
        reach.until = min(reach.until, self.begun + load.seconds)
        self.number = 0
        self.over = ""
        self.found = Found(url=self.request.url)
        self._turns = asyncio.Lock()
        self._told = 0.0

    async def next(self) -> int:
        """Wait for the turn of the next request, and return its number; 0 where there is none any more."""
        async with self._turns:
            while self._goes_on():
                self.reach.require_wanted()
                self.number += 1
                if not self.is_broken(OFFLINE):
                    return self.number if await self._turn() else 0
                self.tally.fault(OFFLINE)
                await asyncio.sleep(self.load.faults.latency_ms / 1000)
            return 0

    def _goes_on(self) -> bool:
        if not self.over and self.number >= self.load.requests:
            self.over = "requests"
        if not self.over and time.monotonic() - self.begun >= self.load.seconds:
            self.over = "seconds"
        return not self.over

    def is_broken(self, kind: str, number: int = 0) -> bool:
        """Whether a request is to have a fault: the same ones for the same seed."""
        share: float = getattr(self.load.faults, kind)
        return chance(f"{self.reach.args.request.seed}/{kind}/{number or self.number}") < share

    async def _turn(self) -> bool:
        """Pay for a request ahead, so that one user alone waits, and the others see when it is over."""
        decision = await self.decided()
        rule, reason = await self.reach.leases.count(decision, part=False, ahead=True)
        if rule:
            self.reach.record.note(
                decision, at=self.reach.clock(), via="http", method=self.request.method, rule=rule, reason=reason
            )
            self.refuse(HopRefused(decision.url, reason, (rule,)))
        return not self.over

    async def decided(self) -> Decision:
        """Decide about the target as things are now.

        Raises:
            HopRefused: it is not allowed any more.
        """
        reach = self.reach
        await reach.gate.ready()
        decision = decide(reach.snapshot(), self.request.url, reach.asked, reach.clock())
        if not decision.allowed:
            hop = reach.record.note(decision, at=reach.clock(), via="http", method=self.request.method)
            raise HopRefused(decision.url, hop.reason, hop.rule_ids)
        return decision

    def refuse(self, exc: HopRefused) -> None:
        """End the run by a rule; one that says later ends it no worse than time does."""
        if exc.rules[0] in RATES:
            self.over = self.over or exc.rules[0]
        elif self.found.ending is Ending.COMPLETED:
            self.over, self.found = exc.rules[0], refused(exc)

    def note(self, at: float, code: str, answer: Response | None = None) -> None:
        """Add up what came of a request, and see whether that ends the run."""
        self.tally.answer(at - self.begun, self.clocked.spent_ms(), code)
        if answer is not None:
            self.found.status = answer.status
            if why := blocked(answer.status, answer.headers, answer.body):
                self._end(Ending.BLOCKED, BLOCKED, why)
                self.found.url, self.found.wait = answer.url, answer.headers.get("retry-after", "")
        if why := self.tally.given_up(self.load.give_up):
            self._end(Ending.FAILED, GIVEN_UP, why)

    def _end(self, ending: Ending, code: str, reason: str) -> None:
        """End the run badly, unless it ended badly before; what time ended may still turn out so."""
        if self.found.ending is Ending.COMPLETED:
            self.over = code
            self.found.ending, self.found.code, self.found.reason = ending, code, reason

    async def tell(self) -> None:
        """Show how far it is."""
        now = time.monotonic()
        if now - self._told < _TELL:
            return
        self._told = now
        share = max(self.number / self.load.requests, (now - self.begun) / self.load.seconds)
        words = self.tally.lately()
        await self.reach.desk.put(lambda: self.reach.watch.tell(min(share, 0.99), words))


async def load(reach: Reach) -> Found:
    """Load a target until enough was asked, time is up, it is given up, or a rule says no."""
    run = _Run(reach, Load.read(reach.args.request.payload["load"]))
    users = 0
    try:
        users = await reach.leases.seats(await run.decided(), run.load.users)
        await _by(users, run)
    except HopRefused as exc:
        run.refuse(exc)
    run.found.summary = {"users": users, "ended_by": run.over, **run.tally.summary(time.monotonic() - run.begun)}
    return run.found


async def _by(users: int, run: _Run) -> None:
    left = run.reach.args.request.timeout_seconds - run.load.seconds
    bounds = Bounds(seconds=max(1.0, min(Bounds().seconds, left - 1)))  # what is asked last may be answered within the job's time
    spill = folder_of(run.reach.ctx.ports.data)
    async with (
        connections(0) as pool,
        Fetcher(run.reach.gate, agent=run.reach.agent, bounds=bounds, pool=pool, spill=spill) as fetcher,
    ):
        try:
            async with asyncio.TaskGroup() as group:
                for place in range(users):
                    group.create_task(_user(run, fetcher, place / users))
        except BaseExceptionGroup as several:
            raise _first(several) from several


def _first(found: BaseException) -> BaseException:
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


async def _user(run: _Run, fetcher: Fetcher, share: float) -> None:
    """Ask again and again, as one user; they begin one after the other."""
    await asyncio.sleep(run.load.ramp_seconds * share)
    try:
        while number := await run.next():
            await run.tell()
            if run.load.faults.latency_ms:
                await asyncio.sleep(run.load.faults.latency_ms / 1000)
            await _ask(run, fetcher, number)
    except HopRefused as exc:
        run.refuse(exc)


async def _ask(run: _Run, fetcher: Fetcher, number: int) -> None:
    """Make one request, with the fault that it is to have."""
    at = time.monotonic()
    try:
        if run.is_broken(ABORTED, number):
            await cut_off(run.reach.gate, run.request, agent=run.reach.agent)
            run.clocked.spent_ms()
            run.tally.fault(ABORTED)
            return
        answer = await fetcher.fetch(run.request)
    except FetchFailed as failed:
        run.note(at, failed.kind.upper())
    else:
        run.note(at, f"HTTP_{answer.status}" if answer.status >= 500 else "", answer)
