"""A browser for many jobs: started when it is needed, one tenant's at a time, and a fresh one after some hundred pages.

Each job has a context of its own, which shares nothing with others, and a proxy of its own, which is that context's only way
out. The browser's own way out, for what belongs to no context, refuses everything.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from trueup.domains.automation.browser.launch import Launched, Options, launched
from trueup.domains.automation.egress.authority import Authority
from trueup.domains.automation.egress.gate import Gate
from trueup.domains.automation.egress.proxy import Proxy
from trueup.domains.automation.egress.record import Record
from trueup.domains.automation.engine.decide import Asked
from trueup.domains.automation.engine.hostpolicy import Listing, compiled

JOBS = 200
"""Jobs of one browser; then it is closed, with what it has gathered."""
IDLE = 30.0
"""Seconds after which a browser that nobody uses is closed."""
AT_ONCE = 2
"""Browsers that run at once: those of as many tenants."""
STARTING = 8.0
"""Seconds that a start which nobody waits for gets to end by itself, once the pool ends."""


@dataclass(slots=True)
class _Kept:
    """A running browser."""

    run: Launched
    authority: Authority
    stop: asyncio.Event
    task: asyncio.Task[None]
    jobs: int = 0
    busy: int = 0
    retired: bool = False
    idle_since: float = 0.0


@dataclass(slots=True)
class Pool:
    """Browsers of one process; used inside one event loop.

    Args:
        agent: the honest name.
        clock: the time.
        options: how browsers are started.
    """

    agent: str
    clock: Callable[[], datetime]
    options: Options = field(default_factory=Options)
    _kept: dict[UUID, _Kept] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _unwanted: set[asyncio.Task[None]] = field(default_factory=set)
    _sweeper: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def lent(self, tenant: UUID) -> AsyncIterator[tuple[Launched, Authority]]:
        """Lend a tenant's browser, with the authority that it trusts.

        Raises:
            BrowserMissing, SandboxMissing: there is none.
        """
        kept = await self._take(tenant)
        try:
            yield kept.run, kept.authority
        finally:
            kept.busy -= 1
            kept.idle_since = asyncio.get_running_loop().time()
            if not kept.busy and (kept.retired or not kept.run.browser.is_connected()):
                await self._end(tenant, kept)

    async def _take(self, tenant: UUID) -> _Kept:
        async with self._lock:
            kept = self._kept.get(tenant)
            if kept is not None and (kept.jobs >= JOBS or not kept.run.browser.is_connected()):
                kept.retired = True
                if not kept.busy:
                    await self._end(tenant, kept)
                self._kept.pop(tenant, None)
                kept = None
            if kept is None:
                await self._make_room()
                kept = self._kept[tenant] = await self._started()
            kept.jobs += 1
            kept.busy += 1
            return kept

    async def _make_room(self) -> None:
        idle = sorted((one.idle_since, tenant) for tenant, one in self._kept.items() if not one.busy)
        for _, tenant in idle[: max(0, len(self._kept) - AT_ONCE + 1)]:
            await self._end(tenant, self._kept[tenant])

    async def _started(self) -> _Kept:
        authority, stop = Authority(), asyncio.Event()
        ready: asyncio.Future[Launched] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._keep(authority, stop, ready))
        try:
            run = await asyncio.shield(ready)
        except BaseException:
            # a start is not broken off: its driver would be left behind
            stop.set()
            self._unwanted.add(task)
            task.add_done_callback(self._unwanted.discard)
            ready.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.create_task(self._sweep())
        return _Kept(run, authority, stop, task, idle_since=asyncio.get_running_loop().time())

    async def _keep(self, authority: Authority, stop: asyncio.Event, ready: "asyncio.Future[Launched]") -> None:
        """Hold a browser open, in one task from its beginning to its end."""
        nothing = compiled((), listing=Listing.ALLOWLIST, authorizations=(), killed=("*",), digest="")
        gate = Gate(lambda: nothing, Asked(), self.clock, Record(""))
        try:
            async with Proxy(gate, self.agent, authority=authority) as closed, launched(closed, self.options) as run:
                ready.set_result(run)
                await stop.wait()
        except BaseException as exc:
            if ready.done():
                raise
            ready.set_exception(exc if isinstance(exc, Exception) else RuntimeError("the browser's start was ended"))

    async def _end(self, tenant: UUID, kept: _Kept) -> None:
        if self._kept.get(tenant) is kept:
            del self._kept[tenant]
        kept.stop.set()
        await asyncio.gather(kept.task, return_exceptions=True)

    async def _sweep(self) -> None:
        while self._kept:
            await asyncio.sleep(IDLE / 6)
            now = asyncio.get_running_loop().time()
            for tenant, kept in list(self._kept.items()):
                if not kept.busy and now - kept.idle_since > IDLE:
                    await self._end(tenant, kept)

    async def close(self) -> None:
        """End every browser."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for tenant, kept in list(self._kept.items()):
            await self._end(tenant, kept)
        if self._unwanted:
            await asyncio.wait(self._unwanted, timeout=STARTING)
