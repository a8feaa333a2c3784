"""The life of an authorization: from a draft, by evidence, to one that is active; and how it ends."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from trueup.domains.automation.engine.tiers import NEEDS_APPROVAL, OWNERSHIP, Strategy

LONGEST = timedelta(days=90)
LONGEST_LOAD = timedelta(hours=24)
"""How long an authorization lasts at most; one that opens load or scripts."""
FRESH = timedelta(hours=24)
"""How old a verification may be when a job runs; an older one is repeated where it can be."""
METHODS = (*sorted(OWNERSHIP), "signed_letter")


LOOKED_UP = frozenset({"dns_txt", "well_known_file", "html_meta"})
"""Evidence that can be looked up again, and is."""
CEILINGS = ("max_rps", "max_concurrent", "max_requests")
"""What load is bounded by, however much of it a job asks for; each has to be named."""


class State(StrEnum):
    """Where an authorization stands."""

    DRAFT = "draft"
    EVIDENCE = "evidence_submitted"
    VERIFIED = "verified"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REVOKED = "revoked"


_MOVES: dict[State, frozenset[State]] = {
    State.DRAFT: frozenset({State.EVIDENCE, State.REVOKED, State.EXPIRED}),
    State.EVIDENCE: frozenset({State.VERIFIED, State.REVOKED, State.EXPIRED}),
    State.VERIFIED: frozenset({State.ACTIVE, State.REVOKED, State.EXPIRED}),
    State.ACTIVE: frozenset({State.SUSPENDED, State.REVOKED, State.EXPIRED}),
    State.SUSPENDED: frozenset({State.ACTIVE, State.REVOKED, State.EXPIRED}),
    State.EXPIRED: frozenset(),
    State.REVOKED: frozenset(),
}


def stale_at(method: str, verified_at: datetime | None) -> datetime | None:
    """Return when a verification is too old to be relied on; None for evidence that cannot be looked up again."""
    if method not in LOOKED_UP:
        return None
    return (verified_at or datetime.min.replace(tzinfo=UTC)) + FRESH


def is_fresh(method: str, verified_at: datetime | None, now: datetime) -> bool:
    """Whether what was verified can be relied on now."""
    until = stale_at(method, verified_at)
    return verified_at is not None and (until is None or now < until)


def may_become(state: State, wanted: State) -> bool:
    """Whether one state can follow another; what is revoked or expired stays so."""
    return wanted in _MOVES[state]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks to be authorized, as far as it decides whether that can be.

    Args:
        max_rps, max_concurrent, max_requests: requests a second, at once and in all; None where it names no ceiling.
    """

    host: str
    ports: frozenset[int]
    method: str
    own: bool
    inside: bool
    strategies: frozenset[Strategy]
    expires: datetime
    opens: datetime | None = None
    closes: datetime | None = None
    max_rps: float | None = None
    max_concurrent: int | None = None
    max_requests: int | None = None


def objection(wanted: Wanted, now: datetime) -> str:
    """Say why this can never be authorized; empty where it can.

    Args:
        wanted: what is asked.
        now: the time.
    """
    load = wanted.strategies & NEEDS_APPROVAL
    if wanted.method not in METHODS:
        return f"the method is none of {', '.join(METHODS)}"
    if wanted.expires <= now or wanted.expires > now + (LONGEST_LOAD if load else LONGEST):
        return "it must end within 24 hours, for it opens load or scripts" if load else "it must end within 90 days"
    if wanted.host.startswith("*") and (
        wanted.host.count(".") < 2 or wanted.method in ("well_known_file", "html_meta", "loopback")
    ):
        return "every name below a host is proved by dns_txt, and never for a whole top-level domain"
    if wanted.opens and wanted.closes and wanted.opens >= wanted.closes:
        return "its window closes before it opens"
    if wanted.inside and (not wanted.ports or wanted.host.startswith("*")):
        return "what is no public place has to be named by host and port"
    if load and not (wanted.own and wanted.method in OWNERSHIP):
        return f"{', '.join(sorted(load))} needs proof that the target is one's own"
    if Strategy.ASSAULT in load and not (wanted.opens and wanted.closes):
        return "assault needs a window"
    missing = [name for name in CEILINGS if getattr(wanted, name) is None]
    if Strategy.ASSAULT in load and missing:
        return f"assault needs hard ceilings, and it names no {' and no '.join(missing)}"
    return ""
