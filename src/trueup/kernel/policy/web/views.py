"""The pages of policy: who may do what, and why somebody was refused."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from trueup.kernel.actions.registry import registered
from trueup.kernel.errors import TrueupError
from trueup.kernel.http.callers import caller_of
from trueup.kernel.http.host import host
from trueup.kernel.policy.api import ExplainIn, answer, explained
from trueup.kernel.policy.engine.matrix import roles_matrix


def matrix(request: HttpRequest) -> HttpResponse:
    """Show which role may call which action."""
    policies = host().ports.policies
    found = roles_matrix(policies, policies.actions.values())
    shell = {action.name for action in registered() if action.local}
    rooms: dict[str, list[tuple[str, bool, tuple[str, ...]]]] = {}
    for name, answers in found.rows.items():
        rooms.setdefault(name.partition(".")[0], []).append((name, name in shell, tuple(str(answer) for answer in answers)))
    mine = caller_of(request).principal.roles
    context = {
        "rooms": rooms,
        "roles": found.roles,
        "mine": mine,
        "digest": policies.digest,
        "policies": policies.policies.values(),
    }
    return render(request, "policy/matrix.html", context)


def why(request: HttpRequest) -> HttpResponse:
    """Explain what would be decided for a role and an action."""
    policies = host().ports.policies
    given = request.GET
    asked = ExplainIn(
        action=given.get("action", "")[:200],
        role=given.getlist("role")[:20],
        agent=given.get("agent") == "on",
        other_tenant=given.get("other_tenant") == "on",
        created_by="user:somebody" if given.get("own") == "on" else "",
        principal="user:somebody",
    )
    context = {"asked": asked, "own": bool(asked.created_by), "actions": list(policies.actions), "roles": policies.roles}
    if asked.action:
        try:
            context["answer"] = explained(answer(asked))
        except TrueupError as exc:
            context["problem"] = exc
    return render(request, "policy/why.html", context)
