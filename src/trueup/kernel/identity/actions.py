"""Every change to tenants and to the installation itself."""

from uuid import uuid4

from pydantic import Field

from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.errors import Conflict
from trueup.kernel.identity import actions_account, actions_keys, actions_members, actions_users
from trueup.kernel.identity.models import Tenant


class CreateTenantInput(Input):
    """How the tenant is called."""

    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    name: str = ""


class CreateTenant(Action[CreateTenantInput, None, None]):
    """Create a tenant, with a log of its own."""

    name = "identity.tenant.create"
    summary = "create a tenant"
    tags = frozenset({"administer"})
    input = CreateTenantInput
    local = True

    def check(self, ctx: Context, input: CreateTenantInput, loaded: None) -> None:
        """Refuse a name that is taken."""
        if input.slug == "system" or Tenant.objects.filter(slug=input.slug).exists():
            raise Conflict(f"a tenant {input.slug!r} exists already", remedy="choose another name")

    def apply(self, ctx: Context, input: CreateTenantInput, loaded: None, prepared: None) -> Outcome:
        """Write the tenant."""
        row = Tenant.objects.create(id=uuid4(), slug=input.slug, name=input.name or input.slug, created_at=ctx.now)
        return Outcome({"id": str(row.id), "slug": row.slug}, note={"tenant": str(row.id), "slug": row.slug})


class InitialiseInput(Input):
    """What the first command of a home found and made."""

    fingerprint: str
    version: str


class Initialise(Action[InitialiseInput, None, None]):
    """Write down that this installation began, and with which key."""

    name = "system.init"
    summary = "begin an installation"
    tags = frozenset({"administer"})
    input = InitialiseInput
    local = True

    def apply(self, ctx: Context, input: InitialiseInput, loaded: None, prepared: None) -> Outcome:
        """Create the tenant ``default`` if it is missing."""
        Tenant.objects.get_or_create(slug="default", defaults={"name": "default", "created_at": ctx.now})
        return Outcome({"fingerprint": input.fingerprint}, note=input.model_dump())


class RestoreGuardsInput(Input):
    """Which guards were gone."""

    names: tuple[str, ...]


class RestoreGuards(Action[RestoreGuardsInput, None, None]):
    """Write down that guards of the evidence tables were gone and are put back."""

    name = "system.guards.restore"
    summary = "put back guards of the evidence tables"
    tags = frozenset({"administer"})
    input = RestoreGuardsInput
    local = True

    def apply(self, ctx: Context, input: RestoreGuardsInput, loaded: None, prepared: None) -> Outcome:
        """Record the names."""
        return Outcome({"restored": list(input.names)}, note={"guards": list(input.names)})


class LoadPolicyInput(Input):
    """Which policies are in force from now on."""

    digest: str
    policies: int


class LoadPolicy(Action[LoadPolicyInput, None, None]):
    """Write down that other policies than before are in force."""

    name = "policy.load"
    summary = "put policies in force"
    tags = frozenset({"administer"})
    input = LoadPolicyInput
    local = True

    def apply(self, ctx: Context, input: LoadPolicyInput, loaded: None, prepared: None) -> Outcome:
        """Record their digest."""
        return Outcome({"digest": input.digest}, note={"policy_digest": input.digest, "policies": input.policies})


ACTIONS = (
    CreateTenant,
    Initialise,
    RestoreGuards,
    LoadPolicy,
    *actions_users.ACTIONS,
    *actions_members.ACTIONS,
    *actions_keys.ACTIONS,
    *actions_account.ACTIONS,
)
