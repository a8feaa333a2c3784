"""Every change to people's accounts by those who administer them."""

from uuid import UUID, uuid4

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from pydantic import Field, field_validator

from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.actions.redaction import Password
from trueup.kernel.errors import Conflict, Refused
from trueup.kernel.evidence.ledger import SYSTEM
from trueup.kernel.identity import accounts
from trueup.kernel.identity.engine import lockout
from trueup.kernel.identity.models import Membership, User

ROLES = Field(min_length=1, max_length=30)


class AddUserInput(Input):
    """Who joins the tenant, as what, and the one-time password for an account that is new."""

    email: str = Field(max_length=254)
    name: str = Field(default="", max_length=200)
    roles: tuple[str, ...] = ROLES
    password: Password | None = None
    own: bool = Field(default=False, description="the account of the one who acts, a user of the machine: the two are one person")

    @field_validator("email")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            validate_email(value)
        except ValidationError:
            raise ValueError("is no e-mail address") from None
        return value.lower()


class AddUser(Action[AddUserInput, User | None, str]):
    """Take a person into the tenant; their account is made if they have none."""

    name = "identity.user.add"
    summary = "take a person into the tenant"
    tags = frozenset({"administer"})
    input = AddUserInput
    prepares = True

    def load(self, ctx: Context, input: AddUserInput) -> User | None:
        """Find an account of that address."""
        return User.objects.filter(email=input.email).first()

    def check(self, ctx: Context, input: AddUserInput, loaded: User | None) -> None:
        """Refuse roles beyond the caller's own, somebody who is here already, and a new account without a password."""
        if ctx.tenant == SYSTEM:
            raise Refused("people join a tenant, not the installation", remedy="name it with --tenant")
        accounts.require_cover(ctx, input.roles)
        if loaded is not None and Membership.objects.filter(user=loaded, tenant=ctx.tenant).exists():
            raise Conflict("this person is a member of the tenant already", remedy="change their roles with 'trueup user grant'")
        if input.own and not ctx.principal.id.startswith("os:"):
            raise Refused("only a user of the machine has an account of their own to make", remedy="leave 'own' out")
        if loaded is None and input.password is None:
            raise Refused("a new account needs a one-time password", remedy="hand one in; it must be changed at the first login")

    def prepare(self, ctx: Context, input: AddUserInput, loaded: User | None) -> str:
        """Hash the one-time password."""
        if loaded is not None or input.password is None:
            return ""
        accounts.require_good_password(input.password, User(email=input.email, name=input.name))
        return make_password(input.password.get_secret_value())

    def apply(self, ctx: Context, input: AddUserInput, loaded: User | None, prepared: str) -> Outcome:
        """Write account and membership."""
        user = loaded
        if user is None:
            accounts.require_new(input.email)
            user = User.objects.create(
                id=uuid4(),
                email=input.email,
                name=input.name,
                password=prepared,
                must_change_password=True,
                created_at=ctx.now,
                person=ctx.principal.who if input.own else "",
            )
        accounts.lock_users(user.id)
        Membership.objects.create(user=user, tenant_id=ctx.tenant, roles=sorted(set(input.roles)))
        value = {"id": str(user.id), "created": loaded is None, "roles": sorted(set(input.roles))}
        return Outcome(value, subjects=[f"user:{user.id}"], note={"user": str(user.id), "roles": value["roles"]})


class UserInput(Input):
    """Whose account."""

    user: UUID


class _OnAccount[InputT: UserInput, PreparedT](Action[InputT, User, PreparedT]):
    """What every change to somebody's account begins with."""

    def load(self, ctx: Context, input: InputT) -> User:
        """Find the account within reach."""
        return accounts.account(ctx, input.user)

    def resource(self, ctx: Context, input: InputT, loaded: User) -> Resource:
        """The account, reached through the tenant of the caller."""
        return Resource("user", str(loaded.id), ctx.tenant, owner=loaded.ref)

    def check(self, ctx: Context, input: InputT, loaded: User) -> None:
        """Refuse an account that reaches further than the caller does."""
        accounts.require_authority(ctx, loaded)

    def locked(self, ctx: Context, input: InputT) -> User:
        """Lock the account inside the transaction and check it again."""
        user = accounts.lock_users(input.user)[input.user]
        accounts.require_authority(ctx, user)
        return user


def _about(user: User, **more: object) -> Outcome:
    value = {"id": str(user.id), **more}
    return Outcome(value, subjects=[f"user:{user.id}"], note={"user": str(user.id), **more})


class DisableUser(_OnAccount[UserInput, None]):
    """Close an account: sessions end, keys stop working, roles stay written for the day it is opened again."""

    name = "identity.user.disable"
    summary = "close a person's account"
    tags = frozenset({"administer"})
    input = UserInput

    def apply(self, ctx: Context, input: UserInput, loaded: User, prepared: None) -> Outcome:
        """Close it and end its sessions."""
        user = self.locked(ctx, input)
        tenants = accounts.tenants_of(user)
        accounts.lock_tenants(tenants)
        for tenant in tenants:
            accounts.require_another_owner(user, tenant)
        user.is_active = False
        user.save(update_fields=["is_active"])
        return _about(user, sessions_ended=accounts.end_sessions(user))


class EnableUser(_OnAccount[UserInput, None]):
    """Open a closed account again."""

    name = "identity.user.enable"
    summary = "open a closed account again"
    tags = frozenset({"administer"})
    input = UserInput

    def apply(self, ctx: Context, input: UserInput, loaded: User, prepared: None) -> Outcome:
        """Open it."""
        user = self.locked(ctx, input)
        user.is_active = True
        user.save(update_fields=["is_active"])
        return _about(user)


class UnlockUser(_OnAccount[UserInput, None]):
    """End a lock-out before its time."""

    name = "identity.user.unlock"
    summary = "end a lock-out before its time"
    tags = frozenset({"administer"})
    input = UserInput

    def apply(self, ctx: Context, input: UserInput, loaded: User, prepared: None) -> Outcome:
        """Forget failures and lock-outs."""
        user = self.locked(ctx, input)
        forgive(user)
        return _about(user)


def forgive(user: User) -> None:
    """Forget failures and lock-outs of a user."""
    user.failures, user.lockouts, user.locked_until = 0, 0, None
    user.save(update_fields=["failures", "lockouts", "locked_until"])


class ResetPasswordInput(UserInput):
    """Whose password, the one-time password that replaces it, and whether the second factor goes too."""

    password: Password
    drop_second_factor: bool = False


class ResetPassword(_OnAccount[ResetPasswordInput, str]):
    """Replace a forgotten password by a one-time password; sessions and lock-outs end."""

    name = "identity.user.reset_password"
    summary = "replace a password by a one-time password"
    tags = frozenset({"administer"})
    input = ResetPasswordInput
    prepares = True

    def prepare(self, ctx: Context, input: ResetPasswordInput, loaded: User) -> str:
        """Hash the one-time password."""
        accounts.require_good_password(input.password, loaded)
        return make_password(input.password.get_secret_value())

    def apply(self, ctx: Context, input: ResetPasswordInput, loaded: User, prepared: str) -> Outcome:
        """Write the hash; it must be changed at the next login."""
        user = self.locked(ctx, input)
        user.password, user.must_change_password = prepared, True
        user.save(update_fields=["password", "must_change_password"])
        forgive(user)
        dropped = accounts.drop_second_factor(user) if input.drop_second_factor else False
        return _about(user, sessions_ended=accounts.end_sessions(user), second_factor_dropped=dropped)


class LockUserInput(UserInput):
    """Whose account was tried too often."""


class LockUser(Action[LockUserInput, User, None]):
    """Lock an account out after too many wrong passwords or codes; the installation itself does this."""

    name = "identity.user.lock"
    summary = "lock an account out after too many failures"
    tags = frozenset({"administer"})
    input = LockUserInput
    local = True

    def load(self, ctx: Context, input: LockUserInput) -> User:
        """Find the account."""
        return accounts.account(ctx, input.user)

    def apply(self, ctx: Context, input: LockUserInput, loaded: User, prepared: None) -> Outcome:
        """Lock it for longer each time."""
        user = accounts.lock_users(input.user)[input.user]
        if lockout.locked(user.locked_until, ctx.now):
            raise Conflict("the account is locked already")
        seconds = int(lockout.lock_for(user.lockouts).total_seconds())
        user.locked_until = ctx.now + lockout.lock_for(user.lockouts)
        user.failures, user.lockouts = 0, user.lockouts + 1
        user.save(update_fields=["failures", "lockouts", "locked_until"])
        return _about(user, seconds=seconds, lockouts=user.lockouts)


class BeginSessionInput(UserInput):
    """Who signed in, and whether a second factor was shown."""

    second_factor: bool = False


class BeginSession(Action[BeginSessionInput, User, None]):
    """Write down that somebody signed in; the installation itself does this once password and code are right."""

    name = "identity.session.begin"
    summary = "write down that somebody signed in"
    tags = frozenset({"administer"})
    input = BeginSessionInput
    local = True

    def load(self, ctx: Context, input: BeginSessionInput) -> User:
        """Find the account."""
        return accounts.account(ctx, input.user)

    def apply(self, ctx: Context, input: BeginSessionInput, loaded: User, prepared: None) -> Outcome:
        """Forget earlier failures."""
        user = accounts.lock_users(input.user)[input.user]
        if not user.is_active or lockout.locked(user.locked_until, ctx.now):
            raise Refused("the account is closed or locked")
        forgive(user)
        return _about(user, second_factor=input.second_factor)


ACTIONS = (AddUser, DisableUser, EnableUser, UnlockUser, ResetPassword, LockUser, BeginSession)
