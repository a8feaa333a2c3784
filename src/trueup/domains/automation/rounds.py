"""Attempts at several fetch jobs at once: each goes its own way through its own gate.

They share connections, copies of robots files and the snapshot that decides, which is asked for again at most every ``FRESH``
seconds, so that a switch or a revocation holds from the next hop after that.
"""

import asyncio
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from trueup.domains.automation import breakers, meters, snapshots, turns
from trueup.domains.automation.agent import require_extra
from trueup.domains.automation.desk import Counter
from trueup.domains.automation.egress.bodies import HELD
from trueup.domains.automation.egress.http import Response, connections
from trueup.domains.automation.egress.spool import RoundSpool, left_over
from trueup.domains.automation.engine.blocked import retry_after
from trueup.domains.automation.engine.endings import Ending
from trueup.domains.automation.engine.hostpolicy import Snapshot
from trueup.domains.automation.engine.urls import read
from trueup.domains.automation.executors import Found
from trueup.domains.automation.jobspec import JobArgs, Watch
from trueup.domains.automation.loop import LOOP
from trueup.domains.automation.performing import PAGE, known, not_again, within
from trueup.domains.automation.reach import Reach, Shared, by_authority, failing
from trueup.domains.automation.robotcopies import StoredCopies
from trueup.domains.automation.runtolls import OnceRead, locks
from trueup.kernel.actions.base import Context
from trueup.kernel.errors import TrueupError
from trueup.kernel.evidence.artifacts import Artifact
from trueup.kernel.work.errors import JobCancelled

if TYPE_CHECKING:
    from aiohttp import ClientSession

FRESH = 0.05
"""Seconds for which a snapshot decides; then it is asked for again before the next hop."""
LINGER = 1.0
"""Seconds after which attempts that have ended no longer wait for those that have not."""
LARGE = HELD
"""Bytes of a page from which on it is stored as soon as it is there: so many of each attempt are in memory, and one page whole."""
_LOOK = 0.05


@dataclass(frozen=True, slots=True)
class Errand:
    """One attempt that is to be made.

    Args:
        failures: attempts at the job that ended badly before.
        unsure: whether an attempt before sent what changes something, and it may not be sent again.
    """

    job: UUID
    attempt: int
    args: JobArgs
    watch: Watch
    failures: int = 0
    unsure: bool = False


@dataclass(slots=True)
class Made:
    """One attempt that ended.

    Args:
        stopped: why it was ended from outside; empty where it came to its own end.
        problem: what nobody expected.
        stored: the page, where it was stored already.
    """

    errand: Errand
    reach: Reach
    begun: datetime
    elapsed_ms: int = 0
    found: Found = field(default_factory=Found)
    body: Response | None = None
    stopped: str = ""
    problem: BaseException | None = None
    media_type: str = ""
    stored: Artifact | None = None


class Round:
    """Attempts at several jobs of one tenant and principal; belongs to the thread that made it.

    Args:
        ctx: of whoever makes them.
        errands: at most one of each job.
        live: the snapshot that their turns were taken under.
    """

    def __init__(self, ctx: Context, errands: Sequence[Errand], live: Snapshot) -> None:
        self.ctx = ctx
        self.aside: list[Made] = []
        self._errands = {errand.job: errand for errand in errands}
        self._desk = Counter()
        self._live = snapshots.Live(ctx.tenant)
        self._asked = time.monotonic() - FRESH  # what decides is asked for again before the first hop
        self._decides = live
        self.snapshot = self._decides.digest
        self._made: dict[UUID, Made] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._stopped: dict[UUID, str] = {}
        self._open: set[UUID] = set()
        self._over: deque[Made] = deque()
        self._told: defaultdict[str, list[str]] = defaultdict(list)
        self._lock = threading.Lock()
        self._broken: BaseException | None = None
        self._spool = RoundSpool(ctx.ports.data)
        self._kept: set[UUID] = set()

    def open(self) -> list[Errand]:
        """Return the attempts that nobody has collected."""
        return [self._errands[job] for job in sorted(self._errands)]

    def collect(self) -> list[Made]:
        """Begin, the first time; return the attempts that have ended, waiting for the rest only a little.

        Those that were ended from outside, or in a way that nobody expected, are in ``aside``.

        Raises:
            ConfigurationError: there is nothing to fetch with.
        """
        if not self._made:
            self._begin()
        since = time.monotonic()
        while self._open and not (self._over and time.monotonic() - since > LINGER):
            self._desk.serve(_LOOK)
            for job in tuple(self._open):
                if why := self._errands[job].watch.gone():
                    self._stop(job, why)
        if self._broken is not None:
            raise self._broken
        made = self._taken()
        self.aside += [one for one in made if one.stopped or one.problem is not None]
        return [one for one in made if not one.stopped and one.problem is None]

    def stop(self) -> None:
        """End what still runs, and let go of everything; what nobody has collected is in ``aside``."""
        end = time.monotonic() + 15.0
        for job in tuple(self._open):
            self._stop(job, "cancelled")
        while self._open and time.monotonic() < end:
            self._desk.serve(_LOOK)
        self.aside += self._taken()
        self._errands.clear()

    def end(self) -> None:
        """Forget what was about to leave, of the jobs whose runs or records are written down."""
        self._spool.close(self._kept)

    def kept(self, jobs: Iterable[UUID]) -> None:
        """Note whose runs, or records, are written down."""
        self._kept.update(jobs)

    def cut_off(self, jobs: Collection[UUID]) -> Mapping[UUID, Sequence[bytes]]:
        """Return what attempts before these had sent whose worker was killed."""
        return left_over(self.ctx.ports.data, jobs, but=self._spool.path)

    def _begin(self) -> None:
        require_extra()
        copies = OnceRead(StoredCopies(self._desk, self.ctx.tenant))
        shared = Shared(self._ready, lambda: self._decides, None, copies, locks(), self._spool)
        for job, errand in self._errands.items():
            reach = Reach(self.ctx, job, errand.args, errand.watch, self._desk, shared)
            self._made[job] = Made(errand, reach, self.ctx.now)
        self._open = set(self._errands)
        LOOP.begin(lambda: self._all(shared))

    def _stop(self, job: UUID, why: str) -> None:
        if job not in self._stopped:
            self._stopped[job] = why
            LOOP.call(lambda: self._tasks[job].cancel() if job in self._tasks else None)

    def _taken(self) -> list[Made]:
        """Take what has ended: give back what it held, and tell the breakers who answered."""
        made = [self._over.popleft() for _ in range(len(self._over))]
        for one in made:
            self._errands.pop(one.errand.job, None)
        turns.end_many(self.ctx.tenant, [held for one in made for held in one.reach.leases.given_up()])
        with self._lock:
            told, self._told = self._told, defaultdict(list)
        if told:
            breakers.noted(self.ctx.tenant, told, self.ctx.now)
        return made

    async def _all(self, shared: Shared) -> None:
        self._asking = asyncio.Lock()
        try:
            async with borrowed(self.ctx.tenant) as pool:
                shared.pool = pool
                for job, made in self._made.items():
                    self._tasks[job] = task = asyncio.create_task(self._one(made))
                    task.add_done_callback(partial(self._done, made))
                    if job in self._stopped:
                        task.cancel()
                await asyncio.wait(self._tasks.values())
        except BaseException as exc:
            if not self._tasks:
                self._broken = exc
                self._open.clear()
                self._desk.wake()
            raise

    async def _ready(self) -> None:
        """See to it that what decides is fresh; of many that ask at once, one does."""
        if time.monotonic() - self._asked < FRESH:
            return
        async with self._asking:
            if time.monotonic() - self._asked >= FRESH:
                asked = time.monotonic()
                self._decides = await self._desk.put(self._live)
                self._asked = asked

    async def _one(self, made: Made) -> None:
        since = time.monotonic()
        try:
            made.found, made.body = (not_again(), None) if made.errand.unsure else await within(made.reach)
            made.elapsed_ms = round((time.monotonic() - since) * 1000)
            await self._judge(made)
            await self._keep(made)
        except JobCancelled:
            made.stopped = made.errand.watch.gone() or "cancelled"
        except Exception as exc:  # noqa: BLE001 - a bug is this attempt's failure, and nobody else's
            made.problem = exc

    def _done(self, made: Made, task: "asyncio.Task[None]") -> None:
        """Note that an attempt is over, whether it ever began or not."""
        job = made.errand.job
        if task.cancelled():
            made.stopped = self._stopped.get(job, "cancelled")
        self._over.append(made)
        self._open.discard(job)
        if not self._open:
            self._desk.wake()

    async def _judge(self, made: Made) -> None:
        """Remember how each authority did; one that failed, or asks to be left alone, is known to all others at once."""
        found, tenant, now = made.found, self.ctx.tenant, self.ctx.now
        reason = found.reason if found.ending is Ending.BLOCKED else ""
        place = read(found.url).authority if reason else ""
        for authority, hops in by_authority(made.reach.record.hops).items():
            bad = reason if authority == place else failing(hops)
            with self._lock:
                self._told[authority].append(bad)
                told = {authority: self._told.pop(authority)} if bad else {}
            if told:
                await self._desk.put(partial(breakers.noted, tenant, told, now))
        until = retry_after(found.wait, now) if reason else None
        if until is not None:
            await self._desk.put(partial(meters.asked_to_wait, tenant, place, until))

    async def _keep(self, made: Made) -> None:
        """Say what is known of the page; store it where it is large."""
        made.media_type = known(made.found, made.body)
        if made.body is not None and len(made.body.body) > LARGE:
            put, body, kind = self.ctx.ports.artifacts.put, made.body.body, made.media_type
            made.stored = await self._desk.put(lambda: put(self.ctx.tenant, body[:], name=PAGE, media_type=kind))  # one at a time
            made.body = replace(made.body, body=b"")


@dataclass(slots=True)
class _Kept:
    pool: "ClientSession"
    users: int = 0


_pools: dict[UUID, _Kept] = {}
_MOST = 32  # tenants whose connections are kept open while nobody uses them


@asynccontextmanager
async def borrowed(tenant: UUID) -> AsyncIterator["ClientSession"]:
    """Lend the connections of a tenant, that are kept between rounds; they are closed when the loop ends."""
    if not _pools:
        LOOP.at_end(_close)
    for idle in [name for name, kept in _pools.items() if not kept.users and name != tenant][: max(0, len(_pools) - _MOST)]:
        await _pools.pop(idle).pool.close()
    if tenant not in _pools:
        _pools[tenant] = _Kept(connections(0))
    kept = _pools[tenant]
    kept.users += 1
    try:
        yield kept.pool
    finally:
        kept.users -= 1


async def _close() -> None:
    kept = list(_pools.values())
    _pools.clear()
    for one in kept:
        await one.pool.close()


_round: ContextVar[Round | None] = ContextVar("automation_round", default=None)


@contextmanager
def ongoing(round: Round) -> Iterator[None]:
    """Let what runs inside the block, in this thread, collect attempts."""
    before = _round.set(round)
    try:
        yield
    finally:
        _round.reset(before)


def current() -> Round:
    """Return the round that goes on in this thread.

    Raises:
        TrueupError: none does.
    """
    found = _round.get()
    if found is None:
        raise TrueupError("nothing was begun that could be written down")
    return found
