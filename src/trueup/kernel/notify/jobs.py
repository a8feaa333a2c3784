"""Delivering what was written to the outbox."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from trueup.kernel.errors import NotFound
from trueup.kernel.notify.alerts import DELIVER
from trueup.kernel.notify.models import Delivery
from trueup.kernel.notify.sources import sinks
from trueup.kernel.work.context import JobContext
from trueup.kernel.work.handlers import handler


class DeliverArgs(BaseModel):
    """Which delivery."""

    model_config = ConfigDict(extra="forbid")

    delivery: UUID


@handler(DELIVER, args=DeliverArgs, max_attempts=12, timeout=30.0, for_nobody=True)
def deliver(job: JobContext) -> dict[str, Any]:
    """Tell a sink of an alert; a telling that is known to have happened is not repeated."""
    tenant = job.job.tenant
    row = Delivery.objects.filter(tenant=tenant, id=job.input.delivery).first()
    if row is None:
        raise NotFound(f"there is no delivery {job.input.delivery}")
    if row.delivered_at is not None:
        return {"delivered": False}
    if row.kind == "stdout":
        sinks.to_stdout(row.id, row.body)
    else:
        sinks.to_file(job.ports.outbox / tenant.hex, row.target, row.id, row.body)
    Delivery.objects.filter(tenant=tenant, id=row.id, delivered_at=None).update(delivered_at=job.now())
    return {"delivered": True, "sink": row.sink}
