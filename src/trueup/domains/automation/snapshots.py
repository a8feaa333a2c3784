"""A tenant's policies, switches and authorizations, compiled for deciding."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import connection

from trueup.domains.automation.engine.authorizing import State, stale_at
from trueup.domains.automation.engine.hostpolicy import Authorization, Ceilings, HostPolicy, Limits, Snapshot, compiled
from trueup.domains.automation.engine.hostpolicy import Listing as Kind
from trueup.domains.automation.engine.tiers import Granted, Strategy
from trueup.domains.automation.models import Authorization as AuthorizationRow
from trueup.domains.automation.models import Listing, PolicyVersion, Switch
from trueup.kernel.evidence.engine.encode import encode, stamp
from trueup.kernel.work.sql import uid

DEFAULT = Kind.ALLOWLIST


def policies_in_force(tenant: UUID) -> list[PolicyVersion]:
    """Return the newest version of each policy that is not retired, by pattern."""
    newest: dict[str, PolicyVersion] = {}
    for row in PolicyVersion.objects.filter(tenant=tenant).order_by("version"):
        newest[row.pattern] = row
    return sorted((row for row in newest.values() if not row.retired), key=lambda row: row.pattern)


def policy_versions(tenant: UUID, pattern: str) -> list[PolicyVersion]:
    """Return all versions of a policy, the newest first."""
    return list(PolicyVersion.objects.filter(tenant=tenant, pattern=pattern).order_by("-version"))


def listing(tenant: UUID) -> Kind:
    """Return what holds for hosts that no policy names."""
    row = Listing.objects.filter(tenant=tenant).order_by("-id").first()
    return Kind(row.listing) if row else DEFAULT


def switched_off(tenant: UUID) -> list[Switch]:
    """Return what is switched off now, by pattern."""
    newest: dict[str, Switch] = {}
    for row in Switch.objects.filter(tenant=tenant).order_by("id"):
        newest[row.pattern] = row
    return sorted((row for row in newest.values() if row.off), key=lambda row: row.pattern)


def policy_of(pattern: str, version: int, body: Mapping[str, Any]) -> HostPolicy:
    """Return the policy that a stored or written body says."""
    return HostPolicy(
        id=pattern,
        version=version,
        pattern=pattern,
        allowed=body["allowed"],
        denied=body["denied"],
        ports=frozenset(body["ports"]),
        paths=tuple(body["paths"]),
        strategies=frozenset(Strategy(name) for name in body["strategies"]),
        limits=Limits(body["per_minute"], body["per_hour"], body["concurrent"]),
        scripts=frozenset(body.get("scripts", ())),
    )


def authorization_of(row: AuthorizationRow) -> Authorization:
    """Return an authorization as decisions take it."""
    strategies = frozenset(Strategy(name) for name in row.strategies)
    ceilings = Ceilings(row.max_rps, row.max_concurrent, row.max_requests)
    windowed = bool(row.opens and row.closes)
    granted = Granted(row.method, strategies, row.own, bool(row.approver), windowed, ceilings.complete)
    return Authorization(
        id=str(row.id),
        version=row.version,
        host=row.host,
        ports=frozenset(row.ports),
        granted=granted,
        expires=row.expires,
        path=row.path,
        active=row.state == State.ACTIVE,
        opens=row.opens,
        closes=row.closes,
        job_types=frozenset(row.job_types),
        inside=row.inside,
        stale=stale_at(row.method, row.verified_at),
        ceilings=ceilings,
    )


def snapshot(tenant: UUID) -> Snapshot:
    """Compile what a tenant has now."""
    rows = policies_in_force(tenant)
    return build(
        [policy_of(row.pattern, row.version, row.body) for row in rows],
        listing=listing(tenant),
        authorizations=[authorization_of(row) for row in AuthorizationRow.objects.filter(tenant=tenant).order_by("id")],
        killed=[row.pattern for row in switched_off(tenant)],
    )


class Live:
    """A tenant's snapshot, compiled again only when something changed: for runs that ask at every hop.

    Every change is a row more, or raises a version; both are asked for each time, so a revocation or a switch holds at once.
    """

    def __init__(self, tenant: UUID) -> None:
        self.tenant = tenant

    def __call__(self) -> Snapshot:
        """Return what the tenant has now."""
        return current(self.tenant)


_KEPT: dict[tuple[str, UUID], tuple[tuple[Any, ...], Snapshot]] = {}
_MOST = 64
_STATE = (
    "SELECT (SELECT COUNT(*) FROM automation_policyversion WHERE tenant = %s), "
    "(SELECT MAX(id) FROM automation_policyversion WHERE tenant = %s), "
    "(SELECT COUNT(*) FROM automation_listing WHERE tenant = %s), (SELECT MAX(id) FROM automation_listing WHERE tenant = %s), "
    "(SELECT COUNT(*) FROM automation_switch WHERE tenant = %s), (SELECT MAX(id) FROM automation_switch WHERE tenant = %s), "
    "COUNT(*), SUM(version), MAX(verified_at) FROM automation_authorization WHERE tenant = %s"
)


def current(tenant: UUID) -> Snapshot:
    """Return what a tenant has now, compiled once for as long as nothing changes."""
    where = (f"{connection.settings_dict['HOST']}{connection.settings_dict['NAME']}", tenant)
    state = _state(tenant)
    kept = _KEPT.get(where)
    if kept is None or kept[0] != state:
        if len(_KEPT) >= _MOST:
            _KEPT.clear()
        kept = _KEPT[where] = (state, snapshot(tenant))
    return kept[1]


def _state(tenant: UUID) -> tuple[Any, ...]:
    """Return what rises with every change; numbers alone would miss one that is committed after a later one."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [uid(tenant)] * 7)
        return tuple(cursor.fetchone())


def build(
    policies: Iterable[HostPolicy], *, listing: Kind, authorizations: Iterable[Authorization] = (), killed: Iterable[str] = ()
) -> Snapshot:
    """Compile policies, and name the whole by its digest."""
    rows, given, off = list(policies), list(authorizations), sorted(killed)
    body = {
        "listing": str(listing),
        "policies": [
            [
                *(row.pattern, row.version, row.allowed, row.denied, sorted(row.ports), list(row.paths), sorted(row.strategies)),
                *(row.limits.per_minute, row.limits.per_hour, row.limits.concurrent),
                *([sorted(row.scripts)] if row.scripts else []),
            ]
            for row in rows
        ],
        "authorizations": [
            [one.id, one.version, one.active, stamp(one.expires), stamp(one.stale) if one.stale else ""] for one in given
        ],
        "killed": off,
    }
    digest = hashlib.sha256(encode(body)).hexdigest()
    return compiled(rows, listing=listing, authorizations=given, killed=off, digest=digest)
