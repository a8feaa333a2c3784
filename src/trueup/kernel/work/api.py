"""The API of work: jobs, schedules, kinds."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router

from trueup.kernel.errors import NotFound
from trueup.kernel.http.paging import Page
from trueup.kernel.http.replies import ItemsOut, PageIn, PageOut, listing, reply, tenant_of
from trueup.kernel.work import queries

router = Router()


class JobsIn(PageIn):
    """Which jobs."""

    state: str = Field("", description="only of this state", examples=["dead"])
    kind: str = Field("", max_length=200, description="only of this kind", examples=["work.noop"])
    key: str = Field("", max_length=200, description="only the job of this key")


@router.get("/jobs", response=PageOut, operation_id="work.jobs", summary="jobs, the newest first")
def jobs(request: HttpRequest, asked: Query[JobsIn]) -> HttpResponse:
    """List jobs; the cursor stays good while others are submitted."""
    states = (asked.state,) if asked.state else ()
    found = queries.jobs(
        tenant_of(request), states=states, kind=asked.kind, key=asked.key, after=asked.cursor, limit=asked.asked.limit
    )
    return listing(Page(found["jobs"], found["next"], ""))


@router.get("/jobs/{id}", response=dict[str, Any], operation_id="work.job", summary="one job, and what happened to it")
def job(request: HttpRequest, id: str) -> HttpResponse:
    """Show a job with its input, its result and its log."""
    try:
        wanted = UUID(id)
    except ValueError:
        raise NotFound(f"there is no job {id[:40]}") from None
    return reply(queries.job(tenant_of(request), wanted))


@router.get("/counts", response=dict[str, int], operation_id="work.counts", summary="how many jobs there are in each state")
def counts(request: HttpRequest) -> HttpResponse:
    """Count jobs by state."""
    return reply(queries.counts(tenant_of(request)))


@router.get("/schedules", response=ItemsOut, operation_id="work.schedules", summary="schedules, by name")
def schedules(request: HttpRequest) -> HttpResponse:
    """List the tenant's schedules."""
    return reply({"items": queries.schedules(tenant_of(request))})


@router.get("/kinds", response=ItemsOut, operation_id="work.kinds", summary="the kinds of jobs that can be done")
def kinds(request: HttpRequest) -> HttpResponse:
    """List the kinds; `submittable` ones may be asked for from outside."""
    tenant_of(request)
    return reply({"items": queries.kinds()})
