"""Every reading of work that pages, the API and the command line need; each of one tenant."""

import base64
import binascii
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q

from trueup.kernel.errors import NotFound, UsageError
from trueup.kernel.evidence.engine.encode import stamp
from trueup.kernel.work import handlers
from trueup.kernel.work.claims import TENANT_LIMIT
from trueup.kernel.work.engine.digest import Ending, batch_digest
from trueup.kernel.work.engine.states import State
from trueup.kernel.work.models import Job, JobEvent, OutboxEvent, Schedule, TenantLimit, WorkerRow

MOST = 500
_SHORT = (
    "id",
    "kind",
    "key",
    "state",
    "priority",
    "concurrency_key",
    "cancel_asked",
    "attempts",
    "max_attempts",
    "progress",
    "words",
    "principal",
    "worker",
    "error",
    "not_before",
    "created_at",
    "started_at",
    "finished_at",
)


def jobs(
    tenant: UUID, *, states: Iterable[str] = (), kind: str = "", key: str = "", after: str = "", limit: int = 50
) -> dict[str, Any]:
    """Return a page of jobs, the newest first, and the cursor of the next page.

    Args:
        tenant: whose.
        states: only these; all when empty.
        kind: only this one.
        key: only the job of this key.
        after: cursor that the page before gave; empty for the first.
        limit: 1…500.

    Returns:
        ``{"jobs": […], "next": cursor or ""}``.

    Raises:
        UsageError: no such state, or a cursor that no page gave.
    """
    wanted = [_state(name) for name in states]
    rows = Job.objects.filter(tenant=tenant)
    rows = rows.filter(state__in=wanted) if wanted else rows
    rows = rows.filter(kind=kind) if kind else rows
    rows = rows.filter(key=key) if key else rows
    if after:
        at, id = _place(after)
        rows = rows.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=id)).filter(created_at__lte=at)
    limit = min(max(limit, 1), MOST)
    found = list(rows.order_by("-created_at", "-id").values(*_SHORT)[: limit + 1])
    page = found[:limit]
    more = _cursor(page[-1]) if len(found) > limit else ""
    return {"jobs": [_plain(row) for row in page], "next": more}


def counts(tenant: UUID) -> dict[str, int]:
    """Return how many jobs of a tenant are in each state."""
    rows = Job.objects.filter(tenant=tenant).values_list("state").annotate(n=Count("state")).order_by()
    return {str(state): 0 for state in State} | dict(rows)


def job(tenant: UUID, id: UUID) -> dict[str, Any]:
    """Return one job, with args, result and everything that happened to it.

    Raises:
        NotFound: there is none of that id in this tenant.
    """
    row = Job.objects.filter(tenant=tenant, id=id).values(*_SHORT, "args", "result", "entry", "fence").first()
    if row is None:
        raise NotFound(f"there is no job {id}", remedy="list them with 'trueup job list'")
    row["args"] = json.loads(row["args"])
    row["result"] = json.loads(row["result"]) if row["result"] else None
    return _plain(row) | {"events": events(tenant, id)}


def events(tenant: UUID, id: UUID, *, after: int = 0, limit: int = MOST) -> list[dict[str, Any]]:
    """Return what happened to a job and what it logged, the oldest first, from behind an event's number on."""
    rows = JobEvent.objects.filter(tenant=tenant, job=id, id__gt=after).order_by("id")[:limit]
    return [
        {
            "number": row.id,
            "at": stamp(row.at),
            "what": row.what,
            "words": row.words,
            "fence": row.fence,
            "batch": _text(row.batch),
        }
        for row in rows
    ]


def schedules(tenant: UUID) -> list[dict[str, Any]]:
    """Return a tenant's schedules, by name."""
    return [
        {
            "name": row.name,
            "id": str(row.id),
            "kind": row.kind,
            "args": json.loads(row.args),
            "cron": row.cron,
            "every": row.every,
            "jitter": row.jitter,
            "timezone": row.timezone,
            "missed": row.missed,
            "enabled": row.enabled,
            "principal": row.principal,
            "next_at": stamp(row.next_at),
            "last_at": stamp(row.last_at) if row.last_at else None,
        }
        for row in Schedule.objects.filter(tenant=tenant).order_by("name")
    ]


def workers() -> list[dict[str, Any]]:
    """Return the processes that work, as they last said of themselves; the installation's, of no tenant."""
    return [
        {
            "id": str(row.id),
            "host": row.host,
            "pid": row.pid,
            "slots": row.slots,
            "busy": row.busy,
            "ended": row.ended,
            "state": row.state,
            "started": stamp(row.started),
            "seen": stamp(row.seen),
        }
        for row in WorkerRow.objects.order_by("-seen", "id")
    ]


def limit(tenant: UUID) -> int:
    """Return how many jobs of a tenant may run at once."""
    return TenantLimit.objects.filter(tenant=tenant).values_list("running", flat=True).first() or TENANT_LIMIT


def recorded(tenant: UUID, batch: UUID) -> dict[str, Any]:
    """Return what the jobs' rows say of a batch today: its number of endings and its digest, to hold against the entry."""
    rows = JobEvent.objects.filter(tenant=tenant, batch=batch).values_list("job", "fence", "what", "digest")
    endings = [Ending(*row) for row in rows]
    return {"batch": str(batch), "jobs": len(endings), "digest": batch_digest(endings)}


def kinds() -> list[dict[str, Any]]:
    """Return the kinds of jobs that this process can do."""
    return [
        {
            "kind": h.kind,
            "submittable": h.submittable,
            "child": h.child,
            "timeout": h.timeout,
            "memory": h.memory,
            "max_attempts": h.max_attempts,
        }
        for h in handlers.kinds()
    ]


def backlog(tenant: UUID, now: datetime) -> dict[str, Any]:
    """Return what waits: due jobs, the age of the oldest in seconds, events not yet handed on."""
    due = Job.objects.filter(tenant=tenant, state=State.QUEUED, not_before__lte=now)
    oldest = due.order_by("created_at").values_list("not_before", flat=True).first()
    return {
        "due": due.count(),
        "oldest_s": (now - oldest).total_seconds() if oldest else 0.0,
        "events": OutboxEvent.objects.filter(tenant=tenant, dispatched=False).count(),
    }


def _state(name: str) -> State:
    try:
        return State(name)
    except ValueError:
        raise UsageError(f"there is no state {name!r}", remedy=f"one of {', '.join(State)}") from None


def _cursor(row: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(f"{row['created_at'].isoformat()} {row['id']}".encode()).decode()


def _place(cursor: str) -> tuple[datetime, UUID]:
    try:
        at, _, id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError(at)
        return moment, UUID(id)
    except (ValueError, binascii.Error):
        raise UsageError("the cursor was not given by this list", remedy="begin again without one") from None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: stamp(value) if isinstance(value, datetime) else _text(value) if isinstance(value, UUID) else value
        for name, value in row.items()
    }


def _text(value: UUID | None) -> str | None:
    return str(value) if value else None
