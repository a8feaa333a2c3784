"""Alerts, and one alert."""

from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import TrueupError, UsageError
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.pages import said
from trueup.kernel.notify import queries
from trueup.kernel.notify.actions import AcknowledgeAlert, ResolveAlert
from trueup.kernel.notify.engine.alerts import State
from trueup.kernel.notify.web.tables import AlertsTable

ACTIONS = {"acknowledge": AcknowledgeAlert, "resolve": ResolveAlert}


def alerts(request: HttpRequest) -> HttpResponseBase:
    """List alerts, and where they are told."""
    caller = caller_of(request)
    readers.require(caller, "read")
    return AlertsTable().respond(request, "notify/alerts.html", {"sinks": queries.sinks(caller.tenant)})


def alert(request: HttpRequest, id: str) -> HttpResponseBase:
    """Show one alert and who was told of it; or acknowledge or resolve it."""
    caller = caller_of(request)
    readers.require(caller, "read")
    found = queries.one(caller.tenant, id)
    problem = ""
    if request.method == "POST":
        action = ACTIONS.get(request.POST.get("do", ""))
        if action is None:
            raise UsageError("the form is not one of this page's")
        try:
            run(action, context_of(request), {"alert": found["alert"], "comment": request.POST.get("comment", "")[:2000]})
        except PolicyRefused:
            raise
        except TrueupError as exc:
            problem = said(exc)
            found = queries.one(caller.tenant, id)
        else:
            return HttpResponseRedirect(f"/alerts/{found['alert']}/")
    operates = readers.may(caller.principal, "operate")
    context = {
        "alert": found,
        "problem": problem,
        "may_acknowledge": operates and found["state"] == State.OPEN,
        "may_resolve": operates and found["state"] != State.RESOLVED,
    }
    return render(request, "notify/alert.html", context, status=400 if problem else 200)
