"""One error tree: each error knows its code, its exit code and, where there is one, its remedy."""

from collections.abc import Mapping
from typing import Any

from trueup.kernel.words import ExitCode


class TrueupError(Exception):
    """The root of every error that Trueup raises on purpose.

    Args:
        message: what is wrong, with the place (file, line, field) where there is one.
        remedy: what the reader can do about it; empty where nothing can be advised.
        details: machine-readable particulars; never holds a secret.
    """

    code = "INTERNAL"
    exit_code = ExitCode.INTERNAL

    def __init__(self, message: str, *, remedy: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = dict(details or {})

    def as_dict(self) -> dict[str, Any]:
        """Return the problem shape's inner object."""
        body: dict[str, Any] = {"code": self.code, "message": self.message, "details": self.details}
        if self.remedy:
            body["remedy"] = self.remedy
        return body


class UsageError(TrueupError):
    """The call or its input cannot be understood."""

    code = "BAD_REQUEST"
    exit_code = ExitCode.USAGE


class UnreadableInput(UsageError):
    """A file cannot be read as what it is said to be; the message names file and line."""

    code = "UNREADABLE_INPUT"


class ConfigurationError(TrueupError):
    """The installation is not fit to run (policy, key, home or settings)."""

    code = "CONFIGURATION"
    exit_code = ExitCode.CONFIGURATION


class NotFound(TrueupError):
    """Nothing of that name exists in this tenant."""

    code = "NOT_FOUND"
    exit_code = ExitCode.NOT_FOUND


class Refused(TrueupError):
    """Policy, or a check of the action, does not allow this; ``details["entry"]`` joins the ledger's entry of the refusal."""

    code = "REFUSED"
    exit_code = ExitCode.REFUSED


class Conflict(TrueupError):
    """The state of things has moved on, or the same key was used for something else."""

    code = "CONFLICT"
    exit_code = ExitCode.CONFLICT


class Damaged(TrueupError):
    """A log, pack, fact or artifact is not what was recorded."""

    code = "DAMAGED"
    exit_code = ExitCode.FAIL


class StorageFull(TrueupError):
    """The disk (or quota) has no room; nothing was written."""

    code = "STORAGE_FULL"
    exit_code = ExitCode.INTERNAL
