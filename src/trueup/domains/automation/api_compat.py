"""The paths and shapes of the older interface: ``/api/v1/jobs``, ``/api/v1/queue/stats``, ``/api/v1/ops/status``.

Nothing is decided by what a caller says about itself: the host is the URL's, the mode is derived.
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from trueup.domains.automation import jobqueries
from trueup.domains.automation.actions_jobs import SubmitJobs
from trueup.domains.automation.api_jobs import job_id
from trueup.domains.automation.engine.endings import State
from trueup.kernel.actions.runner import require_permission, run
from trueup.kernel.errors import UsageError
from trueup.kernel.http.bodies import body_of
from trueup.kernel.http.callers import context_of
from trueup.kernel.http.replies import reply, tenant_of

router = Router()
PRIORITIES = {0: 0, 1: 2, 2: 5, 3: 8}
"""Older priorities (emergency, high, normal, low), as those of the queue."""
NAMES = ("emergency", "high", "normal", "low")
_NOT_OURS = frozenset({"payload", "idempotency_key", "priority", "authorization_mode"})


class JobIn(Schema):
    """A job, in the query; or all of it in the body."""

    domain: str | None = Field(None, max_length=255, description="has to be the URL's host where it is said")
    url: str | None = Field(None, max_length=8_192, examples=["https://www.example.org/"])
    job_type: str | None = Field(None, max_length=40, examples=["navigate_extract"])
    strategy: str | None = Field(None, max_length=40)
    priority: int | None = Field(None, ge=0, le=3, description="0 emergency, 1 high, 2 normal, 3 low")
    idempotency_key: str | None = Field(None, min_length=1, max_length=200)
    timeout_seconds: int | None = Field(None, ge=1, le=3_600)
    authorization_mode: str | None = Field(None, max_length=40, description="derived, never claimed: another one is refused")


class CreatedOut(Schema):
    """What was asked for."""

    job_id: str
    status: str
    domain: str
    job_type: str


@router.post(
    "/jobs", response={201: CreatedOut}, operation_id="jobs.create", summary="ask for a job", tags=["automation"],
    openapi_extra={"requestBody": {"required": False, "content": {"application/json": {
        "schema": {"type": "object"}, "example": {"payload": {"selectors": ["h1"]}}}}}},
)  # fmt: skip
def create(request: HttpRequest, asked: Query[JobIn]) -> HttpResponse:
    """Ask for a job by the query with a payload as the body, or by the body alone."""
    context = context_of(request)
    require_permission(SubmitJobs, context)
    said = _said(asked, body_of(request))
    result = run(SubmitJobs, context, {"jobs": [said["job"]]})
    id = result.value["jobs"][0]
    row = jobqueries.job(context.tenant, job_id(id))
    _require_mode(said["mode"], row["mode"])
    return reply({"job_id": id, "status": "created", "domain": row["host"], "job_type": row["job_type"]}, 201)


def _said(asked: JobIn, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job in the words of the queue."""
    query = {name: value for name, value in asked.model_dump().items() if value is not None}
    whole = {**body, **query} if _NOT_OURS & set(body) or "url" in body else {**query, "payload": dict(body)}
    priority = whole.get("priority", 2)
    if priority not in PRIORITIES:
        raise UsageError(f"priority: {priority!r} is none", remedy="use 0 (emergency), 1 (high), 2 (normal) or 3 (low)")
    job = {name: value for name, value in whole.items() if name not in _NOT_OURS}
    job |= {"payload": whole.get("payload") or {}, "priority": PRIORITIES[priority], "key": whole.get("idempotency_key")}
    return {"job": job, "mode": whole.get("authorization_mode")}


def _require_mode(said: object, derived: str) -> None:
    if said is not None and said != derived:
        raise UsageError(
            f"authorization_mode: this job's mode is {derived}, derived from what was authorized; it was queued as such",
            remedy="leave it out",
        )


@router.get("/jobs/{id}", response=dict[str, Any], operation_id="jobs.status", summary="where a job stands", tags=["automation"])
def status(request: HttpRequest, id: str) -> HttpResponse:
    """Say where a job stands, with its result and what it kept."""
    context = context_of(request)
    row = jobqueries.job(context.tenant, job_id(id))
    ended = row["finished_at"] is not None
    return reply(
        {
            "job_id": row["id"],
            "status": row["state"],
            "progress": 100 if ended else round(row["progress"] * 100),
            "result": row["result"],
            "error": row["error"],
            "started_at": row["started_at"],
            "completed_at": row["finished_at"],
            "artifacts": jobqueries.artifacts(context, job_id(id)) if ended else [],
        }
    )


@router.get("/queue/stats", response=dict[str, Any], operation_id="queue.stats", summary="the queue, in numbers", tags=["automation"])
def stats(request: HttpRequest) -> HttpResponse:
    """Say how many jobs wait by priority, how many run, are delayed, or are dead letters."""
    return reply(_streams(jobqueries.stats(tenant_of(request))))


def _streams(found: Mapping[str, Any]) -> dict[str, Any]:
    waiting = dict.fromkeys(NAMES, 0)
    for priority, count in found["by_priority"].items():
        waiting[NAMES[0 if int(priority) < 2 else 1 if int(priority) < 4 else 2 if int(priority) < 7 else 3]] += count
    return {
        **{name: {"length": count, "pending": 0} for name, count in waiting.items()},
        "running": found["running"],
        "delayed": found["delayed"],
        "dlq": found["dlq"],
        "total": found["queued"],
    }


@router.get("/ops/status", response=dict[str, Any], operation_id="ops.status", summary="how operations stand", tags=["automation"])
def operations(request: HttpRequest) -> HttpResponse:
    """Say how the queue stands, how the last jobs ended, and what the limits are."""
    tenant = tenant_of(request)
    found = jobqueries.stats(tenant)
    streams = _streams(found)
    last = jobqueries.listed(tenant, limit=100)
    ended = [row for row in last if row["finished_at"]]
    done = sum(row["state"] == State.COMPLETED for row in ended)
    return reply(
        {
            "health": "ok" if found["workers"] else "no worker",
            "queue": {
                "depth": found["queued"],
                "by_priority": {name: streams[name]["length"] for name in NAMES},
                "delayed": found["delayed"],
                "dlq": found["dlq"],
            },
            "recent_jobs": last[:10],
            "success_rate": done / len(ended) if ended else None,
            "limits": {"running": found["limit"], "workers": found["workers"]},
        }
    )
