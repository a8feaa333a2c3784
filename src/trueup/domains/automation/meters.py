"""How often an authority was reached, over every way of fetching and all retries: stored, exact, and safe against crashes.

Each change is one short transaction over a locked row. What runs holds a lease; the lease of a process that died ends by itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction

from trueup.domains.automation.engine import limits
from trueup.domains.automation.engine.ceilings import over
from trueup.domains.automation.engine.decide import Decision
from trueup.domains.automation.engine.hostpolicy import Ceilings, Limits
from trueup.domains.automation.engine.limits import Usage
from trueup.domains.automation.models import Meter

LEASE = timedelta(minutes=5)
"""How long what began counts as running when nobody says that it ended."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Turn:
    """Whether a hop may begin.

    Args:
        lease: to end it with; empty where it may not begin.
        rule: that holds it back; empty where nothing does.
        again: when to ask again; None where that depends on others ending, or it never may.
    """

    lease: str
    rule: str = ""
    again: datetime | None = None

    @property
    def allowed(self) -> bool:
        """Whether it may begin."""
        return not self.rule


@dataclass(slots=True)
class _Stored:
    """A meter as it is stored: what was used, what runs until when, and how often in all."""

    usage: Usage
    leases: dict[str, datetime]
    total: int


def begin(tenant: UUID, authority: str, most: Limits, now: datetime, *, lease: timedelta = LEASE, within: str = "") -> Turn:
    """Ask for one hop to an authority, and count it.

    Args:
        tenant: whose.
        authority: host and port.
        most: limits of its policy.
        now: the time.
        lease: how long it counts as running at most.
        within: a lease that the caller holds: it goes on, and the hop runs within it.
    """
    with _locked(tenant, authority) as (stored, write):
        _expire(stored, now)
        answer = limits.begin(_without(stored, within), most, now)
        if not answer.allowed:
            return Turn("", answer.rule, answer.again)
        id = within or uuid4().hex
        stored.usage = answer.usage
        stored.leases[id] = now + lease
        stored.total += 1
        write(stored)
        return Turn(id)


def _without(stored: _Stored, lease: str) -> Usage:
    return replace(stored.usage, running=len(stored.leases) - (lease in stored.leases))


def begin_allowed(tenant: UUID, decision: Decision, now: datetime, *, lease: timedelta = LEASE, within: str = "") -> Turn:
    """Ask for the hop of a decision: within the limits of its policy and the ceilings of its authorization.

    Raises:
        ValueError: the decision does not allow it.
    """
    if not decision.allowed or decision.target is None:
        raise ValueError("what is refused is not counted")
    with transaction.atomic():
        turn = begin(tenant, decision.target.authority, decision.limits, now, lease=lease, within=within)
        if not turn.allowed or decision.authorization is None:
            return turn
        rule, again = _authorized(tenant, decision.authorization[0], decision.ceilings, turn.lease, now, lease)
        if rule:
            transaction.set_rollback(True)
            return Turn("", rule, again)
        return turn


def _authorized(
    tenant: UUID, id: str, ceilings: Ceilings, lease: str, now: datetime, longest: timedelta
) -> tuple[str, datetime | None]:
    if ceilings == Ceilings():
        return "", None
    with _locked(tenant, key_of(id)) as (stored, write):
        _expire(stored, now)
        rule, again = over(_without(stored, lease), stored.total, ceilings, now)
        if not rule:
            kept = tuple(at for at in stored.usage.begun if at > now - limits.HOUR)
            stored.usage = replace(stored.usage, begun=(*kept, max((now, *kept))))
            stored.leases[lease] = now + longest
            stored.total += 1
            write(stored)
        return rule, again


def key_of(authorization: str) -> str:
    """Return the name of an authorization's own meter; no authority is called so."""
    return f"authorization/{authorization}"


def end(tenant: UUID, decision: Decision, lease: str) -> None:
    """Note that the hop of a lease ended; one that is not running ends nothing."""
    if decision.target is None:
        return
    names = [decision.target.authority, *([key_of(decision.authorization[0])] if decision.authorization else [])]
    for name in names:
        with _locked(tenant, name, make=False) as (stored, write):
            if stored.leases.pop(lease, None) is not None:
                write(stored)


def asked_to_wait(tenant: UUID, authority: str, until: datetime) -> None:
    """Note that a target asked to be left alone until a time; an earlier one never shortens a longer wait."""
    with _locked(tenant, authority) as (stored, write):
        stored.usage = limits.asked_to_wait(stored.usage, until)
        write(stored)


def usage(tenant: UUID, authority: str, now: datetime) -> Usage:
    """Return what an authority was used for, to show it; for no decision."""
    row = Meter.objects.filter(tenant=tenant, authority=authority).first()
    stored = _read(row.usage if row else {})
    _expire(stored, now)
    return stored.usage


def in_use(tenant: UUID, now: datetime, *, looked_at: int = 5_000) -> dict[str, Usage]:
    """Return what authorities and authorizations were used for within the last hour, to show it; for no decision.

    Args:
        tenant: whose.
        now: the time.
        looked_at: how many meters are read, the newest first.
    """
    rows = Meter.objects.filter(tenant=tenant).order_by("-id").values_list("authority", "usage")
    found: dict[str, Usage] = {}
    for authority, body in rows[:looked_at]:
        stored = _read(body)
        _expire(stored, now)
        begun = tuple(at for at in stored.usage.begun if at > now - limits.HOUR)
        waits = stored.usage.not_before is not None and stored.usage.not_before > now
        if begun or stored.leases or waits:
            found[authority] = replace(stored.usage, begun=begun)
    return found


def _expire(stored: _Stored, now: datetime) -> None:
    """Let go of leases that ended, and count those that run."""
    stored.leases = {id: until for id, until in stored.leases.items() if until > now}
    stored.usage = replace(stored.usage, running=len(stored.leases))


@contextmanager
def _locked(tenant: UUID, authority: str, *, make: bool = True) -> Iterator[tuple[_Stored, Callable[[_Stored], None]]]:
    """Hold a meter's row: nobody else reads it, to write it, until the block's transaction ends."""
    rows = Meter.objects.filter(tenant=tenant, authority=authority)
    with transaction.atomic():
        if make and not rows.exists():
            Meter.objects.bulk_create([Meter(tenant=tenant, authority=name) for name in (authority,)], ignore_conflicts=True)
        row = rows.select_for_update().first()
        stored = _read(row.usage if row else {})

        def write(changed: _Stored) -> None:
            rows.update(usage=_written(changed))

        yield stored, write


def _read(body: dict[str, object]) -> _Stored:
    begun, leases, wait = body.get("begun", []), body.get("leases", {}), body.get("not_before")
    total = body.get("total", 0)
    if not (isinstance(begun, list) and isinstance(leases, dict) and isinstance(total, int)):
        raise TypeError("a meter's row holds what no meter writes")
    not_before = _moment(wait) if isinstance(wait, int) else None
    return _Stored(Usage(tuple(map(_moment, begun)), 0, not_before), {id: _moment(until) for id, until in leases.items()}, total)


def _written(stored: _Stored) -> dict[str, object]:
    wait = stored.usage.not_before
    return {
        "begun": [_ticks(at) for at in stored.usage.begun],
        "leases": {id: _ticks(until) for id, until in stored.leases.items()},
        "not_before": _ticks(wait) if wait else None,
        "total": stored.total,
    }


def _ticks(at: datetime) -> int:
    return (at - _EPOCH) // _TICK


def _moment(ticks: int) -> datetime:
    return _EPOCH + ticks * _TICK
