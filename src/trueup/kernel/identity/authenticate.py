"""From a credential to a caller: who acts, in which tenant, with which roles. Asked for each request, in one or two queries."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from trueup.kernel.actions.base import Principal
from trueup.kernel.errors import NotFound, Refused
from trueup.kernel.identity.engine import keytext
from trueup.kernel.identity.engine.roles import covered
from trueup.kernel.identity.models import ApiKey, Membership, User

COARSE = timedelta(minutes=1)


class MustChangePassword(Refused):
    """The password is a one-time password; it is changed before anything else."""

    code = "MUST_CHANGE_PASSWORD"


@dataclass(frozen=True, slots=True)
class Place:
    """A tenant that a caller may switch to, and the roles held there."""

    id: UUID
    slug: str
    name: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Args:
        principal: with the roles held in the tenant now.
        tenant: id of the tenant the caller acts in.
        user_id: the signed-in user; None for an API key.
        key_id: the API key; None for a user.
        memberships: the tenants a user belongs to, by slug; a key has its own alone.
    """

    principal: Principal
    tenant: UUID
    tenant_slug: str
    user_id: UUID | None = None
    key_id: UUID | None = None
    memberships: tuple[Place, ...] = ()


def by_key(text: str, *, now: datetime) -> Caller | None:
    """Return the caller behind an API key; None when it is unknown, wrong, expired, revoked, or its maker is gone.

    Args:
        text: ``tru_<prefix>_<secret>``.
        now: the moment of the request.
    """
    given = keytext.parse(text)
    # Asked for each request: one join, no ordering (the prefix is unique).
    row = next(iter(ApiKey.objects.select_related("tenant").filter(prefix=given.prefix)), None) if given else None
    if given is None or row is None or not _right(row, given.secret, now):
        return None
    principal = key_principal(row, now)
    if principal is None:
        return None
    if row.last_used_at is None or now - row.last_used_at >= COARSE:
        ApiKey.objects.filter(id=row.id, tenant=row.tenant).update(last_used_at=now)
    place = Place(row.tenant.id, row.tenant.slug, row.tenant.name, principal.roles)
    return Caller(principal, row.tenant.id, row.tenant.slug, key_id=row.id, memberships=(place,))


def _right(row: ApiKey, secret: str, now: datetime) -> bool:
    present = keytext.matches(secret, row.digest)
    before = keytext.matches(secret, row.previous_digest)
    return present or (before and row.previous_until is not None and now < row.previous_until)


def key_principal(row: ApiKey, now: datetime) -> Principal | None:
    """Return a key's principal with what key and maker both may now; None when either is gone.

    A key that an operating-system user made has no account behind it: it holds until it expires or is revoked.
    """
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return None
    roles = frozenset(row.roles)
    if row.user_id is not None:
        tenant = row.tenant_id
        membership = Membership.objects.filter(user=row.user_id, tenant=tenant, user__is_active=True).first()
        if membership is None:
            return None
        roles &= covered(membership.roles)
    return Principal(f"key:{row.id}", roles, is_agent=row.is_agent, person=row.maker)


def by_session(user: User, tenant_slug: str | None, *, mfa: bool, now: datetime) -> Caller:  # noqa: ARG001 - the doors' contract
    """Return the caller behind a session.

    Args:
        user: whom the session is of; may have been closed since.
        tenant_slug: the tenant chosen; None for the first by name.
        mfa: a second factor was shown when the session began.
        now: the moment of the request.

    Raises:
        MustChangePassword: before anything else.
        NotFound: the user does not belong to such a tenant.
        Refused: the account is closed, or belongs to no tenant.
    """
    rows = Membership.objects.select_related("tenant", "user").filter(user=user.id, user__is_active=True).order_by("tenant__slug")
    places, must_change, person = [], user.must_change_password, user.person
    for row in rows:
        must_change, person = row.user.must_change_password, row.user.person
        places.append(Place(row.tenant.id, row.tenant.slug, row.tenant.name, frozenset(row.roles)))
    if must_change:
        raise MustChangePassword("the one-time password must be changed first", remedy="choose a password on the sign-in pages")
    if not places:
        raise Refused("this account is closed, or belongs to no tenant", remedy="ask an admin of a tenant for a role in it")
    chosen = next((place for place in places if tenant_slug in (None, place.slug)), None)
    if chosen is None:
        raise NotFound(f"there is no tenant {tenant_slug!r} that you belong to")
    principal = Principal(f"user:{user.id}", chosen.roles, mfa=mfa, person=person)
    return Caller(principal, chosen.id, chosen.slug, user_id=user.id, memberships=tuple(places))
