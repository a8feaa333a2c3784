"""The API of what stops work: the kill switch, breakers; and how much targets are used."""

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from trueup.domains.automation import api_shapes as shapes
from trueup.domains.automation import queries
from trueup.domains.automation.actions_breakers import BreakerInput, OpenBreaker, ResetBreaker
from trueup.domains.automation.actions_policies import SwitchInput, SwitchOff, SwitchOn
from trueup.kernel.actions.runner import require_permission, run
from trueup.kernel.evidence.engine.encode import stamp
from trueup.kernel.http.bodies import act, answered, body_of, described, parsed
from trueup.kernel.http.callers import context_of
from trueup.kernel.http.host import host
from trueup.kernel.http.paging import Page, page, scope_of
from trueup.kernel.http.replies import HeldOut, PageIn, listing, reply, tenant_of

router = Router()
ORDER = ("authority", "id")
_BREAKER = {"authority": "example.org:443", "reason": "the web team called"}


class KillInput(SwitchInput):
    """How a switch is to stand, and why; ``*`` is everything."""

    host: str = Field("*", min_length=1, max_length=255, description="a host, a pattern, or `*`: everything")
    off: bool = Field(description="true: nothing leaves from the next step on; false: work goes on")


@router.get(
    "/kill-switch",
    response=shapes.KillSwitchOut,
    operation_id="automation.kill_switch",
    summary="what is switched off, since when and by whom",
)
def kill_switch(request: HttpRequest) -> HttpResponse:
    """Show what is switched off now."""
    off = queries.switches(tenant_of(request))
    return reply({"everything": any(one["host"] == "*" for one in off), "off": off})


@router.put(
    "/kill-switch",
    response={200: shapes.SwitchedOut, 202: HeldOut},
    operation_id="automation.kill_switch.put",
    summary="stop all work on a host, or on every host; or let it go on",
    openapi_extra=described(KillInput, shown={"host": "*", "off": True, "reason": "incident 7"}),
)
def put_kill_switch(request: HttpRequest) -> HttpResponse:
    """Switch off, or on again; 409 where what is to be switched on is not off."""
    context = context_of(request)
    require_permission(SwitchOff, context)  # whoever may let work go on may stop it
    asked = parsed(KillInput, body_of(request), "kill-switch")
    action = SwitchOff if asked.off else SwitchOn
    return answered(run(action, context, {"host": asked.host, "reason": asked.reason}))


@router.get(
    "/breakers",
    response=shapes.BreakersOut,
    operation_id="automation.breakers",
    summary="breakers that are open, or that count failures",
)
def breakers(request: HttpRequest, asked: Query[PageIn]) -> HttpResponse:
    """List breakers that are not simply closed, by host and port."""
    tenant = tenant_of(request)
    found = page(queries.breakers(tenant), ORDER, asked.asked, scope=scope_of("automation.breakers", tenant, ORDER))
    return listing(Page([queries.breaker(row) for row in found.rows], found.next, found.previous))


@router.post(
    "/breakers/open",
    response={200: shapes.BreakerDone, 202: HeldOut},
    operation_id="automation.breakers.open",
    summary="leave a host and port alone until its breaker is reset",
    openapi_extra=described(BreakerInput, shown=_BREAKER),
)
def open_breaker(request: HttpRequest) -> HttpResponse:
    """Open a breaker by hand."""
    return act(request, OpenBreaker)


@router.post(
    "/breakers/reset",
    response={200: shapes.BreakerDone, 202: HeldOut},
    operation_id="automation.breakers.reset",
    summary="let a host and port be reached again",
    openapi_extra=described(BreakerInput, shown=_BREAKER),
)
def reset_breaker(request: HttpRequest) -> HttpResponse:
    """Close a breaker, whatever opened it; 409 where it is closed."""
    return act(request, ResetBreaker)


@router.get(
    "/usage",
    response=shapes.UsageOut,
    operation_id="automation.usage",
    summary="what targets were used for within the last hour, beside their limits",
)
def usage(request: HttpRequest) -> HttpResponse:
    """List up to 100 targets, the nearest to a limit first."""
    found = queries.usage(tenant_of(request), host().clock())
    items = [
        {
            "authority": one.authority,
            "minute": one.minute,
            "hour": one.hour,
            "running": one.running,
            "limits": {
                "per_minute": one.limits.per_minute,
                "per_hour": one.limits.per_hour,
                "concurrent": one.limits.concurrent,
            },
            "not_before": stamp(one.not_before) if one.not_before else None,
        }
        for one in found
    ]
    return reply({"items": items})
