"""Readings of requests, votes and rules."""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from trueup.kernel.actions.base import Principal
from trueup.kernel.change import holds
from trueup.kernel.change.engine.consent import State, present
from trueup.kernel.change.models import Request, Rule, Vote
from trueup.kernel.errors import NotFound
from trueup.kernel.evidence.engine.encode import stamp


def document(row: Request, votes: Collection[Vote], now: datetime) -> dict[str, Any]:
    """Return a request as people and programs see it, in the state that it has now."""
    return {
        "id": str(row.id),
        "state": str(present(State(row.state), row.expires_at, now)),
        "outcome": row.outcome,
        "action": row.action,
        "risk": row.risk,
        "resource": row.resource,
        "asked_by": row.asked_by,
        "person": row.person,
        "input": json.loads(row.input),
        "digest": row.digest,
        "attempt": str(row.attempt),
        "votes_needed": row.votes_needed,
        "voter_roles": list(row.voter_roles),
        "created_at": stamp(row.created_at),
        "expires_at": stamp(row.expires_at),
        "closed_at": stamp(row.closed_at) if row.closed_at else "",
        "votes": [
            {"person": v.person, "principal": v.principal, "choice": v.choice, "comment": v.comment, "at": stamp(v.at)}
            for v in votes
        ],
    }


def requests(tenant: UUID, *, now: datetime, state: str = "", limit: int = 100) -> list[dict[str, Any]]:
    """Return a tenant's requests, the newest first.

    Args:
        tenant: whose.
        now: the moment whose states are told.
        state: only those that have this state now; empty for all.
        limit: at most so many.
    """
    rows = Request.objects.filter(tenant=tenant)
    if state == State.EXPIRED:
        rows = rows.filter(state__in=[State.OPEN, State.APPROVED, State.EXPIRED], expires_at__lte=now)
    elif state in (State.OPEN, State.APPROVED):
        rows = rows.filter(state=state, expires_at__gt=now)
    elif state:
        rows = rows.filter(state=state)
    return with_votes(tenant, list(rows.order_by("-created_at", "id")[:limit]), now)


def with_votes(tenant: UUID, rows: list[Request], now: datetime) -> list[dict[str, Any]]:
    """Return requests as people and programs see them, in the order given."""
    votes: dict[UUID, list[Vote]] = {}
    for vote in Vote.objects.filter(tenant=tenant, request__in=rows).order_by("at"):
        votes.setdefault(vote.request_id, []).append(vote)
    return [document(row, votes.get(row.id, []), now) for row in rows]


def request(tenant: UUID, id: UUID | str, *, now: datetime) -> dict[str, Any]:
    """Return one request with its votes, and whether its input is still the one that was asked about.

    Raises:
        NotFound: this tenant has no such request.
    """
    try:
        row = Request.objects.filter(id=UUID(str(id)), tenant=tenant).first()
    except ValueError:
        row = None
    if row is None:
        raise NotFound(f"there is no request {id}", remedy="list them with 'trueup approval list'")
    waiting = row.state in (State.OPEN, State.APPROVED)
    (found,) = with_votes(tenant, [row], now)
    return {**found, "unchanged": holds.unchanged(row) if waiting else None}


def may_vote(found: dict[str, Any], principal: Principal) -> bool:
    """Tell whether a request waits for this person's vote, as far as rule and request say; policy is asked at the vote."""
    return (
        found["state"] == State.OPEN
        and not principal.is_agent
        and principal.who != found["person"]
        and principal.who not in {vote["person"] for vote in found["votes"]}
        and (not found["voter_roles"] or bool(set(found["voter_roles"]) & principal.roles))
    )


def inbox(tenant: UUID, principal: Principal, *, now: datetime, limit: int = 100) -> list[dict[str, Any]]:
    """Return what waits for this person's vote, the oldest first."""
    waiting = requests(tenant, now=now, state=State.OPEN, limit=1000)
    return [found for found in reversed(waiting) if may_vote(found, principal)][:limit]


def rules(tenant: UUID) -> list[dict[str, Any]]:
    """Return a tenant's rules of consent, by what they apply to."""
    rows = Rule.objects.filter(tenant=tenant).order_by("applies_to")
    return [
        {"applies_to": row.applies_to, "votes": row.votes, "expires_after": row.expires_after, "roles": list(row.roles)}
        for row in rows
    ]
