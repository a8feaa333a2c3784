"""What a tenant has configured: its baseline policy and its metric registry, each version with its digest."""

from typing import TYPE_CHECKING

from trueup.domains.telemetry import queries
from trueup.domains.telemetry.engine.policy import BaselinePolicy, policy_of
from trueup.kernel.actions.base import Context
from trueup.kernel.documents import Document

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.registry import Registry


def policy(ctx: Context) -> tuple[BaselinePolicy, str]:
    """Return the tenant's baseline policy and its digest; without one, the default and an empty text."""
    row = queries.configuration(ctx.tenant, queries.POLICY)
    return (policy_of(row.body), row.digest) if row else (BaselinePolicy(), "")


def registry(ctx: Context) -> "tuple[Registry | None, str]":
    """Return the tenant's metric registry and its digest; without one, None and an empty text.

    Raises:
        UnreadableInput: the stored one is not of the form that this version of the product reads.
    """
    from trueup.domains.telemetry.engine.registryread import read_registry
    from trueup.domains.telemetry.sources.registryfile import form

    row = queries.configuration(ctx.tenant, queries.REGISTRY)
    if row is None:
        return None, ""
    return read_registry(Document("metric registry", row.body), form("metric-registry")), row.digest
