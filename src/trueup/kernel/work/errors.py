"""How work can end without its result."""

from datetime import datetime

from trueup.kernel.errors import Conflict, Refused, TrueupError, UsageError


class StaleFence(Conflict):
    """The job is no longer this worker's: it was given to another, cancelled, or ended."""

    code = "STALE_FENCE"


class PrincipalGone(Refused):
    """Who asked for the job is gone, disabled, or has no role in the tenant any more."""

    code = "PRINCIPAL_GONE"


class JobCancelled(TrueupError):
    """Somebody cancelled the job while it ran."""

    code = "CANCELLED"


class JobTimeout(TrueupError):
    """The job ran longer than its kind may."""

    code = "TIMEOUT"


class OutOfMemory(TrueupError):
    """The job's process needed more memory than its kind may."""

    code = "MEMORY"


class ChildCrashed(TrueupError):
    """The job's process ended without an answer."""

    code = "CRASHED"


class ChildFailed(TrueupError):
    """The job failed in its process; the failure is the one that the process reported."""

    def __init__(self, code: str, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.code = code
        self.permanent = permanent


class ResultTooLarge(UsageError):
    """A job's result does not fit into its row."""

    code = "RESULT_TOO_LARGE"


class Final(TrueupError):
    """What a job was to do has ended badly, and no further attempt mends it; the code says how."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Postponed(TrueupError):
    """A job may not go on yet (a limit, a breaker); it goes back to the queue, and the attempt does not count."""

    code = "POSTPONED"

    def __init__(self, message: str, *, until: datetime) -> None:
        super().__init__(message)
        self.until = until
