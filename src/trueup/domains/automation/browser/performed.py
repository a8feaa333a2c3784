"""What came of a job's steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from trueup.domains.automation.engine.codes import Code
from trueup.kernel.evidence.artifacts import Artifact
from trueup.kernel.evidence.engine.encode import stamp

Kept = Artifact
"""What was kept: digest, size, name and media type."""


class Ended(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    BLOCKED = "blocked"  # the target asks to be left alone


@dataclass(frozen=True, slots=True)
class StepError:
    """Why a step failed.

    Args:
        hint: selectors that are on the page and resemble the one that is not, with why; never applied.
        rules: of the policy that refused it.
    """

    code: Code
    message: str
    hint: tuple[Mapping[str, str], ...] = ()
    rules: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        found: dict[str, Any] = {"code": str(self.code), "message": self.message}
        if self.hint:
            found["hint"] = [dict(one) for one in self.hint]
        if self.rules:
            found["rule_ids"] = list(self.rules)
        return found


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of one step.

    Args:
        path: where it lies, counted from one: ``2``, ``2.then.1``, ``3[4].1`` (fourth turn of a loop), ``5.steps.1``.
        data: what it found, with secrets masked.
        artifacts: that it kept.
        elapsed_ms: of all attempts, waits between them included.
        at: when it began.
    """

    path: str
    action: str
    name: str
    success: bool
    at: datetime
    elapsed_ms: int
    attempts: int
    data: Any = None
    error: StepError | None = None
    artifacts: tuple[Kept, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "path": self.path,
            "action": self.action,
            "name": self.name,
            "success": self.success,
            "data": self.data,
            "error": self.error.document() if self.error else None,
            "artifacts": [one.as_dict() for one in self.artifacts],
            "metrics": {"elapsed_ms": self.elapsed_ms, "attempts": self.attempts},
            "at": stamp(self.at),
        }


@dataclass(slots=True)
class Performed:
    """What came of a run; filled as it goes, so that a run that is ended from outside leaves what it did.

    Args:
        steps: in the order in which they ended; one that holds others comes after them.
        stored: what steps stored, with secrets masked.
        artifacts: evidence of the whole run; those of steps are theirs.
        ended: None while it runs, and where it was ended from outside.
        code, reason: why it failed or was blocked; empty otherwise.
        rules: of the policy that refused.
        retry_after: as a target that blocks says it (a number of seconds or a date); empty where it does not.
        left_out: evidence that could not be had, with the reason.
        url, status: of the last document; the URL without secrets.
    """

    steps: list[StepResult] = field(default_factory=list)
    stored: dict[str, Any] = field(default_factory=dict)
    artifacts: list[Kept] = field(default_factory=list)
    ended: Ended | None = None
    code: Code | None = None
    reason: str = ""
    rules: tuple[str, ...] = ()
    retry_after: str = ""
    left_out: dict[str, str] = field(default_factory=dict)
    url: str = ""
    status: int | None = None

    def document(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "ended": str(self.ended or ""),
            "code": str(self.code or ""),
            "reason": self.reason,
            "rule_ids": list(self.rules),
            "retry_after": self.retry_after,
            "left_out": self.left_out,
            "url": self.url,
            "status": self.status,
            "steps": [one.document() for one in self.steps],
            "stored": self.stored,
            "artifacts": [one.as_dict() for one in self.artifacts],
        }
