"""Bringing what workers have ended into the ledger: one entry a batch, not one a job."""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

from django.db import connection

from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.work import sql
from trueup.kernel.work.engine.digest import Ending, batch_digest
from trueup.kernel.work.models import JobEvent

BATCH = 1000


def unrecorded() -> list[UUID]:
    """Return the tenants with endings that are in no entry yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tenant FROM work_jobevent WHERE batch IS NULL AND NOT (digest = '')")
        return [sql.as_uuid(tenant) for (tenant,) in cursor.fetchall()]


class RecordBatchInput(Input):
    """Nothing: what is recorded is whatever has ended and is in no entry yet."""


class RecordBatch(Action[RecordBatchInput, None, None]):
    """Record the endings of up to 1,000 jobs: their numbers, and a digest over job, fence, state and result."""

    name = "work.batch.record"
    summary = "record what workers have ended"
    tags = frozenset({"operate"})
    input = RecordBatchInput

    def apply(self, ctx: Context, input: RecordBatchInput, loaded: None, prepared: None) -> Outcome:
        """Mark the endings and write down what they amount to."""
        batch = uuid4()
        rows = _open(ctx.tenant)
        JobEvent.objects.filter(tenant=ctx.tenant, id__in=[row[0] for row in rows]).update(batch=batch)
        endings = [Ending(sql.as_uuid(job), fence, state, digest) for _, job, fence, state, digest in rows]
        counts = dict(sorted(Counter(ending.state for ending in endings).items()))
        note = {"batch": str(batch), "jobs": len(endings), "states": counts, "digest": batch_digest(endings)}
        return Outcome({**note, "more": len(rows) == BATCH}, note=note)


def _open(tenant: UUID) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, job, fence, what, digest FROM work_jobevent WHERE tenant = %s AND batch IS NULL AND NOT (digest = '') "  # noqa: S608 - a fixed clause
            f"ORDER BY id LIMIT %s{sql.locking()}",
            [sql.uid(tenant), BATCH],
        )
        return list(cursor.fetchall())


ACTIONS = (RecordBatch,)
