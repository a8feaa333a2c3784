"""The API of policies: in force, by versions, written and retired; and the dry run."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from trueup.domains.automation import api_shapes as shapes
from trueup.domains.automation import checks, queries
from trueup.domains.automation.actions_policies import PutPolicy, PutPolicyInput, RetirePolicy
from trueup.kernel.http import readers
from trueup.kernel.http.bodies import act, body_of, described, parsed
from trueup.kernel.http.callers import caller_of
from trueup.kernel.http.host import host
from trueup.kernel.http.paging import page, scope_of
from trueup.kernel.http.problem import InvalidInput
from trueup.kernel.http.replies import HeldOut, PageIn, reply, tenant_of

router = Router()
ORDER = ("pattern", "id")
_WRITTEN = {"host": "*.example.org", "paths": ["/news"], "per_minute": 5, "per_hour": 30, "concurrent": 1}
_ASKED = {"urls": ["https://www.example.org/news/1"], "strategy": "vanilla", "proposed": _WRITTEN}
_REPLACED = {"paths": [], "per_minute": 10, "after": 1}


class PoliciesIn(PageIn):
    """Which policies."""

    host: str = Field(
        "", max_length=255, description="those that stand for this host; of a pattern, its own", examples=["www.example.org"]
    )


class HostIn(Schema):
    """Which policy."""

    host: str = Field(
        min_length=1, max_length=255, description="a host, `*.host` for every name below it, or `*`", examples=["*.example.org"]
    )


@router.get("/policies", response=shapes.PoliciesOut, operation_id="automation.policies", summary="policies in force, by host")
def policies(request: HttpRequest, asked: Query[PoliciesIn]) -> HttpResponse:
    """List the policies in force; those that stand for a host are asked from the narrowest to the widest, and a denial of any holds."""
    tenant = tenant_of(request)
    rows = queries.policies(tenant)
    about = queries.patterns_about(queries.host_of(asked.host)) if asked.host else []
    found = page(
        rows.filter(pattern__in=about) if about else rows,
        ORDER,
        asked.asked,
        scope=scope_of("automation.policies", tenant, ORDER, about),
    )
    items = [queries.policy(row) for row in found.rows]
    kind = queries.listing(tenant)["listing"]
    return reply({"items": items, "next": found.next or None, "previous": found.previous or None, "listing": kind})


@router.get(
    "/policies/versions",
    response=shapes.VersionsOut,
    operation_id="automation.policies.versions",
    summary="all versions of a policy, the newest first",
)
def versions(request: HttpRequest, asked: Query[HostIn]) -> HttpResponse:
    """Show every version of one policy with what it changed; retired ones, too."""
    pattern = queries.host_of(asked.host)
    found = queries.versions(tenant_of(request), pattern)
    return reply({"host": pattern, "in_force": not found[0]["retired"], "items": found})


@router.post(
    "/policies",
    response={201: shapes.PolicyOut, 202: HeldOut},
    operation_id="automation.policies.create",
    summary="write the policy of a host that has none in force",
    openapi_extra=described(PutPolicyInput, without={"after"}, shown=_WRITTEN),
)
def create(request: HttpRequest) -> HttpResponse:
    """Write a policy; 409 where one of this host is in force already."""
    return act(request, PutPolicy, lambda body: {**body, "after": 0}, status=201)


@router.put(
    "/policies",
    response={200: shapes.PolicyOut, 202: HeldOut},
    operation_id="automation.policies.put",
    summary="write the next version of a policy",
    openapi_extra=described(PutPolicyInput, without={"host"}, shown=_REPLACED),
)
def replace(request: HttpRequest, asked: Query[HostIn]) -> HttpResponse:
    """Write a version that holds from the next hop on, for jobs that wait, too; `after` says which version was looked at."""
    return act(request, PutPolicy, lambda body: _named(body, asked.host))


def _named(body: Mapping[str, Any], pattern: str) -> dict[str, Any]:
    if body.get("host", pattern) != pattern:
        raise InvalidInput(
            "host: the address names another host than the body", details={"fields": [{"field": "host", "problem": "differs"}]}
        )
    return {**body, "host": pattern}


@router.delete(
    "/policies",
    response={200: shapes.PolicyOut, 202: HeldOut},
    operation_id="automation.policies.retire",
    summary="take a policy out of force",
)
def retire(request: HttpRequest, asked: Query[HostIn]) -> HttpResponse:
    """Write a version that takes the policy out of force; all of them stay on record."""
    return act(request, RetirePolicy, lambda _: {"host": asked.host})


@router.post(
    "/policies/check",
    response=shapes.CheckOut,
    operation_id="automation.policies.check",
    summary="dry run: what would be decided about these URLs",
    openapi_extra=described(checks.CheckInput, shown=_ASKED, keyed=False),
)
def check(request: HttpRequest) -> HttpResponse:
    """Decide about URLs without sending or storing anything; with a change that is not made yet, say what it would change.

    Limits, breakers, robots files and where a name leads are asked when a request is made, and can still hold it back.
    """
    caller = caller_of(request)
    readers.require(caller, "read")
    asked = parsed(checks.CheckInput, body_of(request), "policies/check")
    found = checks.check(caller.tenant, asked, caller.principal.roles, host().clock())
    return reply(checks.document(found, asked))
