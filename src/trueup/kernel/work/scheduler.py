"""Firing schedules: each occurrence once, whoever looks and however often."""

import json
import logging
from datetime import datetime

from django.db import transaction

from trueup.kernel.actions.ports import JobRequest
from trueup.kernel.errors import TrueupError
from trueup.kernel.evidence.models import EntrySubject
from trueup.kernel.work import port, wake
from trueup.kernel.work.engine.schedule import Firing, Missed, Timing, due
from trueup.kernel.work.models import Schedule

_log = logging.getLogger("trueup.work")


def timing(row: Schedule) -> Timing:
    """Return when a stored schedule fires."""
    return Timing(row.cron, row.every, row.jitter, row.timezone, row.anchor)


def subject(row: Schedule) -> str:
    """Return the subject under which the ledger speaks of a schedule."""
    return f"schedule:{row.id}"


def fire(now: datetime) -> int:
    """Make the jobs of every schedule that is due; return how many.

    Two schedulers never fire the same occurrence: the row's version is taken with the firing, and an occurrence is the
    job's key. A clock that was set back only makes schedules wait: their planned moment never falls.
    """
    count = 0
    for row in Schedule.objects.filter(enabled=True, next_at__lte=now).order_by("next_at")[:100]:
        try:
            firing = due(timing(row), row.planned_at, now, missed=Missed(row.missed), seed=str(row.id))
            count += _fired(row, firing, now)
        except TrueupError as exc:
            _log.warning("schedule %s cannot fire: %s", row.id, exc.code)
    return count


def _fired(row: Schedule, firing: Firing, now: datetime) -> int:
    with transaction.atomic():
        taken = Schedule.objects.filter(id=row.id, tenant=row.tenant, version=row.version, enabled=True).update(
            version=row.version + 1,
            planned_at=firing.planned,
            next_at=firing.next_at,
            last_at=firing.occurrences[-1] if firing.occurrences else row.last_at,
        )
        if not taken:
            return 0
        named = EntrySubject.objects.filter(tenant=row.tenant, subject=subject(row)).order_by("-entry")
        entry = named.values_list("entry", flat=True).first() or 0
        jobs = [
            port.row(row.tenant, _request(row, moment), entry=entry, principal=row.principal, now=now)
            for moment in firing.occurrences
        ]
        port.insert(jobs)
        if jobs:
            wake.announce()
    return len(jobs)


def _request(row: Schedule, moment: datetime) -> JobRequest:
    return JobRequest(
        row.kind,
        json.loads(row.args),
        key=f"schedule:{row.id}:{moment.isoformat()}",
        priority=row.priority,
        concurrency_key=row.concurrency_key,
    )
