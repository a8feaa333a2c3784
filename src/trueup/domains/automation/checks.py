"""Asking what would be decided, now or after a change that nobody made yet: nothing is sent, resolved or stored."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field, field_validator

from trueup.domains.automation import snapshots
from trueup.domains.automation.actions_policies import PutPolicyInput, pattern_of, tiers_of
from trueup.domains.automation.engine.decide import Asked, Decision, decide
from trueup.domains.automation.engine.hostpolicy import HostPolicy, Snapshot
from trueup.domains.automation.engine.hostpolicy import Listing as Kind
from trueup.domains.automation.engine.tiers import Strategy, may_open
from trueup.domains.automation.queries import differences
from trueup.kernel.actions.base import Input


class CheckInput(Input):
    """What to ask about, and the change to try: a policy to write, one to retire, what would hold for other hosts."""

    urls: tuple[str, ...] = Field(min_length=1, max_length=1_000, description="what would be fetched")
    strategy: str = Field("vanilla", description="the tier that is asked for")
    job_type: str = Field("", max_length=40, description="the type of job; empty where it does not matter")
    role: str = Field("", max_length=40, description="ask as somebody who holds this role alone; empty: with one's own roles")
    proposed: PutPolicyInput | None = Field(None, description="a policy that is not written yet")
    retired: str = Field("", max_length=255, description="host or pattern of a policy that would be taken out of force")
    listing: Kind | None = Field(None, description="what would hold for hosts that no policy names")

    @field_validator("strategy")
    @classmethod
    def _tier(cls, value: str) -> str:
        return tiers_of([value])[0]

    @field_validator("retired")
    @classmethod
    def _pattern(cls, value: str) -> str:
        return pattern_of(value) if value else ""

    @property
    def changes(self) -> bool:
        """Whether a change is tried."""
        return bool(self.proposed or self.retired or self.listing)


@dataclass(frozen=True, slots=True)
class Answer:
    """About one URL: what is decided with the change, and what without it.

    Args:
        found: with the change; what is decided now where none is tried.
        now: what is decided now.
    """

    found: Decision
    now: Decision

    @property
    def turns(self) -> bool:
        """Whether the change allows what is refused now, or the other way round."""
        return self.found.allowed != self.now.allowed

    @property
    def differs(self) -> bool:
        """Whether the change makes any difference to it: its limits are one, too; the number of the version alone is none."""
        return _told(self.found) != _told(self.now)


def _told(found: Decision) -> tuple[object, ...]:
    return found.allowed, found.rule_ids, found.mode, found.limits, found.ceilings, found.policy and found.policy[0]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a dry run says.

    Args:
        snapshot: digest of the policies that were asked.
        answers: one for each URL, in their order.
        fields: in which the change differs from what is in force.
    """

    snapshot: str
    answers: tuple[Answer, ...]
    fields: tuple[dict[str, Any], ...]


def check(tenant: UUID, asked: CheckInput, roles: Collection[str], now: datetime) -> Checked:
    """Ask.

    Args:
        tenant: whose policies.
        asked: what.
        roles: of the caller, where no other is named.
        now: the time.
    """
    there = snapshots.snapshot(tenant)
    tried = _changed(tenant, there, asked) if asked.changes else there
    who = Asked(Strategy(asked.strategy), may_open([asked.role] if asked.role else roles), job_type=asked.job_type)
    decided = [decide(there, url, who, now) for url in asked.urls]
    after = [decide(tried, url, who, now) for url in asked.urls] if asked.changes else decided
    return Checked(tried.digest, tuple(map(Answer, after, decided)), tuple(_fields(tenant, there, asked)))


def _policies(there: Snapshot) -> dict[str, HostPolicy]:
    rows = [*there.exact.values(), *there.below.values(), *([there.everywhere] if there.everywhere else [])]
    return {row.pattern: row for row in rows}


def _changed(tenant: UUID, there: Snapshot, asked: CheckInput) -> Snapshot:
    rows = _policies(there)
    rows.pop(asked.retired, None)
    if asked.proposed:
        written = snapshots.policy_versions(tenant, asked.proposed.host)
        version = written[0].version + 1 if written else 1
        rows[asked.proposed.host] = snapshots.policy_of(asked.proposed.host, version, asked.proposed.body())
    return snapshots.build(
        sorted(rows.values(), key=lambda row: row.pattern),
        listing=asked.listing or there.listing,
        authorizations=there.authorizations,
        killed=there.killed,
    )


def _fields(tenant: UUID, there: Snapshot, asked: CheckInput) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if asked.proposed:
        rows = snapshots.policy_versions(tenant, asked.proposed.host)
        before = rows[0].body if rows and not rows[0].retired else {}
        found += [{"host": asked.proposed.host, **one} for one in differences(before, asked.proposed.body())]
    if asked.retired in _policies(there):
        found.append({"host": asked.retired, "field": "retired", "before": False, "after": True})
    if asked.listing and asked.listing is not there.listing:
        found.append({"host": "", "field": "listing", "before": str(there.listing), "after": str(asked.listing)})
    return found


def decision(found: Decision) -> dict[str, Any]:
    """Return a decision as pages and API show it."""
    ceilings = {"rps": found.ceilings.rps, "concurrent": found.ceilings.concurrent, "requests": found.ceilings.requests}
    return {
        "url": found.url,
        "allowed": found.allowed,
        "reason": found.reason,
        "rule_ids": list(found.rule_ids),
        "mode": str(found.mode),
        "limits": {
            "per_minute": found.limits.per_minute,
            "per_hour": found.limits.per_hour,
            "concurrent": found.limits.concurrent,
        }
        if found.allowed
        else None,
        "ceilings": ceilings if found.authorization else None,
        "policy": {"host": found.policy[0], "version": found.policy[1]} if found.policy else None,
        "authorization": {"id": found.authorization[0], "version": found.authorization[1]} if found.authorization else None,
    }


def document(found: Checked, asked: CheckInput) -> dict[str, Any]:
    """Return a dry run as the API answers with it; ``in_force`` is what is decided without the change."""
    items = []
    for answer in found.answers:
        item = decision(answer.found)
        if asked.changes:
            item |= {"in_force": decision(answer.now), "differs": answer.differs}
        items.append(item)
    return {
        "decisions": items,
        "allowed": sum(answer.found.allowed for answer in found.answers),
        "refused": sum(not answer.found.allowed for answer in found.answers),
        "snapshot": found.snapshot,
        "changes": list(found.fields),
    }
