"""Fetching pages politely: one after the other, decided hop by hop, and ended where a target asks to be left alone."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from trueup.domains.automation import breakers, meters, snapshots
from trueup.domains.automation.agent import NO_CONTACT, SETTING, TOKEN, contact, user_agent
from trueup.domains.automation.desk import Desk
from trueup.domains.automation.egress import robots
from trueup.domains.automation.egress.bodies import folder_of
from trueup.domains.automation.egress.gate import Gate, HopRefused
from trueup.domains.automation.egress.http import Fetcher, FetchFailed, Request, Response
from trueup.domains.automation.egress.record import Hop, Record
from trueup.domains.automation.engine.blocked import blocked, retry_after
from trueup.domains.automation.engine.decide import Asked, Decision, decide
from trueup.domains.automation.engine.hostpolicy import ROBOTS
from trueup.domains.automation.engine.tiers import Strategy, may_open
from trueup.domains.automation.engine.urls import read
from trueup.domains.automation.pages import Ended, Page, Visit
from trueup.domains.automation.robotcopies import StoredCopies
from trueup.domains.automation.tolls import Counted, Polite
from trueup.kernel.actions.base import Context

JOB_TYPE = "fetch"
BLOCKED = "TARGET_BLOCKED"
RULE_BLOCKED = "target.blocked"
PAUSE = 0.5
"""Seconds before the one retry that a cut-off connection gets."""
_AGAIN = frozenset({"connect", "reset"})
_ITS_OWN = frozenset({"too_large", "encoding", "redirects"})
"""Kinds of failure by which a host shows that it answers."""


def visit(ctx: Context, urls: Sequence[str]) -> Visit:
    """Fetch pages, one after the other.

    Raises:
        ConfigurationError: the contact that is set is no web address.
    """
    address = contact()
    with Desk(ctx.tenant) as desk:
        found = Visit(Record(desk.ask(lambda: snapshots.snapshot(ctx.tenant)).digest))
        asyncio.run(_Run(ctx, desk, found, address).go(urls))
    return found


class _Run:
    """The gates, the fetchers and what was found so far."""

    def __init__(self, ctx: Context, desk: Desk, found: Visit, address: str) -> None:
        self._ctx = ctx
        self._desk = desk
        self._live = snapshots.Live(ctx.tenant)
        self._found = found
        self._address = address
        self._asked = Asked(Strategy.VANILLA, may_open(ctx.principal.roles), job_type=JOB_TYPE)

    async def go(self, urls: Sequence[str]) -> None:
        """Fetch every page."""
        ctx, agent = self._ctx, user_agent(self._address)
        spill = folder_of(ctx.ports.data)
        counted = Counted(self._desk, ctx.tenant, ctx.clock, contact=self._address)
        async with Fetcher(self._gate(counted), agent=agent, bounds=robots.BOUNDS, spill=spill) as reading:
            files = robots.Robots(reading, StoredCopies(self._desk, ctx.tenant), ctx.clock, token=TOKEN)
            polite = Polite(self._desk, ctx.tenant, ctx.clock, files, contact=self._address)
            async with Fetcher(self._gate(polite), agent=agent, spill=spill) as fetcher:
                for url in urls:
                    begun = len(self._found.record.hops)
                    page = await self._page(fetcher, url)
                    self._found.pages.append(page)
                    self._judge(page, self._found.record.hops[begun:])

    def _gate(self, toll: Counted) -> Gate:
        return Gate(
            lambda: self._desk.ask(self._live),
            self._asked,
            self._ctx.clock,
            self._found.record,
            toll=toll,
        )

    async def _page(self, fetcher: Fetcher, url: str) -> Page:
        refused = self._refused(url)
        if refused is not None:
            return refused
        try:
            answer = await self._fetched(fetcher, url)
        except HopRefused as exc:
            return Page(url, Ended.REFUSED, exc.code, exc.details["reason"], exc.rules)
        except FetchFailed as exc:
            return Page(url, Ended.FAILED, exc.code, exc.message)
        why = blocked(answer.status, answer.headers, answer.body)
        if why:
            return Page(url, Ended.BLOCKED, BLOCKED, why, answer=answer)
        if not 200 <= answer.status < 300:
            return Page(url, Ended.FAILED, "HTTP_STATUS", f"it answers with {answer.status}", answer=answer)
        return Page(url, Ended.FETCHED, answer=answer)

    def _refused(self, url: str) -> Page | None:
        """Refuse what can be told before a name is resolved: no contact, or a target that asked this run to stop."""
        now = self._ctx.now
        decision = decide(self._desk.ask(self._live), url, self._asked, now)
        if not decision.allowed or decision.target is None:
            return None  # the gate says why, and writes it down
        if not self._address and not decision.private:
            return self._noted(decision, NO_CONTACT, f"no public place is reached without a contact: set {SETTING}", now)
        if decision.target.authority in self._found.left_alone:
            return self._noted(decision, RULE_BLOCKED, "it asked this run to leave it alone", now)
        return None

    def _noted(self, decision: Decision, rule: str, reason: str, now: datetime) -> Page:
        self._found.record.note(decision, at=now, via="http", method="GET", rule=rule, reason=reason)
        return Page(decision.url, Ended.REFUSED, HopRefused.code, reason, (rule,))

    async def _fetched(self, fetcher: Fetcher, url: str) -> Response:
        try:
            return await fetcher.fetch(Request(url))
        except FetchFailed as failed:
            if failed.kind not in _AGAIN:
                raise
        await asyncio.sleep(PAUSE)
        return await fetcher.fetch(Request(url))

    def _judge(self, page: Page, hops: Sequence[Hop]) -> None:
        """Tell breakers how every host that was reached did, and obey one that asks to be left alone."""
        made = [hop for hop in hops if hop.allowed and hop.address]
        # robots files are written down after the page that they are read for, and come before it
        made.sort(key=lambda hop: not hop.url.endswith(ROBOTS))
        own = [hop for hop in made if page.answer is not None and hop.url == page.answer.url]
        for hop in made:
            self._note(hop, page if own and hop is own[-1] else None)

    def _note(self, hop: Hop, page: Page | None) -> None:
        now, tenant = self._ctx.now, self._ctx.tenant
        authority = read(hop.url).authority
        reason = _failing(hop, page)
        if not reason:
            self._desk.ask(lambda: breakers.succeeded(tenant, authority, now))
            return
        self._desk.ask(lambda: breakers.failed(tenant, authority, reason, now))
        if page is None or page.ended is not Ended.BLOCKED or page.answer is None:
            return
        self._found.left_alone.add(authority)
        until = retry_after(page.answer.headers.get("retry-after", ""), now)
        if until is not None:
            self._desk.ask(lambda: meters.asked_to_wait(tenant, authority, until))


def _failing(hop: Hop, page: Page | None) -> str:
    """Say how a hop failed; empty where its host did what it should."""
    if page is not None and page.ended is Ended.BLOCKED:
        return page.reason
    if hop.status is None:
        return (hop.outcome or "no answer") if hop.outcome not in _ITS_OWN else ""
    return f"status {hop.status}" if hop.status >= 500 or hop.status == 429 else ""
