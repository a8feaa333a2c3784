"""A fact: one thing known about one subject, with its time and its source."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

FactValue = str | int | float | bool


class ValueType(StrEnum):
    """The types a predicate's value may have."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Predicate:
    """What can be said of a subject, published by one room under a version.

    Args:
        name: dotted, the room first (``telemetry.verdict``).
        version: rises when the meaning changes; facts of other versions are other predicates.
        type: of the value.
        unit: canonical unit of a number (UCUM where it has one); empty for the unit-less.
        meaning: one line for people.
    """

    name: str
    version: int
    type: ValueType
    meaning: str
    unit: str = ""

    @property
    def key(self) -> str:
        """``name@version``, as gates and listings write it."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Fact:
    """One observation. Facts are only ever added; a correction supersedes.

    Args:
        subject: canonical id (``telemetry-run:<uuid>``, ``device:…``).
        predicate: ``name@version`` of a registered predicate.
        value: typed as its predicate says.
        unit: of a number; empty for the unit-less.
        valid_at: when it was so, timezone-aware.
        recorded_at: when it was written down, timezone-aware.
        source: who or what observed it (``trueup.telemetry.compare``); sources may disagree.
        id: the fact's UUID; empty before it is stored.
        supersedes: id of the fact that this one corrects, or empty.
        signers: fingerprints of the keys whose checkpoint covers the fact; empty while not covered.
    """

    subject: str
    predicate: str
    value: FactValue
    valid_at: datetime
    recorded_at: datetime
    source: str
    unit: str = ""
    id: str = ""
    supersedes: str = ""
    signers: tuple[str, ...] = ()
