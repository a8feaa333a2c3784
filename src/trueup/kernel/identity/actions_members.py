"""Every change to what people are in a tenant."""

from collections.abc import Collection
from uuid import UUID

from pydantic import Field

from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.errors import NotFound, Refused
from trueup.kernel.evidence.ledger import SYSTEM
from trueup.kernel.identity import accounts
from trueup.kernel.identity.models import Membership, User


class RolesInput(Input):
    """Whose roles, and which."""

    user: UUID
    roles: tuple[str, ...] = Field(min_length=1, max_length=30)


class _OnRoles(Action[RolesInput, User, None]):
    """What every change of roles begins with."""

    input = RolesInput

    def load(self, ctx: Context, input: RolesInput) -> User:
        """Find the member."""
        return accounts.account(ctx, input.user)

    def resource(self, ctx: Context, input: RolesInput, loaded: User) -> Resource:
        """The person's membership of the caller's tenant."""
        return Resource("membership", str(loaded.id), ctx.tenant)

    def check(self, ctx: Context, input: RolesInput, loaded: User) -> None:
        """Refuse roles beyond the caller's own."""
        if ctx.tenant == SYSTEM:
            raise Refused("roles are held in a tenant, not in the installation", remedy="name it with --tenant")
        accounts.require_cover(ctx, input.roles)

    def locked(self, ctx: Context, input: RolesInput) -> Membership:
        """Lock the person and return the membership as it is now."""
        accounts.lock_users(input.user)
        row = Membership.objects.filter(user=input.user, tenant=ctx.tenant).first()
        if row is None:
            raise NotFound(f"there is no user {input.user} in this tenant")
        return row


class GrantRoles(_OnRoles):
    """Give a member more roles."""

    name = "identity.membership.grant"
    summary = "give a member roles"
    tags = frozenset({"administer"})

    def apply(self, ctx: Context, input: RolesInput, loaded: User, prepared: None) -> Outcome:
        """Add the roles."""
        row = self.locked(ctx, input)
        row.roles = sorted({*row.roles, *input.roles})
        row.save(update_fields=["roles"])
        return _now(loaded, granted=input.roles, roles=row.roles)


class RevokeRoles(_OnRoles):
    """Take roles from a member; without any left, the person leaves the tenant."""

    name = "identity.membership.revoke"
    summary = "take roles from a member"
    tags = frozenset({"administer"})

    def apply(self, ctx: Context, input: RolesInput, loaded: User, prepared: None) -> Outcome:
        """Remove the roles."""
        row = self.locked(ctx, input)
        accounts.lock_tenants([ctx.tenant])
        if "owner" in input.roles and "owner" in row.roles:
            accounts.require_another_owner(loaded, ctx.tenant)
        row.roles = sorted(set(row.roles) - set(input.roles))
        if row.roles:
            row.save(update_fields=["roles"])
        else:
            row.delete()
        return _now(loaded, revoked=input.roles, roles=row.roles)


def _now(user: User, *, roles: Collection[str], **change: Collection[str]) -> Outcome:
    more = {name: sorted(set(value)) for name, value in change.items()}
    value = {"id": str(user.id), "roles": list(roles), **more}
    return Outcome(value, subjects=[f"user:{user.id}"], note={"user": str(user.id), **more})


ACTIONS = (GrantRoles, RevokeRoles)
