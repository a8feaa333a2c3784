"""A comparison as JSON: what ``--json`` prints and what is kept as evidence."""

import math
from collections.abc import Mapping
from typing import Any

from trueup.domains.telemetry.engine.asserted import verdict_of
from trueup.domains.telemetry.engine.result import Comparison, Finding, MetricResult


def document(comparison: Comparison, **more: Any) -> dict[str, Any]:
    """Return the verdict document; numbers that JSON does not have become null."""
    return {
        "verdict": str(comparison.verdict),
        "findings": [_finding(finding) for finding in comparison.findings],
        "excluded": [{"name": item.name, "reason": item.reason} for item in comparison.excluded],
        "notes": list(comparison.notes),
        "metrics": [_metric(metric) for metric in comparison.metrics],
        "rows": {"baseline": comparison.baseline_rows, "run": comparison.run_rows},
        "clock": _clean(comparison.clock),
        "coverage": _clean(comparison.coverage),
        "asserts": [_clean(answer.as_dict()) for answer in comparison.asserts],
        "asserts_verdict": _clean(verdict_of(comparison.asserts)),
        "outlook": [_clean(one.as_dict()) for one in comparison.outlook],
        "config": _clean(comparison.config),
        **more,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    part = {name: getattr(finding, name) for name in ("index_range", "time_range", "worst")}
    return {
        "metric": finding.metric,
        "kind": str(finding.kind),
        "effect": _clean(finding.effect),
        "q_value": _clean(finding.q_value),
        "onset_index": finding.onset_index,
        "onset_fraction": _clean(finding.onset_fraction),
        "baseline": _clean(finding.baseline),
        "run": _clean(finding.run),
        "explanation": finding.explanation,
        **{name: _clean(value) for name, value in part.items() if value is not None},
    }


def _metric(metric: MetricResult) -> dict[str, Any]:
    names = ("name", "kind", "statistic", "p_value", "q_value", "effect", "floor", "significant")
    return {
        "metric": metric.metric,
        "verdict": str(metric.verdict),
        "reason": metric.reason,
        "baseline": _clean(metric.baseline),
        "run": _clean(metric.run),
        "tests": [{name: _clean(getattr(test, name)) for name in names} for test in metric.tests],
    }


def _clean(value: Any) -> Any:
    """Return JSON-able data: NumPy scalars as Python's, NaN and infinities as None, sets in order."""
    if isinstance(value, Mapping):
        return {str(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(_clean(item) for item in value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "item"):
        return _clean(value.item())
    return float(value) if math.isfinite(value) else None
