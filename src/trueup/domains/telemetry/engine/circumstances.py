"""What was tested, and under which circumstances: what makes two runs comparable."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

CONTEXT = (
    "scenario_id",
    "operating_mode",
    "environment",
    "environment_fingerprint",
    "sensor_config_id",
    "input_data_version",
)
"""The circumstances a run may state, most telling first."""


class Level(StrEnum):
    """How many of the run's stated circumstances a baseline shares."""

    HIGH = "HIGH"  # all of them
    MED = "MED"  # some
    LOW = "LOW"  # none
    NONE = "NONE"  # the run states none


@dataclass(frozen=True, slots=True)
class Scope:
    """Program, subsystem and test; what was not said is empty, and equals only what was not said either."""

    program: str = ""
    subsystem: str = ""
    test_name: str = ""

    def __str__(self) -> str:
        """Return it as people write it."""
        return " / ".join(part or "(not said)" for part in (self.program, self.subsystem, self.test_name))


@dataclass(frozen=True, slots=True)
class Circumstances:
    """A scope and what was stated of ``CONTEXT``; fields that were not stated are absent."""

    scope: Scope
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Likeness:
    """How a baseline's circumstances stand to a run's.

    Args:
        matched: fields that the run states and the baseline states alike.
        differing: fields that the run states and the baseline does not, or states otherwise.
    """

    level: Level
    matched: tuple[str, ...]
    differing: tuple[str, ...]


def likeness(run: Mapping[str, str], baseline: Mapping[str, str], fields: Collection[str] = CONTEXT) -> Likeness:
    """Compare stated circumstances.

    >>> likeness({"environment": "lab"}, {"environment": "lab"}).level
    <Level.HIGH: 'HIGH'>
    """
    stated = [name for name in CONTEXT if name in fields and run.get(name)]
    matched = tuple(name for name in stated if baseline.get(name) == run[name])
    differing = tuple(name for name in stated if name not in matched)
    if not stated:
        level = Level.NONE
    elif not differing:
        level = Level.HIGH
    else:
        level = Level.MED if matched else Level.LOW
    return Likeness(level, matched, differing)
