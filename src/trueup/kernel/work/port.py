"""The port that actions reach: jobs and events, written in the caller's transaction."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid4

import structlog

from trueup.kernel.actions.errors import IdempotencyConflict
from trueup.kernel.actions.ports import Event, JobRequest
from trueup.kernel.errors import UsageError
from trueup.kernel.rows import insert_all
from trueup.kernel.work import handlers, wake
from trueup.kernel.work.engine.digest import canonical
from trueup.kernel.work.engine.order import IDLE, URGENT, rank
from trueup.kernel.work.engine.states import State
from trueup.kernel.work.models import Job, OutboxEvent


class WorkRoom:
    """Fills ``trueup.kernel.actions.ports.Work``."""

    def submit(self, tenant: UUID, jobs: Sequence[JobRequest], *, entry: int, principal: str, now: datetime) -> list[UUID]:
        """Write job rows inside the caller's transaction; return their ids, in the order given.

        A key that a job of the kind has already answers with that job, whatever else was asked but ``same``.

        Raises:
            NotFound: there is no such kind.
            UsageError: args that do not fit the kind, or a priority that does not exist.
            IdempotencyConflict: a key was used before, and an arg that has to be the same is another.
        """
        made = [row(tenant, checked(request), entry=entry, principal=principal, now=now) for request in jobs]
        # Always in the same order: two transactions that share keys wait for each other once, never in a ring.
        ordered = sorted(made, key=lambda job: (job.kind, job.key or ""))
        insert(ordered)
        ids = _keyed(tenant, made)
        _require_same(made, jobs, ids)
        wake.announce()
        return [ids[job.kind, job.key][0] if job.key is not None else job.id for job in made]

    def publish(self, tenant: UUID, events: Sequence[Event], *, entry: int, now: datetime) -> None:
        """Write outbox rows inside the caller's transaction."""
        OutboxEvent.objects.bulk_create(
            [
                OutboxEvent(tenant=tenant, name=e.name, subject=e.subject, data=canonical(dict(e.data)), entry=entry, at=now)
                for e in events
            ],
            batch_size=500,
        )
        wake.announce()


def checked(request: JobRequest) -> JobRequest:
    """Return a request that its kind can do.

    Raises:
        NotFound, UsageError: see :meth:`WorkRoom.submit`.
    """
    handlers.named(request.kind).require_args(request.args)
    if not URGENT <= request.priority <= IDLE:
        raise UsageError(f"{request.kind}: there is no priority {request.priority}", remedy=f"use {URGENT} (urgent) … {IDLE}")
    return request


def row(tenant: UUID, request: JobRequest, *, entry: int, principal: str, now: datetime) -> Job:
    """Return the row of a request, not yet stored.

    Raises:
        NotFound: there is no such kind.
    """
    kind = handlers.named(request.kind)
    start = request.not_before or now
    return Job(
        id=uuid4(),
        tenant=tenant,
        kind=request.kind,
        args=canonical(dict(request.args)),
        key=request.key,
        priority=request.priority,
        rank=rank(request.priority, start),
        concurrency_key=request.concurrency_key,
        state=State.QUEUED,
        max_attempts=request.max_attempts or kind.max_attempts,
        not_before=start,
        principal=principal,
        entry=entry,
        trace=structlog.contextvars.get_contextvars().get("trace_id", ""),
        created_at=now,
    )


def insert(rows: Sequence[Job]) -> None:
    """Write rows; one whose key is taken in its tenant and kind is left out."""
    insert_all(rows, skip_taken=True)


def _require_same(
    made: Sequence[Job], jobs: Sequence[JobRequest], kept: Mapping[tuple[str, str | None], tuple[UUID, str]]
) -> None:
    for job, request in zip(made, jobs, strict=True):
        if not request.same or job.key is None or kept[job.kind, job.key][0] == job.id:
            continue
        before, asked = (json.loads(args) for args in (kept[job.kind, job.key][1], job.args))
        if any(before.get(name) != asked.get(name) for name in request.same):
            raise IdempotencyConflict(
                f"the key {job.key!r} was used for another job of the kind {job.kind}",
                remedy="use a new key for a new job, or repeat the first request as it was",
                details={"key": job.key, "job": str(kept[job.kind, job.key][0])},
            )


def _keyed(tenant: UUID, made: list[Job]) -> dict[tuple[str, str | None], tuple[UUID, str]]:
    """Return the jobs that hold the keys of these rows, whoever wrote them, and their args."""
    keys: dict[str, list[str]] = {}
    for job in made:
        if job.key is not None:
            keys.setdefault(job.kind, []).append(job.key)
    found: dict[tuple[str, str | None], tuple[UUID, str]] = {}
    for kind, wanted in keys.items():
        rows = Job.objects.filter(tenant=tenant, kind=kind, key__in=wanted).values_list("key", "id", "args")
        found |= {(kind, key): (id, args) for key, id, args in rows}
    return found
