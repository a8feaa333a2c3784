"""Setting what decides: the baseline policy and the metric registry. Each version is kept; analyses name it by its digest."""

from typing import Any

from trueup.domains.telemetry import queries
from trueup.domains.telemetry.models import Configuration
from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.documents import Document, check_schema
from trueup.kernel.evidence.engine.encode import stamp


def _written(ctx: Context, kind: str, body: dict[str, Any]) -> Outcome:
    digest = queries.configuration_digest(body)
    Configuration.objects.create(tenant=ctx.tenant, kind=kind, digest=digest, body=body, at=ctx.now, by=ctx.principal.id)
    return Outcome({"kind": kind, "digest": digest, "at": stamp(ctx.now)}, note={"digest": digest})


class PutPolicyInput(Input):
    """A baseline policy, as its schema has it."""

    policy: dict[str, Any]


class PutPolicy(Action[PutPolicyInput, None, None]):
    """Set the tenant's baseline policy; analyses from now on go by it."""

    name = "telemetry.baseline_policy.put"
    summary = "set how baselines are chosen and what they have to fulfil"
    tags = frozenset({"administer"})
    input = PutPolicyInput

    def check(self, ctx: Context, input: PutPolicyInput, loaded: None) -> None:
        """Refuse what is not of the schema."""
        from trueup.domains.telemetry.engine.policy import SCHEMA

        check_schema(Document("policy", input.policy), SCHEMA)

    def apply(self, ctx: Context, input: PutPolicyInput, loaded: None, prepared: None) -> Outcome:
        """Write the version."""
        return _written(ctx, queries.POLICY, input.policy)


class PutRegistryInput(Input):
    """A metric registry, as its schema has it."""

    registry: dict[str, Any]


class PutRegistry(Action[PutRegistryInput, None, None]):
    """Set the tenant's metric registry; runs taken in and analysed from now on go by it."""

    name = "telemetry.metric_registry.put"
    summary = "set what metrics are called, measured in and held to"
    tags = frozenset({"administer"})
    input = PutRegistryInput

    def check(self, ctx: Context, input: PutRegistryInput, loaded: None) -> None:
        """Refuse what is no registry, or contradicts itself."""
        from trueup.domains.telemetry.engine.registryread import read_registry
        from trueup.domains.telemetry.sources.registryfile import form

        read_registry(Document("registry", input.registry), form("metric-registry"))

    def apply(self, ctx: Context, input: PutRegistryInput, loaded: None, prepared: None) -> Outcome:
        """Write the version."""
        return _written(ctx, queries.REGISTRY, input.registry)


ACTIONS = (PutPolicy, PutRegistry)
