"""The page of one job: where it stands, what was decided, and each attempt with its evidence; and pictures that it kept."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.domains.automation import jobqueries
from trueup.domains.automation.api_jobs import job_id
from trueup.domains.automation.engine.causes import Whose, cause_of
from trueup.domains.automation.engine.endings import State
from trueup.domains.automation.web import evidence
from trueup.domains.automation.web.authorizations import history
from trueup.domains.automation.web.jobtables import job_url
from trueup.domains.automation.web.tables import policy_url
from trueup.kernel.actions.base import Context
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import Damaged, NotFound, TrueupError, UsageError
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.pages import said
from trueup.kernel.work.actions import CancelJob, ReplayJob

_ACTIONS = {"cancel": CancelJob, "retry": ReplayJob}
_MOVING = (State.QUEUED, State.RUNNING, State.RETRY_WAIT)
_TRIED_AGAIN = (State.FAILED, State.CANCELLED, State.TIMED_OUT, State.DENIED)
WHOSE: Mapping[Whose, str] = {
    Whose.TARGET: "This is the site's doing.",
    Whose.PAGE: "This is between the page and the job; the host itself answers.",
    Whose.JOB: "This is the job's own doing.",
    Whose.OURS: "This is no doing of the site's.",
}
"""Whose doing an ending is, in words, where what happened does not say it."""


def viewer(request: HttpRequest, id: str) -> HttpResponseBase:
    """Show one job with its attempts; or cancel it, or try it again."""
    caller = caller_of(request)
    readers.require(caller, "read")
    wanted, problem = job_id(id), ""
    if request.method == "POST":
        try:
            _act(request, wanted)
        except PolicyRefused:
            raise
        except TrueupError as exc:
            problem = said(exc)
        else:
            return HttpResponseRedirect(job_url(wanted))
    found = jobqueries.job(caller.tenant, wanted)
    state = State(found["state"])
    moving = state in _MOVING
    operates = readers.may(caller.principal, "operate")
    refused = request.GET.get("refused") == "1"
    context = {
        "job": found,
        "frozen": found["frozen"],
        "policy_url": policy_url(found["frozen"]["policy"]) if found["frozen"]["policy"] else "",
        "moving": moving,
        "position": jobqueries.position(caller.tenant, wanted) if state is State.QUEUED else None,
        "percent": round(found["progress"] * 100),
        "ending": None if moving else ending(found),
        "may_cancel": operates and moving and not found["cancel_asked"],
        "may_retry": operates and state in _TRIED_AGAIN,
        "attempts": _attempts(context_of(request), wanted, refused=refused),
        "refused": refused,
        "history": history(caller.tenant, f"job/{wanted}") if not moving else [],
        "problem": problem,
    }
    part = request.headers.get("HX-Target") == "run"
    template = "automation/run_part.html" if part else "automation/run.html"
    return render(request, template, context, status=400 if problem else 200)


def _act(request: HttpRequest, id: UUID) -> None:
    action = _ACTIONS.get(request.POST.get("do", ""))
    if action is None:
        raise UsageError("the form is not one of this page's")
    jobqueries.args_of(caller_of(request).tenant, id)  # a job of this room
    run(action, context_of(request), {"id": id})


def _attempts(ctx: Context, id: UUID, *, refused: bool) -> list[dict[str, Any]]:
    return [evidence.attempt(ctx, one, refused=refused) for one in reversed(jobqueries.runs(ctx.tenant, id))]


def ending(found: Mapping[str, Any]) -> dict[str, str] | None:
    """Say in words how a job ended badly, and what can be done; None where it completed."""
    if found["state"] == State.COMPLETED:
        return None
    error = found["error"] or {"code": "CANCELLED" if found["state"] == State.CANCELLED else "", "message": ""}
    last = found["executions"][-1]["summary"] if found["executions"] else {}
    status = last.get("status")
    cause = cause_of(error["code"], status if isinstance(status, int) else None)
    return {
        "code": error["code"],
        "message": error["message"],
        "happened": cause.happened,
        "remedy": cause.remedy,
        "whose": WHOSE.get(cause.whose, "") if found["state"] != State.CANCELLED else "",
        "tone": "warning" if cause.whose in (Whose.WISH, Whose.UNKNOWN) or found["state"] == State.CANCELLED else "danger",
    }


def picture(request: HttpRequest, id: str, sha256: str) -> HttpResponseBase:
    """Show a picture that an attempt at a job kept, as a picture and nothing else.

    Raises:
        NotFound: no attempt at this job kept such a picture.
        Damaged: it is not what was stored, or is none.
    """
    readers.require(caller_of(request), "read")
    context = context_of(request)
    kept = next((one for one in jobqueries.artifacts(context, job_id(id)) if one["sha256"] == sha256), None)
    if kept is None or kept["media_type"] not in evidence.PICTURES:
        raise NotFound("no attempt at this job kept such a picture")
    data = evidence.read(context, sha256)
    if not data.startswith(evidence.PICTURES[kept["media_type"]]):
        raise Damaged("what was kept as a picture is none")
    response = HttpResponse(data, content_type=kept["media_type"])
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Disposition"] = "inline"
    return response
