"""Alerts: severities, states, and what somebody is told of a change."""

import re
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from trueup.kernel.errors import Conflict, UsageError


class Severity(IntEnum):
    """How soon somebody must look; ordered."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3

    @classmethod
    def named(cls, name: str) -> "Severity":
        """Return the severity of a name.

        Raises:
            UsageError: there is none.
        """
        try:
            return cls[name.upper()]
        except KeyError:
            words = ", ".join(one.name.lower() for one in cls)
            raise UsageError(f"there is no severity {name!r}", remedy=f"one of: {words}") from None

    @property
    def word(self) -> str:
        """Its name, as it is stored and shown."""
        return self.name.lower()


class State(StrEnum):
    """Where an alert stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Told(StrEnum):
    """What a delivery tells of."""

    OPENED = "opened"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


LIVE = (State.OPEN, State.ACKNOWLEDGED)
_FOLLOWS = {State.OPEN: (State.ACKNOWLEDGED, State.RESOLVED), State.ACKNOWLEDGED: (State.RESOLVED,), State.RESOLVED: ()}
_FILE = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}\.jsonl")
SINKS = ("stdout", "file")


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a room wants somebody to know.

    Args:
        rule: dotted name of what noticed it (``telemetry.drift``).
        subject: canonical id of what it is about.
        severity: how soon somebody must look.
        title: one sentence; no personal data, no secrets.
        detail: short particulars, JSON-able.
        key: what makes it the same alarm when it is raised again; rule and subject by default.
    """

    rule: str
    subject: str
    severity: Severity
    title: str
    detail: dict[str, object] = field(default_factory=dict)
    key: str = ""

    @property
    def identity(self) -> str:
        """What makes it the same alarm."""
        return self.key or f"{self.rule}|{self.subject}"


def require_step(now: State, then: State) -> None:
    """Refuse a state that cannot follow.

    Raises:
        Conflict: it cannot.
    """
    if then not in _FOLLOWS[now]:
        raise Conflict(f"the alert is {now}: it cannot become {then}", remedy="see it with 'trueup alert show'")


def told_of_raise(before: Severity | None, now: Severity) -> Told | None:
    """Return what is told when an alarm is raised: its opening, an escalation, or nothing for a mere repetition."""
    if before is None:
        return Told.OPENED
    return Told.ESCALATED if now > before else None


def checked_target(kind: str, target: str) -> str:
    """Return a sink's target if it is one of its kind.

    Raises:
        UsageError: it is not.
    """
    if kind not in SINKS:
        raise UsageError(f"there is no kind of sink {kind!r}", remedy=f"one of: {', '.join(SINKS)}")
    if kind == "stdout" and target:
        raise UsageError("a stdout sink has no target", remedy="leave it out: it writes to the worker's standard output")
    if kind == "file" and not _FILE.fullmatch(target):
        raise UsageError(
            f"{target!r} is no file name for alerts", remedy="a plain name that ends in .jsonl; it is kept in the home's outbox"
        )
    return target
