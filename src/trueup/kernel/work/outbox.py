"""Handing events to their subscribers: each event once to each, the events of one subject one after the other."""

import json
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Min

from trueup.kernel.actions.ports import JobRequest
from trueup.kernel.errors import NotFound
from trueup.kernel.evidence.engine.encode import raw
from trueup.kernel.evidence.models import Entry
from trueup.kernel.work import handlers, port, sql, wake
from trueup.kernel.work.engine.states import ENDED
from trueup.kernel.work.models import Delivery, Job, OutboxEvent

BATCH = 500
_DISPATCH = 0x7275_6F62  # the advisory lock of the dispatcher
_log = logging.getLogger("trueup.work")


def dispatch(now: datetime) -> int:
    """Turn new events into deliveries and deliveries into jobs; return how many of either.

    A delivery is sent when the job of the one before it, of the same subject and subscriber, has ended in any way: a dead
    letter does not stop those behind it. Safe to run anywhere, any number of times at once.
    """
    with transaction.atomic():
        if not _alone():
            return 0
        found = _receive()
        _close()
        return found + _send(now)


def _alone() -> bool:
    """Tell whether no other dispatcher is at it."""
    if not sql.on_postgresql():
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_DISPATCH])
        return bool(cursor.fetchone()[0])


def _receive() -> int:
    events = list(OutboxEvent.objects.filter(dispatched=False).order_by("id")[:BATCH])
    Delivery.objects.bulk_create(
        [
            Delivery(tenant=event.tenant, event=event.id, subscriber=kind, subject=event.subject)
            for event in events
            for kind in handlers.subscribers(event.name)
        ],
        ignore_conflicts=True,
    )
    if events:
        OutboxEvent.objects.filter(id__in=[event.id for event in events]).update(dispatched=True)
    return len(events)


def _close() -> None:
    sent = list(Delivery.objects.filter(open=True, job__isnull=False).values_list("id", "job")[: 4 * BATCH])
    if not sent:
        return
    ended = set(Job.objects.filter(id__in=[job for _, job in sent], state__in=sorted(ENDED)).values_list("id", flat=True))
    there = set(Job.objects.filter(id__in=[job for _, job in sent]).values_list("id", flat=True))
    over = [id for id, job in sent if job in ended or job not in there]
    Delivery.objects.filter(id__in=over).update(open=False)


def _send(now: datetime) -> int:
    heads = (
        Delivery.objects.filter(open=True)
        .values("tenant", "subscriber", "subject")
        .annotate(head=Min("id"))
        .values_list("head", flat=True)[: 4 * BATCH]
    )
    waiting = list(Delivery.objects.filter(id__in=list(heads), job__isnull=True).order_by("id")[:BATCH])
    events = {event.id: event for event in OutboxEvent.objects.filter(id__in=[d.event for d in waiting])}
    principals = _principals(list(events.values()))
    count = 0
    for delivery in waiting:
        event = events[delivery.event]
        count += _to_job(delivery, event, principals[event.id], now)
    if count:
        wake.announce()
    return count


def _to_job(delivery: Delivery, event: OutboxEvent, principal: str, now: datetime) -> int:
    args = {"event": event.name, "subject": event.subject, "data": json.loads(event.data), "id": event.id}
    request = JobRequest(delivery.subscriber, args, key=f"event:{event.id}")
    try:
        job = port.row(event.tenant, request, entry=event.entry, principal=principal, now=now)
    except NotFound:
        _log.warning("no handler for the subscriber %s; its events wait", delivery.subscriber)
        return 0
    port.insert([job])
    stored = Job.objects.get(tenant=event.tenant, kind=job.kind, key=request.key)
    delivery.job = stored.id
    delivery.save(update_fields=["job"])
    return 1


def _principals(events: Sequence[OutboxEvent]) -> dict[int, str]:
    """Return who caused each event, as the ledger has it: the job acts with what that principal may do when it runs."""
    bodies: dict[int, Any] = {}
    wanted: dict[UUID, set[int]] = {}
    for event in events:
        wanted.setdefault(event.tenant, set()).add(event.entry)
    for tenant, entries in wanted.items():
        bodies |= dict(Entry.objects.filter(tenant=tenant, id__in=entries).values_list("id", "body"))
    return {event.id: str(json.loads(raw(bodies[event.entry]))["principal"]) for event in events}
