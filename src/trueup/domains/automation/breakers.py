"""The breaker of each authority, stored: shared by every process, changed in one short transaction over a locked row."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from trueup.domains.automation.engine import breaker as engine
from trueup.domains.automation.engine.breaker import Breaker, BreakerRule, Phase
from trueup.domains.automation.models import BreakerRow

RULE = BreakerRule()


def enter(tenant: UUID, authority: str, now: datetime) -> tuple[bool, Breaker]:
    """Ask to reach an authority: whether to, and where its breaker stands; of many callers one alone is the probe."""
    may = True

    def change(found: Breaker) -> Breaker:
        nonlocal may
        may, after = engine.enter(found, RULE, now)
        return after

    after = _changed(tenant, authority, change, now, make=False)
    return may, after


def succeeded(tenant: UUID, authority: str, now: datetime) -> Breaker:
    """Note that an authority answered."""
    return _changed(tenant, authority, engine.succeeded, now, make=False)


def failed(tenant: UUID, authority: str, reason: str, now: datetime) -> Breaker:
    """Note that an authority failed, or asked to be left alone."""
    return _changed(tenant, authority, lambda found: engine.failed(found, RULE, now), now, reason=reason)


def not_closed(tenant: UUID, authorities: Iterable[str]) -> set[str]:
    """Return which of these are not simply closed; inside the caller's transaction they stay as they are until its end."""
    return {name for name, row in _locked(tenant, authorities).items() if row.phase != Phase.CLOSED}


def noted(tenant: UUID, told: Mapping[str, Sequence[str]], now: datetime) -> None:
    """Note how authorities did, one after the other, in one transaction.

    Args:
        tenant: whose.
        told: of each authority, in their order, how it failed; empty text where it answered.
        now: the time.
    """
    with transaction.atomic():
        found = _locked(tenant, told)
        new = sorted(name for name, reasons in told.items() if any(reasons) and name not in found)
        if new:
            BreakerRow.objects.bulk_create(
                [BreakerRow(tenant=tenant, authority=name, at=now) for name in new], ignore_conflicts=True
            )
            found |= _locked(tenant, new)
        for name, row in sorted(found.items()):
            after = _read(row)
            for reason in told[name]:
                after = engine.failed(after, RULE, now) if reason else engine.succeeded(after)
            _write(row, after, now, next((reason for reason in reversed(told[name]) if reason), ""))


def force_open(tenant: UUID, authority: str, reason: str, now: datetime) -> Breaker:
    """Leave an authority alone until somebody resets it."""
    return _changed(tenant, authority, engine.force_open, now, reason=reason)


def reset(tenant: UUID, authority: str, reason: str, now: datetime) -> Breaker:
    """Close a breaker, whatever opened it."""
    return _changed(tenant, authority, lambda _: Breaker(), now, reason=reason)


def of(tenant: UUID, authority: str) -> Breaker:
    """Return where a breaker stands; one that nothing was noted of is closed."""
    row = BreakerRow.objects.filter(tenant=tenant, authority=authority).first()
    return _read(row) if row else Breaker()


def listed(tenant: UUID) -> list[BreakerRow]:
    """Return the breakers that are not simply closed, by authority."""
    rows = BreakerRow.objects.filter(tenant=tenant).order_by("authority")
    return [row for row in rows if row.phase != Phase.CLOSED or row.failures]


def _changed(
    tenant: UUID, authority: str, change: Callable[[Breaker], Breaker], now: datetime, *, reason: str = "", make: bool = True
) -> Breaker:
    rows = BreakerRow.objects.filter(tenant=tenant, authority=authority)
    with transaction.atomic():
        if make and not rows.exists():
            BreakerRow.objects.bulk_create(
                [BreakerRow(tenant=tenant, authority=name, at=now) for name in (authority,)], ignore_conflicts=True
            )
        row = rows.select_for_update().first()
        before = _read(row) if row else Breaker()
        after = change(before)
        if row:
            _write(row, after, now, reason)
    return after


def _locked(tenant: UUID, authorities: Iterable[str]) -> dict[str, BreakerRow]:
    rows = BreakerRow.objects.filter(tenant=tenant, authority__in=set(authorities)).order_by("authority").select_for_update()
    return {row.authority: row for row in rows}


def _write(row: BreakerRow, after: Breaker, now: datetime, reason: str) -> None:
    """Store where a breaker stands, where that changed or something is to be said."""
    if after != _read(row) or reason:
        stored = {"phase": str(after.phase), "failures": after.failures, "trips": after.trips, "until": after.until}
        said = {"reason": reason} if reason else {}
        BreakerRow.objects.filter(id=row.id, tenant=row.tenant).update(**stored, forced=after.forced, at=now, **said)


def _read(row: BreakerRow) -> Breaker:
    return Breaker(Phase(row.phase), row.failures, row.trips, row.until, row.forced)
