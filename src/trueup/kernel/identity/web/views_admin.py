"""The administration of people, keys and sessions."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.kernel.actions.base import AnyAction
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.errors import TrueupError, UsageError
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of
from trueup.kernel.http.host import host
from trueup.kernel.http.pages import said
from trueup.kernel.identity import queries
from trueup.kernel.identity.actions_account import EndSession, EndSessions
from trueup.kernel.identity.actions_keys import CreateApiKey, RevokeApiKey, RotateApiKey
from trueup.kernel.identity.actions_members import GrantRoles, RevokeRoles
from trueup.kernel.identity.actions_users import AddUser, DisableUser, EnableUser, ResetPassword, UnlockUser
from trueup.kernel.identity.credentials import new_key, one_time_password
from trueup.kernel.identity.engine.roles import covered
from trueup.kernel.identity.web import support
from trueup.kernel.identity.web.tables import Keys, Sessions, Users

ADMINISTER = "administer"
_ON_USERS: Mapping[str, type[AnyAction]] = {"disable": DisableUser, "enable": EnableUser, "unlock": UnlockUser}
_ON_ROLES: Mapping[str, type[AnyAction]] = {"grant": GrantRoles, "revoke": RevokeRoles}


def _offered(request: HttpRequest) -> list[str]:
    """Return the roles that the caller may hand on, in the product's order."""
    mine = covered(caller_of(request).principal.roles)
    return [role for role in host().ports.policies.roles if role in mine]


def _attempted(
    request: HttpRequest, page: Callable[..., HttpResponseBase], change: Callable[[], HttpResponseBase]
) -> HttpResponseBase:
    """Make a change; what is wrong with it is said on the page it came from, a refusal of policy on a page of its own."""
    try:
        return change()
    except PolicyRefused:
        raise
    except TrueupError as exc:
        return page(request, problem=said(exc), status=400)


def users(request: HttpRequest) -> HttpResponseBase:
    """List the members, or take one in."""
    readers.require(caller_of(request), ADMINISTER)
    if request.method != "POST":
        return _users(request)
    return _attempted(request, _users, lambda: _add(request))


def _users(request: HttpRequest, *, problem: str = "", status: int = 200) -> HttpResponseBase:
    response = Users().respond(request, "identity/users.html", {"offered": _offered(request), "problem": problem})
    response.status_code = status
    return response


def _add(request: HttpRequest) -> HttpResponse:
    password = one_time_password()
    given = {"email": request.POST.get("email", ""), "name": request.POST.get("name", ""), "roles": request.POST.getlist("roles")}
    value = support.act(request, AddUser, {**given, "password": password})
    back = f"/users/{value['id']}/"
    if not value["created"]:
        return HttpResponseRedirect(back)
    shown = {"title": "User added", "about": given["email"], "back": back}
    return render(request, "identity/once.html", shown | {"what": "One-time password", "secret": password})


def user(request: HttpRequest, id: str) -> HttpResponseBase:
    """Show a member with roles, keys and sessions, or change something of theirs."""
    readers.require(caller_of(request), ADMINISTER)
    if request.method != "POST":
        return _user(request, id)
    return _attempted(request, lambda r, **more: _user(r, id, **more), lambda: _change(request, id))


def _user(request: HttpRequest, id: str, *, problem: str = "", status: int = 200) -> HttpResponseBase:
    tenant, now = caller_of(request).tenant, host().clock()
    found = queries.user(tenant, str(support.uuid(id)), now=now)
    context = {
        "found": found,
        "offered": [role for role in _offered(request) if role not in found["roles"]],
        "sessions": queries.sessions(support.uuid(id), now=now, current=request.session.session_key or ""),
        "keys": [key for key in queries.api_keys(tenant, now=now) if key["maker"] == f"user:{found['id']}"],
        "problem": problem,
    }
    return render(request, "identity/user.html", context, status=status)


def _change(request: HttpRequest, id: str) -> HttpResponseBase:
    do, who = request.POST.get("do", ""), support.uuid(id)
    if do == "reset":
        password = one_time_password()
        drop = request.POST.get("drop_second_factor") == "yes"
        support.act(request, ResetPassword, {"user": who, "password": password, "drop_second_factor": drop})
        shown = {"title": "Password reset", "what": "One-time password", "secret": password, "back": f"/users/{who}/"}
        return render(request, "identity/once.html", shown)
    if do in _ON_USERS:
        support.act(request, _ON_USERS[do], {"user": who})
    elif do in _ON_ROLES:
        support.act(request, _ON_ROLES[do], {"user": who, "roles": request.POST.getlist("roles")})
    elif do == "end":
        _end(request, who)
    else:
        raise UsageError("the form is not one of this page's")
    gone = do == "revoke" and who not in {row.id for row in Users().rows(caller_of(request).tenant)}
    return HttpResponseRedirect("/users/" if gone else f"/users/{who}/")


def _end(request: HttpRequest, who: object) -> None:
    one = request.POST.get("session", "")
    if one.isascii() and one.isdigit():
        support.act(request, EndSession, {"session": int(one)})
    else:
        support.act(request, EndSessions, {"user": who})


def keys(request: HttpRequest) -> HttpResponseBase:
    """List the keys, or make one."""
    readers.require(caller_of(request), ADMINISTER)
    if request.method != "POST":
        return _keys(request)
    return _attempted(request, _keys, lambda: _make(request))


def _keys(request: HttpRequest, *, problem: str = "", status: int = 200) -> HttpResponseBase:
    response = Keys().respond(request, "identity/keys.html", {"offered": _offered(request), "problem": problem})
    response.status_code = status
    return response


def _make(request: HttpRequest) -> HttpResponse:
    key, days = new_key(), request.POST.get("days", "90")
    if not (days.isascii() and days.isdigit() and int(days) <= 3650):
        raise UsageError("days: expected a number from 0 to 3650")
    expires = host().clock() + timedelta(days=int(days)) if int(days) else None
    input: dict[str, Any] = {
        "name": request.POST.get("name", ""),
        "prefix": key.prefix,
        "secret": key.secret,
        "roles": request.POST.getlist("roles"),
        "expires_at": expires,
        "agent": request.POST.get("agent") == "yes",
    }
    value = support.act(request, CreateApiKey, input)
    shown = {"title": "API key made", "what": "API key", "secret": key.text, "back": f"/keys/{value['id']}/"}
    return render(request, "identity/once.html", shown)


def key(request: HttpRequest, id: str) -> HttpResponseBase:
    """Show a key, rotate it or end it."""
    readers.require(caller_of(request), ADMINISTER)
    if request.method != "POST":
        return _key(request, id)
    return _attempted(request, lambda r, **more: _key(r, id, **more), lambda: _change_key(request, id))


def _key(request: HttpRequest, id: str, *, problem: str = "", status: int = 200) -> HttpResponseBase:
    found = queries.api_key(caller_of(request).tenant, str(support.uuid(id)), now=host().clock())
    return render(request, "identity/key.html", {"found": found, "problem": problem}, status=status)


def _change_key(request: HttpRequest, id: str) -> HttpResponseBase:
    found = queries.api_key(caller_of(request).tenant, str(support.uuid(id)), now=host().clock())
    if request.POST.get("do") == "revoke":
        support.act(request, RevokeApiKey, {"key": found["id"]})
        return HttpResponseRedirect(f"/keys/{found['id']}/")
    hours = request.POST.get("overlap", "0")
    if not (hours.isascii() and hours.isdigit() and int(hours) <= 168):
        raise UsageError("overlap: expected hours from 0 to 168")
    new = new_key(prefix=found["prefix"])
    support.act(request, RotateApiKey, {"key": found["id"], "secret": new.secret, "overlap": int(hours) * 3600})
    shown = {"title": "API key rotated", "what": "API key", "secret": new.text, "back": f"/keys/{found['id']}/"}
    return render(request, "identity/once.html", shown)


def sessions(request: HttpRequest) -> HttpResponseBase:
    """List the sessions of all members."""
    readers.require(caller_of(request), ADMINISTER)
    return Sessions().respond(request, "identity/sessions.html")
