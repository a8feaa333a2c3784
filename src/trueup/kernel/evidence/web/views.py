"""The pages of evidence: facts, the log with its proofs, packs."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST

from trueup.kernel.actions.runner import run
from trueup.kernel.errors import NotFound, UsageError
from trueup.kernel.evidence import lists, queries
from trueup.kernel.evidence.actions import CreatePack
from trueup.kernel.evidence.api import download, newest_checkpoint, number, verified
from trueup.kernel.evidence.models import Fact
from trueup.kernel.evidence.web.tables import FACTS, LOG, PACKS, value_words
from trueup.kernel.http import readers
from trueup.kernel.http.callers import Acting, caller_of, context_of
from trueup.kernel.http.host import host
from trueup.kernel.http.tables import attachment

HISTORY = 200


def facts(request: HttpRequest) -> HttpResponseBase:
    """List what is known."""
    return FACTS.respond(request)


def fact(request: HttpRequest, id: str) -> HttpResponse:
    """Show one fact, where it is in the log, and what was known of the same before and after."""
    tenant = caller_of(request).tenant
    found = queries.fact(tenant, id)
    same = lists.facts(tenant).filter(subject=found["subject"], predicate=found["predicate"])
    rows: list[Fact] = list(same.order_by("-valid_at")[:HISTORY])
    history = lists.fact_rows(tenant, rows)
    context = {
        "fact": found,
        "value": value_words(found["value"], found["unit"]),
        "exact": json.dumps(found["value"]) if isinstance(found["value"], float) else "",
        "history": [row | {"words": value_words(row["value"], row["unit"])} for row in history],
        "chart": chart(rows),
    }
    return render(request, "evidence/fact.html", context)


def chart(rows: list[Fact]) -> list[list[float]]:
    """Return the course of a number as times (seconds) and values, the oldest first; nothing for what is no number."""
    points = [(row.valid_at.timestamp(), json.loads(row.value)) for row in reversed(rows)]
    numbers = [(at, value) for at, value in points if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < 2 or len(numbers) < len(points):
        return []
    return [[at for at, _ in numbers], [value for _, value in numbers]]


def log(request: HttpRequest) -> HttpResponseBase:
    """List the entries of the log."""
    coverage = queries.coverage(caller_of(request).tenant)
    return LOG.respond(request, "evidence/log.html", {"coverage": coverage, "may_verify": _may_verify(request)})


def _may_verify(request: HttpRequest) -> bool:
    return readers.may(caller_of(request).principal, "audit", "operate")


def entry(request: HttpRequest, index: str) -> HttpResponse:
    """Show an entry with its inclusion proof and the checkpoint that covers it."""
    proven = queries.prove(Acting(request), number(index), None)
    try:
        document: dict[str, Any] = json.loads(proven["entry"])
    except ValueError:
        document = {}
    artifacts = document.get("artifacts", ())
    context = {"proven": proven, "entry": document, "artifacts": artifacts, "may_verify": _may_verify(request)}
    return render(request, "evidence/entry.html", context)


@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    """Verify the whole log now, and show what was found."""
    return render(request, "evidence/verified.html", {"report": verified(request, [])})


def checkpoint(request: HttpRequest) -> HttpResponse:
    """Send the newest checkpoint as a file to keep elsewhere."""
    found = newest_checkpoint(caller_of(request).tenant)
    return attachment(found["note"].encode(), f"checkpoint-{found['size']}.txt", "text/plain; charset=utf-8")


def packs(request: HttpRequest) -> HttpResponseBase:
    """List packs, and make one."""
    if request.method == "POST":
        return _make(request)
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "POST"])
    return PACKS.respond(request, "evidence/packs.html", {"subject": request.GET.get("subject", "")})


def _make(request: HttpRequest) -> HttpResponseBase:
    subject = request.POST.get("subject", "").strip()
    context = context_of(request)
    try:
        run(CreatePack, context, {"subject": subject})
    except (NotFound, UsageError) as exc:
        words = {"problem": exc.message if subject else "Name a subject.", "subject": subject}
        return PACKS.respond(request, "evidence/packs.html", words)
    host().sequence(context.tenant)  # the new pack is shown with its entry
    return HttpResponseRedirect("/packs/")


def artifact(request: HttpRequest, sha256: str) -> HttpResponseBase:
    """Send an artifact as a file to save."""
    return download(caller_of(request).tenant, sha256)
