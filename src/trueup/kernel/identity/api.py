"""The API of identity: who calls, and the tenant's people, keys and sessions."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of
from trueup.kernel.http.host import host
from trueup.kernel.http.replies import reply, tenant_of
from trueup.kernel.identity import queries

router = Router()


class ItemsOut(Schema):
    """A list, whole."""

    items: list[dict[str, Any]]


@router.get("/me", response=dict[str, Any], operation_id="identity.me", summary="who calls, and with which rights")
def me(request: HttpRequest) -> HttpResponse:
    """Show the caller's principal, tenant and roles."""
    caller = caller_of(request)
    who = caller.principal
    found = {"principal": who.id, "person": who.who, "roles": sorted(who.roles), "agent": who.is_agent, "second_factor": who.mfa}
    return reply({**found, "tenant": str(caller.tenant), "tenant_slug": caller.tenant_slug})


@router.get("/users", response=ItemsOut, operation_id="identity.users", summary="the members of the tenant")
def users(request: HttpRequest) -> HttpResponse:
    """List members with their roles."""
    readers.require(caller_of(request), "administer")
    return reply({"items": queries.users(tenant_of(request), now=host().clock())})


@router.get("/keys", response=ItemsOut, operation_id="identity.keys", summary="the API keys of the tenant")
def keys(request: HttpRequest) -> HttpResponse:
    """List keys, the newest first; never a secret."""
    readers.require(caller_of(request), "administer")
    return reply({"items": queries.api_keys(tenant_of(request), now=host().clock())})


@router.get("/sessions", response=ItemsOut, operation_id="identity.sessions", summary="the live sessions of the tenant's members")
def sessions(request: HttpRequest) -> HttpResponse:
    """List sessions, the last seen first."""
    readers.require(caller_of(request), "administer")
    return reply({"items": queries.tenant_sessions(tenant_of(request), now=host().clock())})
