"""The API of policy: who may do what, and why."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from trueup.kernel.actions.registry import registered
from trueup.kernel.http.host import host
from trueup.kernel.http.replies import reply
from trueup.kernel.policy.engine.decide import Explanation
from trueup.kernel.policy.engine.matrix import roles_matrix
from trueup.kernel.policy.engine.model import PrincipalKind
from trueup.kernel.policy.questions import question

router = Router()


class ExplainIn(Schema):
    """A question."""

    action: str = Field(max_length=200, examples=["evidence.pack.create"])
    role: list[str] = Field(default=[], max_length=20, description="roles held in the tenant; may be repeated")
    principal: str = Field("user:somebody", max_length=200, description="`user:…`, `key:…` or `os:…`")
    agent: bool = Field(default=False, description="an AI agent acts")
    other_tenant: bool = Field(default=False, description="the resource belongs to another tenant")
    created_by: str = Field("", max_length=200, description="the principal that made or asked for the resource")


@router.get("/matrix", response=dict[str, Any], operation_id="policy.matrix", summary="which role may call which action")
def matrix(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - the same for every caller
    """Show one answer for each role and action: yes, conditional (it depends on the resource) or no."""
    policies = host().ports.policies
    found = roles_matrix(policies, policies.actions.values())
    rows = {
        name: dict(zip(found.roles, (str(answer) for answer in answers), strict=True)) for name, answers in found.rows.items()
    }
    shell = sorted(action.name for action in registered() if action.local)
    return reply({"roles": list(found.roles), "actions": rows, "from_the_shell_alone": shell, "digest": policies.digest})


@router.get("/explain", response=dict[str, Any], operation_id="policy.explain", summary="what would be decided, and why")
def explain(request: HttpRequest, asked: Query[ExplainIn]) -> HttpResponse:  # noqa: ARG001 - the same for every caller
    """Explain a decision: the deciding policies, and the roles that may."""
    return reply(explained(answer(asked)))


def answer(asked: ExplainIn) -> Explanation:
    """Ask the policies.

    Raises:
        NotFound: no action, or no role, of that name.
        UsageError: the principal is none of the three kinds.
    """
    return question(
        host().ports.policies,
        asked.action,
        principal=asked.principal or f"{PrincipalKind.USER}:somebody",
        roles=frozenset(asked.role),
        agent=asked.agent,
        other_tenant=asked.other_tenant,
        created_by=asked.created_by,
    )


def explained(found: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON-able data."""
    return {
        "allowed": found.decision.allowed,
        "policies": [{"id": p.id, "effect": p.effect.value, "reason": p.reason} for p in found.deciding],
        "reasons": list(found.decision.reasons),
        "roles_that_may": list(found.roles_that_may),
        "groups": list(found.groups),
        "digest": found.digest,
    }
