"""What a run found, whichever executor made it: HTTP for what needs no browser, a browser for steps, load on one's own system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trueup.domains.automation.egress.bodies import folder_of
from trueup.domains.automation.egress.gate import HopRefused
from trueup.domains.automation.egress.http import Fetcher, FetchFailed, Request, Response
from trueup.domains.automation.engine.blocked import blocked
from trueup.domains.automation.engine.endings import BLOCKED, VIOLATION, Ending
from trueup.domains.automation.reach import Reach
from trueup.kernel.evidence.artifacts import Artifact

RETRIED = frozenset({"connect", "reset"})
PAUSE = 0.5
"""Seconds before the one retry that a cut-off connection gets."""


@dataclass(slots=True)
class Found:
    """What a run found.

    Args:
        ending: how it ended.
        code, reason: why, where it did not end well.
        rules: that refused it.
        url, status: of the last page.
        wait: the Retry-After of a target that asks to be left alone.
        steps: what it did, as documents.
        summary: short, for lists; what a caller waits for.
        kept: artifacts, beside the manifest and the record.
        page: what is known of pages now: URL, predicate, value, unit.
        document: more for the manifest.
    """

    ending: Ending = Ending.COMPLETED
    code: str = ""
    reason: str = ""
    rules: tuple[str, ...] = ()
    url: str = ""
    status: int | None = None
    wait: str = ""
    steps: Sequence[Mapping[str, Any]] = ()
    summary: dict[str, Any] = field(default_factory=dict)
    kept: list[Artifact] = field(default_factory=list)
    page: list[tuple[str, str, str | int, str]] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)


def refused(exc: HopRefused) -> Found:
    """Return what a run found that a rule ended."""
    return Found(Ending.DENIED, VIOLATION, exc.details["reason"], exc.rules, url=exc.details["url"])


async def fetch(reach: Reach) -> tuple[Found, Response | None]:
    """Fetch a job's URL over HTTP, as its tier does; one cut-off connection is met by one more try."""
    spill = folder_of(reach.ctx.ports.data)
    async with Fetcher(reach.gate, agent=reach.agent, pool=reach.pool, spill=spill) as fetcher:
        url = reach.args.request.url
        await reach.go_on(url)
        try:
            try:
                answer = await fetcher.fetch(Request(url))
            except FetchFailed as failed:
                if failed.kind not in RETRIED:
                    raise
                await reach.leases.sleep(PAUSE)
                answer = await fetcher.fetch(Request(url))
        except HopRefused as exc:
            return refused(exc), None
        except FetchFailed as failed:
            return Found(Ending.FAILED, failed.code, failed.message, url=url), None
    return _read(answer), answer


def _read(answer: Response) -> Found:
    why = blocked(answer.status, answer.headers, answer.body)
    found = Found(url=answer.url, status=answer.status, wait=answer.headers.get("retry-after", ""))
    found.summary = {"status": answer.status, "final_url": answer.url, "redirects": answer.redirects, "size": len(answer.body)}
    if why:
        found.ending, found.code, found.reason = Ending.BLOCKED, BLOCKED, why
    elif not 200 <= answer.status < 300:
        found.ending, found.code, found.reason = Ending.FAILED, "HTTP_STATUS", f"it answers with {answer.status}"
    return found
