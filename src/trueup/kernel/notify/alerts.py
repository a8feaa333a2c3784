"""Raising an alert inside the transaction of whatever noticed it; the sinks are told by jobs afterwards."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from trueup.kernel.actions.base import Context
from trueup.kernel.actions.ports import Event, JobRequest
from trueup.kernel.evidence.engine.encode import stamp
from trueup.kernel.notify.engine.alerts import LIVE, Alarm, Severity, State, Told, told_of_raise
from trueup.kernel.notify.models import Alert, Delivery, Sink

DELIVER = "notify.deliver"


def raise_alert(ctx: Context, alarm: Alarm) -> tuple[Alert, Sequence[JobRequest], Sequence[Event]]:
    """Open an alert, or count one that is live already; call it in ``apply``, and hand jobs and events on in the outcome.

    Returns:
        The alert, the deliveries to submit, and what subscribers are told.
    """
    row = Alert.objects.filter(tenant=ctx.tenant, key=alarm.identity, state__in=LIVE).first()
    before = Severity(row.severity) if row else None
    told = told_of_raise(before, alarm.severity)
    if row is None:
        row = _opened(ctx, alarm)
    else:
        row.count += 1
        row.last_at = max(row.last_at, ctx.now)
        row.severity = max(row.severity, alarm.severity)
        row.title, row.detail = alarm.title, json.dumps(alarm.detail)
        if told is Told.ESCALATED:
            row.state = State.OPEN  # who acknowledged the lesser alarm has not seen this one
        row.save()
    return row, told_sinks(ctx.tenant, row, told, ctx.now) if told else (), (_event(row, told),) if told else ()


def _opened(ctx: Context, alarm: Alarm) -> Alert:
    return Alert.objects.create(
        id=uuid4(),
        tenant=ctx.tenant,
        key=alarm.identity,
        rule=alarm.rule,
        subject=alarm.subject,
        severity=alarm.severity,
        title=alarm.title,
        detail=json.dumps(alarm.detail),
        state=State.OPEN,
        opened_at=ctx.now,
        last_at=ctx.now,
    )


def _event(row: Alert, told: Told) -> Event:
    return Event(f"notify.alert.{told}", row.subject, {"alert": str(row.id), "rule": row.rule, "severity": row.severity})


def told_sinks(tenant: UUID, row: Alert, told: Told, now: datetime) -> list[JobRequest]:
    """Write a delivery for every sink that hears of this severity; return the jobs that deliver them."""
    body = json.dumps(message(row, told, now), ensure_ascii=False)
    sinks = list(Sink.objects.filter(tenant=tenant, severity__lte=row.severity).order_by("name"))
    ids = [uuid4() for _ in sinks]
    Delivery.objects.bulk_create(
        [
            Delivery(
                id=id,
                tenant=tenant,
                alert=row.id,
                sink=sink.name,
                kind=sink.kind,
                target=sink.target,
                told=told,
                body=body,
                created_at=now,
            )
            for id, sink in zip(ids, sinks, strict=True)
        ]
    )
    return [JobRequest(DELIVER, {"delivery": str(id)}, key=str(id), priority=3, concurrency_key=f"alert:{row.id}") for id in ids]


def message(row: Alert, told: Told, now: datetime) -> dict[str, object]:
    """Return what a sink is told."""
    return {
        "at": stamp(now),
        "told": str(told),
        "alert": str(row.id),
        "rule": row.rule,
        "subject": row.subject,
        "severity": Severity(row.severity).word,
        "state": str(row.state),
        "title": row.title,
        "detail": json.loads(row.detail),
        "count": row.count,
    }
