"""One attempt at a job, from its frozen args to what is written down about it."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from trueup.domains.automation import facts, jobqueries
from trueup.domains.automation.actions_fetches import Told, kept, media_type_of, subject_of
from trueup.domains.automation.actions_fetches import told as counted
from trueup.domains.automation.actions_jobs import Performed
from trueup.domains.automation.agent import CHROMIUM, UNSANDBOXED, contact, require_extra, user_agent
from trueup.domains.automation.desk import Desk
from trueup.domains.automation.egress import spool
from trueup.domains.automation.egress.http import Response
from trueup.domains.automation.engine.endings import TIMEOUT, UNKNOWN, Ending, again
from trueup.domains.automation.engine.tiers import Mode, Strategy
from trueup.domains.automation.executors import Found, fetch
from trueup.domains.automation.jobspec import JobArgs, Watch, watching
from trueup.domains.automation.loop import LOOP, Stopped
from trueup.domains.automation.reach import Reach
from trueup.domains.automation.submitting import script_for
from trueup.kernel.actions.base import Context
from trueup.kernel.evidence.artifacts import Artifact
from trueup.kernel.evidence.engine.encode import stamp
from trueup.kernel.work.errors import JobCancelled

MANIFEST, MANIFEST_TYPE, PAGE = "run.json", "application/json", "page"


class RunStopped(JobCancelled):
    """A run was ended, since its job must stop; ``record`` names what had left until then."""

    def __init__(self, message: str, record: str) -> None:
        super().__init__(message)
        self.record = record


def perform(ctx: Context, job: UUID, attempt: int, args: JobArgs, failures: int) -> Performed:
    """Make one attempt.

    Raises:
        RunStopped: the job was cancelled, or given to another worker.
        ConfigurationError: there is no browser, or none with a sandbox.
    """
    require_extra()
    watch, begun, since = watching(), ctx.now, time.monotonic()
    with Desk(ctx.tenant) as desk:
        reach = Reach(ctx, job, args, watch, desk)
        try:
            found, body = _found(reach, watch)
        except (Stopped, JobCancelled) as stopped:
            record = kept(ctx, reach.record)
            raise RunStopped(f"job {job} must stop: {getattr(stopped, 'why', 'cancelled')}", record.sha256) from None
        finally:
            reach.leases.end()
        reach.judge(blocked=found.reason if found.ending is Ending.BLOCKED else "", at=found.url, wait=found.wait)
    elapsed = round((time.monotonic() - since) * 1000)
    return _written(ctx, reach, found, body, When(job, attempt, failures, begun, elapsed))


def _found(reach: Reach, watch: Watch) -> tuple[Found, Response | None]:
    if not _may_repeat(reach):
        return not_again(), None
    return LOOP.run(lambda: within(reach), gone=watch.gone)


def not_again() -> Found:
    """Return what a run found that is not made: nobody can tell what one before it changed."""
    return Found(
        Ending.UNKNOWN,
        UNKNOWN,
        "an attempt before this one sent what changes something, and whether it was taken is not known: it is not sent again",
    )


def _may_repeat(reach: Reach) -> bool:
    """Whether nothing was sent before that would change something twice; targets of one's own tell a repetition by its key."""
    if reach.args.request.repeatable or reach.args.frozen.mode == Mode.INTERNAL:
        return True
    return not jobqueries.in_transit(reach.ctx.tenant, reach.job)


async def within(reach: Reach) -> tuple[Found, Response | None]:
    """Make an attempt, for as long as its job may take."""
    import asyncio

    try:
        async with asyncio.timeout(reach.args.request.timeout_seconds), reach:
            return await _executed(reach)
    except TimeoutError:
        seconds = reach.args.request.timeout_seconds
        return Found(Ending.TIMED_OUT, TIMEOUT, f"the job ran longer than {seconds} s", url=reach.args.request.url), None


async def _executed(reach: Reach) -> tuple[Found, Response | None]:
    request = reach.args.request
    if "load" in request.payload:
        from trueup.domains.automation.executor_load import load

        return await load(reach), None
    script = script_for(request)
    if script is None:
        return await fetch(reach)
    from trueup.domains.automation.executor_browser import MATRIX, browse  # loads what drives browsers

    named = tuple(request.payload.get("profiles", ()))
    profiles = named or (MATRIX if reach.asked.strategy is Strategy.MATRIX else ("desktop",))
    return await browse(reach, await _pool(reach), script, profiles), None


_pools: dict[int, Any] = {}


async def _pool(reach: Reach) -> Any:
    """Return the browsers of this process."""
    import asyncio
    import os
    from pathlib import Path

    from trueup.domains.automation.browser.launch import Options
    from trueup.domains.automation.browser.pool import Pool

    loop = asyncio.get_running_loop()
    if id(loop) not in _pools:
        place = os.environ.get(CHROMIUM, "")
        options = Options(Path(place) if place else None, os.environ.get(UNSANDBOXED) == "1")
        _pools.clear()
        _pools[id(loop)] = pool = Pool(user_agent(contact()), reach.clock, options)
        LOOP.at_end(pool.close)
    return _pools[id(loop)]


class When:
    """Which attempt, and how long it took."""

    def __init__(self, job: UUID, attempt: int, failures: int, begun: datetime, elapsed_ms: int) -> None:
        self.job, self.attempt, self.failures, self.begun, self.elapsed_ms = job, attempt, failures, begun, elapsed_ms


def _written(ctx: Context, reach: Reach, found: Found, body: Response | None, when: When) -> Performed:
    record = counted(ctx, kept(ctx, reach.record).sha256)
    page = _body(ctx, found, body)
    found.kept += cut_off(ctx, reach)
    document = json.dumps(run_document(reach, found, record.artifact.sha256, when), ensure_ascii=False, indent=1, sort_keys=True)
    manifest = ctx.ports.artifacts.put(ctx.tenant, document.encode(), name=MANIFEST, media_type=MANIFEST_TYPE)
    return performed(reach, found, when, told=record, manifest=manifest, page=page)


def cut_off(ctx: Context, reach: Reach) -> list[Artifact]:
    """Keep what attempts before this one had sent whose worker was killed: their own records went with it."""
    mine = reach.spool.path if reach.spool else ctx.ports.data
    rows = spool.left_over(ctx.ports.data, [reach.job], but=mine).get(reach.job, [])
    return keep_cut_off(ctx, rows)


def keep_cut_off(ctx: Context, rows: Sequence[bytes]) -> list[Artifact]:
    """Store what was about to be sent when a worker was killed."""
    return [ctx.ports.artifacts.put(ctx.tenant, data, name=spool.NAME, media_type=spool.MEDIA_TYPE) for data in rows]


def performed(reach: Reach, found: Found, when: When, *, told: Told, manifest: Artifact, page: Sequence[Artifact]) -> Performed:
    """Return what an attempt did, with everything that was kept of it."""
    return Performed(
        ended=str(found.ending),
        final=not again(found.ending, found.code, when.failures + 1),
        code=found.code,
        reason=found.reason,
        executor="http" if reach.args.request.job_type == "fetch" else "browser",
        mode=reach.args.frozen.mode,
        begun=when.begun,
        elapsed_ms=when.elapsed_ms,
        steps=len(found.steps),
        summary=found.summary,
        told=told,
        manifest=manifest,
        kept=[*found.kept, *page],
        page=[(subject_of(url), key, value, unit) for url, key, value, unit in found.page],
    )


def _body(ctx: Context, found: Found, answer: Response | None) -> list[Artifact]:
    """Keep what was fetched."""
    media_type = known(found, answer)
    if answer is None or not media_type:
        return []
    return [ctx.ports.artifacts.put(ctx.tenant, answer.body[:], name=PAGE, media_type=media_type)]


def known(found: Found, answer: Response | None) -> str:
    """Say what is known of a page now; return the media type of its body, empty where it has none."""
    if answer is None:
        return ""
    outcome = {Ending.COMPLETED: "fetched", Ending.BLOCKED: "blocked"}.get(found.ending, "failed")
    found.page = [(answer.url, facts.OUTCOME.key, outcome, ""), (answer.url, facts.STATUS.key, answer.status, facts.STATUS.unit)]
    if not answer.body:
        return ""
    media_type, digest = media_type_of(answer.headers), hashlib.sha256(answer.body).hexdigest()
    found.summary |= {"sha256": digest, "media_type": media_type}
    if found.ending is Ending.COMPLETED:
        found.page.append((answer.url, facts.SHA256.key, digest, ""))
    return media_type


def run_document(reach: Reach, found: Found, record: str, when: When) -> Mapping[str, Any]:
    """Return the whole of an attempt, as its manifest holds it."""
    return {
        "job": str(when.job),
        "attempt": when.attempt,
        "request": reach.args.request.model_dump(mode="json"),
        "frozen": reach.args.frozen.model_dump(mode="json"),
        "user_agent": reach.agent,
        "ended": str(found.ending),
        "code": found.code,
        "reason": found.reason,
        "rule_ids": list(found.rules),
        "begun_at": stamp(when.begun),
        "elapsed_ms": when.elapsed_ms,
        "url": found.url,
        "status": found.status,
        "steps": list(found.steps),
        "summary": found.summary,
        "artifacts": [one.as_dict() for one in found.kept],
        "egress": {"record": record, "snapshot": reach.record.snapshot, "hops": len(reach.record.hops)},
        **found.document,
    }
