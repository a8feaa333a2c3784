"""What changes to accounts share: whom an action may reach, row locks in one order, owners, sessions.

Rows are locked always in this order: users, then tenants, each by id.
"""

from collections.abc import Collection, Iterable
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from trueup.kernel.actions.base import Context
from trueup.kernel.actions.redaction import Password
from trueup.kernel.errors import Conflict, NotFound, Refused, UsageError
from trueup.kernel.evidence.ledger import SYSTEM
from trueup.kernel.identity.engine.roles import beyond
from trueup.kernel.identity.models import Membership, Tenant, User


def account(ctx: Context, id: UUID) -> User:
    """Return the user that an action is about.

    In a tenant only its members can be reached; in the system log, where the owner of the home acts, everybody.

    Raises:
        NotFound: nobody of that id is within reach.
    """
    found = User.objects.filter(id=id).first()
    if found is not None and (ctx.tenant == SYSTEM or Membership.objects.filter(user=id, tenant=ctx.tenant).exists()):
        return found
    raise NotFound(f"there is no user {id} in this tenant", remedy="list them with 'trueup user list'")


def oneself(ctx: Context) -> User:
    """Return the user who acts.

    Raises:
        Refused: an operating-system user or an API key acts, which have no account of their own.
    """
    kind, _, name = ctx.principal.id.partition(":")
    found = User.objects.filter(id=name, is_active=True).first() if kind == "user" else None
    if found is None:
        raise Refused("only a signed-in user has an account to change", remedy="sign in, or see 'trueup user reset-password'")
    return found


def own_or_reachable(ctx: Context, id: UUID) -> User:
    """Return the user who acts, if that is who is meant; else somebody within reach."""
    return oneself(ctx) if ctx.principal.id == f"user:{id}" else account(ctx, id)


def require_authority(ctx: Context, user: User) -> None:
    """Refuse to change the account itself of somebody who has rights that the caller lacks, here or in other tenants.

    Raises:
        Refused: the account reaches further than the caller does.
    """
    if ctx.tenant == SYSTEM:
        return
    if Membership.objects.filter(user=user).exclude(tenant=ctx.tenant).exists():
        raise Refused(
            "this person is a member of other tenants too, so their account is not this tenant's to change",
            remedy="take away their roles here, or ask the owner of the installation",
        )
    require_cover(ctx, roles_of(user, ctx.tenant))


def require_cover(ctx: Context, roles: Collection[str]) -> None:
    """Refuse to hand out, take away or act on roles that the caller lacks.

    Raises:
        Refused: names the first such role.
        NotFound: a role that nobody declared.
    """
    unknown = sorted(set(roles) - set(ctx.ports.policies.roles))
    if unknown:
        raise NotFound(f"there is no role {unknown[0]!r}", remedy=f"one of: {', '.join(ctx.ports.policies.roles)}")
    lacking = beyond(roles, ctx.principal.roles)
    if lacking:
        raise Refused(f"nobody decides about rights that they lack: {', '.join(lacking)}", remedy="ask somebody who has them")


def roles_of(user: User, tenant: UUID) -> list[str]:
    """Return the roles of a user in a tenant; none for who is no member."""
    row = Membership.objects.filter(user=user, tenant=tenant).first()
    return list(row.roles) if row else []


def lock_users(*ids: UUID) -> dict[UUID, User]:
    """Lock users for the rest of the transaction; return them by id.

    Raises:
        NotFound: one of them is gone.
    """
    found = {row.id: row for row in User.objects.select_for_update().filter(id__in=ids).order_by("id")}
    missing = set(ids) - set(found)
    if missing:
        raise NotFound(f"there is no user {min(missing)}")
    return found


def lock_tenants(ids: Iterable[UUID]) -> None:
    """Lock tenants for the rest of the transaction: who counts owners, counts alone."""
    list(Tenant.objects.select_for_update().filter(id__in=sorted(ids)).order_by("id"))


def require_another_owner(user: User, tenant: UUID) -> None:
    """Refuse to leave a tenant without an owner; the tenant must be locked.

    Raises:
        Refused: the user is its last active owner.
    """
    rows = list(Membership.objects.filter(tenant=tenant, user__is_active=True).values_list("user", "roles"))
    owners = {id for id, roles in rows if "owner" in roles}
    if owners == {user.id}:
        raise Refused("this is the last owner of a tenant", remedy="make somebody else an owner first")


def tenants_of(user: User) -> list[UUID]:
    """Return the ids of all tenants that a user belongs to."""
    return [UUID(str(id)) for id in Membership.objects.filter(user=user).values_list("tenant", flat=True)]


def end_sessions(user: User, *, keep: str = "") -> int:
    """End a user's sessions, effective with their next request; return how many.

    Args:
        user: whose.
        keep: key of one session that stays.
    """
    ended = 0
    for session in UserSession.objects.filter(user=user).exclude(session_key=keep):
        session.end()
        ended += 1
    return ended


def drop_second_factor(user: User) -> bool:
    """Remove a user's authenticator and recovery codes; tell whether there were any."""
    return bool(Authenticator.objects.filter(user=user).delete()[0])


def require_good_password(password: Password, user: User) -> None:
    """Refuse a password that is short, common or the person's own name.

    Raises:
        UsageError: says what is wrong, never the password.
    """
    try:
        validate_password(password.get_secret_value(), user)
    except ValidationError as exc:
        raise UsageError(f"the new password: {' '.join(exc.messages)}", remedy="choose a longer one") from None


def require_new(email: str) -> None:
    """Refuse an address that is taken.

    Raises:
        Conflict: it is.
    """
    if User.objects.filter(email=email).exists():
        raise Conflict("an account of this address exists already")
