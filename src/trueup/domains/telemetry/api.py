"""The API of telemetry: comparisons, runs and baselines."""

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, File, Query, Router, Schema
from ninja.files import UploadedFile

from trueup.domains.telemetry import lists, measured, outlooks, queries
from trueup.domains.telemetry.engine.rollup import rollup as sum_up
from trueup.domains.telemetry.models import Baseline, Run
from trueup.domains.telemetry.uploads import kept, may_compare
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.paging import Page, page, scope_of
from trueup.kernel.http.replies import PageIn, PageOut, listing, reply, tenant_of

router = Router()
ORDER = ("-id",)
RUN_ORDER = ("-recorded_at", "-id")
BASELINE_ORDER = ("-created_at", "-id")


@router.get("/comparisons", response=PageOut, operation_id="telemetry.comparisons", summary="comparisons, the newest first")
def comparisons(request: HttpRequest, asked: Query[PageIn]) -> HttpResponse:
    """List comparisons; `report` is the SHA-256 of an artifact (`/api/v1/evidence/artifacts/{sha256}`)."""
    tenant = tenant_of(request)
    found = page(lists.comparisons(tenant), ORDER, asked.asked, scope=scope_of("comparisons", tenant, ORDER))
    return listing(Page(lists.comparison_rows(tenant, found.rows), found.next, found.previous))


class RunsIn(PageIn):
    """Which runs."""

    program: str = Field("", max_length=120, description="only of this program", examples=["Aquila"])
    test_name: str = Field("", max_length=120, description="only of this test", examples=["burn-in"])
    verdict: str = Field("", max_length=20, description="only those found to be this", examples=["FAIL"])


@router.get("/runs", response=PageOut, operation_id="telemetry.runs", summary="runs, the newest first")
def runs(request: HttpRequest, asked: Query[RunsIn]) -> HttpResponse:
    """List runs with what each was last found to be."""
    tenant = tenant_of(request)
    rows = Run.objects.filter(tenant=tenant)
    wanted = {name: getattr(asked, name) for name in ("program", "test_name", "verdict")}
    rows = rows.filter(**{name: value for name, value in wanted.items() if value})
    found = page(rows, RUN_ORDER, asked.asked, scope=scope_of("telemetry.runs", tenant, RUN_ORDER, sorted(wanted.items())))
    return listing(Page([queries.run_document(row) for row in found.rows], found.next, found.previous))


@router.get("/run", response=dict[str, Any], operation_id="telemetry.run", summary="one run, its metrics and analyses")
def run(request: HttpRequest, name: str) -> HttpResponse:
    """Show a run by its name or id: what it is, the numbers of its metrics, and what it was found to be."""
    tenant = tenant_of(request)
    row = queries.find_run(tenant, name[:100])
    metrics = measured.documents(tenant, row)
    return reply({**queries.run_document(row), "metric_numbers": metrics, "analyses": queries.analyses(tenant, row.id)})


@router.get("/baselines", response=PageOut, operation_id="telemetry.baselines", summary="baseline versions, the newest first")
def baselines(request: HttpRequest, asked: Query[PageIn]) -> HttpResponse:
    """List versions with the tags they bear now."""
    tenant = tenant_of(request)
    rows = Baseline.objects.filter(tenant=tenant)
    found = page(rows, BASELINE_ORDER, asked.asked, scope=scope_of("telemetry.baselines", tenant, BASELINE_ORDER))
    bearing = queries.tags(tenant)
    shown = [queries.baseline_document(row, bearing.get(row.id, ())) for row in found.rows]
    return listing(Page(shown, found.next, found.previous))


class OutlookIn(Schema):
    """Up to which run, and at what, to look."""

    run: str = Field(max_length=100, description="name or id of the last run", examples=["burn-in-42"])
    metric: str = Field("all", max_length=200, description="of this metric, or of all", examples=["volt"])
    runs: int = Field(50, ge=2, le=1_000, description="how many runs at most")


@router.get("/outlook", response=dict[str, Any], operation_id="telemetry.outlook", summary="early warning over runs")
def outlook(request: HttpRequest, asked: Query[OutlookIn]) -> HttpResponse:
    """Look ahead over the runs of a run's test: scatter that grows, room to a limit that shrinks; recorded by `telemetry/series/warn`."""
    tenant = tenant_of(request)
    row = queries.find_run(tenant, asked.run)
    found = outlooks.outlook(tenant, row, asked.metric, limit=asked.runs)
    names = [one.name for one in outlooks.runs_until(tenant, row, limit=asked.runs)]
    return reply(outlooks.document(row, found, names))


class RollupIn(Schema):
    """Which runs."""

    program: str = Field("", max_length=120, description="only of this program", examples=["Aquila"])
    test_name: str = Field("", max_length=120, description="only of this test", examples=["burn-in"])


@router.get("/rollup", response=dict[str, Any], operation_id="telemetry.rollup", summary="the newest runs, summed up")
def rollup(request: HttpRequest, asked: Query[RollupIn]) -> HttpResponse:
    """Sum up the 200 newest runs: the worst verdict, how they ended, which metrics drift again and again."""
    found = asdict(sum_up(queries.judged(tenant_of(request), program=asked.program, test_name=asked.test_name)))
    return reply(found | {"verdict": str(found["verdict"])})


class Uploaded(Schema):
    """A file that was stored."""

    sha256: str
    name: str


@router.post("/uploads", response=Uploaded, operation_id="telemetry.uploads", summary="store a file to compare")
def uploads(request: HttpRequest, file: File[UploadedFile]) -> HttpResponse:
    """Store a file; then `telemetry/comparison/submit` compares two of them. One that no comparison names is forgotten."""
    if not may_compare(request):
        readers.require(caller_of(request), "operate")
    return reply(kept(context_of(request), file, "file").model_dump())
