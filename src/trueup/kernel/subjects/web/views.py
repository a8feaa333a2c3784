"""Subjects, and one subject with its names and merges."""

from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.kernel.evidence import queries as evidence
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of
from trueup.kernel.subjects import queries
from trueup.kernel.subjects.web.tables import SubjectsTable

_FACTS = 20


def subjects(request: HttpRequest) -> HttpResponseBase:
    """List subjects; or find those that bear a name, and show the one where there is one alone."""
    caller = caller_of(request)
    readers.require(caller, "read")
    wanted = request.GET.get("find", "").strip()[:400].replace("\x00", "")
    found = queries.bearing(caller.tenant, wanted) if wanted else []
    if len(found) == 1:
        return HttpResponseRedirect(f"/subjects/{found[0]}/")
    return SubjectsTable().respond(request, "subjects/subjects.html", {"wanted": wanted, "found": found})


def subject(request: HttpRequest, kind: str, id: str) -> HttpResponseBase:
    """Show one subject: its names, its merges with their reasons, and what is known of it under any of its ids."""
    caller = caller_of(request)
    readers.require(caller, "read")
    found = queries.one(caller.tenant, f"{kind}/{id}")
    ids = [found["subject"], *found["also"]]
    known = [fact for name in ids for fact in evidence.facts(caller.tenant, subject=name, limit=_FACTS)]
    return render(request, "subjects/subject.html", {"subject": found, "facts": known[:_FACTS]})
