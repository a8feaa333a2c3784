"""The page of what stops work: the kill switch, breakers, lowered limits, and how near targets are to theirs."""

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.domains.automation import queries
from trueup.domains.automation.actions_breakers import OpenBreaker, ResetBreaker
from trueup.domains.automation.actions_policies import SwitchOff, SwitchOn
from trueup.domains.automation.web import forms
from trueup.kernel.actions.base import AnyAction
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import TrueupError, UsageError
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.host import host
from trueup.kernel.http.pages import said

_SHOWN = 200
_ACTIONS: Mapping[str, tuple[type[AnyAction], str]] = {
    "off": (SwitchOff, "host"),
    "on": (SwitchOn, "host"),
    "open": (OpenBreaker, "authority"),
    "reset": (ResetBreaker, "authority"),
}


def safety(request: HttpRequest) -> HttpResponseBase:
    """Show what is stopped and how much targets are used; or stop something, or let it go on."""
    readers.require(caller_of(request), "read")
    if request.method != "POST":
        return _page(request)
    try:
        _act(request)
    except PolicyRefused:
        raise
    except UsageError as exc:
        problems = [f"{name}: {problem}" for name, problem in forms.by_field(exc).items()]
        return _page(request, problem=". ".join(problems) + "." if problems else said(exc))
    except TrueupError as exc:
        return _page(request, problem=said(exc))
    return HttpResponseRedirect("/automation/safety/")


def _act(request: HttpRequest) -> None:
    given, do = request.POST, request.POST.get("do", "")
    if do not in _ACTIONS:
        raise UsageError("the form is not one of this page's")
    action, name = _ACTIONS[do]
    target = given.get(name, "").strip()
    if do == "off" and target == "*" and given.get("sure") != "yes":
        raise UsageError("nothing was switched off", remedy="tick the box to say that everything is to stop")
    value = run(action, context_of(request), {name: target, "reason": given.get("reason", "").strip()[:1000]}).value
    shown = "Everything" if target == "*" else value[name]
    words = {
        "off": "is switched off: nothing leaves from the next step on",
        "on": "goes on",
        "open": "is left alone until its breaker is reset",
        "reset": "is reached again",
    }
    messages.success(request, f"{shown} {words[do]}.")


def _page(request: HttpRequest, *, problem: str = "") -> HttpResponseBase:
    caller = caller_of(request)
    off, now = queries.switches(caller.tenant), host().clock()
    lowered = queries.lowered(caller.tenant, now)
    rows = queries.breakers(caller.tenant).order_by("authority")
    found = [queries.breaker(row) for row in rows[:_SHOWN]]
    context = {
        "everything": next((one for one in off if one["host"] == "*"), None),
        "off": [one for one in off if one["host"] != "*"],
        "breakers": found,
        "more_breakers": max(0, rows.count() - len(found)) if len(found) == _SHOWN else 0,
        "lowered": lowered[:_SHOWN],
        "more_lowered": max(0, len(lowered) - _SHOWN),
        "used": queries.usage(caller.tenant, now),
        "operates": readers.may(caller.principal, "operate", "administer"),
        "administers": readers.may(caller.principal, "administer"),
        "problem": problem,
    }
    return render(request, "automation/safety.html", context, status=400 if problem else 200)
