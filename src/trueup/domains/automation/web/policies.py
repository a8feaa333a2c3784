"""The pages of policies: those in force, one with its versions, the form that writes one, and the dry run."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.domains.automation import checks, queries, snapshots
from trueup.domains.automation.actions_policies import PutPolicy, PutPolicyInput, RetirePolicy, SetListing
from trueup.domains.automation.web import forms
from trueup.domains.automation.web.tables import POLICIES, limits, policy_url, verdict
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import TrueupError, UsageError
from trueup.kernel.http import readers
from trueup.kernel.http.bodies import parsed
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.host import host as installation
from trueup.kernel.http.pages import said

TITLES = {
    "allowed": "Allowed",
    "denied": "Denied",
    "ports": "Ports",
    "paths": "Paths",
    "strategies": "Tiers",
    "per_minute": "Requests a minute",
    "per_hour": "Requests an hour",
    "concurrent": "Requests at once",
    "notes": "Notes",
    "retired": "Out of force",
    "listing": "Every other host",
}


def policies(request: HttpRequest) -> HttpResponseBase:
    """List the policies in force; or say what holds for hosts that none names."""
    caller = caller_of(request)
    readers.require(caller, "read")
    problem = ""
    if request.method == "POST":
        try:
            run(SetListing, context_of(request), {"listing": request.POST.get("listing", "")})
        except PolicyRefused:
            raise
        except TrueupError as exc:
            problem = said(exc)
        else:
            return HttpResponseRedirect("/automation/policies/")
    may = readers.may(caller.principal, "administer")
    context = {"listing": queries.listing(caller.tenant), "may": may, "problem": problem}
    return POLICIES.respond(request, "automation/policies.html", context)


def policy(request: HttpRequest) -> HttpResponseBase:
    """Show one policy with its versions; or take it out of force."""
    caller = caller_of(request)
    readers.require(caller, "read")
    pattern, problem = queries.host_of(request.GET.get("host", "")), ""
    if request.method == "POST":
        try:
            run(RetirePolicy, context_of(request), {"host": pattern})
        except PolicyRefused:
            raise
        except TrueupError as exc:
            problem = said(exc)
        else:
            messages.success(request, f"The policy of {pattern} is out of force.")
            return HttpResponseRedirect(policy_url(pattern))
    found = queries.versions(caller.tenant, pattern)
    for one in found:
        one["changes"] = [named(change) for change in one["changes"]]
    context = {
        "host": pattern,
        "policy": found[0],
        "verdict": verdict(found[0]),
        "limits": limits(found[0]),
        "versions": found,
        "may": readers.may(caller.principal, "administer"),
        "problem": problem,
    }
    return render(request, "automation/policy.html", context, status=400 if problem else 200)


def named(change: Mapping[str, Any]) -> dict[str, str]:
    """Return a field that differs in words."""
    return {
        "host": str(change.get("host", "")),
        "title": TITLES.get(change["field"], change["field"]),
        "before": _words(change["before"]),
        "after": _words(change["after"]),
    }


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none named"
    return "nothing" if value in (None, "") else str(value)


def edit(request: HttpRequest) -> HttpResponseBase:
    """Show the form that writes a version; try it on addresses, or write it."""
    caller = caller_of(request)
    readers.require(caller, "read")
    if request.method != "POST":
        return _form(request, _shown(request))
    typed = forms.policy_typed(request.POST)
    if request.POST.get("do") == "check":
        return _tried(request, typed)
    if request.POST.get("do") != "save":
        raise UsageError("the form is not one of this page's")
    try:
        value = run(PutPolicy, context_of(request), forms.policy_input(typed)).value
    except PolicyRefused:
        raise
    except UsageError as exc:
        return _form(request, typed, errors=forms.by_field(exc), problem="" if forms.by_field(exc) else said(exc))
    except TrueupError as exc:
        return _form(request, typed, problem=said(exc))
    messages.success(request, f"Version {value['version']} of the policy of {value['host']} is in force.")
    return HttpResponseRedirect(policy_url(value["host"]))


def _shown(request: HttpRequest) -> dict[str, Any]:
    asked = request.GET.get("host", "")
    pattern = queries.host_of(asked) if asked else ""
    there = snapshots.policy_versions(caller_of(request).tenant, pattern) if pattern else []
    if not there:
        return forms.policy_shown(pattern, forms.NEW_POLICY, 0)
    return forms.policy_shown(pattern, there[0].body, 0 if there[0].retired else there[0].version)


def _form(
    request: HttpRequest,
    typed: Mapping[str, Any],
    *,
    errors: Mapping[str, str] | None = None,
    problem: str = "",
    tried: Mapping[str, Any] | None = None,
) -> HttpResponseBase:
    bad = bool(errors or problem)
    context = {
        "policy": typed,
        "errors": errors or {},
        "problem": problem,
        "tiers": forms.tiers(typed["strategies"]),
        "new": str(typed["after"]) == "0",
        "may": readers.may(caller_of(request).principal, "administer"),
        **_box(request),
        **(tried or {}),
    }
    return render(request, "automation/policy_form.html", context, status=400 if bad else 200)


def _box(request: HttpRequest) -> dict[str, Any]:
    """Return what the box of addresses shows."""
    given = request.POST
    chosen = given.get("strategy", "vanilla")
    options = [{"name": name, "on": name == chosen} for name in forms.TIERS]
    return {"urls": given.get("urls", "")[: forms.LONGEST_BOX], "options": options}


def _tried(request: HttpRequest, typed: Mapping[str, Any]) -> HttpResponseBase:
    errors: dict[str, str] = {}
    tried: dict[str, Any] = {}
    try:
        proposed = parsed(PutPolicyInput, forms.policy_input(typed), "policy")
        tried = decisions(request, {"proposed": proposed})
    except UsageError as exc:
        errors = forms.by_field(exc)
    if request.headers.get("HX-Target") == "tried":
        return render(request, "automation/decisions.html", {**tried, "errors": {title_of(n): e for n, e in errors.items()}})
    return _form(request, typed, errors=errors, tried=tried)


def title_of(field: str) -> str:
    """Return what a field is called on the page."""
    return {"host": "Host", "urls": "Addresses", **TITLES}.get(field, field)


def decisions(request: HttpRequest, change: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page shows of a dry run of the addresses that were sent.

    Raises:
        UsageError: there are none, or too many.
    """
    caller = caller_of(request)
    given = {"urls": forms.lines(request.POST.get("urls", "")), "strategy": request.POST.get("strategy", "vanilla")}
    asked = parsed(checks.CheckInput, {**given, **change}, "dry run")
    return shown_answers(checks.check(caller.tenant, asked, caller.principal.roles, installation().clock()), asked)


def shown_answers(found: checks.Checked, asked: checks.CheckInput) -> dict[str, Any]:
    """Return a dry run as the page shows it."""
    return {
        "tried": True,
        "compared": asked.changes,
        "decided": [_answer(one, asked) for one in found.answers],
        "turned": sum(one.turns for one in found.answers),
        "changes": [named(one) for one in found.fields],
        "allowed": sum(one.found.allowed for one in found.answers),
        "tier": asked.strategy,
    }


def _answer(one: checks.Answer, asked: checks.CheckInput) -> dict[str, Any]:
    found, most = one.found, one.found.limits
    tried = asked.proposed.host if asked.proposed else ""
    return {
        "url": found.url[:300],
        "verdict": "allowed" if found.allowed else "refused",
        "reason": found.reason,
        "rules": [{"id": rule, "url": rule_url(rule, found.policy[0] if found.policy else "", tried)} for rule in found.rule_ids],
        "policy": f"version {found.policy[1]}" if found.policy else "",
        "mode": str(found.mode) if found.allowed else "",
        "limits": f"{most.per_minute}/min, {most.per_hour}/h, {most.concurrent} at once" if found.allowed else "",
        "now": _now(one) if asked.changes else "",
        "turns": one.turns,
        "differs": one.differs,
    }


def _now(one: checks.Answer) -> str:
    return "allowed" if one.now.allowed else "refused"


def rule_url(rule: str, pattern: str, tried: str) -> str:
    """Return the page of what decided; empty for rules that nobody writes, and for what has no page yet.

    Args:
        rule: that decided.
        pattern: of the policy that did; empty where none did.
        tried: pattern of a policy that is not written yet.
    """
    kind, _, name = rule.partition(".")
    if rule == "kill_switch":
        return "/automation/safety/"
    if kind == "authorization" and len(name) == 36:
        return f"/automation/authorizations/{name}/"
    if kind == "policy" and pattern:
        return policy_url(pattern) if pattern != tried else ""
    return "/automation/policies/" if kind == "policy" else ""


def dry_run(request: HttpRequest) -> HttpResponseBase:
    """Say what would be decided about addresses; nothing is sent."""
    readers.require(caller_of(request), "read")
    context: dict[str, Any] = {"errors": {}, **_box(request)}
    if request.method == "POST":
        try:
            context |= decisions(request, {})
        except UsageError as exc:
            context["errors"] = {title_of(name): problem for name, problem in forms.by_field(exc).items()}
    if request.headers.get("HX-Target") == "tried":
        return render(request, "automation/decisions.html", context)
    return render(request, "automation/dry_run.html", context, status=400 if context["errors"] else 200)
