"""Robots files, kept in the store for all processes."""

from uuid import UUID

from trueup.domains.automation.desk import Asks
from trueup.domains.automation.egress.robots import Answer, Copy
from trueup.domains.automation.models import RobotsCopy


class StoredCopies:
    """The robots files that a tenant's processes read."""

    def __init__(self, desk: Asks, tenant: UUID) -> None:
        self._desk = desk
        self.tenant = tenant

    async def get(self, origin: str) -> Copy | None:
        """Return a copy."""
        row = await self._desk.put(lambda: RobotsCopy.objects.filter(tenant=self.tenant, origin=origin[:300]).first())
        return Copy(Answer(row.answer), bytes(row.body), row.until) if row else None

    async def put(self, origin: str, copy: Copy) -> None:
        """Keep a copy."""
        values = {"answer": str(copy.answer), "body": copy.body, "until": copy.until}
        await self._desk.put(
            lambda: RobotsCopy.objects.update_or_create(tenant=self.tenant, origin=origin[:300], defaults=values)
        )
