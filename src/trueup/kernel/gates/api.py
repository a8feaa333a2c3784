"""The API of gates: what was decided."""

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router

from trueup.kernel.evidence import lists
from trueup.kernel.gates.facts import OUTCOME
from trueup.kernel.http.paging import Page, page, scope_of
from trueup.kernel.http.replies import PageIn, PageOut, listing, tenant_of

router = Router()
ORDER = ("-entry", "-index")


class DecisionsIn(PageIn):
    """Which decisions."""

    gate: str = Field("", max_length=200, description="name of a gate", examples=["release"])


@router.get("/decisions", response=PageOut, operation_id="gates.decisions", summary="gate decisions, the newest first")
def decisions(request: HttpRequest, asked: Query[DecisionsIn]) -> HttpResponse:
    """List decisions: the outcome of each, and the entry whose artifacts hold the gate's text and the explanation."""
    tenant = tenant_of(request)
    subject = f"gate:{asked.gate}" if asked.gate else ""
    rows = lists.plain(lists.facts(tenant, subject=subject, predicate=OUTCOME.key))
    found = page(rows, ORDER, asked.asked, scope=scope_of("decisions", tenant, ORDER, subject))
    return listing(Page(lists.fact_rows(tenant, found.rows), found.next, found.previous))
