"""The API of jobs: ask for them, look at them while they run, cancel them, try them again."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from ninja import Field, Query, Router, Schema

from trueup.domains.automation import api_jobshapes as shapes
from trueup.domains.automation import jobqueries, queries
from trueup.domains.automation.actions_jobs import JobItem, SubmitJobs
from trueup.domains.automation.engine.endings import State
from trueup.kernel import tenancy
from trueup.kernel.errors import NotFound
from trueup.kernel.http import readers
from trueup.kernel.http.bodies import act, described
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.host import host
from trueup.kernel.http.paging import Page, page, scope_of
from trueup.kernel.http.problem import TooMany
from trueup.kernel.http.replies import HeldOut, PageIn, listing, reply, tenant_of
from trueup.kernel.work import queries as work
from trueup.kernel.work.actions import CancelJob, ReplayJob

router = Router()
ORDER = ("-created_at", "-id")
STREAMS = 4
"""Streams that a process serves at once: each holds a thread, and half of those that a process has by default answer the others."""
LONGEST = 60
_STATES = "|".join(State)
_LOOK = 0.5


class JobsIn(PageIn):
    """Which jobs."""

    state: str = Field("", pattern=f"^({_STATES})?$", description=f"only of this state: {', '.join(State)}", examples=["failed"])
    host: str = Field("", max_length=255, description="only on this host", examples=["www.example.org"])


@router.get("/jobs", response=shapes.JobsOut, operation_id="automation.jobs", summary="jobs on pages, the newest first")
def jobs(request: HttpRequest, asked: Query[JobsIn]) -> HttpResponse:
    """List jobs; the cursor stays good while others are asked for."""
    tenant, place = tenant_of(request), queries.host_of(asked.host) if asked.host else ""
    rows = jobqueries.rows_of(tenant, states=[asked.state] if asked.state else (), host=place)
    scope = scope_of("automation.jobs", tenant, ORDER, [asked.state, place])
    found = page(rows, ORDER, asked.asked, scope=scope)
    return listing(Page([jobqueries.document(row) for row in found.rows], found.next, found.previous))


@router.post(
    "/jobs",
    response={201: shapes.CreatedOut, 202: HeldOut},
    operation_id="automation.jobs.create",
    summary="ask for one job, or up to 1,000",
    openapi_extra=described(JobItem, shown={"url": "https://www.example.org/", "payload": {"selectors": ["h1"]}}),
)
def create(request: HttpRequest) -> HttpResponse:
    """Ask for a job, or for many as `{"jobs": […]}`; a rule that refuses one refuses all, and says which (403)."""
    return act(request, SubmitJobs, lambda body: body if "jobs" in body else {"jobs": [body]}, status=201)


def job_id(text: str) -> UUID:
    """Return a job's id.

    Raises:
        NotFound: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no job {text[:40]!r}") from None


@router.get(
    "/jobs/{id}", response=shapes.WholeJobOut, operation_id="automation.job", summary="one job, its attempts and its result"
)
def job(request: HttpRequest, id: str) -> HttpResponse:
    """Show a job: what was asked for, under which policy and authorization, and how each attempt ended."""
    tenant = tenant_of(request)
    return reply({**jobqueries.job(tenant, job_id(id)), "position": jobqueries.position(tenant, job_id(id))})


@router.post(
    "/jobs/{id}/cancel",
    response={200: shapes.MovedOut, 202: HeldOut},
    operation_id="automation.job.cancel",
    summary="cancel a job",
)
def cancel(request: HttpRequest, id: str) -> HttpResponse:
    """Cancel a job: at once while it waits; one that runs is ended within two seconds."""
    return act(request, CancelJob, lambda _: {"id": _own(request, id)})


@router.post(
    "/jobs/{id}/retry",
    response={200: shapes.RetriedOut, 202: HeldOut},
    operation_id="automation.job.retry",
    summary="try an ended job again",
)
def retry(request: HttpRequest, id: str) -> HttpResponse:
    """Queue a job again that failed, was refused or cancelled; its attempts are counted anew."""
    return act(request, ReplayJob, lambda _: {"id": _own(request, id)})


def _own(request: HttpRequest, id: str) -> str:
    """Return the id of a job of this room."""
    found = job_id(id)
    jobqueries.args_of(tenant_of(request), found)
    return str(found)


@router.get(
    "/jobs/{id}/executions",
    response=shapes.ExecutionsOut,
    operation_id="automation.job.executions",
    summary="the attempts at a job",
)
def executions(request: HttpRequest, id: str) -> HttpResponse:
    """List the attempts, each with its manifest and its record of what left."""
    tenant, found = tenant_of(request), job_id(id)
    jobqueries.args_of(tenant, found)
    return reply({"items": [jobqueries.run_document(row) for row in jobqueries.runs(tenant, found)]})


@router.get(
    "/jobs/{id}/artifacts", response=shapes.ArtifactsOut, operation_id="automation.job.artifacts", summary="what a job kept"
)
def artifacts(request: HttpRequest, id: str) -> HttpResponse:
    """List the artifacts of all attempts; each is at `/api/v1/evidence/artifacts/{sha256}`."""
    readers.require(caller_of(request), "read")
    return reply({"items": jobqueries.artifacts(context_of(request), job_id(id))})


class EgressIn(Schema):
    """Which requests."""

    refused: bool = Field(default=False, description="only those that were refused")
    after: int = Field(0, ge=0, le=10_000_000, description="`next` of the answer before")
    limit: int = Field(1_000, ge=1, le=10_000)


@router.get(
    "/jobs/{id}/egress",
    response=shapes.EgressOut,
    operation_id="automation.job.egress",
    summary="every request of a job, with its rule",
)
def egress(request: HttpRequest, id: str, asked: Query[EgressIn]) -> HttpResponse:
    """List what left and what was refused, request by request, with the rule that decided."""
    readers.require(caller_of(request), "read")
    rows = jobqueries.egress(context_of(request), job_id(id))
    rows = [row for row in rows if not (asked.refused and row["allowed"])]
    end = asked.after + asked.limit
    return reply({"items": rows[asked.after : end], "total": len(rows), "next": end if end < len(rows) else None})


class EventsIn(Schema):
    """How long to listen."""

    seconds: int = Field(25, ge=1, le=LONGEST, description="after which the stream ends; go on with `Last-Event-ID`")


@router.get(
    "/jobs/{id}/events",
    response=str,
    operation_id="automation.job.events",
    summary="what happens to a job, as it happens",
    openapi_extra={
        "parameters": [{"in": "header", "name": "Last-Event-ID", "required": False, "schema": {"type": "string"}}],
        "responses": {
            200: {"description": "server-sent events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
        },
    },
)
def events(request: HttpRequest, id: str, asked: Query[EventsIn]) -> HttpResponseBase:
    """Stream what happens to a job until it ends, or for some seconds; each event is numbered, and the stream resumes behind one."""
    tenant, found = tenant_of(request), job_id(id)
    jobqueries.args_of(tenant, found)
    last = request.headers.get("Last-Event-ID", "")
    after = int(last) if last.isascii() and last.isdigit() and len(last) < 19 else 0
    response = StreamingHttpResponse(Stream(tenant, found, after, asked.seconds), content_type="text/event-stream; charset=utf-8")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


class Stream:
    """One stream: it counts from its beginning to its end, however it ends.

    Args:
        tenant: whose job it is; nothing else is in reach while it is read.
        job: that is told of.
        after: number of the event behind which it begins.
        seconds: after which it ends.

    Raises:
        TooMany: as many are open as may be.
    """

    _open: ClassVar[list["Stream"]] = []
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, tenant: UUID, job: UUID, after: int, seconds: int) -> None:
        self._tenant, self._job, self._after = tenant, job, after
        self._until = time.monotonic() + seconds
        self._rows = self._told()
        with self._lock:
            # one that nobody ever read, and nobody closed, counts no longer than it could have been read
            self._open[:] = [one for one in self._open if one._until + LONGEST > time.monotonic()]
            if len(self._open) >= STREAMS:
                raise TooMany(5)
            self._open.append(self)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with tenancy.reaching(self._tenant):  # the answer is read after the request's own reach has ended
            try:
                return next(self._rows)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Count it no more."""
        with self._lock:
            if self in self._open:
                self._open.remove(self)

    def _told(self) -> Iterator[bytes]:
        shown = ""
        yield b"retry: 1000\n\n"
        while True:
            found = jobqueries.brief(self._tenant, self._job)  # before its events: so the last of them are told, too
            for row in work.events(self._tenant, self._job, after=self._after):
                self._after = row["number"]
                yield _event("happened", row, row["number"])
            text = json.dumps(found, sort_keys=True)
            if text != shown:
                shown = text
                yield _event("job", found)
            if found["finished_at"] or time.monotonic() >= self._until:
                return
            time.sleep(min(_LOOK, max(0.0, self._until - time.monotonic())))


def _event(name: str, data: dict[str, Any], number: int = 0) -> bytes:
    id = f"id: {number}\n" if number else ""
    return f"{id}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


@router.get(
    "/queue/stats", response=shapes.StatsOut, operation_id="automation.queue.stats", summary="how many jobs wait, run and ended"
)
def stats(request: HttpRequest) -> HttpResponse:
    """Count jobs by state, and those that wait by priority; the counts are kept as jobs move, so this costs the same at any number."""
    return reply(jobqueries.stats(tenant_of(request), host().clock()))


@router.get("/dlq", response=shapes.JobsOut, operation_id="automation.dlq", summary="jobs that ended badly")
def dead_letters(request: HttpRequest, asked: Query[PageIn]) -> HttpResponse:
    """List dead letters: what failed, was refused, ran out of time or used up its attempts.

    `POST /jobs/{id}/retry` tries one again, `POST /api/v1/work/job/prune` removes old ones.
    """
    tenant = tenant_of(request)
    found = page(jobqueries.dead_letters(tenant), ORDER, asked.asked, scope=scope_of("automation.dlq", tenant, ORDER))
    return listing(Page([jobqueries.document(row) for row in found.rows], found.next, found.previous))


__all__ = ["job_id", "router"]
