"""How hard a target may be touched: tiers, modes and the ladder between them.

A mode is derived from what was authorized, never claimed by a caller. No tier hides that a program is at work: they differ in
how quiet, or on systems of one's own how demanding, they are.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Strategy(StrEnum):
    """The tiers, the gentlest first."""

    VANILLA = "vanilla"  # one plain, polite run
    STEALTH = "stealth"  # quiet towards the target, not hidden from it
    MATRIX = "matrix"  # stealth over several device profiles
    ASSAULT = "assault"  # resilience and load on one's own system
    CUSTOM = "custom"  # a reviewed script


ALIASES = {"ultimate_stealth": Strategy.MATRIX, "ultimate-stealth": Strategy.MATRIX}
"""Older names of tiers."""


class Mode(StrEnum):
    """On whose word a target is touched."""

    PUBLIC = "public"
    CUSTOMER = "customer-authorized"
    INTERNAL = "internal"


LADDER: dict[Mode, frozenset[Strategy]] = {
    Mode.PUBLIC: frozenset({Strategy.VANILLA}),
    Mode.CUSTOMER: frozenset({Strategy.VANILLA, Strategy.STEALTH, Strategy.MATRIX}),
    Mode.INTERNAL: frozenset(Strategy),
}
"""What each mode can open at most."""

OWNERSHIP = frozenset({"dns_txt", "well_known_file", "html_meta", "loopback"})
"""Kinds of evidence that prove whose a target is; a letter proves consent alone."""
NEEDS_APPROVAL = frozenset({Strategy.ASSAULT, Strategy.CUSTOM})
"""Tiers that a second person has to consent to."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What an active authorization opens.

    Args:
        method: kind of its evidence.
        strategies: that it names.
        own: whether the target is said to be the organisation's own.
        approved: whether a second person consented.
        windowed: whether it is limited to a window of time.
        bounded: whether it names every ceiling: on requests a second, at once and in all.
    """

    method: str
    strategies: frozenset[Strategy]
    own: bool
    approved: bool = False
    windowed: bool = False
    bounded: bool = False


def strategy_of(name: str) -> Strategy:
    """Return the tier of a name or older name.

    Raises:
        ValueError: there is none.
    """
    key = name.strip().lower()
    return ALIASES.get(key) or Strategy(key)


def mode_of(granted: Granted | None) -> Mode:
    """Derive the mode from an authorization that is active and names the target."""
    if granted is None:
        return Mode.PUBLIC
    return Mode.INTERNAL if granted.own and granted.method in OWNERSHIP else Mode.CUSTOMER


def refusal(strategy: Strategy, granted: Granted | None, listed: Collection[Strategy], allowed: Collection[Strategy]) -> str:
    """Return the rule that refuses a tier; empty where none does.

    Args:
        strategy: that is asked for.
        granted: by an active authorization naming the target; None where there is none.
        listed: tiers that the target's policy lists; empty means vanilla alone.
        allowed: tiers that the caller's role and plan allow.
    """
    if strategy not in LADDER[mode_of(granted)]:
        return "tier.mode"
    if strategy not in (listed or {Strategy.VANILLA}):
        return "tier.policy"
    if strategy not in allowed:
        return "tier.role"
    if strategy is Strategy.VANILLA:
        return ""
    if granted is None or strategy not in granted.strategies:
        return "tier.authorization"
    if strategy in NEEDS_APPROVAL and not granted.approved:
        return "tier.approval"
    if strategy is Strategy.ASSAULT and not granted.windowed:
        return "tier.window"
    if strategy is Strategy.ASSAULT and not granted.bounded:
        return "tier.ceilings"
    return ""


_ROLE_TIERS: dict[str, frozenset[Strategy]] = {
    "owner": frozenset(Strategy),
    "admin": frozenset(Strategy),
    "operator": frozenset({Strategy.VANILLA, Strategy.STEALTH, Strategy.MATRIX}),
}


def may_open(roles: Collection[str]) -> frozenset[Strategy]:
    """Return the tiers that roles allow; those that are not named here allow none."""
    return frozenset().union(*(_ROLE_TIERS.get(role, frozenset()) for role in roles))
