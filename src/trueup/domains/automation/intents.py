"""What jobs were about to change out there: written down before it is sent, so that nothing is sent twice unseen."""

from datetime import datetime
from uuid import UUID

from trueup.domains.automation.models import Intent


def sent(tenant: UUID, job: UUID, number: int, method: str, authority: str, now: datetime) -> None:
    """Note a request that is about to be sent; one of the same number that was sent before is sent again."""
    Intent.objects.bulk_create(
        [
            Intent(tenant=tenant, job=job, number=number, method=method, authority=authority, state=name, at=now)
            for name in ("sent",)
        ],
        ignore_conflicts=True,
    )


def answered(tenant: UUID, job: UUID, number: int) -> None:
    """Note that a request was answered."""
    Intent.objects.filter(tenant=tenant, job=job, number=number).update(state="answered")
