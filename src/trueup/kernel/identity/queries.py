"""Readings of tenants."""

from typing import Any

from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.identity.models import Tenant


def tenants(session: Any) -> list[dict[str, str]]:
    """Return all tenants, for the owner of the home alone.

    Raises:
        PolicyRefused: the caller is not the home's owner.
    """
    if "owner" not in session.context(system=True).principal.roles:
        raise PolicyRefused(
            "only the owner of the home may see its tenants", remedy="run as the user who can read the signing key"
        )
    return [{"slug": row.slug, "id": str(row.id), "name": row.name} for row in Tenant.objects.order_by("slug")]
