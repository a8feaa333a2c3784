"""The API of telemetry: recorded comparisons."""

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from trueup.domains.telemetry import lists
from trueup.kernel.http.paging import Page, page, scope_of
from trueup.kernel.http.replies import PageIn, PageOut, listing, tenant_of

router = Router()
ORDER = ("-id",)


@router.get("/comparisons", response=PageOut, operation_id="telemetry.comparisons", summary="comparisons, the newest first")
def comparisons(request: HttpRequest, asked: Query[PageIn]) -> HttpResponse:
    """List comparisons; `report` is the SHA-256 of an artifact (`/api/v1/evidence/artifacts/{sha256}`)."""
    tenant = tenant_of(request)
    found = page(lists.comparisons(tenant), ORDER, asked.asked, scope=scope_of("comparisons", tenant, ORDER))
    return listing(Page(lists.comparison_rows(tenant, found.rows), found.next, found.previous))
