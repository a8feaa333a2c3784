"""What jobs were about to change out there: written down before it is sent, so that nothing is sent twice unseen.

That a request was answered is not written down: an answer does not say whether it was taken, so nothing may follow from one.
"""

from datetime import datetime
from uuid import UUID

from trueup.domains.automation.models import Intent


def sent(tenant: UUID, job: UUID, number: int, method: str, authority: str, now: datetime) -> None:
    """Note a request that is about to be sent; one that is sent again, after somebody asked for that, bears the later time."""
    Intent.objects.bulk_create(
        [Intent(tenant=tenant, job=job, number=number, method=method, authority=authority, state="sent", at=now)],
        update_conflicts=True,
        unique_fields=["tenant", "job", "number"],
        update_fields=["method", "authority", "at"],
    )
