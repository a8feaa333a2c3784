"""The pages of jobs: the queue, the form that asks for one, and those that ended badly."""

import json
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.domains.automation import checks, jobqueries
from trueup.domains.automation.actions_jobs import JobItem, SubmitJobs
from trueup.domains.automation.api_jobs import job_id
from trueup.domains.automation.engine.endings import State
from trueup.domains.automation.engine.jobtypes import FETCH
from trueup.domains.automation.engine.profiles import PROFILES
from trueup.domains.automation.submitting import script_for, urls_of
from trueup.domains.automation.web import forms
from trueup.domains.automation.web.jobtables import DEAD, JOBS, TIER_NAMES, TYPE_NAMES, job_url
from trueup.domains.automation.web.policies import shown_answers
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import TrueupError, UsageError
from trueup.kernel.http import readers
from trueup.kernel.http.bodies import parsed
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.host import host
from trueup.kernel.http.pages import said
from trueup.kernel.work.actions import ReplayJob

RUNNING_SHOWN, CHOICES = 10, 50
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "fetch": {},
    "navigate_extract": {"fields": {"title": "h1", "price": "[data-price]"}, "store_as": "found"},
    "price_extraction": {"fields": {"price": ".price"}, "store_as": "prices"},
    "screenshot_capture": {"full_page": True},
    "screenshot_diff": {"steps": [{"action": "click", "selector": "#menu"}], "threshold": 0.01},
    "form_submit": {
        "form": "form",
        "fields": [{"selector": "#q", "value": "words"}],
        "submit": "button[type=submit]",
        "expected_text": "found",
    },
    "file_download": {"method": "link", "selector": "a.report", "media_types": ["application/pdf"]},
    "authenticate": {
        "credential": "shop",
        "user": "#user",
        "password": "#password",
        "submit": "button[type=submit]",
        "success": "#welcome",
    },
    "api_intercept": {"trigger": "#load", "match": "*/api/*", "min_responses": 1},
    "custom_script": {"script": "document.title", "store_as": "title"},
    "steps": {"steps": [{"action": "click", "selector": "text=News"}, {"action": "screenshot", "full_page": True}]},
}
"""A payload for each type of job, as the form offers it."""
NEW: Mapping[str, Any] = {
    "url": "",
    "job_type": "navigate_extract",
    "strategy": "vanilla",
    "payload": "",
    "timeout_seconds": "300",
    "profile": "",
    "priority": "5",
}
TITLES = {"url": "Address", "urls": "Address", "job_type": "Type", "strategy": "Tier", "payload": "Payload"}


def queue(request: HttpRequest) -> HttpResponseBase:
    """List jobs, with how many there are in each state and what runs; that part renews itself while something moves."""
    caller = caller_of(request)
    readers.require(caller, "read")
    found = jobqueries.stats(caller.tenant, host().clock())
    context = {
        "counts": counts(found),
        "workers": found["workers"],
        "moving": found["running"] + found["queued"] + found["delayed"] > 0,
        "running": jobqueries.listed(caller.tenant, states=(State.RUNNING,), limit=RUNNING_SHOWN) if found["running"] else [],
        "may": readers.may(caller.principal, "operate"),
    }
    for row in context["running"]:
        row["percent"] = round(row["progress"] * 100)
    if request.headers.get("HX-Target") == "queue-counts":
        return render(request, "automation/queue_counts.html", context)
    return JOBS.respond(request, "automation/queue.html", context)


def counts(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the queue in numbers, each with where its jobs are listed."""
    state = "/automation/jobs/?state="
    return [
        {"badge": "queued", "count": found["queued"], "url": f"{state}queued"},
        {"badge": "running", "count": found["running"], "url": f"{state}running"},
        {"badge": "retry_wait", "count": found["delayed"], "url": f"{state}retry_wait"},
        {"badge": "completed", "count": found["ended"]["done"], "url": f"{state}completed"},
        {"badge": "ended badly", "count": found["dlq"], "url": "/automation/dead/"},
        {"badge": "cancelled", "count": found["ended"]["cancelled"], "url": f"{state}cancelled"},
    ]


def new(request: HttpRequest) -> HttpResponseBase:
    """Show the form that asks for a job; say what would be decided; or ask."""
    readers.require(caller_of(request), "read")
    if request.method != "POST":
        return _form(request, {**NEW, "url": request.GET.get("url", "")[:8_192]})
    typed = {name: request.POST.get(name, "").strip() for name in NEW}
    if request.POST.get("do") == "check":
        return _tried(request, typed)
    if request.POST.get("do") != "submit":
        raise UsageError("the form is not one of this page's")
    try:
        value = run(SubmitJobs, context_of(request), {"jobs": [job_of(typed)]}).value
    except PolicyRefused:
        raise
    except UsageError as exc:
        errors = wrong(exc)
        return _form(request, typed, errors=errors, problem="" if errors else said(exc))
    except TrueupError as exc:  # a rule refuses it: the decision is shown with its rule
        tried, _ = _decided(request, typed)
        return _form(request, typed, problem=said(exc), tried=tried)
    return HttpResponseRedirect(job_url(value["jobs"][0]))


def job_of(typed: Mapping[str, str]) -> dict[str, Any]:
    """Return what was typed as the input of an action.

    Raises:
        UsageError: the payload is no JSON object; names its field.
    """
    try:
        payload = json.loads(typed["payload"][: forms.LONGEST_BOX]) if typed["payload"] else {}
    except (ValueError, RecursionError) as exc:
        raise UsageError("payload", details={"fields": [{"field": "payload", "problem": f"It is no JSON: {exc}"}]}) from None
    if not isinstance(payload, dict):
        raise UsageError("payload", details={"fields": [{"field": "payload", "problem": "It is no JSON object: write {…}"}]})
    return {**typed, "payload": payload}


def wrong(error: UsageError) -> dict[str, str]:
    """Return what is wrong with each field of the form.

    >>> wrong(UsageError("payload.fields: too many", details={"field": "payload.fields"}))
    {'payload': 'payload.fields: too many'}
    """
    found: dict[str, str] = {}
    for one in error.details.get("fields", ()):
        parts = str(one["field"]).removeprefix("jobs.0.").split(".")
        found.setdefault(parts[0], str(one["problem"]).removeprefix("Value error, "))
    if not found:
        named = str(error.details.get("field", "")) or error.message.partition(":")[0]
        name = {"domain": "url"}.get(named, named.partition(".")[0])
        if name in NEW:
            found[name] = f"{error.message}. {error.remedy}".rstrip(". ") if error.remedy else error.message
        elif error.message.startswith("there is no type of job"):
            found["job_type"] = error.message
    return found


def _tried(request: HttpRequest, typed: Mapping[str, str]) -> HttpResponseBase:
    tried, errors = _decided(request, typed)
    if request.headers.get("HX-Target") == "tried":
        named = {TITLES.get(name, name): problem for name, problem in errors.items()}
        return render(request, "automation/decisions.html", {**tried, "errors": named})
    return _form(request, typed, errors=errors, tried=tried)


def _decided(request: HttpRequest, typed: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what would be decided about a job's URL and those that its steps name, and what is wrong with the form."""
    caller = caller_of(request)
    try:
        item = parsed(JobItem, job_of(typed), "job").request()
        urls = [item.url, *urls_of(script_for(item))]
        asked = parsed(
            checks.CheckInput,
            {"urls": list(dict.fromkeys(urls))[:100], "strategy": item.strategy, "job_type": item.job_type},
            "job",
        )
    except UsageError as exc:
        return {}, wrong(exc) or {"payload": said(exc)}
    found = checks.check(caller.tenant, asked, caller.principal.roles, host().clock())
    return shown_answers(found, asked), {}


def _form(
    request: HttpRequest,
    typed: Mapping[str, Any],
    *,
    errors: Mapping[str, str] | None = None,
    problem: str = "",
    tried: Mapping[str, Any] | None = None,
) -> HttpResponseBase:
    context = {
        "asked": typed,
        "shown": "https://www.example.org/",
        "errors": errors or {},
        "problem": problem,
        "types": [{"name": name, "on": name == typed["job_type"]} for name in TYPE_NAMES],
        "tiers": [{"name": name, "on": name == typed["strategy"]} for name in TIER_NAMES],
        "profiles": [{"name": name, "on": name == typed["profile"]} for name in PROFILES],
        "examples": [
            {"type": name, "payload": json.dumps(payload, ensure_ascii=False)}
            for name, payload in EXAMPLES.items()
            if name != FETCH
        ],
        "may": readers.may(caller_of(request).principal, "operate"),
        **(tried or {}),
    }
    return render(request, "automation/job_form.html", context, status=400 if errors or problem else 200)


def dead(request: HttpRequest) -> HttpResponseBase:
    """List the jobs that ended badly; or try one of them again."""
    caller = caller_of(request)
    readers.require(caller, "read")
    problem = ""
    if request.method == "POST":
        try:
            id = job_id(request.POST.get("id", ""))
            jobqueries.args_of(caller.tenant, id)  # a job of this room
            value = run(ReplayJob, context_of(request), {"id": id}).value
        except PolicyRefused:
            raise
        except TrueupError as exc:
            problem = said(exc)
        else:
            messages.success(request, "It is queued again; its attempts are counted anew.")
            return HttpResponseRedirect(job_url(value["job"]))
    may = readers.may(caller.principal, "operate")
    choices = [jobqueries.document(row) for row in jobqueries.dead_letters(caller.tenant)[:CHOICES]] if may else []
    response = DEAD.respond(request, "automation/dead.html", {"choices": choices, "problem": problem})
    if problem:
        response.status_code = 400
    return response
