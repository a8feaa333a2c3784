"""What a tenant has configured: its baseline policy and its metric registry, each version with its digest."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from trueup.domains.telemetry import queries
from trueup.domains.telemetry.engine.policy import BaselinePolicy, policy_of
from trueup.kernel.actions.base import Context
from trueup.kernel.documents import Document
from trueup.kernel.errors import UnreadableInput

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.registry import Registry
    from trueup.domains.telemetry.engine.views import Source

_LONGEST_NAME = 200


def policy(ctx: Context) -> tuple[BaselinePolicy, str]:
    """Return the tenant's baseline policy and its digest; without one, the default and an empty text."""
    row = queries.configuration(ctx.tenant, queries.POLICY)
    return (policy_of(row.body), row.digest) if row else (BaselinePolicy(), "")


def registry(ctx: Context) -> "tuple[Registry | None, str]":
    """Return the tenant's metric registry and its digest; without one, None and an empty text.

    Raises:
        UnreadableInput: the stored one is not of the form that this version of the product reads.
    """
    return registry_of(ctx.tenant)


def registry_of(tenant: UUID) -> "tuple[Registry | None, str]":
    """Return a tenant's metric registry and its digest, for who only reads; without one, None and an empty text.

    Raises:
        UnreadableInput: the stored one is not of the form that this version of the product reads.
    """
    row = queries.configuration(tenant, queries.REGISTRY)
    return (given_registry(row.body), row.digest) if row else (None, "")


def given_registry(document: Mapping[str, Any]) -> "Registry":
    """Read a registry that came as data.

    Raises:
        UnreadableInput: it is none.
    """
    from trueup.domains.telemetry.engine.registryread import read_registry
    from trueup.domains.telemetry.sources.registryfile import form

    return read_registry(Document("metric registry", document), form("metric-registry"))


def rules(registry: "Registry", program: str = "", mode: str = "") -> dict[str, Any]:
    """Return what a registry asks of a comparison, as keywords of its configuration."""
    from trueup.domains.telemetry.engine.config import MetricRule

    found = {name: MetricRule(**rule) for name, rule in registry.rules(program, mode).items()}
    return {"rules": found, "registered": frozenset(registry.metrics)}


def columns(names: Sequence[str], registry: "Registry | None" = None) -> "dict[str, Source]":
    """Say which canonical metric each numeric column of a file is.

    Raises:
        UnreadableInput: a name is too long to be kept, or two columns are one metric.
    """
    from trueup.domains.telemetry.engine.views import Source

    found: dict[str, Source] = {}
    for name in names:
        spec = registry.resolve(name) if registry else None
        metric = spec.name if spec else name
        if len(metric) > _LONGEST_NAME:
            raise UnreadableInput(
                f"the column {name[:40]!r}… has a name of {len(name):,} characters",
                remedy=f"give it one of at most {_LONGEST_NAME}",
            )
        if metric in found:
            raise UnreadableInput(
                f"the columns {found[metric].raw!r} and {name!r} are both the metric {metric}",
                remedy="remove one of them, or the alias from the metric registry",
            )
        found[metric] = Source(name, spec.unit if spec else "")
    return found
