"""Gates as values: conditions on facts, joined by all, any and at_least; and what a decision is made of.

There is no ``not``. With it a fact that fails a condition could open a gate (``not: [latency < 5]`` turns green when
the latency gets worse), and "adding a failing fact never turns a gate green" would no longer hold. What a ``not``
would say is said by the comparison itself: ``not_equals``, ``>=`` instead of ``<``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from trueup.kernel.evidence.engine.encode import stamp
from trueup.kernel.evidence.engine.fact import Fact, FactValue, Predicate
from trueup.kernel.words import Verdict

SUBJECT = "$subject"
"""What stands in a condition for the subject given at evaluation; ``$subject/part`` for a part of it."""


class Outcome(StrEnum):
    """Three-valued truth; ``unknown`` never opens a gate."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


class Compare(StrEnum):
    """How a fact's value is compared with the gate's; the value is the key in the gate's file."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    IN = "in"
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    NO_LESS = ">="


ORDERED = frozenset({Compare.LESS, Compare.AT_MOST, Compare.MORE, Compare.NO_LESS})


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that must be known and so.

    Args:
        id: unique in the gate; waivers name it.
        subject: canonical id, or ``$subject``, or ``$subject/part``.
        predicate: registered, with type and unit.
        compare: how.
        values: what the fact's value is compared with; one, or for ``in`` one or more.
        age: facts older than this are stale and prove nothing; None: facts do not age.
        sources: only these are asked, and each must know; empty: whoever has said something.
        signed_by: fingerprints, one of which must have signed for each fact; empty: no signature is asked for.
        title: for people.
    """

    id: str
    subject: str
    predicate: Predicate
    compare: Compare
    values: tuple[FactValue, ...]
    age: timedelta | None = None
    sources: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()
    title: str = ""

    @property
    def wanted(self) -> str:
        """What is asked for, as people read it (``telemetry.verdict@1 equals "PASS"``)."""
        shown = [show(value, self.predicate.unit) for value in self.values]
        value = f"{', '.join(shown)}" if self.compare is Compare.IN else shown[0]
        words = {Compare.NOT_EQUALS: "does not equal", Compare.IN: "is one of"}.get(self.compare, self.compare.value)
        return f"{self.predicate.key} {words} {value}"


@dataclass(frozen=True, slots=True)
class All:
    """Passes when every child passes, fails when one fails."""

    children: "tuple[Node, ...]"
    title: str = ""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Passes when one child passes, fails when every child fails."""

    children: "tuple[Node, ...]"
    title: str = ""


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Passes when ``n`` children pass, fails when so many fail that ``n`` cannot pass any more; 1 ≤ n ≤ children."""

    n: int
    children: "tuple[Node, ...]"
    title: str = ""


Node = Condition | All | AnyOf | AtLeast


@dataclass(frozen=True, slots=True)
class Waiver:
    """The accepted failure of one condition, until it expires.

    A waiver turns *fail* into *pass*. It does not turn *unknown* into anything: what is accepted is a failure that
    somebody has looked at, not that nobody looked.
    """

    condition: str
    owner: str
    reason: str
    compensating_control: str
    expires: datetime

    def active(self, now: datetime) -> bool:
        """Whether the waiver holds; at the moment of expiry it no longer does."""
        return now < self.expires


@dataclass(frozen=True, slots=True)
class Gate:
    """What must be so before something goes on.

    Args:
        digest: SHA-256 (hex) of the gate's text, UTF-8.
    """

    name: str
    requires: Node
    waivers: tuple[Waiver, ...] = ()
    title: str = ""
    digest: str = ""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions, in the order of the text."""
        return tuple(_conditions(self.requires))

    @property
    def needs_subject(self) -> bool:
        """Whether some condition speaks of ``$subject``."""
        return any(open_subject(condition.subject) for condition in self.conditions)


def _conditions(node: Node) -> Iterator[Condition]:
    if isinstance(node, Condition):
        yield node
        return
    for child in node.children:
        yield from _conditions(child)


class Standing(StrEnum):
    """What one fact says to one condition."""

    HOLDS = "holds"
    FAILS = "fails"
    STALE = "stale"
    UNSIGNED = "unsigned"
    FUTURE = "from the future"
    MISTYPED = "not of the predicate's type or unit"


@dataclass(frozen=True, slots=True)
class FactUse:
    """One fact that a condition was decided by.

    Args:
        age_seconds: from ``valid_at`` to the moment of decision; negative for a fact from the future.
    """

    fact: Fact
    standing: Standing
    age_seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able data."""
        fact = self.fact
        value = fact.value if isinstance(fact.value, str | bool | int) or abs(fact.value) < float("inf") else repr(fact.value)
        return {
            "id": fact.id,
            "source": fact.source,
            "value": value,
            "unit": fact.unit,
            "valid_at": stamp(fact.valid_at),
            "recorded_at": stamp(fact.recorded_at),
            "age_seconds": self.age_seconds,
            "signers": sorted(fact.signers),
            "standing": self.standing.value,
        }


@dataclass(frozen=True, slots=True)
class Explained:
    """One node of the gate with its outcome, in words.

    Args:
        kind: ``condition``, ``all``, ``any`` or ``at_least``.
        id: of a condition; empty otherwise.
        words: why the outcome is what it is.
        facts: those that decided, sorted by source and time.
        waiver: the one that was considered, in force or not.
        waived: the waiver turned a failure into a pass.
    """

    kind: str
    outcome: Outcome
    words: str
    id: str = ""
    title: str = ""
    facts: tuple[FactUse, ...] = ()
    waiver: Waiver | None = None
    waived: bool = False
    children: "tuple[Explained, ...]" = ()

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able data."""
        body: dict[str, Any] = {"kind": self.kind, "outcome": self.outcome.value, "words": self.words}
        if self.title:
            body["title"] = self.title
        if self.kind != "condition":
            return {**body, "children": [child.as_dict() for child in self.children]}
        body |= {"id": self.id, "facts": [use.as_dict() for use in self.facts], "waived": self.waived}
        if self.waiver is not None:
            body["waiver"] = {
                "owner": self.waiver.owner,
                "reason": self.waiver.reason,
                "compensating_control": self.waiver.compensating_control,
                "expires": stamp(self.waiver.expires),
            }
        return body


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of a gate at one moment, with the tree that explains it."""

    gate: Gate
    outcome: Outcome
    tree: Explained
    now: datetime
    subject: str = ""

    @property
    def verdict(self) -> Verdict:
        """The outcome in the words of verdicts."""
        return {Outcome.PASS: Verdict.PASS, Outcome.FAIL: Verdict.FAIL}.get(self.outcome, Verdict.UNKNOWN)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able data: gate, digest of its text, subject, moment, outcome and tree."""
        return {
            "gate": self.gate.name,
            "title": self.gate.title,
            "gate_sha256": self.gate.digest,
            "subject": self.subject,
            "now": stamp(self.now),
            "outcome": self.outcome.value,
            "tree": self.tree.as_dict(),
        }


def bound(condition: Condition, subject: str) -> Condition:
    """Return the condition with ``$subject`` replaced."""
    if not open_subject(condition.subject):
        return condition
    return replace(condition, subject=subject + condition.subject.removeprefix(SUBJECT))


def open_subject(text: str) -> bool:
    """Tell whether a condition's subject is ``$subject`` or a part of it."""
    return text == SUBJECT or text.startswith(f"{SUBJECT}/")


def show(value: FactValue, unit: str = "") -> str:
    """Return a value as people read it, with its unit."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value} {unit}".rstrip() if unit != "1" else str(value)
