"""Small gates and facts for the tests of this folder."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from trueup.kernel.evidence.engine.fact import Fact, Predicate, ValueType
from trueup.kernel.gates.engine.model import All, Compare, Condition, Gate, Node, Waiver

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
VERDICT = Predicate("lab.verdict", 1, ValueType.TEXT, "verdict")
COUNT = Predicate("lab.count", 1, ValueType.INTEGER, "count", "1")
HEAT = Predicate("lab.heat", 1, ValueType.NUMBER, "temperature", "Cel")
READY = Predicate("lab.ready", 1, ValueType.BOOLEAN, "ready")
PREDICATES = {predicate.key: predicate for predicate in (VERDICT, COUNT, HEAT, READY)}

COOL = Condition("cool", "rig", HEAT, Compare.LESS, (80,))


def fact(value=50.0, *, predicate=HEAT, ago=HOUR, **changes) -> Fact:
    """A fact that was valid, and was recorded, one hour before NOW."""
    moment = NOW - ago
    made = Fact("rig", predicate.key, value, moment, moment, "lab", predicate.unit)
    return replace(made, **changes)


def gate(*children: Node, waivers: tuple[Waiver, ...] = ()) -> Gate:
    return Gate("g", children[0] if len(children) == 1 else All(children), waivers)


def waiver(condition: str = "cool", expires: datetime = NOW + HOUR) -> Waiver:
    return Waiver(condition, "lab head", "sensor out", "second sensor", expires)
