"""The tier assault: load with faults on a system that is verified as one's own, request by request under its ceilings."""

import asyncio
import time
from collections import deque

from trueup.domains.automation.egress.gate import HopRefused
from trueup.domains.automation.egress.http import Fetcher, FetchFailed, Request
from trueup.domains.automation.engine.endings import BLOCKED, Ending
from trueup.domains.automation.engine.loading import Answer, Load, given_up, summary
from trueup.domains.automation.executors import Found, refused
from trueup.domains.automation.reach import Reach
from trueup.kernel.work.engine.backoff import chance

LOOKED_AT = 200
"""Answers that are looked at when it is asked whether to give up."""
KEPT = 200_000
"""Answers that are kept for the summary."""
_TELL = 0.5


class _Run:
    """One run of load: what was asked for, what came, and why it ended."""

    def __init__(self, reach: Reach, load: Load) -> None:
        self.reach, self.load = reach, load
        self.begun = time.monotonic()
        self.answers: list[Answer] = []
        self.recent: deque[Answer] = deque(maxlen=LOOKED_AT)
        self.asked = 0
        self.over = ""
        self.refused: HopRefused | None = None
        self._told = 0.0

    def next(self) -> int:
        """Return the number of the next request; 0 where there is none any more."""
        if self.over or self.asked >= self.load.requests or time.monotonic() - self.begun >= self.load.seconds:
            return 0
        self.asked += 1
        return self.asked

    def chance(self, what: str, number: int) -> float:
        return chance(f"{self.reach.args.request.seed}/{what}/{number}")

    def note(self, began: float, code: str) -> None:
        now = time.monotonic()
        answer = Answer(began - self.begun, (now - began) * 1000, code)
        if len(self.answers) < KEPT:
            self.answers.append(answer)
        self.recent.append(answer)
        self.over = self.over or given_up(tuple(self.recent), self.load.give_up)

    async def tell(self) -> None:
        now = time.monotonic()
        if now - self._told < _TELL:
            return
        self._told = now
        share = max(self.asked / self.load.requests, (now - self.begun) / self.load.seconds)
        failed = sum(bool(one.code) for one in self.recent)
        words = f"{self.asked} requests, {failed} of the last {len(self.recent)} failed"
        await self.reach.desk.put(lambda: self.reach.watch.tell(min(share, 0.99), words))


async def load(reach: Reach) -> Found:
    """Load a target until enough was asked, time is up, it is given up, or a rule says no."""
    run = _Run(reach, Load.read(reach.args.request.payload["load"]))
    async with Fetcher(reach.gate, agent=reach.agent) as fetcher, asyncio.TaskGroup() as users:
        for number in range(run.load.users):
            users.create_task(_user(run, fetcher, number))
    found = refused(run.refused) if run.refused is not None else Found(url=reach.args.request.url)
    found.summary = dict(summary(run.answers, time.monotonic() - run.begun)) | {"given_up": run.over}
    if run.refused is None and run.over:
        found.ending, found.code, found.reason = Ending.FAILED, "GIVEN_UP", run.over
    if run.over == BLOCKED:
        found.ending, found.code, found.reason = Ending.BLOCKED, BLOCKED, "it asks for fewer requests (429), or forbids this"
    return found


async def _user(run: _Run, fetcher: Fetcher, number: int) -> None:
    """Ask again and again, as one user; they begin one after the other."""
    await asyncio.sleep(run.load.ramp_seconds * number / run.load.users)
    while request := run.next():
        await run.reach.go_on("")
        await run.tell()
        if run.load.faults.latency_ms:
            await asyncio.sleep(run.load.faults.latency_ms / 1000)
        began = time.monotonic()
        try:
            code = await _asked(run, fetcher, request)
        except HopRefused as exc:
            if run.refused is None:
                run.refused = exc
            run.over = run.over or exc.details["reason"]
            return
        run.note(began, code)


async def _asked(run: _Run, fetcher: Fetcher, number: int) -> str:
    """Make one request, with the faults that it is to have; return what failed."""
    faults, said = run.load.faults, run.load
    if faults.offline and run.chance("offline", number) < faults.offline:
        return "FAULT_OFFLINE"
    request = Request(run.reach.args.request.url, said.method, body=said.body.encode())
    try:
        if faults.aborted and run.chance("aborted", number) < faults.aborted:
            async with asyncio.timeout(0.002):
                await fetcher.fetch(request)
            return "FAULT_ABORTED"
        answer = await fetcher.fetch(request)
    except TimeoutError:
        return "FAULT_ABORTED"
    except FetchFailed as failed:
        return failed.kind.upper()
    if answer.status in (403, 429):
        run.over = run.over or BLOCKED
    return f"HTTP_{answer.status}" if answer.status >= 500 else ""
