"""The inbox, and one request."""

import json
from typing import cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.actions.runner import run
from trueup.kernel.change import execute, queries
from trueup.kernel.change.actions import WithdrawRequest
from trueup.kernel.change.web.tables import Requests
from trueup.kernel.errors import NotFound, TrueupError, UsageError
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.host import host
from trueup.kernel.http.pages import said


def inbox(request: HttpRequest) -> HttpResponseBase:
    """Show what waits for the caller's vote, and all requests."""
    caller = caller_of(request)
    readers.require(caller, "read")
    waiting = (
        queries.inbox(caller.tenant, caller.principal, now=host().clock()) if readers.may(caller.principal, "approve") else []
    )
    return Requests().respond(request, "change/inbox.html", {"waiting": waiting})


def one(request: HttpRequest, id: str) -> HttpResponseBase:
    """Show a request: what would run, who asked, who voted; or vote on it."""
    caller = caller_of(request)
    readers.require(caller, "read")
    if request.method != "POST":
        return _one(request, id)
    try:
        _act(request, _uuid(id), request.POST.get("do", ""))
    except PolicyRefused:
        raise
    except TrueupError as exc:
        return _one(request, id, problem=said(exc), status=400)
    return HttpResponseRedirect(f"/approvals/{_uuid(id)}/")


def _act(request: HttpRequest, id: UUID, do: str) -> None:
    installation = cast("execute.Host", host())
    if do in ("approve", "reject"):
        input = {"request": id, "choice": do, "comment": request.POST.get("comment", "")[:2000]}
        voted = execute.vote(installation, context_of(request), input)
        if voted.problem is not None:
            raise voted.problem
        messages.success(request, "Approved, and done." if voted.result else "Your vote counts.")
    elif do == "withdraw":
        run(WithdrawRequest, context_of(request), {"request": id})
    elif do == "run":
        readers.require(caller_of(request), "approve")
        execute.carry_out(installation, caller_of(request).tenant, id)
    else:
        raise UsageError("the form is not one of this page's")


def _one(request: HttpRequest, id: str, *, problem: str = "", status: int = 200) -> HttpResponseBase:
    caller = caller_of(request)
    found = queries.request(caller.tenant, _uuid(id), now=host().clock())
    approver = readers.may(caller.principal, "approve")
    mine = found["person"] == caller.principal.who
    waiting = found["state"] in ("open", "approved")
    context = {
        "found": found,
        "input": json.dumps(found["input"], indent=2, ensure_ascii=False),
        "consents": sum(vote["choice"] == "approve" for vote in found["votes"]),
        "changed": found["unchanged"] is False,
        "may_vote": approver and queries.may_vote(found, caller.principal),
        "may_withdraw": waiting and (mine or readers.may(caller.principal, "administer")),
        "may_run": found["state"] == "approved" and approver,
        "mine": mine,
        "problem": problem,
    }
    return render(request, "change/request.html", context, status=status)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("there is no request of that id") from None
