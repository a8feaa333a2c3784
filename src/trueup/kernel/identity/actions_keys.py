"""Every change to API keys. Secrets are made by whoever calls and only handed in, so that none is ever stored."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from pydantic import AwareDatetime, Field, SecretStr, field_validator

from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.errors import Conflict, NotFound, Refused, UsageError
from trueup.kernel.evidence.ledger import SYSTEM
from trueup.kernel.identity import accounts
from trueup.kernel.identity.engine import keytext
from trueup.kernel.identity.models import ApiKey

LONGEST_OVERLAP = 7 * 86_400


def _sound(value: SecretStr) -> SecretStr:
    if keytext.parse(f"tru_{'a' * 10}_{value.get_secret_value()}") is None:
        raise ValueError("is not 256 random bits as 43 characters of base64url")
    return value


class CreateApiKeyInput(Input):
    """What the key is for, what it may, until when; ``secret`` is 256 random bits as 43 characters of base64url."""

    name: str = Field(min_length=1, max_length=100)
    prefix: str = Field(pattern=keytext.PREFIX)
    secret: SecretStr
    roles: tuple[str, ...] = Field(min_length=1, max_length=30)
    expires_at: AwareDatetime | None = None
    agent: bool = False

    _secret = field_validator("secret")(_sound)


class CreateApiKey(Action[CreateApiKeyInput, None, None]):
    """Make a key for a program, with no more rights than its maker has."""

    name = "identity.apikey.create"
    summary = "make an API key"
    tags = frozenset({"administer"})
    input = CreateApiKeyInput

    def check(self, ctx: Context, input: CreateApiKeyInput, loaded: None) -> None:
        """Refuse roles beyond the maker's own, and an end that is past."""
        if ctx.tenant == SYSTEM:
            raise Refused("a key belongs to a tenant, not to the installation", remedy="name it with --tenant")
        accounts.require_cover(ctx, input.roles)
        if input.expires_at is not None and input.expires_at <= ctx.now:
            raise UsageError("expires_at is in the past", remedy="name a later moment")

    def apply(self, ctx: Context, input: CreateApiKeyInput, loaded: None, prepared: None) -> Outcome:
        """Write the key with the digest of its secret."""
        if ApiKey.objects.filter(prefix=input.prefix).exists():
            raise Conflict("this prefix is taken", remedy="make the key again")
        kind, _, name = ctx.principal.who.partition(":")
        row = ApiKey.objects.create(
            id=uuid4(),
            tenant_id=ctx.tenant,
            name=input.name,
            prefix=input.prefix,
            digest=keytext.digest(input.secret.get_secret_value()),
            roles=sorted(set(input.roles)),
            is_agent=input.agent,
            maker=ctx.principal.who,
            user_id=UUID(name) if kind == "user" else None,
            created_at=ctx.now,
            expires_at=input.expires_at,
        )
        return _about(row, roles=row.roles, agent=input.agent, expires_at=_stamp(input.expires_at))


class KeyInput(Input):
    """Which key."""

    key: UUID


class _OnKey[InputT: KeyInput](Action[InputT, ApiKey, None]):
    """What every change to a key begins with."""

    def load(self, ctx: Context, input: InputT) -> ApiKey:
        """Find the key in this tenant."""
        row = ApiKey.objects.filter(id=input.key, tenant=ctx.tenant).first()
        if row is None:
            raise NotFound(f"there is no API key {input.key}", remedy="list them with 'trueup apikey list'")
        return row

    def resource(self, ctx: Context, input: InputT, loaded: ApiKey) -> Resource:
        """The key; its maker answers for it."""
        return Resource("apikey", str(loaded.id), ctx.tenant, owner=loaded.maker)

    def locked(self, ctx: Context, input: InputT) -> ApiKey:
        """Lock the key inside the transaction; one that was revoked stays so."""
        row = ApiKey.objects.select_for_update().get(id=input.key, tenant=ctx.tenant)
        if row.revoked_at is not None:
            raise Conflict("the key was revoked", remedy="make a new one with 'trueup apikey create'")
        return row


class RotateApiKeyInput(KeyInput):
    """Which key, its new secret, and for how many seconds the old one still works."""

    secret: SecretStr
    overlap: int = Field(default=0, ge=0, le=LONGEST_OVERLAP, description="seconds")

    _secret = field_validator("secret")(_sound)


class RotateApiKey(_OnKey[RotateApiKeyInput]):
    """Give a key a new secret."""

    name = "identity.apikey.rotate"
    summary = "give an API key a new secret"
    tags = frozenset({"administer"})
    input = RotateApiKeyInput

    def check(self, ctx: Context, input: RotateApiKeyInput, loaded: ApiKey) -> None:
        """Refuse to renew a key whose rights the caller lacks: the caller would hold them."""
        accounts.require_cover(ctx, loaded.roles)

    def apply(self, ctx: Context, input: RotateApiKeyInput, loaded: ApiKey, prepared: None) -> Outcome:
        """Replace the digest; the old one stays for the overlap."""
        row = self.locked(ctx, input)
        row.previous_digest = row.digest if input.overlap else ""
        row.previous_until = ctx.now + timedelta(seconds=input.overlap) if input.overlap else None
        row.digest = keytext.digest(input.secret.get_secret_value())
        row.save(update_fields=["digest", "previous_digest", "previous_until"])
        return _about(row, overlap=input.overlap)


class RevokeApiKey(_OnKey[KeyInput]):
    """End a key, at once and for good."""

    name = "identity.apikey.revoke"
    summary = "end an API key"
    tags = frozenset({"administer"})
    input = KeyInput

    def apply(self, ctx: Context, input: KeyInput, loaded: ApiKey, prepared: None) -> Outcome:
        """Write the end."""
        row = self.locked(ctx, input)
        row.revoked_at = ctx.now
        row.save(update_fields=["revoked_at"])
        return _about(row)


def _about(row: ApiKey, **more: object) -> Outcome:
    value = {"id": str(row.id), "prefix": row.prefix, **more}
    return Outcome(value, subjects=[f"key:{row.id}"], note={"key": str(row.id), **more})


def _stamp(moment: datetime | None) -> str:
    from trueup.kernel.evidence.engine.encode import stamp

    return stamp(moment) if moment else ""


ACTIONS = (CreateApiKey, RotateApiKey, RevokeApiKey)
