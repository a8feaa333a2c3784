"""The predicates that gates publish."""

from trueup.kernel.evidence.engine.fact import Predicate, ValueType

OUTCOME = Predicate("gates.outcome", 1, ValueType.TEXT, "outcome of a gate: pass, fail or unknown")

PREDICATES = (OUTCOME,)
