"""Signing in: password, second factor, lock-out, throttle; and what is written down of it.

Why not allauth's own login flow: it keeps its failure counts in a cache (one process's own, or a service more to run),
answers a locked account in other words than a wrong password, and knows no password that must be changed before anything
else. So Django's password hashing and sessions carry the login, and allauth brings what is hard to get right: the
authenticator app, recovery codes, and the table of sessions.

A good login and a lock-out are entries of the system log, written by Actions. A failed login is a number: it grows in one
row for each address, account and window of ten minutes, so that nobody who guesses can flood a log.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Any, Protocol
from uuid import UUID

from django.db import transaction
from django.db.models import F, Sum

from trueup.kernel import tenancy
from trueup.kernel.actions.base import Context, Principal
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import Conflict, Refused, TrueupError
from trueup.kernel.evidence.ledger import SYSTEM
from trueup.kernel.identity import secondfactor
from trueup.kernel.identity.actions_users import BeginSession, LockUser
from trueup.kernel.identity.engine import lockout
from trueup.kernel.identity.models import LoginFailure, User

KEEP = timedelta(days=30)


class Host(Protocol):
    """What a login needs of the installation."""

    clock: Callable[[], datetime]

    def context(self, principal: Principal, tenant: UUID) -> Context:
        """Return an action context."""

    def os_principal(self) -> Principal:
        """Return the user that the process runs as."""


class TooManyFailures(TrueupError):
    """One address has failed too often, whatever the account; it must wait."""

    code = "TOO_MANY_REQUESTS"


class SignInRefused(Refused):
    """The one answer to an unknown address, a wrong password or code, and a closed or locked account."""

    code = "SIGN_IN_REFUSED"

    def __init__(self) -> None:
        super().__init__(
            "e-mail address, password or code is not right, or the account is closed or locked for a while",
            remedy="try again later, or ask an admin for a new one-time password",
        )


@dataclass(frozen=True, slots=True)
class Passed:
    """A password that was right.

    Args:
        user: whose.
        needs_code: the second factor is still to be shown; nobody is signed in before.
    """

    user: User
    needs_code: bool


def password(host: Host, *, email: str, password: str, address: str) -> Passed:
    """Check an e-mail address and a password.

    Every refusal costs one password hash and one counted failure, so that its time says nothing about the account.

    Raises:
        SignInRefused: with one and the same answer.
        TooManyFailures: this address has failed too often.
    """
    now = host.clock()
    require_patience(address, now)
    user = User.objects.filter(email=email.strip().lower()).first()
    decoy = _nobody()  # made for everybody, so that making it tells nothing
    right = (user or decoy).check_password(password)
    if user is None or not right or not _open(user, now):
        _failed(host, user, address, now)
        raise SignInRefused
    if not secondfactor.enabled(user):
        _begin(host, user, second_factor=False)
        return Passed(user, needs_code=False)
    return Passed(user, needs_code=True)


def code(host: Host, user: User, *, code: str, address: str) -> None:
    """Check the second factor of somebody whose password was right.

    Raises:
        SignInRefused, TooManyFailures: as for the password.
    """
    now = host.clock()
    require_patience(address, now)
    current = User.objects.filter(id=user.id).first()
    if current is None or not _open(current, now):
        raise SignInRefused
    with transaction.atomic():
        right = secondfactor.take(current, code, now)
    if not right:
        _failed(host, current, address, now)
        raise SignInRefused
    _begin(host, current, second_factor=True)


def require_patience(address: str, now: datetime) -> None:
    """Refuse an address that has failed too often in this and the last window.

    Raises:
        TooManyFailures: it has.
    """
    since = lockout.window(now) - lockout.WINDOW
    found: Mapping[str, Any] = LoginFailure.objects.filter(address=network(address), window__gte=since).aggregate(n=Sum("count"))
    if (found["n"] or 0) >= lockout.PER_ADDRESS:
        raise TooManyFailures("too many failed logins from this address", remedy="wait for twenty minutes")


def network(address: str) -> str:
    """Return what one visitor's addresses have in common: an IPv4 address itself, the /64 network of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)


def _nobody() -> User:
    """Return an account that no password opens, whose check costs what another's does."""
    nobody = User(email="nobody")
    nobody.password = _decoy()
    return nobody


_decoys: list[str] = []


def _decoy() -> str:
    if not _decoys:
        from secrets import token_urlsafe

        from django.contrib.auth.hashers import make_password

        _decoys.append(make_password(token_urlsafe(32)))
    return _decoys[0]


def _open(user: User, now: datetime) -> bool:
    return user.is_active and not lockout.locked(user.locked_until, now)


def _begin(host: Host, user: User, *, second_factor: bool) -> None:
    try:
        with tenancy.reaching(SYSTEM):
            run(BeginSession, _system(host), {"user": user.id, "second_factor": second_factor})
    except Refused:  # locked at this very moment
        raise SignInRefused from None


def _failed(host: Host, user: User | None, address: str, now: datetime) -> None:
    _count(user, address, now)
    if user is None or not _open(user, now):
        return
    with transaction.atomic():
        User.objects.filter(id=user.id).update(failures=F("failures") + 1)
        failures = User.objects.values_list("failures", flat=True).get(id=user.id)
    if failures >= lockout.TRIES:
        try:
            with tenancy.reaching(SYSTEM):
                run(LockUser, _system(host), {"user": user.id})
        except Conflict:  # another process was faster
            return


def _count(user: User | None, address: str, now: datetime) -> None:
    window, account = lockout.window(now), str(user.id) if user else ""
    with transaction.atomic():
        row, new = LoginFailure.objects.get_or_create(
            address=network(address), account=account, window=window, defaults={"first_at": now, "last_at": now}
        )
        LoginFailure.objects.filter(id=row.id).update(count=F("count") + 1, last_at=now)
    if new:
        LoginFailure.objects.filter(window__lt=now - KEEP).delete()


def _system(host: Host) -> Context:
    return host.context(host.os_principal(), SYSTEM)
