"""The lists of the administration: people, keys, sessions."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db.models import Q

from trueup.kernel.http.host import host
from trueup.kernel.http.tables import Column, Empty, Filter, Rows, Table
from trueup.kernel.identity import queries
from trueup.kernel.identity.models import ApiKey, Membership, User


class Users(Table):
    """The members of a tenant."""

    name = "users"
    title = "Users"
    columns = (
        Column("email", "E-mail address", sort=("email",)),
        Column("name", "Name", sort=("name",), narrow=False),
        Column("roles", "Roles"),
        Column("state", "State", "badge"),
        Column("second_factor", "Second factor", "badge", narrow=False),
        Column("last_login", "Last login", "time", narrow=False),
    )
    order = ("email", "id")
    filters = (
        Filter(
            "q",
            "Search",
            lambda rows, value: rows.filter(Q(email__icontains=value) | Q(name__icontains=value)),
            hint="e-mail address or name",
        ),
    )
    empty = Empty("No users", "Nobody belongs to this tenant yet.", "trueup user add EMAIL --role viewer", icon="users")

    def rows(self, tenant: UUID) -> Rows:
        """Return all members."""
        return User.objects.filter(membership__tenant=tenant)

    def present(self, tenant: UUID, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Return members with their roles."""
        now = host().clock()
        roles = dict(Membership.objects.filter(tenant=tenant, user__in=rows).values_list("user", "roles"))
        coded = set(Authenticator.objects.filter(user__in=rows, type="totp").values_list("user", flat=True))
        shown = [queries.user_document(row, roles.get(row.id, []), mfa=row.id in coded, now=now) for row in rows]
        return [
            {
                **row,
                "email_url": f"/users/{row['id']}/",
                "roles": ", ".join(row["roles"]),
                "second_factor": "yes" if row["second_factor"] else "no",
            }
            for row in shown
        ]


class Keys(Table):
    """The API keys of a tenant."""

    name = "keys"
    title = "API keys"
    columns = (
        Column("name", "Name", sort=("name",)),
        Column("prefix", "Prefix", "code"),
        Column("roles", "Roles"),
        Column("state", "State", "badge"),
        Column("expires_at", "Expires", "time", narrow=False),
        Column("last_used_at", "Last used", "time", narrow=False),
        Column("created_at", "Made", "time", sort=("created_at",), narrow=False),
    )
    order = ("-created_at", "-id")
    empty = Empty("No API keys", "Programs come in with a key.", "trueup apikey create --name ci --role operator", icon="key")

    def rows(self, tenant: UUID) -> Rows:
        """Return all keys."""
        return ApiKey.objects.filter(tenant=tenant)

    def present(self, tenant: UUID, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Return keys, never their secrets."""
        now = host().clock()
        shown = [queries.key_document(row, now) for row in rows]
        return [{**row, "name_url": f"/keys/{row['id']}/", "roles": ", ".join(row["roles"])} for row in shown]


class Sessions(Table):
    """The sessions of a tenant's members."""

    name = "sessions"
    title = "Sessions"
    columns: ClassVar = (
        Column("email", "User"),
        Column("last_seen_at", "Last seen", "time", sort=("last_seen_at",)),
        Column("created_at", "Since", "time", sort=("created_at",), narrow=False),
        Column("address", "Address", "code"),
        Column("user_agent", "Browser", narrow=False),
    )
    order = ("-last_seen_at", "-id")
    empty = Empty("No sessions", "Nobody is signed in.", icon="device-desktop")

    def rows(self, tenant: UUID) -> Rows:
        """Return the sessions of members."""
        found: Rows = UserSession.objects.select_related("user").filter(user__membership__tenant=tenant)
        return found

    def present(self, tenant: UUID, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Return sessions, never their ids."""
        return [
            {
                "email": row.user.email,
                "email_url": f"/users/{row.user_id}/",
                "last_seen_at": row.last_seen_at,
                "created_at": row.created_at,
                "address": row.ip,
                "user_agent": row.user_agent,
            }
            for row in rows
        ]
