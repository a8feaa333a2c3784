"""A question about policy, asked in a person's words."""

from datetime import UTC, datetime

from trueup.kernel.errors import NotFound, UsageError
from trueup.kernel.policy.engine.decide import Explanation, explain
from trueup.kernel.policy.engine.model import Principal, PrincipalKind, Request, Resource
from trueup.kernel.policy.engine.store import PolicyStore

HERE, THERE = "this-tenant", "another-tenant"


def question(
    store: PolicyStore,
    action: str,
    *,
    principal: str,
    roles: frozenset[str],
    agent: bool,
    other_tenant: bool,
    created_by: str,
) -> Explanation:
    """Explain what would be decided.

    Args:
        store: the policies.
        action: name of a registered action.
        principal: ``user:…``, ``key:…`` or ``os:…``.
        roles: held by the principal in its tenant.
        agent: an AI agent acts.
        other_tenant: the resource belongs to another tenant than the principal's.
        created_by: principal that made or asked for the resource.

    Raises:
        NotFound: no action, or no role, of that name.
        UsageError: the principal is none of the three kinds.
    """
    if action not in store.actions:
        raise NotFound(f"there is no action {action!r}", remedy=f"one of: {', '.join(store.actions)}")
    unknown = sorted(roles - set(store.roles))
    if unknown:
        raise NotFound(f"there is no role {unknown[0]!r}", remedy=f"one of: {', '.join(store.roles)}")
    kind, _, name = principal.partition(":")
    if kind not in tuple(PrincipalKind) or not name:
        raise UsageError(f"{principal!r} is no principal", remedy="write user:ID, key:ID or os:NAME")
    who = Principal(PrincipalKind(kind), name, HERE, roles, is_agent=agent)
    what = Resource("any", "*", THERE if other_tenant else HERE, created_by=created_by)
    return explain(store, Request(who, action, what, datetime.now(UTC)))
