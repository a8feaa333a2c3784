"""What the pages share: acting for a request, and sessions that begin and end."""

from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, cast
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.contrib.auth import login, logout
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from trueup.kernel import tenancy
from trueup.kernel.actions.base import AnyAction, Principal
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import NotFound
from trueup.kernel.evidence.ledger import SYSTEM
from trueup.kernel.http.callers import address_of, context_of
from trueup.kernel.http.host import host
from trueup.kernel.identity.actions_account import EndSession
from trueup.kernel.identity.models import User
from trueup.kernel.identity.signin import Host

BACKEND = "django.contrib.auth.backends.ModelBackend"
METHODS = "account_authentication_methods"
_UNKNOWN_ADDRESS = "::"


def installation() -> Host:
    """Return the installation that this process serves, as a login needs it."""
    return cast("Host", host())


def act(request: HttpRequest, action: type[AnyAction], input: Mapping[str, Any]) -> Mapping[str, Any]:
    """Run an action for the request's caller in the caller's tenant; return its value."""
    return run(action, context_of(request), input).value


def act_for_oneself(request: HttpRequest, action: type[AnyAction], input: Mapping[str, Any]) -> Mapping[str, Any]:
    """Run an action on the own account, which belongs to no tenant: its entry stands in the system log."""
    principal = Principal(f"user:{me(request).id}", frozenset(), mfa=shown_second_factor(request), person=me(request).person)
    with tenancy.reaching(SYSTEM):
        return run(action, host().context(principal, SYSTEM), input).value


def me(request: HttpRequest) -> User:
    """Return the signed-in user.

    Raises:
        NotFound: nobody is signed in.
    """
    if not request.user.is_authenticated:
        raise NotFound("nobody is signed in")
    return request.user


def shown_second_factor(request: HttpRequest) -> bool:
    """Tell whether a second factor was shown when the session began."""
    return {"method": "mfa"} in request.session.get(METHODS, [])


def address(request: HttpRequest) -> str:
    """Return the address that a request came from, as one that can be stored."""
    found = address_of(request)
    try:
        ip_address(found)
    except ValueError:
        return _UNKNOWN_ADDRESS
    return found


def begin(request: HttpRequest, user: User, *, second_factor: bool) -> None:
    """Begin a session, under an id that nobody knew before."""
    login(request, user, backend=BACKEND)
    request.session[METHODS] = [{"method": "password"}, *([{"method": "mfa"}] if second_factor else [])]
    request.session.save()
    listed(request, user)


def listed(request: HttpRequest, user: User) -> None:
    """Put the request's session into the list of sessions."""
    agent = request.headers.get("User-Agent", "")[:200]
    UserSession.objects.update_or_create(
        session_key=request.session.session_key, defaults={"user": user, "ip": address(request), "user_agent": agent}
    )


def end(request: HttpRequest) -> None:
    """End the request's session, on the record."""
    row = UserSession.objects.filter(session_key=request.session.session_key or "").first()
    if row is not None and request.user.is_authenticated:
        with suppress(NotFound):  # ended elsewhere at this moment
            act_for_oneself(request, EndSession, {"session": row.id})
    logout(request)


def safe_next(request: HttpRequest) -> str:
    """Return where to go after signing in: an address of ours, or the home page."""
    wanted = request.POST.get("next") or request.GET.get("next") or "/"
    return wanted if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) else "/"


def uuid(text: str) -> UUID:
    """Return an id of an address.

    Raises:
        NotFound: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("there is nothing of that id") from None
