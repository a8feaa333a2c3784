"""Signing in and out, and the password that must be changed first."""

import time
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.errors import TrueupError
from trueup.kernel.http.pages import said
from trueup.kernel.identity import signin
from trueup.kernel.identity.actions_account import ChangePassword
from trueup.kernel.identity.models import User
from trueup.kernel.identity.web import support

PENDING = "trueup_password_shown"
PATIENCE = 300


def login(request: HttpRequest) -> HttpResponseBase:
    """Ask for e-mail address and password."""
    if request.method != "POST":
        return render(request, "identity/login.html", {"next": support.safe_next(request)})
    given = {name: request.POST.get(name, "")[:1000] for name in ("email", "password")}
    try:
        passed = signin.password(support.installation(), **given, address=support.address(request))
    except (signin.SignInRefused, signin.TooManyFailures) as exc:
        return _again(request, "identity/login.html", exc, email=given["email"])
    if passed.needs_code:
        request.session.cycle_key()
        request.session[PENDING] = {"user": str(passed.user.id), "at": time.time(), "password": passed.user.password[-16:]}
        return HttpResponseRedirect(f"/login/code/?next={_quoted(support.safe_next(request))}")
    support.begin(request, passed.user, second_factor=False)
    return HttpResponseRedirect(support.safe_next(request))


def code(request: HttpRequest) -> HttpResponseBase:
    """Ask for the code of the authenticator app, or a recovery code."""
    user = _pending(request)
    if user is None:
        return HttpResponseRedirect("/login/")
    if request.method != "POST":
        return render(request, "identity/code.html", {"next": support.safe_next(request)})
    try:
        signin.code(support.installation(), user, code=request.POST.get("code", "")[:64], address=support.address(request))
    except (signin.SignInRefused, signin.TooManyFailures) as exc:
        return _again(request, "identity/code.html", exc)
    request.session.pop(PENDING, None)
    support.begin(request, user, second_factor=True)
    return HttpResponseRedirect(support.safe_next(request))


def logout(request: HttpRequest) -> HttpResponseBase:
    """End the session."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    support.end(request)
    return HttpResponseRedirect("/login/")


def password(request: HttpRequest) -> HttpResponseBase:
    """Change one's own password; a one-time password leads nowhere else."""
    if not request.user.is_authenticated:
        return HttpResponseRedirect("/login/?next=/password/")
    user = support.me(request)
    if request.method != "POST":
        return render(request, "identity/password.html", {"must": user.must_change_password})
    current, new, again = (request.POST.get(name, "")[:1000] for name in ("current", "new", "again"))
    if new != again:
        words = "the new password was not typed the same way twice."
        return render(request, "identity/password.html", {"must": user.must_change_password, "problem": words}, status=400)
    second_factor = support.shown_second_factor(request)
    try:
        support.act_for_oneself(request, ChangePassword, {"current": current, "new": new})
    except PolicyRefused:
        raise
    except TrueupError as exc:
        return _again(request, "identity/password.html", exc, must=user.must_change_password)
    # Every session ended with the old password; this one begins anew.
    user.refresh_from_db()
    request.session.flush()
    support.begin(request, user, second_factor=second_factor)
    return HttpResponseRedirect("/")


def _pending(request: HttpRequest) -> User | None:
    """Return whose password was shown in this session, not long ago, and not changed since."""
    found = request.session.get(PENDING)
    if not found or not 0 <= time.time() - found["at"] < PATIENCE:
        return None
    user = User.objects.filter(id=found["user"], is_active=True).first()
    return user if user is not None and user.password.endswith(found["password"]) else None


def _again(request: HttpRequest, template: str, error: TrueupError, **more: Any) -> HttpResponse:
    status = 429 if isinstance(error, signin.TooManyFailures) else 400
    context = {"problem": said(error), "next": support.safe_next(request), **more}
    return render(request, template, context, status=status)


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="/")
