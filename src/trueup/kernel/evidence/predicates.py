"""The predicates that facts may use, as the rooms publish them. Wired in ``config``."""

import math
from collections.abc import Iterable, Mapping

from trueup.kernel.errors import ConfigurationError, UsageError
from trueup.kernel.evidence.engine.fact import Fact, Predicate, ValueType

_registered: dict[str, Predicate] = {}

_TYPES: dict[ValueType, tuple[type, ...]] = {
    ValueType.TEXT: (str,),
    ValueType.INTEGER: (int,),
    ValueType.NUMBER: (int, float),
    ValueType.BOOLEAN: (bool,),
}


def register(predicates: Iterable[Predicate]) -> None:
    """Publish predicates; the same one twice is no error.

    Raises:
        ConfigurationError: one key with two meanings.
    """
    for predicate in predicates:
        known = _registered.setdefault(predicate.key, predicate)
        if known != predicate:
            raise ConfigurationError(f"two rooms publish the predicate {predicate.key} with different meanings")


def registered() -> Mapping[str, Predicate]:
    """Return all predicates by ``name@version``."""
    return dict(_registered)


def check(fact: Fact) -> None:
    """Refuse a fact whose predicate is unknown, or whose value or unit is not the predicate's.

    Raises:
        UsageError: so it is.
    """
    predicate = _registered.get(fact.predicate)
    if predicate is None:
        raise UsageError(f"no room publishes the predicate {fact.predicate}")
    if isinstance(fact.value, bool) != (predicate.type is ValueType.BOOLEAN) or not isinstance(
        fact.value, _TYPES[predicate.type]
    ):
        raise UsageError(f"{fact.predicate}: expected a value of type {predicate.type}, got {type(fact.value).__name__}")
    if isinstance(fact.value, float) and not math.isfinite(fact.value):
        raise UsageError(f"{fact.predicate}: {fact.value} is not a number that can be recorded")
    if fact.valid_at.tzinfo is None or fact.recorded_at.tzinfo is None:
        raise UsageError(f"{fact.predicate}: a time without a zone is not a moment")
    if "\0" in f"{fact.subject}{fact.source}":
        raise UsageError(f"{fact.predicate}: its subject or source holds a NUL character")
    if fact.unit != predicate.unit:
        raise UsageError(f"{fact.predicate}: expected the unit {predicate.unit!r}, got {fact.unit!r}")
