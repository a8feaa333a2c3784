"""How often an authority was reached, over every way of fetching and all retries: stored, exact, and safe against crashes.

Each change is one short transaction over a locked row. What runs holds a lease; the lease of a process that died ends by itself.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction

from trueup.domains.automation.engine import limits
from trueup.domains.automation.engine.ceilings import over
from trueup.domains.automation.engine.decide import Decision
from trueup.domains.automation.engine.easing import Ease, eased, share_at
from trueup.domains.automation.engine.hostpolicy import Ceilings, Limits
from trueup.domains.automation.engine.limits import Answer, Usage
from trueup.domains.automation.engine.moments import Moments, moment, ticks
from trueup.domains.automation.models import Meter

LEASE = timedelta(minutes=5)
"""How long what began counts as running when nobody says that it ended."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Whether a hop may begin.

    Args:
        lease: to end it with; empty where it may not begin.
        rule: that holds it back; empty where nothing does.
        again: when to ask again; None where that depends on others ending, or it never may.
        ease: that the limits were lowered which hold it back; None where they are the policy's.
    """

    lease: str
    rule: str = ""
    again: datetime | None = None
    ease: Ease | None = None

    @property
    def allowed(self) -> bool:
        """Whether it may begin."""
        return not self.rule


@dataclass(slots=True)
class Stored:
    """A meter as it is stored: what was used, what runs until when, how often in all, and whether it is gone easy on."""

    usage: Usage
    leases: dict[str, datetime]
    total: int
    ease: Ease | None = None

    def expire(self, now: datetime) -> None:
        """Let go of leases that ended, and count those that run."""
        self.leases = {id: until for id, until in self.leases.items() if until > now}
        self.usage = replace(self.usage, running=len(self.leases))

    def without(self, lease: str) -> Usage:
        """Return what was used, but for what runs under a lease."""
        return replace(self.usage, running=len(self.leases) - (lease in self.leases))

    def asked(self, most: Limits, now: datetime, within: str) -> Answer:
        """Say whether one more hop keeps the limits."""
        return limits.begin(self.without(within), eased(most, share_at(self.ease, now)), now)

    def held_back(self, answer: Answer, now: datetime) -> Turn:
        """Return the turn that an answer refuses."""
        lowered = None if answer.rule == "limit.retry_after" else _in_force(self.ease, now)
        return Turn("", answer.rule, answer.again, lowered)

    def grant(self, usage: Usage, lease: str, until: datetime) -> None:
        """Count a hop."""
        self.usage = usage
        self.leases[lease] = until
        self.total += 1

    def counted(self, now: datetime) -> Usage:
        """Return what was used with one hop more, for meters that have ceilings instead of limits."""
        kept = self.usage.begun.after(now - limits.HOUR)
        last = kept.last
        return replace(self.usage, begun=kept.plus(now if last is None else max(now, last)))


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
        stored.expire(now)
        answer = stored.asked(most, now, within)
        if not answer.allowed:
            return stored.held_back(answer, now)
        id = within or uuid4().hex
        stored.grant(answer.usage, id, now + lease)
        write(stored)
        return Turn(id)


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
        stored.expire(now)
        rule, again = over(stored.without(lease), stored.total, ceilings, now)
        if not rule:
            stored.grant(stored.counted(now), lease, now + longest)
            write(stored)
        return rule, again


def hold(tenant: UUID, decision: Decision, leases: Sequence[str], now: datetime, *, lease: timedelta = LEASE) -> int:
    """Hold further leases beside one that is held: as many as its policy and its authorization leave room for.

    They stand for what is done at the same time, so nothing is counted that is counted over time.

    Args:
        tenant: whose.
        decision: that allows it.
        leases: names, the one that is held first.
        now: the time.
        lease: how long they count as running at most.

    Returns:
        How many of them are held now, from the first on; at least 1.
    """
    if decision.target is None or not leases:
        return 1
    capped = decision.authorization is not None and decision.ceilings != Ceilings()
    with transaction.atomic(), ExitStack() as stack:
        meters = [stack.enter_context(_locked(tenant, decision.target.authority))]
        if capped and decision.authorization is not None:
            meters.append(stack.enter_context(_locked(tenant, key_of(decision.authorization[0]))))
        allowed = (eased(decision.limits, share_at(meters[0][0].ease, now)).concurrent, decision.ceilings.concurrent)
        room = len(leases)
        for (stored, _), most in zip(meters, allowed, strict=False):
            stored.expire(now)
            others = stored.leases.keys() - set(leases)
            room = room if most is None else min(room, most - len(others))
        room = max(1, room)
        for stored, write in meters:
            mine = dict.fromkeys(leases[:room], now + lease)
            stored.leases = {id: until for id, until in stored.leases.items() if id not in leases} | mine
            write(stored)
    return room


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


def go_easy(tenant: UUID, authority: str, found: Ease) -> None:
    """Lower the limits of an authority for a while; they come back by themselves."""
    with _locked(tenant, authority) as (stored, write):
        stored.ease = found
        write(stored)


def eases(tenant: UUID, now: datetime, *, authorities: Iterable[str] | None = None) -> dict[str, Ease]:
    """Return which authorities are gone easy on now.

    Args:
        tenant: whose.
        now: the time.
        authorities: that are asked about; all by default.
    """
    rows = Meter.objects.filter(tenant=tenant, usage__has_key="ease")
    rows = rows if authorities is None else rows.filter(authority__in=list(authorities))
    found = {authority: _in_force(read(body).ease, now) for authority, body in rows.values_list("authority", "usage")}
    return {authority: one for authority, one in found.items() if one is not None}


def _in_force(found: Ease | None, now: datetime) -> Ease | None:
    return found if share_at(found, now) < 1 else None


def usage(tenant: UUID, authority: str, now: datetime) -> Usage:
    """Return what an authority was used for, to show it; for no decision."""
    row = Meter.objects.filter(tenant=tenant, authority=authority).first()
    stored = read(row.usage if row else {})
    stored.expire(now)
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
        stored = read(body)
        stored.expire(now)
        begun = stored.usage.begun.after(now - limits.HOUR)
        waits = stored.usage.not_before is not None and stored.usage.not_before > now
        if begun or stored.leases or waits:
            found[authority] = replace(stored.usage, begun=begun)
    return found


@contextmanager
def _locked(tenant: UUID, authority: str, *, make: bool = True) -> Iterator[tuple[Stored, Callable[[Stored], None]]]:
    """Hold a meter's row: nobody else reads it, to write it, until the block's transaction ends."""
    rows = Meter.objects.filter(tenant=tenant, authority=authority)
    with transaction.atomic():
        if make and not rows.exists():
            Meter.objects.bulk_create([Meter(tenant=tenant, authority=name) for name in (authority,)], ignore_conflicts=True)
        row = rows.select_for_update().first()
        stored = read(row.usage if row else {})

        def write(changed: Stored) -> None:
            rows.update(usage=written(changed))

        yield stored, write


def read(body: dict[str, object]) -> Stored:
    """Return a meter from what its row holds.

    Raises:
        TypeError: no meter wrote that.
    """
    begun, leases, wait = body.get("begun", []), body.get("leases", {}), body.get("not_before")
    total = body.get("total", 0)
    if not (isinstance(begun, list) and isinstance(leases, dict) and isinstance(total, int)):
        raise TypeError("a meter's row holds what no meter writes")
    each = body.get("each", [1] * len(begun))
    if not isinstance(each, list) or len(each) != len(begun):
        raise TypeError("a meter's row holds what no meter writes")
    not_before = moment(wait) if isinstance(wait, int) else None
    used = Usage(Moments(tuple(begun), tuple(each)), 0, not_before)
    return Stored(used, {id: moment(until) for id, until in leases.items()}, total, _ease(body.get("ease")))


def _ease(body: object) -> Ease | None:
    if body is None:
        return None
    if not isinstance(body, dict):
        raise TypeError("a meter's row holds what no meter writes")
    return Ease(float(body["share"]), moment(int(body["at"])), str(body["why"]))


def written(stored: Stored) -> dict[str, object]:
    """Return what a meter's row holds."""
    wait, begun = stored.usage.not_before, stored.usage.begun
    return {
        "begun": list(begun.marks),
        **({"each": list(begun.each)} if len(begun) > len(begun.marks) else {}),
        "leases": {id: ticks(until) for id, until in stored.leases.items()},
        "not_before": ticks(wait) if wait else None,
        "total": stored.total,
        **({"ease": {"share": kept.share, "at": ticks(kept.at), "why": kept.why}} if (kept := stored.ease) else {}),
    }
