"""Every change to secrets."""

from pydantic import Field, SecretStr

from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.errors import NotFound
from trueup.kernel.secrets.models import Secret
from trueup.kernel.secrets.vault import Vault

NAME = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")


def vault(ctx: Context) -> Vault:
    """Return the vault of the context's home."""
    return Vault(ctx.ports.keys.path / "secrets.key")


class PutSecretInput(Input):
    """A name and the value to seal."""

    name: str = NAME
    value: SecretStr = Field(min_length=1)


class PutSecret(Action[PutSecretInput, Secret | None, tuple[int, bytes, bytes]]):
    """Store a secret, or replace its value."""

    name = "secrets.secret.put"
    summary = "store a secret, or replace its value"
    tags = frozenset({"administer"})
    input = PutSecretInput

    def load(self, ctx: Context, input: PutSecretInput) -> Secret | None:
        """Find the secret that would be replaced."""
        return Secret.objects.filter(tenant=ctx.tenant, name=input.name).first()

    def resource(self, ctx: Context, input: PutSecretInput, loaded: Secret | None) -> Resource:
        """The secret."""
        return Resource("secret", input.name, ctx.tenant)

    def prepare(self, ctx: Context, input: PutSecretInput, loaded: Secret | None) -> tuple[int, bytes, bytes]:
        """Seal the value."""
        version = loaded.version + 1 if loaded else 1
        return version, *vault(ctx).seal(ctx.tenant, input.name, version, input.value)

    def apply(self, ctx: Context, input: PutSecretInput, loaded: Secret | None, prepared: tuple[int, bytes, bytes]) -> Outcome:
        """Write the sealed value."""
        version, nonce, sealed = prepared
        Secret.objects.update_or_create(
            tenant=ctx.tenant,
            name=input.name,
            defaults={"version": version, "nonce": nonce, "sealed": sealed, "updated_at": ctx.now},
        )
        return Outcome({"name": input.name, "version": version}, note={"name": input.name, "version": version})


class DeleteSecretInput(Input):
    """Which secret goes."""

    name: str = NAME


class DeleteSecret(Action[DeleteSecretInput, Secret, None]):
    """Delete a secret."""

    name = "secrets.secret.delete"
    summary = "delete a secret"
    tags = frozenset({"administer"})
    input = DeleteSecretInput

    def load(self, ctx: Context, input: DeleteSecretInput) -> Secret:
        """Find it in this tenant."""
        row = Secret.objects.filter(tenant=ctx.tenant, name=input.name).first()
        if row is None:
            raise NotFound(f"there is no secret {input.name!r}")
        return row

    def resource(self, ctx: Context, input: DeleteSecretInput, loaded: Secret) -> Resource:
        """The secret."""
        return Resource("secret", input.name, loaded.tenant)

    def apply(self, ctx: Context, input: DeleteSecretInput, loaded: Secret, prepared: None) -> Outcome:
        """Remove the row."""
        loaded.delete()
        return Outcome({"name": input.name}, note={"name": input.name})


ACTIONS = (PutSecret, DeleteSecret)
