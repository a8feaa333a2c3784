"""The words every verdict and every exit code of Trueup is made of.

Nothing else may be returned: a caller that scripts Trueup relies on these alone.
"""

from enum import IntEnum, StrEnum


class Verdict(StrEnum):
    """The answer to "is it still what was claimed?". Only ``PASS`` is a pass."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    PASS_WITH_DRIFT = "PASS_WITH_DRIFT"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"
    NO_DATA = "NO_DATA"
    NO_BASELINE = "NO_BASELINE"
    STALE = "STALE"
    UNKNOWN = "UNKNOWN"


class ExitCode(IntEnum):
    """Process exit codes; no command uses another."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    CONFIGURATION = 3
    NOT_FOUND = 4
    REFUSED = 5
    HELD = 6
    CONFLICT = 7
    DRIFT = 10
    FAIL = 20
    UNKNOWN = 30
    INTERRUPTED = 130


_EXIT = {
    Verdict.PASS: ExitCode.OK,
    Verdict.PASS_WITH_DRIFT: ExitCode.DRIFT,
    Verdict.FAIL: ExitCode.FAIL,
}


def exit_code(verdict: Verdict) -> ExitCode:
    """Return the exit code of a verdict; every answer that is not known is 30.

    >>> exit_code(Verdict.NO_BASELINE)
    <ExitCode.UNKNOWN: 30>
    """
    return _EXIT.get(verdict, ExitCode.UNKNOWN)
