"""The pages of authorizations: the list, one on its way from a draft into force and out of it, and the form that asks for one."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.domains.automation import authorizations, queries
from trueup.domains.automation.actions_authorizations import RequestAuthorization, SubmitEvidence, VerifyAuthorization
from trueup.domains.automation.actions_force import Activate, Resume, Revoke, Suspend
from trueup.domains.automation.api_authorizations import forcing, hand_in
from trueup.domains.automation.engine.authorizing import LOOKED_UP, State
from trueup.domains.automation.engine.challenge import META, PATH, base_of, front, record_name
from trueup.domains.automation.models import Authorization
from trueup.domains.automation.web import forms
from trueup.domains.automation.web.tables import AUTHORIZATIONS, place
from trueup.kernel.actions.base import AnyAction
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import TrueupError, UsageError
from trueup.kernel.evidence import lists
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.host import host
from trueup.kernel.http.pages import acted

_SHOWN = 20
_DONE = {
    "evidence": "There is evidence now; have it looked at next.",
    "verify": "The evidence is there.",
    "activate": "It is in force.",
    "suspend": "It is out of force, from the next request on.",
    "resume": "It is in force again.",
    "revoke": "It is over, from the next request on.",
}
_PLAIN: Mapping[str, type[AnyAction]] = {
    "evidence": SubmitEvidence,
    "verify": VerifyAuthorization,
    "suspend": Suspend,
    "revoke": Revoke,
}
_LADDER = (
    (State.DRAFT, "Asked for"),
    (State.EVIDENCE, "Evidence handed in"),
    (State.VERIFIED, "Verified"),
    (State.ACTIVE, "In force"),
)


def authorizations_(request: HttpRequest) -> HttpResponseBase:
    """List authorizations."""
    caller = caller_of(request)
    readers.require(caller, "read")
    may = readers.may(caller.principal, "operate", "administer")
    return AUTHORIZATIONS.respond(request, "automation/authorizations.html", {"may": may})


def request_form(request: HttpRequest) -> HttpResponseBase:
    """Show the form that asks for an authorization; or ask."""
    readers.require(caller_of(request), "read")
    if request.method != "POST":
        return _form(request, {**forms.NEW_REQUEST, "host": request.GET.get("host", "")[:255]})
    typed = forms.request_typed(request.POST)
    try:
        value = run(RequestAuthorization, context_of(request), forms.request_input(typed, host().clock())).value
    except PolicyRefused:
        raise
    except UsageError as exc:
        return _form(request, typed, errors=forms.by_field(exc))
    except TrueupError as exc:
        return _form(request, typed, problem=exc.message)
    return HttpResponseRedirect(f"/automation/authorizations/{value['id']}/")


def _form(
    request: HttpRequest, typed: Mapping[str, Any], *, errors: Mapping[str, str] | None = None, problem: str = ""
) -> HttpResponseBase:
    context = {
        "asked": typed,
        "errors": errors or {},
        "problem": f"{problem}." if problem else "",
        "tiers": forms.tiers(typed["strategies"]),
        "methods": [{"name": name, "words": words, "on": name == typed["method"]} for name, words in forms.METHODS],
        "units": [{"name": name, "words": words, "on": name == typed["unit"]} for name, words in forms.UNITS],
        "may": readers.may(caller_of(request).principal, "operate", "administer"),
    }
    return render(request, "automation/authorization_form.html", context, status=400 if errors or problem else 200)


def authorization(request: HttpRequest, id: str) -> HttpResponseBase:
    """Show an authorization: its terms, its evidence, what comes next; or take the next step."""
    caller = caller_of(request)
    readers.require(caller, "read")
    row = authorizations.found(caller.tenant, queries.authorization_id(id))
    if request.method != "POST":
        return _one(request, row)
    return acted(
        request,
        lambda: _act(request, row),
        lambda problem: _one(request, authorizations.found(caller.tenant, row.id), problem=problem),
        onto=f"/automation/authorizations/{row.id}/",
    )


def _act(request: HttpRequest, row: Authorization) -> None:
    given, do = request.POST, request.POST.get("do", "")
    if do == "letter":
        hand_in(request, row.id, request.FILES.get("letter"))
        messages.success(request, _DONE["evidence"])
        return
    more = {"reason": given.get("reason", "").strip()[:1000]} if do in ("suspend", "resume", "revoke") else {}
    if do in ("activate", "resume"):
        version = int(given["version"]) if given.get("version", "").isdecimal() else 0
        action, input = forcing(row, Activate if do == "activate" else Resume, version, more)
    elif do in _PLAIN:
        action, input = _PLAIN[do], {"id": row.id, **more}
    else:
        raise UsageError("the form is not one of this page's")
    value = run(action, context_of(request), input).value
    if do == "verify" and not value["fresh"]:
        messages.warning(request, "The evidence is gone, and the authorization is out of force.")
    else:
        messages.success(request, _DONE[do])


def _one(request: HttpRequest, row: Authorization, *, problem: str = "") -> HttpResponseBase:
    caller, now = caller_of(request), host().clock()
    (found,) = queries.authorization_documents(caller.tenant, [row], now)
    state = State(found["state"])
    operates = readers.may(caller.principal, "operate", "administer")
    administers = readers.may(caller.principal, "administer")
    context = {
        "found": found,
        "place": place(row),
        "ends": forms.span(row.expires, now),
        "over": state in (State.EXPIRED, State.REVOKED),
        "load": authorizations.opens_load(row),
        "looked_up": row.method in LOOKED_UP,
        "challenge": challenge(row) if found["challenge"] else [],
        "ladder": ladder(row, state),
        "history": history(caller.tenant, f"authorization/{row.id}"),
        "operates": operates,
        "administers": administers,
        "may_vouch": administers if row.method not in LOOKED_UP else operates,
        "problem": problem,
    }
    return render(request, "automation/authorization.html", context, status=400 if problem else 200)


def challenge(row: Authorization) -> list[tuple[str, str]]:
    """Return what has to be published, and where, each part to be copied."""
    site = front(base_of(row.host), row.ports)
    return {
        "dns_txt": [("Name of the record", record_name(row.host)), ("Type", "TXT"), ("Value", row.token)],
        "well_known_file": [("Address of the file", f"{site}{PATH}"), ("All that it holds", row.token)],
        "html_meta": [
            ("Page", f"{site}/"),
            ("Within its head element", f'<meta name="{META}" content="{row.token}">'),
        ],
    }.get(row.method, [])


def ladder(row: Authorization, state: State) -> list[dict[str, Any]]:
    """Return the steps into force, and how far it came; what ended or is suspended stands beyond the last."""
    order = [step for step, _ in _LADDER]
    reached = order.index(state) if state in order else len(order) - 1 if state is State.SUSPENDED else -1
    when = {State.DRAFT: (row.asked_at, row.asked_by), State.VERIFIED: (row.verified_at, row.verified_by)}
    steps = []
    for rung, (step, words) in enumerate(_LADDER):
        at, by = when.get(step, (None, ""))
        done = rung <= reached or bool(at)
        steps.append({"words": words, "done": done, "here": step is state, "at": at, "by": by})
    return steps


def history(tenant: Any, subject: str) -> list[dict[str, Any]]:
    """Return the newest entries of the log about a subject."""
    found = lists.entries(tenant, lists.Wanted(subject=subject), beyond=None, limit=_SHOWN).entries
    places = lists.places_of(tenant, [id for id, _ in found])
    return [{**body, "url": f"/log/{places[id]}/" if id in places else ""} for id, body in found]
