"""Tests of one metric as its rule has them: which are asked, and what size of difference matters."""

from collections.abc import Sequence
from dataclasses import replace

from trueup.domains.telemetry.engine.config import MetricRule
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Kind


def is_tested(rule: MetricRule, kind: Kind) -> bool:
    """Return whether a rule asks for a kind of drift."""
    return rule.tests is None or kind in rule.tests


def _strength(test: RawTest, rule: MetricRule, mean: float, sd: float) -> float:
    """Return how a difference of level or a trend stands to what matters: 1 is just enough."""
    # sizes are compared as shares of each other, so that no unit is too great or too small
    size = test.effect * sd
    strength = test.strength
    if test.kind is Kind.LEVEL:
        allowed = [value for value in (rule.drift_threshold, rule.max_effect) if value is not None]
        if rule.drift_percent is not None and mean != 0.0:
            allowed.append(abs(mean) * rule.drift_percent / 100.0)
        # more than what is allowed is drift by itself; as much as that is not
        strength = max(strength, *(1.0 if size > value else 0.0 for value in allowed), 0.0)
    if rule.min_effect is not None and size < rule.min_effect:
        strength = min(strength, 0.999 * size / rule.min_effect)
    return strength


def ruled(tests: Sequence[RawTest], rule: MetricRule, mean: float, sd: float) -> tuple[tuple[RawTest, ...], str]:
    """Return the tests that a rule asks for, judged by its sizes, and what there is to remark.

    Args:
        tests: of one metric.
        rule: what is expected of it.
        mean: of its baseline, in its unit.
        sd: of its baseline, in its unit.
    """
    found = []
    for test in tests:
        if not is_tested(rule, test.kind):
            continue
        if test.kind not in {Kind.LEVEL, Kind.TREND}:
            found.append(test)
            continue
        strength = _strength(test, rule, mean, sd)
        floor = test.floor if strength == test.strength else test.effect / strength if strength > 0.0 else test.floor
        found.append(replace(test, strength=strength, floor=floor))
    remark = ""
    if rule.drift_percent is not None and mean == 0.0:
        remark = "a rule in percent says nothing of a baseline of 0; it is judged by its deviations"
    return tuple(found), remark
