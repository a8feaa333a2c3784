"""States of a request, and what a vote, a moment or a rule makes of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from trueup.kernel.errors import Conflict, Refused


class State(StrEnum):
    """``void``: what was consented to can no longer run; ``done``: it ran."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VOID = "void"
    DONE = "done"


class Choice(StrEnum):
    """What a person says to a request."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Need:
    """How much consent an action needs.

    Args:
        votes: of so many different persons.
        expires_after: from the asking to the run, all in all.
        roles: a voter holds one of these; empty when policy alone says who may vote.
    """

    votes: int = 1
    expires_after: timedelta = timedelta(days=3)
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Standing:
    """A request at one moment.

    Args:
        persons_for: who has consented.
        persons_against: who has refused.
    """

    state: State
    votes_needed: int
    expires_at: datetime
    persons_for: frozenset[str] = frozenset()
    persons_against: frozenset[str] = frozenset()


def need(rules: Sequence[tuple[str, Need]], *, action: str, risk: str) -> Need:
    """Return the rule that holds for an action: the one of its name, else of its risk, else ``*``, else one vote in three days.

    >>> need([("*", Need(votes=2)), ("R3", Need(votes=3))], action="a.b", risk="R3").votes
    3
    """
    known = dict(rules)
    return next((known[name] for name in (action, risk, "*") if name in known), Need())


def present(state: State, expires_at: datetime, now: datetime) -> State:
    """Return the state that a request has at a moment: consent that nobody used in time is gone.

    An expiry is not written when it happens; it is true from its moment on.
    """
    waiting = state in (State.OPEN, State.APPROVED)
    return State.EXPIRED if waiting and now >= expires_at else state


def vote(standing: Standing, *, person: str, choice: Choice, now: datetime) -> Standing:
    """Return a request after one more vote. A refusal ends it; the last needed consent approves it.

    Raises:
        Conflict: it waits for no vote any more, or this person has voted.
    """
    state = present(standing.state, standing.expires_at, now)
    if state is not State.OPEN:
        raise Conflict(f"the request is {state}; it takes no votes")
    if person in standing.persons_for | standing.persons_against:
        raise Conflict("this person has voted on the request already")
    if choice is Choice.REJECT:
        return Standing(
            State.REJECTED, standing.votes_needed, standing.expires_at, standing.persons_for, standing.persons_against | {person}
        )
    persons = standing.persons_for | {person}
    after = State.APPROVED if len(persons) >= standing.votes_needed else State.OPEN
    return Standing(after, standing.votes_needed, standing.expires_at, persons, standing.persons_against)


def require_voter(roles: Collection[str], wanted: Collection[str]) -> None:
    """Refuse a voter who holds none of the roles that the rule names.

    Raises:
        Refused: names them.
    """
    if wanted and not set(roles) & set(wanted):
        raise Refused(
            f"the rule for this action lets only {', '.join(sorted(wanted))} vote", remedy="ask somebody with that role"
        )
