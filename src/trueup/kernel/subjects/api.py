"""The API of subjects."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from trueup.kernel.http.paging import Page, page, scope_of
from trueup.kernel.http.replies import PageIn, PageOut, listing, reply, tenant_of
from trueup.kernel.subjects import queries
from trueup.kernel.subjects.models import Subject

router = Router()
ORDER = ("name", "id")


class SubjectsIn(PageIn):
    """Which subjects."""

    kind: str = Field("", max_length=40, description="only of this kind", examples=["device"])


class ResolveIn(Schema):
    """A name."""

    namespace: str = Field(max_length=32, description="where the name comes from", examples=["serial"])
    value: str = Field(max_length=400, description="the name", examples=["C02XK1"])


class ResolveOut(Schema):
    """Who bears it."""

    subjects: list[str]
    ambiguous: bool = Field(description="several things bear this name")


@router.get("/subjects", response=PageOut, operation_id="subjects.subjects", summary="subjects that were not merged, by id")
def subjects(request: HttpRequest, asked: Query[SubjectsIn]) -> HttpResponse:
    """List subjects."""
    tenant = tenant_of(request)
    rows = Subject.objects.filter(tenant=tenant, merged_into="")
    rows = rows.filter(name__startswith=f"{asked.kind}/") if asked.kind else rows
    found = page(rows, ORDER, asked.asked, scope=scope_of("subjects.subjects", tenant, ORDER, asked.kind))
    return listing(Page([{"subject": row.name, "label": row.label} for row in found.rows], found.next, found.previous))


@router.get("/subject", response=dict[str, Any], operation_id="subjects.subject", summary="one subject, its names and merges")
def subject(request: HttpRequest, id: str) -> HttpResponse:
    """Show a subject by its id (`device/C02XK1`); one that was merged is shown under the id it goes by now."""
    return reply(queries.one(tenant_of(request), id[:250]))


@router.get("/resolve", response=ResolveOut, operation_id="subjects.resolve", summary="which subject bears a name")
def resolve(request: HttpRequest, asked: Query[ResolveIn]) -> HttpResponse:
    """Find subjects by a name; more than one only for names that things share."""
    found = queries.resolve(tenant_of(request), asked.namespace, asked.value)
    return reply({"subjects": found, "ambiguous": len(found) > 1})
