"""Who may do what: one request, one answer, with its reasons in words. Pure, and closed on every doubt."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import cedarpy

from trueup.kernel.policy.engine.model import Decision, Policy, Principal, PrincipalKind, Request, Resource
from trueup.kernel.policy.engine.schema import groups
from trueup.kernel.policy.engine.store import PolicyStore

_ENTITY = {PrincipalKind.USER: "User", PrincipalKind.API_KEY: "ApiKey", PrincipalKind.OS_USER: "OsUser"}
_NO_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with everything it was made from.

    Args:
        groups: of the action; policies name groups rather than actions.
        deciding: the policies behind the decision, as they stand in their files.
        roles_that_may: the roles for which some policy permits the action, its conditions aside.
        digest: of the policy files.
    """

    decision: Decision
    request: Request
    groups: tuple[str, ...]
    deciding: tuple[Policy, ...]
    roles_that_may: tuple[str, ...]
    digest: str


def decide(store: PolicyStore, request: Request) -> Decision:
    """Decide one request by all policies.

    Refused are also: an action that is not registered, and any request in whose evaluation something went wrong
    (Cedar itself would pass over a forbid that cannot be evaluated).

    What cannot be evaluated is a refusal with ``errors``, never an exception.
    """
    return _decide(store, request, full=True)


def may_call(store: PolicyStore, principal: Principal, action: str) -> Decision:
    """Say whether a principal's roles can permit an action on *any* resource; asked before a request's body is read.

    A refusal is final: ``decide`` refuses the same principal and action for every resource and context. A permission
    is not: ``decide`` must still be asked about the resource.
    """
    resource = Resource(kind="any", id="*", tenant=principal.tenant)
    return _decide(store, Request(principal=principal, action=action, resource=resource, now=_NO_MOMENT), full=False)


@lru_cache(maxsize=4096)
def roles_that_may(store: PolicyStore, action: str) -> tuple[str, ...]:
    """Return the roles for which some policy permits an action, in the store's order of roles, conditions aside."""
    if action not in store.actions:
        return ()
    return tuple(role for role in store.roles if _role_may(store, role, action))


def _role_may(store: PolicyStore, role: str, action: str) -> bool:
    principal = Principal(PrincipalKind.USER, "*", "*", frozenset({role}))
    resource = Resource(kind="any", id="*", tenant="*")
    allowed, _, errors = _evaluate(store, store.scope, Request(principal, action, resource, _NO_MOMENT))
    return allowed and not errors


def explain(store: PolicyStore, request: Request) -> Explanation:
    """Return a decision with the policies, groups and roles that stand behind it."""
    decision = decide(store, request)
    spec = store.actions.get(request.action)
    return Explanation(
        decision=decision,
        request=request,
        groups=groups(spec) if spec else (),
        deciding=tuple(policy for policy in store.policies.values() if policy.id in decision.policy_ids),
        roles_that_may=roles_that_may(store, request.action),
        digest=store.digest,
    )


def _decide(store: PolicyStore, request: Request, *, full: bool) -> Decision:
    if request.action not in store.actions:
        return Decision(allowed=False, policy_ids=(), reasons=(f"no action named {request.action} is registered",))
    allowed, ids, errors = _evaluate(store, store.full if full else store.scope, request)
    if errors:
        return Decision(
            allowed=False, policy_ids=(), reasons=("the policies could not be evaluated, so this is refused",), errors=errors
        )
    if ids:
        return Decision(allowed=allowed, policy_ids=ids, reasons=tuple(store.policies[id].reason for id in ids))
    return Decision(allowed=False, policy_ids=(), reasons=(_nothing_permits(store, request),))


def _evaluate(store: PolicyStore, policies: cedarpy.PolicySet, request: Request) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
    try:
        entities = store.entities[request.action].with_added_json_str(json.dumps(_entities(request)))
        result = cedarpy.is_authorized(_question(store, request), policies, entities)
    except (ValueError, TypeError) as error:
        return False, (), (str(error),)
    found = result.diagnostics
    ids, errors = tuple(sorted(found.reasons)), tuple(sorted(found.errors))
    return result.allowed and bool(ids), ids, errors


def _question(store: PolicyStore, request: Request) -> dict[str, Any]:
    who, moment = request.principal, request.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    context = {
        "risk": max(store.actions[request.action].risk, request.risk),
        "is_agent": who.is_agent,
        "mfa": who.mfa,
        "time": {"__extn": {"fn": "datetime", "arg": moment}},
    }
    return {
        "principal": {"type": _ENTITY[who.kind], "id": who.id},
        "action": {"type": "Action", "id": request.action},
        "resource": {"type": "Resource", "id": f"{request.resource.kind}:{request.resource.id}"},
        "context": json.dumps(context),
    }


def _entities(request: Request) -> list[dict[str, Any]]:
    who, what = request.principal, request.resource
    named = {"kind": what.kind, "owner": what.owner, "created_by": what.created_by}
    return [
        {
            "uid": {"type": _ENTITY[who.kind], "id": who.id},
            "attrs": {"tenant": _tenant(who.tenant), "ref": who.ref},
            "parents": [{"type": "Role", "id": role} for role in sorted(who.roles)],
        },
        {
            "uid": {"type": "Resource", "id": f"{what.kind}:{what.id}"},
            "attrs": {"tenant": _tenant(what.tenant), **{name: value for name, value in named.items() if value}},
            "parents": [],
        },
    ]


def _tenant(id: str) -> dict[str, Any]:
    return {"__entity": {"type": "Tenant", "id": id}}


def _nothing_permits(store: PolicyStore, request: Request) -> str:
    held = [role for role in store.roles if role in request.principal.roles]
    may = roles_that_may(store, request.action)
    whom = f"to {_listed(held)}" if held else "without a role in this tenant"
    if set(held) & set(may):
        return f"no policy permits {request.action} {whom} here: a condition of the policies for that role does not hold"
    return f"no policy permits {request.action} {whom}; roles that may: {', '.join(may) or 'none'}"


def _listed(roles: Sequence[str]) -> str:
    return " and ".join(f"{'an' if role[0] in 'aeiou' else 'a'} {role}" for role in roles)
