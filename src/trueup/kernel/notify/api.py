"""The API of alerts and sinks."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router

from trueup.kernel.http.paging import Page, page, scope_of
from trueup.kernel.http.replies import ItemsOut, PageIn, PageOut, listing, reply, tenant_of
from trueup.kernel.notify import queries
from trueup.kernel.notify.engine.alerts import LIVE
from trueup.kernel.notify.models import Alert

router = Router()
ORDER = ("-last_at", "-id")


class AlertsIn(PageIn):
    """Which alerts."""

    state: str = Field(
        "", pattern="^(|live|open|acknowledged|resolved)$", description="only of this state; `live` is open or acknowledged"
    )
    subject: str = Field("", max_length=300, description="only about this subject")


@router.get("/alerts", response=PageOut, operation_id="notify.alerts", summary="alerts, the newest first")
def alerts(request: HttpRequest, asked: Query[AlertsIn]) -> HttpResponse:
    """List alerts."""
    tenant = tenant_of(request)
    rows = Alert.objects.filter(tenant=tenant)
    if asked.state:
        rows = rows.filter(state__in=LIVE if asked.state == "live" else (asked.state,))
    rows = rows.filter(subject=asked.subject) if asked.subject else rows
    found = page(rows, ORDER, asked.asked, scope=scope_of("notify.alerts", tenant, ORDER, (asked.state, asked.subject)))
    return listing(Page([queries.as_dict(row) for row in found.rows], found.next, found.previous))


@router.get("/alerts/{id}", response=dict[str, Any], operation_id="notify.alert", summary="one alert, and who was told of it")
def alert(request: HttpRequest, id: str) -> HttpResponse:
    """Show an alert with its deliveries."""
    return reply(queries.one(tenant_of(request), id))


@router.get("/sinks", response=ItemsOut, operation_id="notify.sinks", summary="where alerts are told")
def sinks(request: HttpRequest) -> HttpResponse:
    """List sinks, each with how many deliveries wait."""
    return reply({"items": queries.sinks(tenant_of(request))})
