"""The paths and shapes of the older interface: ``/api/v1/jobs``, ``/api/v1/queue/stats``, ``/api/v1/ops/status``.

Nothing is decided by what a caller says about itself: the host is the URL's, the mode is derived.
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema
from pydantic import ConfigDict

from trueup.domains.automation import jobqueries
from trueup.domains.automation.actions_jobs import SubmitJobs
from trueup.domains.automation.api_jobs import job_id
from trueup.domains.automation.api_jobshapes import ErrorOut, JobOut, KeptOut
from trueup.domains.automation.engine.endings import State
from trueup.kernel.actions.runner import require_permission, run
from trueup.kernel.http.bodies import IDEMPOTENCY_KEY, body_of, parsed
from trueup.kernel.http.callers import context_of
from trueup.kernel.http.host import host
from trueup.kernel.http.replies import reply, tenant_of

router = Router(tags=["automation"])
PRIORITIES = (0, 2, 5, 8)
"""Those of the queue, for the older ones: 0 emergency, 1 high, 2 normal, 3 low."""
NAMES = ("emergency", "high", "normal", "low")
LOOKED_AT, SHOWN = 100, 10
"""Jobs of late of which the rate of success is, and those that are shown."""


class JobIn(Schema):
    """A job, in the query; or all of it in the body."""

    model_config = ConfigDict(extra="forbid")

    domain: str = Field("", max_length=255, description="has to be the URL's host where it is said")
    url: str | None = Field(None, max_length=8_192, examples=["https://www.example.org/"])
    job_type: str = Field("navigate_extract", max_length=40)
    strategy: str = Field("vanilla", max_length=40)
    priority: int = Field(2, ge=0, le=3, description="0 emergency, 1 high, 2 normal, 3 low")
    idempotency_key: str | None = Field(None, min_length=1, max_length=200)
    timeout_seconds: int = Field(300, ge=1, le=3_600)
    authorization_mode: str = Field("", max_length=40, description="derived, never claimed: another one is refused")


class WholeJobIn(JobIn):
    """All of a job."""

    url: str = Field(min_length=1, max_length=8_192)
    payload: dict[str, Any] = Field(default_factory=dict)


class CreatedOut(Schema):
    """What was asked for."""

    job_id: str
    status: str = Field(examples=["created"])
    domain: str
    job_type: str


class StatusOut(Schema):
    """Where a job stands."""

    job_id: str
    status: str
    progress: int = Field(description="0 to 100")
    result: dict[str, Any] | None
    error: ErrorOut | None
    started_at: str | None
    completed_at: str | None
    artifacts: list[KeptOut] = Field(description="once it ended")


class StreamOut(Schema):
    """Jobs of one priority that wait."""

    length: int
    pending: int = Field(description="handed out and not done: always 0, for those are running")


class QueueOut(Schema):
    """The queue by priority."""

    emergency: StreamOut
    high: StreamOut
    normal: StreamOut
    low: StreamOut
    running: int
    delayed: int
    dlq: int
    total: int = Field(description="jobs that wait")


class DepthOut(Schema):
    """How much waits."""

    depth: int
    by_priority: dict[str, int]
    delayed: int
    dlq: int


class OperationsOut(Schema):
    """How operations stand."""

    health: str = Field(description="ok, or no worker")
    queue: DepthOut
    recent_jobs: list[JobOut]
    success_rate: float | None = Field(description="of the last 100 jobs those that ended; null where none did")
    limits: dict[str, int]


_SHOWN = {
    "url": "https://www.example.org/",
    "job_type": "navigate_extract",
    "strategy": "vanilla",
    "priority": 2,
    "payload": {"selectors": ["h1"]},
}


@router.post(
    "/jobs",
    response={201: CreatedOut},
    operation_id="jobs.create",
    summary="ask for a job",
    openapi_extra={
        "parameters": [dict(IDEMPOTENCY_KEY)],
        "requestBody": {
            "required": False,
            "content": {"application/json": {"schema": {"type": "object"}, "example": _SHOWN}},
        },
    },
)
def create(request: HttpRequest, asked: Query[JobIn]) -> HttpResponse:
    """Ask for a job by the query with a payload as the body, or by the body alone."""
    context = context_of(request)
    require_permission(SubmitJobs, context)
    query = asked.model_dump(exclude_unset=True, exclude_none=True)
    said = parsed(WholeJobIn, _whole(query, body_of(request)), "job")
    job = said.model_dump(exclude={"priority", "idempotency_key"})
    job |= {"priority": PRIORITIES[said.priority], "key": said.idempotency_key}
    id = run(SubmitJobs, context, {"jobs": [job]}).value["jobs"][0]
    frozen = jobqueries.args_of(context.tenant, job_id(id))
    return reply({"job_id": id, "status": "created", "domain": frozen.frozen.host, "job_type": frozen.request.job_type}, 201)


def _whole(query: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job that is said in the query and the body together: with a URL in the query the body is the payload."""
    is_job = "url" in body or ("payload" in body and set(body) <= set(WholeJobIn.model_fields))
    if is_job and not ("url" in query and "url" in body):
        return {**body, **query}
    return {**query, **({"payload": dict(body)} if body else {})}


@router.get("/jobs/{id}", response=StatusOut, operation_id="jobs.status", summary="where a job stands")
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


@router.get("/queue/stats", response=QueueOut, operation_id="queue.stats", summary="the queue, in numbers")
def stats(request: HttpRequest) -> HttpResponse:
    """Say how many jobs wait by priority, how many run, are delayed, or are dead letters."""
    found = jobqueries.stats(tenant_of(request), host().clock())
    lengths = waiting(found)
    streams = {name: {"length": count, "pending": 0} for name, count in lengths.items()}
    return reply({**streams, **{name: found[name] for name in ("running", "delayed", "dlq")}, "total": found["queued"]})


def waiting(found: Mapping[str, Any]) -> dict[str, int]:
    """Return how many jobs wait, by the older names of priorities; one between two counts as the less urgent.

    >>> waiting({"by_priority": {"0": 1, "1": 2, "5": 3, "9": 4}})
    {'emergency': 1, 'high': 2, 'normal': 3, 'low': 4}
    """
    lengths = dict.fromkeys(NAMES, 0)
    for priority, count in found["by_priority"].items():
        place = next((place for place, most in enumerate(PRIORITIES) if int(priority) <= most), len(NAMES) - 1)
        lengths[NAMES[place]] += count
    return lengths


@router.get("/ops/status", response=OperationsOut, operation_id="ops.status", summary="how operations stand")
def operations(request: HttpRequest) -> HttpResponse:
    """Say how the queue stands, how the last jobs ended, and what the limits are."""
    tenant = tenant_of(request)
    found = jobqueries.stats(tenant, host().clock())
    last = jobqueries.listed(tenant, limit=LOOKED_AT)
    ended = [row for row in last if row["finished_at"]]
    done = sum(row["state"] == State.COMPLETED for row in ended)
    return reply(
        {
            "health": "ok" if found["workers"] else "no worker",
            "queue": {
                "depth": found["queued"],
                "by_priority": waiting(found),
                "delayed": found["delayed"],
                "dlq": found["dlq"],
            },
            "recent_jobs": last[:SHOWN],
            "success_rate": done / len(ended) if ended else None,
            "limits": {"running": found["limit"], "workers": found["workers"]},
        }
    )
