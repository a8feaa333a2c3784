"""Jobs live, one job with its log, schedules."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.kernel import tenancy
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import NotFound, TrueupError, UsageError
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.host import host
from trueup.kernel.http.pages import said
from trueup.kernel.work import queries
from trueup.kernel.work.actions import CancelJob, ReplayJob
from trueup.kernel.work.actions_schedules import PauseSchedule, RemoveSchedule, ResumeSchedule
from trueup.kernel.work.engine.states import ENDED, State
from trueup.kernel.work.web.tables import JobsTable, SchedulesTable

ON_JOB = {"cancel": CancelJob, "replay": ReplayJob}
ON_SCHEDULE = {"pause": PauseSchedule, "resume": ResumeSchedule, "remove": RemoveSchedule}


def jobs(request: HttpRequest) -> HttpResponseBase:
    """List jobs, with how many there are in each state, and who works; the counts renew themselves."""
    caller = caller_of(request)
    readers.require(caller, "read")
    with tenancy.reaching_every():
        workers = queries.workers()
    context = {"counts": queries.counts(caller.tenant), "workers": [w for w in workers if w["state"] != "stopped"]}
    if request.headers.get("HX-Target") == "job-counts":
        return render(request, "work/counts.html", context)
    return JobsTable().respond(request, "work/jobs.html", context)


def job(request: HttpRequest, id: str) -> HttpResponseBase:
    """Show one job: state, args, result, and what happened to it; or cancel or replay it."""
    caller = caller_of(request)
    readers.require(caller, "read")
    wanted = _uuid(id)
    problem = ""
    if request.method == "POST":
        action = ON_JOB.get(request.POST.get("do", ""))
        if action is None:
            raise UsageError("the form is not one of this page's")
        try:
            run(action, context_of(request), {"id": wanted})
        except PolicyRefused:
            raise
        except TrueupError as exc:
            problem = said(exc)
        else:
            return HttpResponseRedirect(f"/jobs/{wanted}/")
    found = queries.job(caller.tenant, wanted)
    operates = readers.may(caller.principal, "operate")
    context = {
        "job": found,
        "live": found["state"] in (State.QUEUED, State.RUNNING),
        "percent": round(found["progress"] * 100),
        "may_cancel": operates and found["state"] not in ENDED and not found["cancel_asked"],
        "may_replay": operates and found["state"] in (State.FAILED, State.DEAD, State.CANCELLED),
        "problem": problem,
    }
    part = request.headers.get("HX-Target") == "job"
    return render(request, "work/job_part.html" if part else "work/job.html", context, status=400 if problem else 200)


def schedules(request: HttpRequest) -> HttpResponseBase:
    """List schedules; or pause, resume or remove one."""
    caller = caller_of(request)
    readers.require(caller, "read")
    if request.method == "POST":
        action = ON_SCHEDULE.get(request.POST.get("do", ""))
        if action is None:
            raise UsageError("the form is not one of this page's")
        run(action, context_of(request), {"name": request.POST.get("name", "")})
        messages.success(request, "Done.")
        return HttpResponseRedirect("/schedules/")
    operates = readers.may(caller.principal, "operate")
    rows = queries.schedules(caller.tenant) if operates else []
    return SchedulesTable().respond(request, "work/schedules.html", {"operates": operates, "all": rows, "now": host().clock()})


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("there is no job of that id") from None
