"""Who calls: the credential of a request, the principal behind it, and the context in which it may act."""

from typing import Any, Protocol
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from trueup.kernel.actions.base import Context, Principal
from trueup.kernel.errors import NotFound, UsageError
from trueup.kernel.http.engine.bucket import Limit
from trueup.kernel.http.host import host
from trueup.kernel.http.limits import WRONG_CREDENTIALS, Buckets
from trueup.kernel.http.options import options
from trueup.kernel.http.problem import Unauthenticated

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
TENANT = "trueup_tenant"
"""Where a session remembers the tenant that its pages work in."""

_KEY_REMEDY = "send 'Authorization: Bearer tru_…' with an API key that is neither expired nor revoked"
_IDEMPOTENCY_KEY = 200


class Caller(Protocol):
    """What ``identity.authenticate`` answers."""

    @property
    def principal(self) -> Principal:
        """With its present roles in the tenant."""

    @property
    def tenant(self) -> UUID:
        """In which it acts."""

    @property
    def tenant_slug(self) -> str:
        """The tenant's name in addresses."""


_buckets: list[Buckets] = []


def limit_with(buckets: Buckets | None) -> None:
    """Count this process's requests in these buckets; None counts none, for a process that serves nobody."""
    _buckets[:] = [buckets] if buckets else []


def address_of(request: HttpRequest) -> str:
    """Return the address that a request came from: as the proxy in front says, where one is configured."""
    if options().behind_proxy:
        last = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if last:
            return last
    return str(request.META.get("REMOTE_ADDR", ""))


def authenticate(request: HttpRequest, *, by_key: bool) -> Caller:
    """Return who calls.

    Args:
        request: with its session.
        by_key: an API key is accepted besides the session's cookie; then a changing request with a cookie must also
            show the cookie's CSRF token.

    Raises:
        Unauthenticated: no valid credential.
        TooMany: too many wrong credentials from this address, or too many requests of this caller.
    """
    text = presented_key(request) if by_key else ""
    caller = _by_key(request, text) if text else _by_session(request, check_csrf=by_key)
    for buckets in _buckets:
        buckets.take(caller.principal.id, Limit(options().rate, options().burst))
    return caller


def presented_key(request: HttpRequest) -> str:
    """Return the API key that a request shows, or nothing."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return request.headers.get("X-API-Key", "").strip()


def _by_key(request: HttpRequest, text: str) -> Caller:
    from trueup.kernel.identity import authenticate as identity

    address = f"address:{address_of(request)}"
    for buckets in _buckets:
        buckets.require(address, WRONG_CREDENTIALS)
    caller = identity.by_key(text, now=host().clock())
    if caller is None:
        for buckets in _buckets:
            buckets.take(address, WRONG_CREDENTIALS)
        raise Unauthenticated("the API key is not valid", remedy=_KEY_REMEDY)
    return caller


def _by_session(request: HttpRequest, *, check_csrf: bool) -> Caller:
    from trueup.kernel.identity import authenticate as identity

    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        raise Unauthenticated("this needs a credential", remedy=_KEY_REMEDY)
    if check_csrf and request.method not in SAFE:
        _require_csrf(request)
    mfa, now = _showed_second_factor(request), host().clock()
    try:
        return identity.by_session(user, request.session.get(TENANT), mfa=mfa, now=now)
    except NotFound:  # taken out of the tenant that the session remembers: the pages go on in another
        request.session.pop(TENANT, None)
        return identity.by_session(user, None, mfa=mfa, now=now)


def _showed_second_factor(request: HttpRequest) -> bool:
    methods = request.session.get("account_authentication_methods", [])
    return any(isinstance(method, dict) and method.get("method") == "mfa" for method in methods)


def _require_csrf(request: HttpRequest) -> None:
    from django.middleware.csrf import CsrfViewMiddleware

    def nothing(_: HttpRequest) -> HttpResponse:
        return HttpResponse()

    check = CsrfViewMiddleware(nothing)
    check.process_request(request)
    if check.process_view(request, nothing, (), {}) is not None:
        raise Unauthenticated(
            "the CSRF token is missing or wrong", remedy="send the token of the page as X-CSRFToken, or use an API key"
        )


def caller_of(request: HttpRequest) -> Caller:
    """Return who calls, as the door found it.

    Raises:
        Unauthenticated: nobody was found; the address is an open one.
    """
    caller: Caller | None = getattr(request, "caller", None)
    if caller is None:
        raise Unauthenticated("this needs a credential", remedy=_KEY_REMEDY)
    return caller


def context_of(request: HttpRequest) -> Context:
    """Return the action context of a request: its caller, tenant and ``Idempotency-Key``.

    Raises:
        UsageError: the key is too long, or holds what a header should not.
    """
    caller, key = caller_of(request), request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= _IDEMPOTENCY_KEY and key.isascii() and key.isprintable()):
        raise UsageError("Idempotency-Key: expected 1 to 200 printable ASCII characters")
    return host().context(caller.principal, caller.tenant, key=key)


class Acting:
    """A caller's hold on the home, in the shape of a session that readings ask for."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self.tenant = caller_of(request).tenant

    def context(self, **_: Any) -> Context:
        """Return the caller's context."""
        return context_of(self._request)
