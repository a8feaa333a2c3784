"""The baseline policy: how a baseline is chosen, what it has to fulfil, when it is old. Plain data, held to a schema."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from trueup.domains.telemetry.engine.circumstances import CONTEXT
from trueup.domains.telemetry.engine.quality import DecayRule, QualityRule
from trueup.domains.telemetry.engine.selection import Strategy

_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Baseline policy",
    "type": "object",
    "additionalProperties": False,
    "required": ["version"],
    "properties": {
        "version": {"const": 1},
        "strategy": {"enum": ["golden", "last_pass", "rolling"], "description": "how the baseline is chosen"},
        "tag": {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,39}$", "description": "of the golden version"},
        "context_match": {
            "type": "array",
            "items": {"enum": list(CONTEXT)},
            "uniqueItems": True,
            "description": "circumstances that must be alike where the run states them",
        },
        "dual": {"type": "boolean", "description": "hold the run against the rolling version too, as an early warning"},
        "quality": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "min_n": {"type": "integer", "minimum": 20},
                "min_seconds": {"type": "number", "minimum": 0},
                "max_spread": {"type": "number", "exclusiveMinimum": 0},
                "min_environment": _SHARE,
            },
        },
        "decay": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "max_age_days": {"type": "number", "exclusiveMinimum": 0, "maximum": 36_500},
                "moved_by": {"type": "number", "exclusiveMinimum": 0},
                "moved_share": _SHARE,
                "min_metrics": {"type": "integer", "minimum": 1},
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class BaselinePolicy:
    """What governs baselines; see ``SCHEMA`` for each field."""

    strategy: Strategy = Strategy.GOLDEN
    tag: str = "golden"
    context_match: tuple[str, ...] = ()
    dual: bool = False
    quality: QualityRule = field(default_factory=QualityRule)
    decay: DecayRule = field(default_factory=DecayRule)


def policy_of(document: Mapping[str, Any]) -> BaselinePolicy:
    """Return the policy that a document, valid by ``SCHEMA``, writes down."""
    old: dict[str, Any] = dict(document.get("decay", {}))
    if "max_age_days" in old:
        old["max_age"] = timedelta(days=old.pop("max_age_days"))
    return BaselinePolicy(
        strategy=Strategy(document.get("strategy", "golden")),
        tag=document.get("tag", "golden"),
        context_match=tuple(document.get("context_match", ())),
        dual=document.get("dual", False),
        quality=QualityRule(**document.get("quality", {})),
        decay=DecayRule(**old),
    )
