"""Comparing files from the browser: two files up, a job that compares them, its progress, the report."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.domains.telemetry.actions_uploads import KIND, SubmitComparison, job_of
from trueup.domains.telemetry.uploads import kept, may_compare
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import NotFound, TrueupError
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.pages import said
from trueup.kernel.work import queries
from trueup.kernel.work.engine.states import State


def compare(request: HttpRequest) -> HttpResponseBase:
    """Show the form; or take two files and have them compared."""
    readers.require(caller_of(request), "read")
    if request.method != "POST":
        return _form(request)
    try:
        return HttpResponseRedirect(f"/telemetry/compare/{_submitted(request)}/")
    except PolicyRefused:
        raise
    except TrueupError as exc:
        return _form(request, problem=said(exc), status=400)


def _form(request: HttpRequest, *, problem: str = "", status: int = 200) -> HttpResponse:
    return render(request, "telemetry/compare.html", {"may": may_compare(request), "problem": problem}, status=status)


def _submitted(request: HttpRequest) -> UUID:
    if not may_compare(request):
        run(SubmitComparison, context_of(request), {})  # refused, and on record
    ctx, given = context_of(request), request.POST
    files = {role: kept(ctx, request.FILES.get(role), role) for role in ("baseline", "run")}
    critical = [name.strip() for name in given.get("critical", "").split(",") if name.strip()]
    more = {"subject": given.get("subject", "").strip(), "critical": critical, "drift_is_fail": "drift_is_fail" in given}
    return job_of(run(SubmitComparison, ctx, {**files, **more}).value)


def progress(request: HttpRequest, id: str) -> HttpResponseBase:
    """Show how far a comparison is, and lead to its report when it is done."""
    caller = caller_of(request)
    readers.require(caller, "read")
    job = _job(caller.tenant, id)
    done = job["state"] == State.DONE
    polled = request.headers.get("HX-Target") == "progress"
    context = {
        "job": job,
        "live": job["state"] in (State.QUEUED, State.RUNNING),
        "percent": round(job["progress"] * 100),
        "report": f"/telemetry/{job['result']['report']}/" if done else "",
    }
    response = render(request, "telemetry/progress_part.html" if polled else "telemetry/progress.html", context)
    if done and polled:
        response["HX-Redirect"] = context["report"]
    return response


def _job(tenant: UUID, id: str) -> dict[str, Any]:
    try:
        job = queries.job(tenant, UUID(id))
    except ValueError:
        raise NotFound("there is no comparison of that id") from None
    if job["kind"] != KIND:
        raise NotFound("there is no comparison of that id")
    return job
