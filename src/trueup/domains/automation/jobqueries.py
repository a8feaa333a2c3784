"""Every reading of jobs and their runs; each of one tenant."""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q

from trueup.domains.automation.engine.endings import TIMEOUT, VIOLATION, State, state_of, stored_state
from trueup.domains.automation.jobspec import KIND, JobArgs
from trueup.domains.automation.models import Intent, Run
from trueup.kernel.actions.base import Context
from trueup.kernel.errors import Damaged, NotFound
from trueup.kernel.evidence.engine.encode import stamp
from trueup.kernel.work import queries as work
from trueup.kernel.work import tallies
from trueup.kernel.work.models import Job, JobEvent

if TYPE_CHECKING:
    from django.db.models import QuerySet

SEEN = timedelta(minutes=1)
"""Within which a worker that works is seen."""


def args_of(tenant: UUID, id: UUID) -> JobArgs:
    """Return a job as it was frozen.

    Raises:
        NotFound: this tenant has no such job.
    """
    return JobArgs.model_validate_json(_row(tenant, id).args)


def _row(tenant: UUID, id: UUID) -> Job:
    row = Job.objects.filter(tenant=tenant, id=id, kind=KIND).first()
    if row is None:
        raise NotFound(f"there is no job {id}", remedy="list them with 'trueup automation job list'")
    return row


def runs(tenant: UUID, job: UUID) -> list[Run]:
    """Return the attempts at a job that ended, in their order."""
    return list(Run.objects.filter(tenant=tenant, job=job).order_by("attempt"))


def replayed_at(tenant: UUID, job: UUID) -> datetime | None:
    """Return when somebody last asked for a job to be tried again; None where nobody did."""
    events = JobEvent.objects.filter(tenant=tenant, job=job, what="replay").order_by("-id")
    return events.values_list("at", flat=True).first()


def failures(tenant: UUID, job: UUID) -> int:
    """Return how many attempts at a job ended badly, since somebody last asked for it to be tried again."""
    rows = Run.objects.filter(tenant=tenant, job=job).exclude(ended="completed")
    since = replayed_at(tenant, job)
    return (rows.filter(at__gte=since) if since else rows).count()


def in_transit(tenant: UUID, job: UUID) -> bool:
    """Whether something was sent for a job that changes something, since somebody last asked for it to be tried again."""
    rows = Intent.objects.filter(tenant=tenant, job=job)
    since = replayed_at(tenant, job)
    return (rows.filter(at__gte=since) if since else rows).exists()


def shown_state(row: Job) -> State:
    """Return where a job stands."""
    return state_of(row.state, row.error)


def document(row: Job) -> dict[str, Any]:
    """Return a job as lists show it."""
    args = JobArgs.model_validate_json(row.args)
    code, _, words = row.error.partition(": ")
    return {
        "id": str(row.id),
        "url": args.request.url,
        "host": args.frozen.host,
        "job_type": args.request.job_type,
        "strategy": args.request.strategy,
        "mode": args.frozen.mode,
        "state": str(shown_state(row)),
        "priority": row.priority,
        "progress": row.progress,
        "words": row.words,
        "attempts": row.attempts,
        "max_attempts": row.max_attempts,
        "error": {"code": code, "message": words} if row.error else None,
        "key": row.key,
        "principal": row.principal,
        "authorization": args.frozen.authorization or None,
        "created_at": stamp(row.created_at),
        "not_before": stamp(row.not_before),
        "started_at": stamp(row.started_at) if row.started_at else None,
        "finished_at": stamp(row.finished_at) if row.finished_at else None,
        "cancel_asked": row.cancel_asked,
    }


def run_document(row: Run) -> dict[str, Any]:
    """Return one attempt at a job."""
    return {
        "id": str(row.id),
        "job": str(row.job),
        "attempt": row.attempt,
        "url": row.url,
        "executor": row.executor,
        "strategy": row.strategy,
        "mode": row.mode,
        "ended": row.ended,
        "final": row.final,
        "error": {"code": row.code, "message": row.reason} if row.code else None,
        "begun_at": stamp(row.begun),
        "ended_at": stamp(row.at),
        "elapsed_ms": row.elapsed_ms,
        "steps": row.steps,
        "summary": row.summary,
        "manifest": row.manifest,
        "egress": row.record,
    }


def job(tenant: UUID, id: UUID) -> dict[str, Any]:
    """Return one job with what was asked for, its attempts and what happened to it.

    Raises:
        NotFound: this tenant has no such job.
    """
    row = _row(tenant, id)
    args = JobArgs.model_validate_json(row.args)
    done = runs(tenant, id)
    last = done[-1] if done else None
    return {
        **document(row),
        "request": args.request.model_dump(mode="json"),
        "frozen": args.frozen.model_dump(mode="json"),
        "executions": [run_document(one) for one in done],
        "result": last.summary if last and last.ended == "completed" else None,
        "events": work.events(tenant, id),
    }


def listed(tenant: UUID, *, states: Iterable[str] = (), host: str = "", limit: int = 50) -> list[dict[str, Any]]:
    """Return jobs as lists show them, the newest first.

    Args:
        tenant: whose.
        states: only these; all when empty.
        host: only on this one.
        limit: how many at most.
    """
    return [document(row) for row in rows_of(tenant, states=states, host=host)[:limit]]


def rows_of(tenant: UUID, *, states: Iterable[str] = (), host: str = "") -> "QuerySet[Job]":
    """Return jobs, the newest first, for lists that go on."""
    rows = Job.objects.filter(tenant=tenant, kind=KIND)
    wanted = Q()
    for state in states:
        wanted |= of_state(State(state))
    rows = on_host(rows, host) if host else rows
    return rows.filter(wanted).order_by("-created_at", "-id")


def on_host(rows: "QuerySet[Job]", host: str) -> "QuerySet[Job]":
    """Return the jobs on one host, whatever its port."""
    place = f"[{host}]" if ":" in host else host
    return rows.filter(concurrency_key__startswith=f"automation/{place}:")


def dead_letters(tenant: UUID) -> "QuerySet[Job]":
    """Return the jobs that ended badly, whatever it was: nothing tries them again but somebody who says so."""
    return Job.objects.filter(tenant=tenant, kind=KIND, state__in=("failed", "dead")).order_by("-created_at", "-id")


def of_state(state: State) -> Q:
    """Return what rows of a shown state have in common."""
    stored = Q(state__in=("failed", "dead") if state is State.FAILED else (stored_state(state),))
    if state is State.QUEUED:
        return stored & Q(error="")
    if state is State.RETRY_WAIT:
        return stored & ~Q(error="")
    codes = {State.TIMED_OUT: TIMEOUT, State.DENIED: VIOLATION}
    if state in codes:
        return stored & Q(error__startswith=f"{codes[state]}:")
    if state is State.FAILED:
        return (
            stored & ~Q(state="failed", error__startswith=f"{TIMEOUT}:") & ~Q(state="failed", error__startswith=f"{VIOLATION}:")
        )
    return stored


def egress(ctx: Context, id: UUID) -> list[dict[str, Any]]:
    """Return every request of a job's attempts, in their order, each with the rule that decided.

    Raises:
        NotFound: this tenant has no such job.
    """
    _row(ctx.tenant, id)
    found: list[dict[str, Any]] = []
    for run in runs(ctx.tenant, id):
        found += [{"attempt": run.attempt, **hop} for hop in hops_of(ctx, run.record, run.job)]
    return found


def hops_of(ctx: Context, record: str, job: UUID) -> list[dict[str, Any]]:
    """Return the requests of a job that a stored record names; a record may be that of several jobs.

    Raises:
        NotFound: it was erased.
        Damaged: it is not what was stored.
    """
    with ctx.ports.artifacts.open(ctx.tenant, record) as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != record:
        raise Damaged(f"the record {record} is not what was stored")
    hops = [json.loads(line) for line in data.splitlines()[1:]]
    return [hop for hop in hops if hop.pop("job", str(job)) == str(job)]


def manifest_of(ctx: Context, run: Run) -> dict[str, Any]:
    """Return the whole of one attempt, as it was kept.

    Raises:
        NotFound: it was erased.
        Damaged: it is not what was stored.
    """
    with ctx.ports.artifacts.open(ctx.tenant, run.manifest) as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != run.manifest:
        raise Damaged(f"the manifest {run.manifest} is not what was stored")
    found: dict[str, Any] = json.loads(data)
    return found["runs"][str(run.job)] if "runs" in found else found


def artifacts(ctx: Context, id: UUID) -> list[dict[str, Any]]:
    """Return what the attempts at a job kept, each with where it came from.

    Raises:
        NotFound: this tenant has no such job.
    """
    _row(ctx.tenant, id)
    found: list[dict[str, Any]] = []
    for run in runs(ctx.tenant, id):
        own = [(run.manifest, "run.json", "application/json"), (run.record, "egress.jsonl", "application/x-ndjson")]
        found += [{"attempt": run.attempt, "sha256": sha, "name": name, "media_type": kind} for sha, name, kind in own]
        with suppress(NotFound):  # what was erased names nothing any more
            found += [{"attempt": run.attempt, **one} for one in manifest_of(ctx, run)["artifacts"]]
    return found


def brief(tenant: UUID, id: UUID) -> dict[str, Any]:
    """Return where a job stands, for those who watch it.

    Raises:
        NotFound: this tenant has no such job.
    """
    row = _row(tenant, id)
    return {
        "id": str(row.id),
        "state": str(shown_state(row)),
        "progress": row.progress,
        "words": row.words,
        "error": row.error.partition(":")[0] or None,
        "finished_at": stamp(row.finished_at) if row.finished_at else None,
    }


def position(tenant: UUID, id: UUID) -> int | None:
    """Return how many jobs of the tenant stand before one that waits; None where it does not wait.

    Raises:
        NotFound: this tenant has no such job.
    """
    row = _row(tenant, id)
    if row.state != "queued":
        return None
    waiting = Job.objects.filter(tenant=tenant, state="queued")
    return waiting.filter(Q(rank__lt=row.rank) | Q(rank=row.rank, id__lt=row.id)).count()


def stats(tenant: UUID, now: datetime) -> dict[str, Any]:
    """Return the queue in numbers, from counts that are kept as jobs move, and who was seen working within a minute."""
    counted = tallies.counts(tenant, KIND)
    by_state = {state: sum(cells.values()) for state, cells in counted.items()}
    return {
        "queued": by_state.get("queued", 0),
        "running": by_state.get("running", 0),
        "delayed": by_state.get(tallies.DELAYED, 0),
        "dlq": by_state.get("dead", 0) + by_state.get("failed", 0),
        "ended": {state: by_state.get(state, 0) for state in ("done", "failed", "dead", "cancelled")},
        "by_priority": {str(priority): n for priority, n in sorted(counted.get("queued", {}).items())},
        "limit": work.limit(tenant),
        "workers": sum(row["state"] == "working" and row["seen"] >= stamp(now - SEEN) for row in work.workers()),
    }
