"""Readings of secrets: names only."""

from typing import Any
from uuid import UUID

from trueup.kernel.evidence.engine.encode import stamp
from trueup.kernel.secrets.models import Secret


def secrets(tenant: UUID) -> list[dict[str, Any]]:
    """Return names, versions and times of a tenant's secrets."""
    rows = Secret.objects.filter(tenant=tenant).order_by("name")
    return [{"name": row.name, "version": row.version, "updated_at": stamp(row.updated_at)} for row in rows]
