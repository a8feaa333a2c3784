"""Readings of tenants, people, keys and sessions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session

from trueup.kernel.actions.base import Principal
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.errors import NotFound
from trueup.kernel.evidence.engine.encode import stamp
from trueup.kernel.identity.authenticate import key_principal
from trueup.kernel.identity.engine import lockout
from trueup.kernel.identity.models import ApiKey, Membership, Tenant, User


def _require_owner_of_home(session: Any, what: str) -> None:
    if "owner" not in session.context(system=True).principal.roles:
        raise PolicyRefused(f"only the owner of the home may see {what}", remedy="run as the user who can read the signing key")


def tenants(session: Any) -> list[dict[str, str]]:
    """Return all tenants, for the owner of the home alone.

    Raises:
        PolicyRefused: the caller is not the home's owner.
    """
    _require_owner_of_home(session, "its tenants")
    return [{"slug": row.slug, "id": str(row.id), "name": row.name} for row in Tenant.objects.order_by("slug")]


def principal(id: str, tenant: UUID, *, now: datetime) -> Principal | None:
    """Return a user or API key as it stands in a tenant now; None when it is gone, disabled or expired.

    What runs long after it was asked for has no second factor to show.
    """
    kind, _, name = id.partition(":")
    try:
        who = UUID(name)
    except ValueError:
        return None
    if kind == "user":
        row = Membership.objects.select_related("user").filter(user=who, tenant=tenant, user__is_active=True).first()
        return Principal(id, frozenset(row.roles), person=row.user.person) if row else None
    if kind == "key":
        key = ApiKey.objects.filter(id=who, tenant=tenant).first()
        return key_principal(key, now) if key else None
    return None


def tenants_of(user: UUID) -> list[dict[str, Any]]:
    """Return the tenants that a user belongs to, with the roles held there, by slug."""
    rows = Membership.objects.select_related("tenant").filter(user=user, user__is_active=True).order_by("tenant__slug")
    return [{"id": str(r.tenant.id), "slug": r.tenant.slug, "name": r.tenant.name, "roles": list(r.roles)} for r in rows]


def user_document(user: User, roles: list[str], *, mfa: bool, now: datetime) -> dict[str, Any]:
    """Return a member as people and programs see one."""
    locked = lockout.locked(user.locked_until, now)
    return {
        "id": str(user.id),
        "email": user.email,
        "name": user.name,
        "roles": roles,
        "state": "disabled" if not user.is_active else "locked" if locked else "active",
        "locked_until": stamp(user.locked_until) if locked and user.locked_until else "",
        "must_change_password": user.must_change_password,
        "second_factor": mfa,
        "last_login": stamp(user.last_login) if user.last_login else "",
        "created_at": stamp(user.created_at),
    }


def users(tenant: UUID, *, now: datetime) -> list[dict[str, Any]]:
    """Return a tenant's members, by e-mail address."""
    rows = list(Membership.objects.select_related("user").filter(tenant=tenant).order_by("user__email"))
    coded = set(Authenticator.objects.filter(user__in=[r.user_id for r in rows], type="totp").values_list("user", flat=True))
    return [user_document(row.user, list(row.roles), mfa=row.user_id in coded, now=now) for row in rows]


def user(tenant: UUID, name: str, *, now: datetime) -> dict[str, Any]:
    """Return a member by e-mail address or id.

    Raises:
        NotFound: the tenant has no such member.
    """
    found = next((row for row in users(tenant, now=now) if name.lower() in (row["email"], row["id"])), None)
    if found is None:
        raise NotFound(f"there is no user {name!r} in this tenant", remedy="list them with 'trueup user list'")
    return found


def anybody(session: Any, name: str) -> UUID:
    """Return the id of a user of any tenant by e-mail address or id, for the owner of the home alone.

    Raises:
        PolicyRefused: the caller is not the home's owner.
        NotFound: there is no such user.
    """
    _require_owner_of_home(session, "people of every tenant")
    try:
        found = User.objects.filter(id=UUID(name)).first()
    except ValueError:
        found = User.objects.filter(email=name.lower()).first()
    if found is None:
        raise NotFound(f"there is no user {name!r}", remedy="list them with 'trueup user list'")
    return found.id


def has_owner(tenant: UUID) -> bool:
    """Tell whether a person owns a tenant."""
    return any("owner" in roles for roles in Membership.objects.filter(tenant=tenant).values_list("roles", flat=True))


def api_keys(tenant: UUID, *, now: datetime) -> list[dict[str, Any]]:
    """Return a tenant's API keys, the newest first; never a secret or its digest."""
    return [key_document(row, now) for row in ApiKey.objects.filter(tenant=tenant).order_by("-created_at", "id")]


def key_document(row: ApiKey, now: datetime) -> dict[str, Any]:
    """Return a key as people and programs see one."""
    expired = row.expires_at is not None and row.expires_at <= now
    overlap = row.previous_until is not None and now < row.previous_until
    return {
        "id": str(row.id),
        "name": row.name,
        "prefix": row.prefix,
        "roles": list(row.roles),
        "agent": row.is_agent,
        "state": "revoked" if row.revoked_at else "expired" if expired else "active",
        "maker": row.maker,
        "created_at": stamp(row.created_at),
        "expires_at": stamp(row.expires_at) if row.expires_at else "",
        "last_used_at": stamp(row.last_used_at) if row.last_used_at else "",
        "old_secret_until": stamp(row.previous_until) if overlap and row.previous_until else "",
    }


def api_key(tenant: UUID, name: str, *, now: datetime) -> dict[str, Any]:
    """Return a key by id, prefix or name.

    Raises:
        NotFound: the tenant has no such key, or several of that name.
    """
    found = [row for row in api_keys(tenant, now=now) if name in (row["id"], row["prefix"], row["name"])]
    if len(found) != 1:
        words = f"{len(found)} keys are called {name!r}" if found else f"there is no API key {name!r}"
        raise NotFound(words, remedy="name its id or prefix; list them with 'trueup apikey list'")
    return found[0]


def sessions(user: UUID, *, now: datetime, current: str = "") -> list[dict[str, Any]]:
    """Return a user's live sessions, the last seen first.

    Args:
        user: whose.
        now: a session that has expired by then is left out.
        current: key of the session that asks, to be marked.
    """
    return _sessions([user], now, current)


def tenant_sessions(tenant: UUID, *, now: datetime, current: str = "") -> list[dict[str, Any]]:
    """Return the live sessions of a tenant's members, the last seen first."""
    return _sessions(list(Membership.objects.filter(tenant=tenant).values_list("user", flat=True)), now, current)


def _sessions(ids: list[Any], now: datetime, current: str) -> list[dict[str, Any]]:
    rows = list(UserSession.objects.select_related("user").filter(user__in=ids, user__is_active=True).order_by("-last_seen_at"))
    live = set(
        Session.objects.filter(session_key__in=[r.session_key for r in rows], expire_date__gt=now).values_list(
            "session_key", flat=True
        )
    )
    return [
        {
            "id": row.id,
            "user": str(row.user_id),
            "email": row.user.email,
            "created_at": stamp(row.created_at),
            "last_seen_at": stamp(row.last_seen_at),
            "address": row.ip,
            "user_agent": row.user_agent,
            "current": bool(current) and row.session_key == current,
        }
        for row in rows
        if row.session_key in live
    ]
