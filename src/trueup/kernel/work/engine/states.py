"""The states of a job, and which of them may follow which."""

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # for good: refused, or its input can never be right
    DEAD = "dead"  # every attempt was used up; a dead letter
    CANCELLED = "cancelled"


class Move(StrEnum):
    """What can happen to a job."""

    CLAIM = "claim"  # a worker takes it, or takes it over after its lease has run out
    SUCCEED = "succeed"
    REFUSE = "refuse"  # it failed in a way that no retry mends
    RETRY = "retry"  # it failed and has attempts left
    GIVE_UP = "give_up"  # it failed and has none left
    RETURN = "return"  # its worker stops and gives it back; the attempt does not count
    CANCEL = "cancel"
    REPLAY = "replay"  # somebody wants it tried again


ENDED = frozenset({State.DONE, State.FAILED, State.DEAD, State.CANCELLED})
"""States that nothing but a replay leaves."""

_MOVES: Mapping[tuple[State, Move], State] = {
    (State.QUEUED, Move.CLAIM): State.RUNNING,
    (State.QUEUED, Move.CANCEL): State.CANCELLED,
    (State.RUNNING, Move.CLAIM): State.RUNNING,
    (State.RUNNING, Move.SUCCEED): State.DONE,
    (State.RUNNING, Move.REFUSE): State.FAILED,
    (State.RUNNING, Move.RETRY): State.QUEUED,
    (State.RUNNING, Move.GIVE_UP): State.DEAD,
    (State.RUNNING, Move.RETURN): State.QUEUED,
    (State.RUNNING, Move.CANCEL): State.CANCELLED,
    (State.FAILED, Move.REPLAY): State.QUEUED,
    (State.DEAD, Move.REPLAY): State.QUEUED,
    (State.CANCELLED, Move.REPLAY): State.QUEUED,
}


def after(state: State, move: Move) -> State | None:
    """Return the state that follows; None where the move is not possible.

    >>> after(State.RUNNING, Move.SUCCEED)
    <State.DONE: 'done'>
    >>> after(State.DONE, Move.REPLAY) is None
    True
    """
    return _MOVES.get((state, move))


def failed(*, permanent: bool, attempts: int, max_attempts: int) -> Move:
    """Return what a failure does to a running job.

    Args:
        permanent: no retry can mend it.
        attempts: how often it has been begun, this time included.
        max_attempts: how often it may be.
    """
    if permanent:
        return Move.REFUSE
    return Move.RETRY if attempts < max_attempts else Move.GIVE_UP
