"""What facts say to one condition: the newest of each source, and whether that is enough to know.

Every doubt ends in *unknown*, never in *pass*: a fact from the future, one that is stale, unsigned or mistyped, two
answers of one source at one moment, sources that disagree, a source that was asked for and is silent, or no fact.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from trueup.kernel.evidence.engine.fact import Fact, FactValue, Predicate, ValueType
from trueup.kernel.gates.engine.model import Compare, Condition, FactUse, Outcome, Standing, show

_Key = tuple[str, bool, FactValue]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a condition came to, before any waiver."""

    outcome: Outcome
    words: str
    facts: tuple[FactUse, ...] = ()


def fits(value: FactValue, predicate: Predicate) -> bool:
    """Tell whether a value is of the predicate's type; a boolean is no number, an infinity is no value."""
    match predicate.type:
        case ValueType.TEXT:
            return isinstance(value, str)
        case ValueType.BOOLEAN:
            return isinstance(value, bool)
        case ValueType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def satisfies(value: FactValue, condition: Condition) -> bool:
    """Compare a value of the right type with what the condition asks for."""
    first, known = condition.values[0], _key(value)
    if condition.compare is Compare.NOT_EQUALS:
        return known != _key(first)
    if condition.compare in (Compare.EQUALS, Compare.IN):
        return known in [_key(wanted) for wanted in condition.values]
    if isinstance(value, str) or isinstance(first, str):
        return False
    match condition.compare:
        case Compare.LESS:
            return value < first
        case Compare.AT_MOST:
            return value <= first
        case Compare.MORE:
            return value > first
    return value >= first


def _key(value: FactValue) -> _Key:
    """Return what makes two values equal: 1 and 1.0 are, 1 and true are not."""
    return ("text" if isinstance(value, str) else "number", isinstance(value, bool), value)


def find(condition: Condition, about: Sequence[Fact], now: datetime) -> Finding:
    """Decide one condition, waivers aside.

    Args:
        condition: with its subject bound.
        about: the facts on its subject and predicate, in any order.
        now: timezone-aware.

    Returns:
        *pass* when every source that counts says the same and it satisfies; *fail* when they all say the same and it
        does not; *unknown* otherwise.
    """
    if condition.sources:
        about = [fact for fact in about if fact.source in condition.sources]
    if any(fact.valid_at.tzinfo is None or fact.recorded_at.tzinfo is None for fact in about):
        return Finding(Outcome.UNKNOWN, f"{_asked(condition)}: a fact has a time without a zone")
    newest = _newest(about)
    used = tuple(FactUse(fact, _standing(fact, condition, now), (now - fact.valid_at).total_seconds()) for fact in newest)
    outcome, words = _judge(condition, used)
    return Finding(outcome, f"{_asked(condition)}: {words}", used)


def _asked(condition: Condition) -> str:
    return f"{condition.subject}: {condition.wanted}"


def _newest(about: Sequence[Fact]) -> list[Fact]:
    """Return, per source, the facts that speak for it, sorted; more than one when it contradicts itself."""
    by_source: dict[str, list[Fact]] = {}
    for fact in about:
        by_source.setdefault(fact.source, []).append(fact)
    chosen = [fact for known in by_source.values() for fact in _speaking(known)]
    return sorted(chosen, key=lambda fact: (fact.source, fact.valid_at, fact.recorded_at, fact.id, fact.unit, repr(fact.value)))


def _speaking(known: Sequence[Fact]) -> list[Fact]:
    """Return the facts that speak for one source.

    A correction takes the place of what it corrects: it counts as being as new as the newest fact that it replaces,
    so that correcting a failing fact cannot bring back an older, better one. A correction is honoured when it was
    recorded later; otherwise both facts stand.
    """
    order = sorted(known, key=lambda fact: fact.recorded_at)
    places: dict[str, list[int]] = {}
    for i, fact in enumerate(order):
        places.setdefault(fact.id, []).append(i)
    ranks: list[datetime] = []
    corrected: set[int] = set()
    for fact in order:
        named = places.get(fact.supersedes, []) if fact.supersedes else []
        replaced = [i for i in named if order[i].recorded_at < fact.recorded_at]
        corrected.update(replaced)
        ranks.append(max([fact.valid_at, *(ranks[i] for i in replaced)]))
    standing = [i for i in range(len(order)) if i not in corrected]
    top = max(ranks[i] for i in standing)
    return [order[i] for i in standing if ranks[i] == top]


def _future(fact: Fact, now: datetime) -> bool:
    return fact.valid_at > now or fact.recorded_at > now


def _standing(fact: Fact, condition: Condition, now: datetime) -> Standing:
    if _future(fact, now):
        return Standing.FUTURE
    if not fits(fact.value, condition.predicate) or fact.unit != condition.predicate.unit:
        return Standing.MISTYPED
    if condition.age is not None and now - fact.valid_at > condition.age:
        return Standing.STALE
    if condition.signed_by and not set(condition.signed_by) & set(fact.signers):
        return Standing.UNSIGNED
    return Standing.HOLDS if satisfies(fact.value, condition) else Standing.FAILS


def _judge(condition: Condition, used: Sequence[FactUse]) -> tuple[Outcome, str]:
    silent = [source for source in condition.sources if source not in {use.fact.source for use in used}]
    if not used or silent:
        return Outcome.UNKNOWN, f"no fact{f' from {_listed(silent)}' if silent else ''}"
    doubtful = [use for use in used if use.standing not in (Standing.HOLDS, Standing.FAILS)]
    if doubtful:
        return Outcome.UNKNOWN, "; ".join(_doubt(use, condition) for use in doubtful)
    if len({_key(use.fact.value) for use in used}) > 1:
        said = "; ".join(f"{use.fact.source} says {show(use.fact.value, use.fact.unit)}" for use in used)
        return Outcome.UNKNOWN, f"sources disagree: {said}"
    value, sources = show(used[0].fact.value, used[0].fact.unit), _listed(sorted({use.fact.source for use in used}))
    if all(use.standing is Standing.HOLDS for use in used):
        return Outcome.PASS, f"it is {value}, says {sources}"
    return Outcome.FAIL, f"it is {value}, says {sources}"


def _doubt(use: FactUse, condition: Condition) -> str:
    fact, age = use.fact, f"{use.age_seconds:.0f} s old"
    match use.standing:
        case Standing.FUTURE:
            return f"the fact of {fact.source} is from the future"
        case Standing.STALE:
            limit = condition.age.total_seconds() if condition.age else 0
            return f"the fact of {fact.source} is stale: {age}, allowed {limit:.0f} s"
        case Standing.UNSIGNED:
            return f"the fact of {fact.source} is signed by none of the keys that are asked for"
    wanted = f"{condition.predicate.type.value}{f' in {condition.predicate.unit}' if condition.predicate.unit else ''}"
    return f"the fact of {fact.source} is not {wanted}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)
