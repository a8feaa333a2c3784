"""Taking jobs and letting go of them: one short transaction ends a batch and claims the next.

PostgreSQL: claims of all workers are made one after the other (an advisory lock, held for some milliseconds), so that
limits hold exactly; rows that an action holds are left out. SQLite has one writer at a time anyway.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from trueup.kernel.rows import insert
from trueup.kernel.work import sql
from trueup.kernel.work.engine import lease, order, states
from trueup.kernel.work.engine.digest import result_digest
from trueup.kernel.work.engine.seats import Seats
from trueup.kernel.work.engine.states import Move, State
from trueup.kernel.work.models import Job, JobEvent, TenantLimit

TENANT_LIMIT = 100
"""How many jobs of a tenant run at once where nothing else is set."""

_CLAIMS = 0x7275_776B  # the advisory lock of claims
_LOST = "LEASE_LOST: the worker was lost; no attempt is left"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job in a worker's hands.

    Args:
        fence: what the worker holds it by.
        attempts: how often it was begun, this time included.
        trace: id of the trace of the request that caused it; empty for none.
    """

    id: UUID
    tenant: UUID
    kind: str
    args: str
    fence: int
    attempts: int
    max_attempts: int
    principal: str
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt at a job ended.

    Args:
        move: what that does to the job.
        result: JSON text, when it succeeded.
        error: ``CODE: words``, when it did not.
        again: earliest next attempt, for a retry.
    """

    job: Claimed
    move: Move
    result: str = ""
    error: str = ""
    again: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hand:
    """Whose hands, and what they may take.

    Args:
        worker: id of the worker.
        seconds: how long a lease is.
        kinds: that it can do.
        tenants: whose jobs it does; empty for everybody's.
        batch: most jobs that share a slot.
        seat: says with which others a job shares one, and how many they may be.
    """

    worker: str
    seconds: float
    kinds: Sequence[str]
    tenants: Sequence[UUID] = field(default_factory=tuple)
    batch: int = 1
    seat: Callable[[Claimed], tuple[Hashable, int]] = lambda _job: ("", 1)


def turn(hand: Hand, ended: Sequence[Ended], want: int, *, now: datetime, scale: int) -> list[Claimed]:
    """End a batch of jobs and claim others for up to ``want`` slots, in one transaction.

    Args:
        hand: the worker.
        ended: outcomes; those whose fence is stale are dropped, and the job's events say so.
        want: how many slots of the worker are free; jobs that are done together share one.
        now: wall clock, for the record and for ``not_before``.
        scale: work time, for leases.
    """
    with transaction.atomic():
        finish(ended, now)
        if want <= 0:
            return []
        if sql.on_postgresql():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CLAIMS])
        seats = Seats(want)
        taken = _expired(hand, seats, now=now, scale=scale)
        taken += _queued(hand, seats, now)
        return _take(hand, taken, now=now, scale=scale)


def finish(ended: Sequence[Ended], now: datetime) -> None:
    """Write outcomes inside the caller's transaction, each only where its fence still holds."""
    if not ended:
        return
    held, native = _standing([item.job.id for item in ended]), sql.on_postgresql()
    closed: list[list[Any]] = []
    queued: list[list[Any]] = []
    at = sql.moment(now)
    events = []
    for item in sorted(ended, key=lambda item: item.job.id):
        job = item.job
        fence, state, cancelled = held.get(job.id, (-1, "", False))
        if fence != job.fence or state != State.RUNNING:
            events.append(_event(job.tenant, job.id, job.fence, now, "stale", "a late outcome was refused"))
            continue
        move = Move.CANCEL if cancelled else item.move
        after = states.after(State.RUNNING, move) or State.RUNNING
        error = "CANCELLED: cancelled while it ran" if cancelled else item.error
        if after in states.ENDED:
            result = item.result if after == State.DONE else ""
            closed.append([str(after), result, error, at, 1.0 if after == State.DONE else None, *_mine(job, native=native)])
            events.append(_event(job.tenant, job.id, job.fence, now, str(after), error, result_digest(result or error)))
        else:
            again = item.again or now
            back = 1 if move is Move.RETURN else 0
            queued.append([error, back, sql.moment(again), order.micros(again), order.STEP // _TICK, *_mine(job, native=native)])
            events.append(_event(job.tenant, job.id, job.fence, now, str(move), error))
    _write(_CLOSE, closed)
    _write(_REQUEUE, queued)
    insert(JobEvent, _EVENT, events)


_TICK = timedelta(microseconds=1)
_CLOSE = (
    "UPDATE work_job SET state = %s, result = %s, error = %s, finished_at = %s, progress = COALESCE(%s, progress) "
    "WHERE id = %s AND tenant = %s AND fence = %s"
)
_REQUEUE = (
    "UPDATE work_job SET state = 'queued', error = %s, attempts = attempts - %s, not_before = %s, rank = %s + priority * %s "
    "WHERE id = %s AND tenant = %s AND fence = %s"
)


def _mine(job: Claimed, *, native: bool) -> list[Any]:
    return [job.id, job.tenant, job.fence] if native else [job.id.hex, job.tenant.hex, job.fence]


def _write(statement: str, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(statement, rows)


def _standing(ids: Sequence[UUID]) -> dict[UUID, tuple[int, str, bool]]:
    """Return fence, state and whether cancelling was asked for, and lock the rows."""
    lock = " FOR UPDATE" if sql.on_postgresql() else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, tenant, fence, state, cancel_asked FROM work_job WHERE id IN ({sql.marks(len(ids))}) ORDER BY id{lock}",  # noqa: S608 - placeholders alone
            sql.uids(ids),
        )
        return {sql.as_uuid(id): (fence, state, bool(asked)) for id, _, fence, state, asked in cursor.fetchall()}


def _expired(hand: Hand, seats: Seats, *, now: datetime, scale: int) -> list[Claimed]:
    """Return jobs whose lease has run out; those without an attempt left, or cancelled, are ended here."""
    only, values = _of_tenants(hand)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, tenant, kind, args, fence, attempts, max_attempts, principal, trace, cancel_asked FROM work_job "  # noqa: S608 - placeholders alone
            f"WHERE state = 'running' AND lease_until <= %s AND kind IN ({sql.marks(len(hand.kinds))}){only} "
            f"ORDER BY lease_until LIMIT %s{sql.locking()}",
            [scale, *hand.kinds, *values, seats.free * hand.batch],
        )
        rows = [(_claimed(row), bool(row[-1])) for row in cursor.fetchall()]
    over = [
        Ended(job, Move.CANCEL if asked else Move.GIVE_UP, error="" if asked else _LOST)
        for job, asked in rows
        if asked or job.attempts >= job.max_attempts
    ]
    finish(over, now)
    ended = {item.job.id for item in over}
    return [job for job, _ in rows if job.id not in ended and seats.take(*hand.seat(job)) is not None]


def _queued(hand: Hand, seats: Seats, now: datetime) -> list[Claimed]:
    """Return the next jobs that are due and within every limit."""
    if seats.free <= 0:
        return []
    room = _room()
    full = [tenant for tenant, left in room.items() if left <= 0]
    only, values = _of_tenants(hand)
    barred = f" AND tenant NOT IN ({sql.marks(len(full))})" if full else ""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, tenant, kind, args, fence, attempts, max_attempts, principal, trace, concurrency_key FROM work_job j "  # noqa: S608 - placeholders alone
            f"WHERE state = 'queued' AND rank <= %s AND not_before <= %s AND kind IN ({sql.marks(len(hand.kinds))}){only}{barred} "
            "AND (concurrency_key = '' OR NOT EXISTS (SELECT 1 FROM work_job r WHERE r.tenant = j.tenant "
            "AND r.concurrency_key = j.concurrency_key AND r.state = 'running' AND NOT (r.concurrency_key = ''))) "
            f"ORDER BY rank, id LIMIT %s{sql.locking('j')}",
            [order.horizon(now), sql.moment(now), *hand.kinds, *values, *map(sql.uid, full), _looked_at(hand, seats.free)],
        )
        rows = cursor.fetchall()
    return _within(hand, rows, room, seats)


def _looked_at(hand: Hand, free: int) -> int:
    """Return how many candidates are read: more than are taken, since some keep each other out."""
    return 4 * free if hand.batch == 1 else free * (2 * hand.batch + 2)


def _within(hand: Hand, rows: Sequence[Sequence[Any]], room: dict[UUID, int], seats: Seats) -> list[Claimed]:
    """Return the first candidates that keep every limit also among themselves."""
    taken: list[Claimed] = []
    keys: set[tuple[UUID, str]] = set()
    for row in rows:
        job, key = _claimed(row), (sql.as_uuid(row[1]), row[-1])
        left = room.get(job.tenant, TENANT_LIMIT)
        if left > 0 and not (row[-1] and key in keys) and seats.take(*hand.seat(job)) is not None:
            keys.add(key)
            room[job.tenant] = left - 1
            taken.append(job)
    return taken


def _room() -> dict[UUID, int]:
    """Return how many more jobs each tenant may have running; one that is not named has the whole of ``TENANT_LIMIT``."""
    limits = dict(TenantLimit.objects.values_list("tenant", "running"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT tenant, COUNT(*) FROM work_job WHERE state = 'running' GROUP BY tenant")
        running = {sql.as_uuid(tenant): count for tenant, count in cursor.fetchall()}
    return {tenant: limits.get(tenant, TENANT_LIMIT) - running.get(tenant, 0) for tenant in {*limits, *running}}


def _of_tenants(hand: Hand) -> tuple[str, list[Any]]:
    if not hand.tenants:
        return "", []
    return f" AND tenant IN ({sql.marks(len(hand.tenants))})", [sql.uid(tenant) for tenant in hand.tenants]


def _claimed(row: Sequence[Any]) -> Claimed:
    id, tenant, kind, args, fence, attempts, most, principal, trace = row[:9]
    return Claimed(sql.as_uuid(id), sql.as_uuid(tenant), kind, args, fence, attempts, most, principal, trace)


def _take(hand: Hand, jobs: Sequence[Claimed], *, now: datetime, scale: int) -> list[Claimed]:
    if not jobs:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE work_job SET state = 'running', fence = fence + 1, attempts = attempts + 1, lease_until = %s, worker = %s, "  # noqa: S608 - placeholders alone
            f"started_at = %s WHERE id IN ({sql.marks(len(jobs))})",
            [lease.until(scale, hand.seconds), hand.worker, sql.moment(now), *sql.uids(job.id for job in jobs)],
        )
    taken = [replace(j, fence=j.fence + 1, attempts=j.attempts + 1) for j in jobs]
    insert(JobEvent, _EVENT, [_event(j.tenant, j.id, j.fence, now, "claim", f"attempt {j.attempts}") for j in taken])
    return taken


def extend(jobs: Collection[Claimed], *, until: int) -> None:
    """Put off the end of leases; those that were lost stay lost."""
    for job in sorted(jobs, key=lambda job: job.id):
        Job.objects.filter(id=job.id, tenant=job.tenant, fence=job.fence, state=State.RUNNING).update(lease_until=until)


def free(worker: str) -> None:
    """End the leases of a worker that is known to be dead."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE work_job SET lease_until = 0 WHERE state = 'running' AND worker = %s", [worker])


def standing(jobs: Collection[Claimed]) -> Mapping[UUID, str]:
    """Return, of these jobs, those that this worker should let go: ``lost`` or ``cancelled``."""
    rows = {
        row[0]: row[1:]
        for row in Job.objects.filter(id__in=[job.id for job in jobs]).values_list("id", "fence", "state", "cancel_asked")
    }
    found = {}
    for job in jobs:
        fence, state, asked = rows.get(job.id, (-1, "", False))
        if fence != job.fence or state != State.RUNNING:
            found[job.id] = "lost"
        elif asked:
            found[job.id] = "cancelled"
    return found


_EVENT = ("tenant", "job", "at", "what", "words", "fence", "digest")


def _event(tenant: UUID, job: UUID, fence: int, at: datetime, what: str, words: str, digest: str = "") -> tuple[Any, ...]:
    return tenant, job, at, what, words, fence, digest
