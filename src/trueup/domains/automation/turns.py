"""Turns of several jobs at once: one transaction, each meter locked once, and exactly what they would get one by one.

Meters of authorities are locked before those of authorizations, each by name, and breakers last: whoever takes one turn alone
takes these locks in the same order, so nobody waits in a ring.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from trueup.domains.automation import breakers, meters
from trueup.domains.automation.engine.ceilings import over
from trueup.domains.automation.engine.decide import Decision
from trueup.domains.automation.engine.hostpolicy import Ceilings
from trueup.domains.automation.meters import Stored, Turn, key_of
from trueup.domains.automation.models import Meter
from trueup.kernel.work import sql


@dataclass(frozen=True, slots=True)
class Wanted:
    """One hop that somebody wants to begin.

    Args:
        decision: that allows it.
        lasts: how long it counts as running at most.
        lease: under which it runs.
    """

    decision: Decision
    lasts: timedelta
    lease: str

    @property
    def authority(self) -> str:
        """Where it leads."""
        return self.decision.target.authority if self.decision.target else ""

    @property
    def capped(self) -> str:
        """The meter of its authorization; empty where that has no ceilings."""
        one = self.decision.authorization
        return key_of(one[0]) if one and self.decision.ceilings != Ceilings() else ""


def take_many(tenant: UUID, wanted: Sequence[Wanted], now: datetime) -> list[Turn]:
    """Count hops, each after the one before; what a limit, a ceiling or a breaker holds back is not counted.

    Args:
        tenant: whose.
        wanted: in their order.
        now: the time.
    """
    with transaction.atomic():
        found = _locked(tenant, {one.authority for one in wanted})
        found |= _locked(tenant, {one.capped for one in wanted if one.capped})
        for _, stored in found.values():
            stored.expire(now)
        doors = _Doors(tenant, [one.authority for one in wanted], now)
        turns = [_taken(found, one, doors, now) for one in wanted]
        _write(tenant, [found[name] for name in sorted({n for one in wanted for n in (one.authority, one.capped) if n})])
    return turns


class _Doors:
    """Breakers, asked for a hop only where nothing else holds it back."""

    def __init__(self, tenant: UUID, authorities: Sequence[str], now: datetime) -> None:
        self._tenant, self._now = tenant, now
        self._shut = breakers.not_closed(tenant, authorities)

    def enter(self, authority: str) -> tuple[bool, datetime | None]:
        """Tell whether a hop may begin, or when to ask again."""
        if authority not in self._shut:
            return True, None
        may, breaker = breakers.enter(self._tenant, authority, self._now)
        return may, breaker.until


def _taken(found: dict[str, tuple[int, Stored]], one: Wanted, doors: _Doors, now: datetime) -> Turn:
    stored, until = found[one.authority][1], now + one.lasts
    answer = stored.asked(one.decision.limits, now, one.lease)
    if not answer.allowed:
        return stored.held_back(answer, now)
    capped = found[one.capped][1] if one.capped else None
    if capped is not None:
        rule, again = over(capped.without(one.lease), capped.total, one.decision.ceilings, now)
        if rule:
            return Turn("", rule, again)
    may, later = doors.enter(one.authority)
    if not may:
        return Turn("", "breaker.open", later)
    stored.grant(answer.usage, one.lease, until)
    if capped is not None:
        capped.grant(capped.counted(now), one.lease, until)
    return Turn(one.lease)


def end_many(tenant: UUID, ended: Iterable[tuple[Decision, str]]) -> None:
    """Note that hops ended, in one transaction; those that are not running end nothing."""
    leases: dict[str, list[str]] = {}
    for decision, lease in ended:
        if decision.target is not None:
            leases.setdefault(decision.target.authority, []).append(lease)
            if decision.authorization and decision.ceilings != Ceilings():
                leases.setdefault(key_of(decision.authorization[0]), []).append(lease)
    if not leases:
        return
    capped = {name for name in leases if name.startswith(key_of(""))}
    with transaction.atomic():
        found = _locked(tenant, leases.keys() - capped, make=False) | _locked(tenant, capped, make=False)
        changed = []
        for name, (id, stored) in sorted(found.items()):
            before = len(stored.leases)
            for lease in leases[name]:
                stored.leases.pop(lease, None)
            if len(stored.leases) < before:
                changed.append((id, stored))
        _write(tenant, changed)


def _locked(tenant: UUID, names: Iterable[str], *, make: bool = True) -> dict[str, tuple[int, Stored]]:
    wanted = set(names)
    if not wanted:
        return {}
    rows = Meter.objects.filter(tenant=tenant, authority__in=wanted).order_by("authority").select_for_update()
    found = {name: (id, meters.read(body)) for id, name, body in rows.values_list("id", "authority", "usage")}
    new = sorted(wanted - found.keys())
    if make and new:
        Meter.objects.bulk_create([Meter(tenant=tenant, authority=name) for name in new], ignore_conflicts=True)
        found |= _locked(tenant, new)
    return found


_WRITE = "UPDATE automation_meter SET usage = %s WHERE id = %s AND tenant = %s"
_WRITE_JSONB = "UPDATE automation_meter SET usage = %s::jsonb WHERE id = %s AND tenant = %s"


def _write(tenant: UUID, changed: Sequence[tuple[int, Stored]]) -> None:
    if not changed:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            _WRITE_JSONB if sql.on_postgresql() else _WRITE,
            [(json.dumps(meters.written(stored)), id, sql.uid(tenant)) for id, stored in changed],
        )
