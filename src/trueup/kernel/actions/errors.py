"""How a run of an action can end without its result."""

from trueup.kernel.errors import Conflict, Refused, TrueupError
from trueup.kernel.words import ExitCode


class PolicyRefused(Refused):
    """Policy does not allow this principal to do this to that."""

    code = "POLICY_REFUSED"


class SeparationOfDuties(Refused):
    """The same person may not do both halves of this."""

    code = "SEPARATION_OF_DUTIES"


class Held(TrueupError):
    """The action needs an approval; its exact input is stored and will run once when it is given."""

    code = "HELD_FOR_APPROVAL"
    exit_code = ExitCode.HELD


class InProgress(Conflict):
    """The same key and input are being worked on at this moment."""

    code = "IN_PROGRESS"


class IdempotencyConflict(Conflict):
    """The key was used before, with another input."""

    code = "IDEMPOTENCY_CONFLICT"


class AttemptFailed(TrueupError):
    """The first attempt under this key failed; its failure is the answer."""

    code = "ATTEMPT_FAILED"
