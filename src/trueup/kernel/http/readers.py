"""Who may look: asked of the policies by tag, since a reading is no action and leaves no entry."""

from functools import lru_cache

from trueup.kernel.actions.base import Principal
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.http.callers import Caller
from trueup.kernel.http.host import host
from trueup.kernel.policy.engine.decide import may_call
from trueup.kernel.policy.engine.matrix import with_examples
from trueup.kernel.policy.engine.model import Decision, PrincipalKind
from trueup.kernel.policy.engine.model import Principal as PolicyPrincipal
from trueup.kernel.policy.engine.store import PolicyStore


@lru_cache(maxsize=4)
def _examples(policies: PolicyStore) -> PolicyStore:
    return with_examples(policies)


@lru_cache(maxsize=1024)
def _asked(policies: PolicyStore, roles: frozenset[str], tag: str) -> Decision:
    somebody = PolicyPrincipal(PrincipalKind.USER, "somebody", "here", roles)
    return may_call(_examples(policies), somebody, f"tag.{tag}")


def may(principal: Principal, *tags: str) -> bool:
    """Tell whether a principal's roles allow what one of these tags stands for."""
    return any(_asked(host().ports.policies, principal.roles, tag).allowed for tag in tags)


def require(caller: Caller, *tags: str) -> None:
    """Refuse a caller whose roles allow none of these tags.

    Raises:
        PolicyRefused: so it is.
    """
    if may(caller.principal, *tags):
        return
    decision = _asked(host().ports.policies, caller.principal.roles, tags[0])
    raise PolicyRefused(
        decision.reasons[0].replace(f"tag.{tags[0]}", f"what is tagged {tags[0]!r}"),
        remedy="ask an owner or admin of the tenant for a role that may",
        details={"tags": list(tags), "policies": list(decision.policy_ids), "reasons": list(decision.reasons)},
    )
