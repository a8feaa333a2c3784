"""Whether two subjects are the same thing, with the reasons in words. Pure; nothing is merged here."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from trueup.kernel.subjects.engine.names import NAMESPACES, Strength


class Likeness(StrEnum):
    """How sure one can be that two subjects are one."""

    SAME = "same"  # a strong alias in common, none against it
    MAYBE = "maybe"  # weak aliases in common only
    CONFLICT = "conflict"  # a strong alias in common, and another that differs
    DIFFERENT = "different"  # nothing in common


@dataclass(frozen=True, slots=True)
class Match:
    """The comparison of two subjects.

    Args:
        likeness: the answer.
        reasons: sentences, the weightiest first.
    """

    likeness: Likeness
    reasons: tuple[str, ...]


_SINGULAR = ("serial", "uuid")
"""Namespaces of which one thing has one value: two different ones speak against sameness."""


def compare(one: Iterable[tuple[str, str]], other: Iterable[tuple[str, str]]) -> Match:
    """Compare the aliases of two subjects.

    Args:
        one: pairs of namespace and normal value.
        other: the same of the other subject.

    A shared strong alias says "same"; two different serial numbers or hardware ids say "not the same", and where both
    speak the answer is a conflict for a person to settle (a replaced mainboard, a cloned disk image).
    """
    mine, theirs = set(one), set(other)
    shared = sorted(mine & theirs, key=lambda pair: (NAMESPACES[pair[0]].strength != Strength.STRONG, pair))
    strong = [pair for pair in shared if NAMESPACES[pair[0]].strength is Strength.STRONG]
    against = [name for name in _SINGULAR if _differ(name, mine, theirs)]
    reasons = [f"both have the {space} {value}" for space, value in shared] + [f"their {name}s differ" for name in against]
    if strong and against:
        return Match(Likeness.CONFLICT, tuple(reasons))
    if strong:
        return Match(Likeness.SAME, tuple(reasons))
    if shared and not against:
        return Match(Likeness.MAYBE, (*reasons, "but several things may share these"))
    return Match(Likeness.DIFFERENT, tuple(reasons) or ("they have no alias in common",))


def _differ(space: str, one: set[tuple[str, str]], other: set[tuple[str, str]]) -> bool:
    mine = {value for name, value in one if name == space}
    theirs = {value for name, value in other if name == space}
    return bool(mine and theirs and not mine & theirs)
