"""One's own account: profile, authenticator app, recovery codes, sessions."""

from typing import Any

from django.http import HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.errors import TrueupError
from trueup.kernel.http.host import host
from trueup.kernel.http.pages import said
from trueup.kernel.identity import queries, secondfactor
from trueup.kernel.identity.actions_account import (
    ActivateTotp,
    DeactivateTotp,
    EndSession,
    EndSessions,
    RenewRecoveryCodes,
)
from trueup.kernel.identity.web import support

SECRET = "trueup_new_authenticator"  # noqa: S105 - where a session keeps one while it is set up


def account(request: HttpRequest) -> HttpResponseBase:
    """Show the own account."""
    return render(request, "identity/account.html", _account(request))


def _account(request: HttpRequest) -> dict[str, Any]:
    user, now = support.me(request), host().clock()
    return {
        "user": user,
        "tenants": queries.tenants_of(user.id),
        "second_factor": secondfactor.enabled(user),
        "codes_left": len(secondfactor.recovery_codes(user)),
        "sessions": queries.sessions(user.id, now=now, current=request.session.session_key or ""),
    }


def totp(request: HttpRequest) -> HttpResponseBase:
    """Set up an authenticator app."""
    user = support.me(request)
    if secondfactor.enabled(user):
        return HttpResponseRedirect("/account/")
    secret = request.session.setdefault(SECRET, secondfactor.new_secret())
    context = _enrolment(request, secret)
    if request.method != "POST":
        return render(request, "identity/totp.html", context)
    try:
        support.act_for_oneself(request, ActivateTotp, {"secret": secret, "code": request.POST.get("code", "")[:64]})
    except PolicyRefused:
        raise
    except TrueupError as exc:
        return render(request, "identity/totp.html", context | {"problem": said(exc)}, status=400)
    request.session.pop(SECRET, None)
    return render(request, "identity/codes.html", {"codes": secondfactor.recovery_codes(user)})


def _enrolment(request: HttpRequest, secret: str) -> dict[str, Any]:
    spaced = " ".join(secret[n : n + 4] for n in range(0, len(secret), 4))
    return {"secret": spaced, "enrolment": secondfactor.enrolment(support.me(request), secret)}


def totp_off(request: HttpRequest) -> HttpResponseBase:
    """Remove the authenticator app."""
    return _with_code(request, DeactivateTotp) or HttpResponseRedirect("/account/")


def codes(request: HttpRequest) -> HttpResponseBase:
    """Replace the recovery codes, and show the new ones this once."""
    refused = _with_code(request, RenewRecoveryCodes)
    return refused or render(request, "identity/codes.html", {"codes": secondfactor.recovery_codes(support.me(request))})


def _with_code(request: HttpRequest, action: Any) -> HttpResponseBase | None:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        support.act_for_oneself(request, action, {"code": request.POST.get("code", "")[:64]})
    except PolicyRefused:
        raise
    except TrueupError as exc:
        return render(request, "identity/account.html", _account(request) | {"problem": said(exc)}, status=400)
    return None


def end_sessions(request: HttpRequest) -> HttpResponseBase:
    """End one of one's own sessions, or all others."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    user, one = support.me(request), request.POST.get("session", "")
    if one.isascii() and one.isdigit():
        support.act_for_oneself(request, EndSession, {"session": int(one)})
    else:
        support.act_for_oneself(request, EndSessions, {"user": user.id, "keep": request.session.session_key})
    return HttpResponseRedirect("/account/")
