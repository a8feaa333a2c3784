"""Every reading of alerts and sinks."""

import json
from typing import Any
from uuid import UUID

from trueup.kernel.errors import NotFound
from trueup.kernel.evidence.engine.encode import stamp
from trueup.kernel.notify.engine.alerts import LIVE, Severity
from trueup.kernel.notify.models import Alert, Delivery, Sink


def as_dict(row: Alert) -> dict[str, Any]:
    """Return an alert as JSON-able data."""
    return {
        "alert": str(row.id),
        "state": row.state,
        "severity": Severity(row.severity).word,
        "rule": row.rule,
        "subject": row.subject,
        "title": row.title,
        "detail": json.loads(row.detail),
        "count": row.count,
        "opened_at": stamp(row.opened_at),
        "last_at": stamp(row.last_at),
        "changed_by": row.changed_by,
        "changed_at": stamp(row.changed_at) if row.changed_at else None,
        "comment": row.comment,
    }


def listing(tenant: UUID, *, live: bool = True, subject: str = "", limit: int = 100) -> list[dict[str, Any]]:
    """Return alerts, the newest first.

    Args:
        tenant: whose.
        live: only those that are open or acknowledged.
        subject: only of this subject.
        limit: at most so many.
    """
    rows = Alert.objects.filter(tenant=tenant).order_by("-last_at", "id")
    if live:
        rows = rows.filter(state__in=LIVE)
    if subject:
        rows = rows.filter(subject=subject)
    return [as_dict(row) for row in rows[:limit]]


def one(tenant: UUID, alert: str) -> dict[str, Any]:
    """Return one alert and what was told of it where.

    Raises:
        NotFound: this tenant has no such alert.
    """
    try:
        row = Alert.objects.filter(tenant=tenant, id=UUID(alert)).first()
    except ValueError:
        row = None
    if row is None:
        raise NotFound(f"there is no alert {alert}", remedy="list them with 'trueup alert list'")
    deliveries = Delivery.objects.filter(tenant=tenant, alert=row.id).order_by("created_at", "sink")
    return {
        **as_dict(row),
        "deliveries": [
            {
                "sink": one.sink,
                "told": one.told,
                "created_at": stamp(one.created_at),
                "delivered_at": stamp(one.delivered_at) if one.delivered_at else None,
            }
            for one in deliveries
        ],
    }


def sinks(tenant: UUID) -> list[dict[str, Any]]:
    """Return the sinks of a tenant, by name, each with how many deliveries still wait."""
    waiting: dict[str, int] = {}
    for name in Delivery.objects.filter(tenant=tenant, delivered_at=None).values_list("sink", flat=True):
        waiting[name] = waiting.get(name, 0) + 1
    rows = Sink.objects.filter(tenant=tenant).order_by("name")
    return [
        {
            "name": row.name,
            "kind": row.kind,
            "target": row.target,
            "severity": Severity(row.severity).word,
            "waiting": waiting.get(row.name, 0),
        }
        for row in rows
    ]
