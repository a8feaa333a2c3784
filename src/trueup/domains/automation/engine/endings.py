"""How runs of jobs end, what that means for the job, and the states that people see."""

from enum import StrEnum


class Ending(StrEnum):
    """How one attempt at a job ended."""

    COMPLETED = "completed"
    FAILED = "failed"  # a step failed, or nothing whole came
    BLOCKED = "blocked"  # the target asks to be left alone
    DENIED = "denied"  # by a rule
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"  # something was sent that changes things, and whether it was taken is not known


class State(StrEnum):
    """Where a job stands, in the words of automation."""

    QUEUED = "queued"
    RUNNING = "running"
    RETRY_WAIT = "retry_wait"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    DENIED = "denied"


TIMEOUT, BLOCKED, VIOLATION, UNKNOWN = "JOB_TIMEOUT", "TARGET_BLOCKED", "POLICY_VIOLATION", "OUTCOME_UNKNOWN"
"""Codes of endings that no attempt mends."""

OURS = frozenset({"PAGE_CRASHED", "BROWSER_LOST"})
"""Codes of failures that are neither the target's nor the job's; the tiers' own retries are made within a run."""
RETRIES = 2
_ENDED = {"done": State.COMPLETED, "dead": State.FAILED, "failed": State.FAILED, "cancelled": State.CANCELLED}
_BY_CODE = {TIMEOUT: State.TIMED_OUT, VIOLATION: State.DENIED}
_SHOWN = {State.RETRY_WAIT: "queued", State.COMPLETED: "done", State.TIMED_OUT: "failed", State.DENIED: "failed"}


def again(ending: Ending, code: str, failures: int) -> bool:
    """Tell whether a job is tried again after a run that ended badly.

    A target that asks to be left alone, a rule that refuses and an unknown outcome are never met by another attempt, and
    what failed on the way was tried again within the run, as often as its tier does.

    Args:
        ending: of the run.
        code: of its error.
        failures: runs of the job that ended badly, this one counted.
    """
    return ending is Ending.FAILED and code in OURS and failures <= RETRIES


def state_of(state: str, error: str) -> State:
    """Return where a job stands.

    Args:
        state: of the durable job.
        error: ``CODE: words`` of its last attempt; empty where there is none.

    >>> str(state_of("failed", "JOB_TIMEOUT: longer than 1 s"))
    'timed_out'
    """
    if state == "queued":
        return State.RETRY_WAIT if error else State.QUEUED
    if state == "failed":
        return _BY_CODE.get(error.partition(":")[0], State.FAILED)
    return _ENDED.get(state) or State(state)


def stored_state(shown: State) -> str:
    """Return the state of the durable job behind a shown one; several are shown of one."""
    return _SHOWN.get(shown, str(shown))
