"""The API of consent: requests, what waits for one's vote, rules; and the vote, after which the approved action runs."""

from typing import Any, cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router

from trueup.kernel.actions.runner import require_permission
from trueup.kernel.change import execute, queries
from trueup.kernel.change.actions import CastVote
from trueup.kernel.change.web.tables import Requests
from trueup.kernel.documents import parse_json
from trueup.kernel.errors import NotFound, UsageError
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.host import host
from trueup.kernel.http.paging import Page, page, scope_of
from trueup.kernel.http.replies import ItemsOut, PageIn, PageOut, listing, reply, tenant_of

router = Router()
ORDER = ("-created_at", "-id")


class RequestsIn(PageIn):
    """Which requests."""

    state: str = Field("", pattern="^(|open|approved|rejected|expired|void|done)$", description="the state they have now")


@router.get("/requests", response=PageOut, operation_id="change.requests", summary="requests for consent, the newest first")
def requests(request: HttpRequest, asked: Query[RequestsIn]) -> HttpResponse:
    """List requests with their votes, in the state that they have now."""
    tenant = tenant_of(request)
    rows = Requests().rows(tenant)
    rows = Requests.filters[0].apply(rows, asked.state) if asked.state else rows
    found = page(rows, ORDER, asked.asked, scope=scope_of("change.requests", tenant, ORDER, asked.state))
    return listing(Page(queries.with_votes(tenant, found.rows, host().clock()), found.next, found.previous))


@router.get("/requests/{id}", response=dict[str, Any], operation_id="change.request", summary="one request with its votes")
def one(request: HttpRequest, id: str) -> HttpResponse:
    """Show a request; `unchanged` tells whether what would run is what was asked about."""
    return reply(queries.request(tenant_of(request), id, now=host().clock()))


@router.get("/inbox", response=ItemsOut, operation_id="change.inbox", summary="requests that wait for one's vote")
def inbox(request: HttpRequest) -> HttpResponse:
    """List what waits for the caller's vote, the oldest first."""
    caller = caller_of(request)
    waits = readers.may(caller.principal, "approve")
    return reply({"items": queries.inbox(caller.tenant, caller.principal, now=host().clock()) if waits else []})


@router.get("/rules", response=ItemsOut, operation_id="change.rules", summary="how much consent actions need")
def rules(request: HttpRequest) -> HttpResponse:
    """List the tenant's rules; without one, an action needs one vote within three days."""
    return reply({"items": queries.rules(tenant_of(request))})


@router.post("/requests/{id}/run", response=dict[str, Any], operation_id="change.request.run", summary="run an approved request")
def run_again(request: HttpRequest, id: str) -> HttpResponse:
    """Run the action of an approved request that has not run, after a process died on the way."""
    caller = caller_of(request)
    readers.require(caller, "approve")
    try:
        wanted = UUID(id)
    except ValueError:
        raise NotFound(f"there is no request {id[:40]}") from None
    result = execute.carry_out(_host(), caller.tenant, wanted)
    return reply({"request": str(wanted), "state": "done", "result": dict(result.value)})


# The action's own address, so that a vote through the API runs what it approves; it is described with the actions.
@router.post("/request/vote", response=dict[str, Any], include_in_schema=False)
def vote(request: HttpRequest) -> HttpResponse:
    """Vote, and run the action when that was the last vote needed."""
    context = context_of(request)
    require_permission(CastVote, context)
    voted = execute.vote(_host(), context, _body(request))
    document = dict(voted.value)
    if voted.result is not None:
        document |= {"state": "done", "result": dict(voted.result.value)}
    if voted.problem is not None:
        document["problem"] = voted.problem.as_dict()
    return reply(document)


def _host() -> execute.Host:
    return cast("execute.Host", host())


def _body(request: HttpRequest) -> dict[str, Any]:
    try:
        value = parse_json(request.body.decode() or "{}", "body").value
    except UnicodeDecodeError:
        raise UsageError("the body is not UTF-8 text") from None
    if not isinstance(value, dict):
        raise UsageError("body: expected a JSON object")
    return value
