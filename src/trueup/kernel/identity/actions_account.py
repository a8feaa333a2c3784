"""Every change that people make to their own accounts, and the end of sessions."""

from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import make_password
from django.db.models import F
from pydantic import Field, SecretStr

from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.actions.redaction import Password
from trueup.kernel.errors import Conflict, NotFound, Refused, UsageError
from trueup.kernel.identity import accounts, secondfactor
from trueup.kernel.identity.engine import lockout
from trueup.kernel.identity.models import User


class _OnOneself[InputT: Input, PreparedT](Action[InputT, User, PreparedT]):
    """What every change to one's own account begins with."""

    tags = frozenset({"administer"})

    def load(self, ctx: Context, input: InputT) -> User:
        """The user who acts."""
        return accounts.oneself(ctx)

    def resource(self, ctx: Context, input: InputT, loaded: User) -> Resource:
        """The own account."""
        return Resource("user", str(loaded.id), ctx.tenant, owner=loaded.ref)


def _about(user: User, **more: object) -> Outcome:
    value = {"id": str(user.id), **more}
    return Outcome(value, subjects=[f"user:{user.id}"], note={"user": str(user.id), **more})


class ChangePasswordInput(Input):
    """The password so far, and the one that replaces it."""

    current: Password
    new: Password


class ChangePassword(_OnOneself[ChangePasswordInput, str]):
    """Change one's own password; every session ends."""

    name = "identity.password.change"
    summary = "change one's own password"
    input = ChangePasswordInput
    prepares = True

    def prepare(self, ctx: Context, input: ChangePasswordInput, loaded: User) -> str:
        """Check the old password and hash the new one."""
        old, new = input.current.get_secret_value(), input.new.get_secret_value()
        if loaded.failures >= lockout.TRIES:
            raise Refused("too many wrong passwords", remedy="sign out and in again")
        if not loaded.check_password(old):
            User.objects.filter(id=loaded.id).update(failures=F("failures") + 1)
            raise Refused("the present password is not right")
        if old == new:
            raise UsageError("the new password is the old one", remedy="choose another")
        accounts.require_good_password(input.new, loaded)
        return make_password(new)

    def apply(self, ctx: Context, input: ChangePasswordInput, loaded: User, prepared: str) -> Outcome:
        """Write the hash and end all sessions."""
        user = accounts.lock_users(loaded.id)[loaded.id]
        if user.password != loaded.password:
            raise Conflict("the password was changed at this moment", remedy="sign in again")
        user.password, user.must_change_password = prepared, False
        user.save(update_fields=["password", "must_change_password"])
        return _about(user, sessions_ended=accounts.end_sessions(user))


class ActivateTotpInput(Input):
    """The secret that the authenticator app was given (Base32), and a code that it shows now."""

    secret: SecretStr = Field(min_length=32, max_length=64)
    code: SecretStr


class ActivateTotp(_OnOneself[ActivateTotpInput, None]):
    """Ask for a code of an authenticator app at each login from now on; recovery codes come with it."""

    name = "identity.totp.activate"
    summary = "ask for a code of an authenticator app at one's logins"
    input = ActivateTotpInput

    def apply(self, ctx: Context, input: ActivateTotpInput, loaded: User, prepared: None) -> Outcome:
        """Store the secret, sealed."""
        user = accounts.lock_users(loaded.id)[loaded.id]
        if Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists():
            raise Conflict("an authenticator app is in use already", remedy="remove it first")
        secret = input.secret.get_secret_value()
        step = secondfactor.step_of(secret, input.code.get_secret_value(), ctx.now)
        if step is None:
            raise Refused("the code is not right", remedy="check the clock of the device, and enter the code it shows now")
        user.totp_counter = step
        user.save(update_fields=["totp_counter"])
        TOTP.activate(user, secret)
        RecoveryCodes.activate(user)
        return _about(user)


class CodeInput(Input):
    """A code of the authenticator app, or a recovery code."""

    code: SecretStr


class _WithCode(_OnOneself[CodeInput, None]):
    """What one proves with a code."""

    input = CodeInput

    def proven(self, ctx: Context, input: CodeInput, loaded: User) -> User:
        """Lock the account, and take the code."""
        user = accounts.lock_users(loaded.id)[loaded.id]
        if not secondfactor.enabled(user):
            raise NotFound("no authenticator app is in use", remedy="set one up first")
        if not secondfactor.take(user, input.code.get_secret_value(), ctx.now):
            raise Refused("the code is not right")
        return user


class DeactivateTotp(_WithCode):
    """Ask for no code any more."""

    name = "identity.totp.deactivate"
    summary = "ask for no code at one's logins any more"

    def apply(self, ctx: Context, input: CodeInput, loaded: User, prepared: None) -> Outcome:
        """Remove authenticator and recovery codes."""
        user = self.proven(ctx, input, loaded)
        accounts.drop_second_factor(user)
        return _about(user)


class RenewRecoveryCodes(_WithCode):
    """Replace all recovery codes."""

    name = "identity.totp.renew_codes"
    summary = "replace one's recovery codes"

    def apply(self, ctx: Context, input: CodeInput, loaded: User, prepared: None) -> Outcome:
        """Make new ones."""
        user = self.proven(ctx, input, loaded)
        Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES).delete()
        RecoveryCodes.activate(user)
        return _about(user)


class EndSessionInput(Input):
    """Which session, by its number in the list of sessions."""

    session: int


class EndSession(Action[EndSessionInput, UserSession, None]):
    """End one session: its next request is refused."""

    name = "identity.session.end"
    summary = "end a session"
    tags = frozenset({"administer"})
    input = EndSessionInput

    def load(self, ctx: Context, input: EndSessionInput) -> UserSession:
        """Find the session of somebody within reach."""
        row = UserSession.objects.filter(id=input.session).first()
        try:
            if row is not None:
                accounts.own_or_reachable(ctx, row.user_id)
                return row
        except NotFound:
            pass  # whose it is stays unsaid
        raise NotFound(f"there is no session {input.session}")

    def resource(self, ctx: Context, input: EndSessionInput, loaded: UserSession) -> Resource:
        """The session of its user."""
        return Resource("session", str(loaded.id), ctx.tenant, owner=loaded.user.ref)

    def apply(self, ctx: Context, input: EndSessionInput, loaded: UserSession, prepared: None) -> Outcome:
        """Remove it."""
        loaded.end()
        user = str(loaded.user_id)
        return Outcome({"session": input.session, "user": user}, subjects=[f"user:{user}"], note={"user": user})


class EndSessionsInput(Input):
    """Whose sessions; ``keep`` is the key of one that stays (the browser's own)."""

    user: UUID
    keep: SecretStr | None = None


class EndSessions(Action[EndSessionsInput, User, None]):
    """End all sessions of a user: their next request is refused, in every process."""

    name = "identity.session.end_all"
    summary = "end all sessions of a user"
    tags = frozenset({"administer"})
    input = EndSessionsInput

    def load(self, ctx: Context, input: EndSessionsInput) -> User:
        """Find the user within reach."""
        return accounts.own_or_reachable(ctx, input.user)

    def resource(self, ctx: Context, input: EndSessionsInput, loaded: User) -> Resource:
        """The user's sessions."""
        return Resource("sessions", str(loaded.id), ctx.tenant, owner=loaded.ref)

    def apply(self, ctx: Context, input: EndSessionsInput, loaded: User, prepared: None) -> Outcome:
        """Remove them."""
        keep = input.keep.get_secret_value() if input.keep else ""
        return _about(loaded, sessions_ended=accounts.end_sessions(loaded, keep=keep))


ACTIONS = (ChangePassword, ActivateTotp, DeactivateTotp, RenewRecoveryCodes, EndSession, EndSessions)
