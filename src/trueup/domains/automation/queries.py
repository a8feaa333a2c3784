"""Every reading of policies, authorizations, switches, breakers and meters that pages and API share."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from trueup.domains.automation import authorizations, meters, snapshots
from trueup.domains.automation.actions_force import ActivateLoad
from trueup.domains.automation.actions_policies import pattern_of, policy_document
from trueup.domains.automation.engine.authorizing import State
from trueup.domains.automation.engine.breaker import Phase
from trueup.domains.automation.engine.easing import RECOVERY, Ease, eased, share_at
from trueup.domains.automation.engine.hostpolicy import Limits, compiled
from trueup.domains.automation.engine.limits import MINUTE
from trueup.domains.automation.models import Authorization, BreakerRow, Listing, PolicyVersion, Switch
from trueup.kernel.change.engine.consent import State as Consent
from trueup.kernel.change.models import Request
from trueup.kernel.errors import NotFound, UsageError
from trueup.kernel.evidence.engine.encode import stamp

_ENDED = (State.EXPIRED, State.REVOKED)


def host_of(text: str) -> str:
    """Read a host or pattern of a request.

    Raises:
        UsageError: it is none.
    """
    try:
        return pattern_of(text)
    except ValueError as exc:
        problem = str(exc)
        raise UsageError(problem, details={"fields": [{"field": "host", "problem": problem}]}) from None


def patterns_about(host: str) -> list[str]:
    """Return the patterns that stand for a host, the narrowest first; of a pattern with a star, that alone.

    >>> patterns_about("www.example.org")
    ['www.example.org', 'example.org', '*.example.org', '*.org', '*']
    """
    if host.startswith("*"):
        return [host]
    labels = host.split(".")
    below = [f"*.{'.'.join(labels[start:])}" for start in range(1, len(labels))]
    return [host, *([host[4:]] if host.startswith("www.") else []), *below, "*"]


def policies(tenant: UUID) -> "QuerySet[PolicyVersion]":
    """Return the policies in force: of each pattern its newest version, where that is not retired."""
    same = PolicyVersion.objects.filter(tenant=tenant, pattern=OuterRef("pattern")).order_by("-version")
    return PolicyVersion.objects.filter(tenant=tenant, retired=False, version=Subquery(same.values("version")[:1]))


def policy(row: PolicyVersion) -> dict[str, Any]:
    """Return a version as pages and API show it."""
    return {**policy_document(row), "at": stamp(row.at)}


def versions(tenant: UUID, pattern: str) -> list[dict[str, Any]]:
    """Return all versions of a policy, the newest first, each with what it changed.

    Raises:
        NotFound: there never was one.
    """
    rows = snapshots.policy_versions(tenant, pattern)
    if not rows:
        raise NotFound(f"there was never a policy of {pattern}", remedy="list them with 'trueup automation policy list'")
    changes = [differences({**before.body, "retired": before.retired}, {**row.body, "retired": row.retired})
               for row, before in pairwise(rows)]  # fmt: skip
    return [{**policy(row), "changes": changed} for row, changed in zip(rows, [*changes, []], strict=True)]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the fields in which two versions differ."""
    return [
        {"field": name, "before": before.get(name), "after": value} for name, value in after.items() if before.get(name) != value
    ]


def listing(tenant: UUID) -> dict[str, Any]:
    """Return what holds for hosts that no policy names, and who said so."""
    row = Listing.objects.filter(tenant=tenant).order_by("-id").first()
    said = {"at": stamp(row.at), "by": row.by} if row else {"at": None, "by": ""}
    return {"listing": str(snapshots.listing(tenant)), **said}


def in_state(rows: "QuerySet[Authorization]", state: str, now: datetime) -> "QuerySet[Authorization]":
    """Return the authorizations that stand so now; what is past its end has expired."""
    if state == State.EXPIRED:
        return rows.filter(Q(state=state) | Q(expires__lte=now)).exclude(state=State.REVOKED)
    return rows.filter(state=state) if state == State.REVOKED else rows.filter(state=state, expires__gt=now)


def authorization_id(text: str) -> UUID:
    """Read the id of an authorization.

    Raises:
        NotFound: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no authorization {text[:40]!r}") from None


def authorization_documents(tenant: UUID, rows: Sequence[Authorization], now: datetime) -> list[dict[str, Any]]:
    """Return authorizations with the request for consent that each waits for now."""
    held = consent_of(tenant, rows, now)
    return [{**authorizations.document(row, now), "consent": held.get(row.id)} for row in rows]


def consent_of(tenant: UUID, rows: Sequence[Authorization], now: datetime) -> dict[UUID, str]:
    """Return the open request for consent of those that wait for another person, to the version that there is."""
    there = {f"authorization:{row.id}": row for row in rows if authorizations.opens_load(row)}
    if not there:
        return {}
    asked = Request.objects.filter(
        tenant=tenant,
        action=ActivateLoad.name,
        resource__in=list(there),
        state__in=[Consent.OPEN, Consent.APPROVED],
        expires_at__gt=now,
    ).order_by("created_at")
    found = [(there[one.resource], one) for one in asked]
    return {row.id: str(one.id) for row, one in found if json.loads(one.input).get("version") == row.version}


def pressing(tenant: UUID, now: datetime, until: datetime) -> "QuerySet[Authorization]":
    """Return what is verified and waits to be put into force, and what is in force and ends before a time; the first to end first."""
    due = Q(state=State.VERIFIED) | Q(state=State.ACTIVE, expires__lte=until)
    return Authorization.objects.filter(due, tenant=tenant, expires__gt=now).order_by("expires", "id")


def switches(tenant: UUID) -> list[dict[str, Any]]:
    """Return what is switched off now, by pattern."""
    return [switch(row) for row in snapshots.switched_off(tenant)]


def switch(row: Switch) -> dict[str, Any]:
    """Return a switch as pages and API show it."""
    return {"host": row.pattern, "reason": row.reason, "at": stamp(row.at), "by": row.by}


def breakers(tenant: UUID) -> "QuerySet[BreakerRow]":
    """Return the breakers that are not simply closed."""
    return BreakerRow.objects.filter(tenant=tenant).exclude(phase=Phase.CLOSED, failures=0)


def breaker(row: BreakerRow) -> dict[str, Any]:
    """Return a breaker as pages and API show it."""
    return {
        "authority": row.authority,
        "phase": row.phase,
        "failures": row.failures,
        "trips": row.trips,
        "until": stamp(row.until) if row.until else None,
        "forced": row.forced,
        "reason": row.reason,
        "at": stamp(row.at),
    }


@dataclass(frozen=True, slots=True)
class Used:
    """What one target was used for within the last hour, beside what its policy allows.

    Args:
        authority: host and port.
        minute, hour: requests that began.
        running: requests that run now.
        limits: of the policy that decides about its host.
        not_before: until when it asked to be left alone.
    """

    authority: str
    minute: int
    hour: int
    running: int
    limits: Limits
    not_before: datetime | None = None

    @property
    def share(self) -> float:
        """How near it is to the nearest of its limits, 1 at it."""
        pairs = ((self.minute, self.limits.per_minute), (self.hour, self.limits.per_hour), (self.running, self.limits.concurrent))
        return max(used / most if most else float(used > 0) for used, most in pairs)


def usage(tenant: UUID, now: datetime, *, most: int = 100) -> list[Used]:
    """Return what targets were used for within the last hour, the nearest to a limit first.

    Args:
        tenant: whose.
        now: the time.
        most: how many to return.
    """
    limits_of = _limits(tenant)
    found = []
    for authority, used in meters.in_use(tenant, now).items():
        if authority.startswith(meters.key_of("")):
            continue
        minute = used.begun.since(now - MINUTE)
        waits = used.not_before if used.not_before and used.not_before > now else None
        found.append(Used(authority, minute, len(used.begun), used.running, limits_of(authority), waits))
    return sorted(found, key=lambda one: (-one.share, one.authority))[:most]


def _limits(tenant: UUID) -> Callable[[str], Limits]:
    """Return what tells the limits of the policy that decides about an authority's host."""
    rows = [snapshots.policy_of(*row) for row in policies(tenant).values_list("pattern", "version", "body")]
    there = compiled(rows, listing=snapshots.listing(tenant))

    def limits_of(authority: str) -> Limits:
        about = there.policies(authority.rpartition(":")[0].strip("[]"))
        return about[0].limits if about else Limits()

    return limits_of


@dataclass(frozen=True, slots=True)
class Lowered:
    """That the limits of one authority are lowered now, since it failed of late.

    Args:
        authority: host and port.
        most: limits of the policy that decides about its host.
        now: those that hold now.
        ease: since when, and why.
        until: when they are the policy's again, where nothing fails.
    """

    authority: str
    most: Limits
    now: Limits
    ease: Ease
    until: datetime

    @property
    def changes(self) -> list[dict[str, Any]]:
        """Each limit as it is without that, and as it is."""
        units = {"per_minute": "a minute", "per_hour": "an hour", "concurrent": "at once"}
        return [
            {"unit": unit, "before": getattr(self.most, name), "after": getattr(self.now, name)} for name, unit in units.items()
        ]


def lowered(tenant: UUID, now: datetime) -> list[Lowered]:
    """Return whose limits are lowered now, those that are lowered most first."""
    found = meters.eases(tenant, now)
    if not found:
        return []
    limits_of = _limits(tenant)
    shares = {authority: share_at(ease, now) for authority, ease in found.items()}
    return [
        Lowered(name, most := limits_of(name), eased(most, shares[name]), found[name], found[name].at + RECOVERY)
        for name in sorted(found, key=lambda name: (shares[name], name))
    ]
