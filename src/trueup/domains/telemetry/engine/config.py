"""The numbers that decide a comparison."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from trueup.domains.telemetry.engine.result import Kind
from trueup.kernel.errors import UsageError

_ABOVE_0 = math.ulp(0.0)
_FINITE = sys.float_info.max

# least and greatest value of each number, and what to say to those who choose another. Fewer than 8 values cannot be
# ordered into a change, a memory and a spread at once
_NUMBERS: Mapping[str, tuple[float, float, str]] = {
    "alpha": (_ABOVE_0, 0.5, "above 0 and at most 0.5"),
    "min_n": (8, _FINITE, "a number of at least 8"),
    "min_effective": (3.0, _FINITE, "a number of at least 3"),
    "level_floor": (_ABOVE_0, _FINITE, "above 0"),
    "scale_floor": (math.nextafter(1.0, 2.0), _FINITE, "above 1"),
    "shape_floor": (_ABOVE_0, math.nextafter(1.0, 0.0), "between 0 and 1"),
    "gap_floor": (_ABOVE_0, math.nextafter(1.0, 0.0), "between 0 and 1"),
    "trend_floor": (_ABOVE_0, _FINITE, "above 0"),
    "oscillation_floor": (_ABOVE_0, _FINITE, "above 0"),
    "stuck_floor": (_ABOVE_0, math.nextafter(1.0, 0.0), "between 0 and 1"),
    "spike_floor": (1.0, _FINITE, "at least 1"),
    "rate_floor": (math.nextafter(1.0, 2.0), _FINITE, "above 1"),
    "duplication_floor": (_ABOVE_0, math.nextafter(1.0, 0.0), "between 0 and 1"),
    "clock_floor": (3.0, _FINITE, "at least 3"),
    "min_coverage": (0.0, 1.0, "between 0 and 1"),
    "quarantine_limit": (0.0, math.nextafter(1.0, 0.0), "at least 0 and below 1"),
    "slow_separation": (_ABOVE_0, _FINITE, "above 0"),
    "slow_material": (_ABOVE_0, _FINITE, "above 0"),
    "slow_equal": (_ABOVE_0, _FINITE, "above 0"),
}


_FLOORS = ("level_floor", "scale_floor", "shape_floor")
_BOUNDS = ("minimum", "maximum", "equals", "fail_above")
_SIZES = ("min_effect", "max_effect", "drift_threshold", "drift_percent")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _in_range(name: str, value: object) -> None:
    low, high, expected = _NUMBERS[name]
    if not (_is_number(value) and low <= value <= high):  # type: ignore[operator]  # is a number by then
        raise UsageError(f"{name} must be {expected}, got {value!r}", remedy=f"choose another {name}")


@dataclass(frozen=True, slots=True)
class MetricRule:
    """What is expected of one metric; every number is in the metric's unit, as its values stand in the table.

    Args:
        critical: must be there and clean.
        unit: written behind its numbers.
        minimum, maximum, equals: invariants of every value; the bounds themselves are allowed.
        fail_above: critical limit; a value above it fails.
        persistence: (k, n): a bound is broken where k of n values in a row break it.
        drift_is_fail: its drift is a FAIL.
        level_floor, scale_floor, shape_floor: in place of the comparison's.
        min_effect: smaller differences of level do not matter.
        max_effect, drift_threshold: a significant difference of level of this size is drift by itself.
        drift_percent: the same in percent of the baseline's mean; where that is 0 it says nothing.
        tests: kinds of drift that are tested; None for all. Bounds, missing and unreadable cells always are.

    Raises:
        UsageError: a number is out of its range, or two contradict each other; the message names them.
    """

    critical: bool = False
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    equals: float | None = None
    fail_above: float | None = None
    persistence: tuple[int, int] = (1, 1)
    drift_is_fail: bool = False
    level_floor: float | None = None
    scale_floor: float | None = None
    shape_floor: float | None = None
    min_effect: float | None = None
    max_effect: float | None = None
    drift_threshold: float | None = None
    drift_percent: float | None = None
    tests: frozenset[Kind] | None = None

    def __post_init__(self) -> None:
        for name in _FLOORS:
            if getattr(self, name) is not None:
                _in_range(name, getattr(self, name))
        for name in (*_BOUNDS, *_SIZES):
            value = getattr(self, name)
            if value is not None and (not _is_number(value) or (name in _SIZES and value < 0.0)):
                what = "a number of at least 0" if name in _SIZES else "a finite number"
                raise UsageError(f"{name} must be {what}, got {value!r}", remedy=f"choose another {name}")
        k, n = self.persistence
        if not 1 <= k <= n:
            raise UsageError(f"persistence must be (k, n) with 1 ≤ k ≤ n, got {tuple(self.persistence)!r}", remedy="choose k ≤ n")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            text = f"minimum {self.minimum:g} is above maximum {self.maximum:g}"
            raise UsageError(text, remedy="exchange them, or leave one out")

    def as_dict(self) -> Mapping[str, Any]:
        """Return every field, as written into evidence."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        tests = None if self.tests is None else sorted(str(kind) for kind in self.tests)
        return plain | {"persistence": list(self.persistence), "tests": tests}


NO_RULE = MetricRule()


@dataclass(frozen=True, slots=True)
class CompareConfig:
    """What counts as a difference, and how much must be known before anything is said.

    Args:
        alpha: false discovery rate over all tests of all metrics, 0…0.5.
        min_n: least number of values of a metric on either side.
        min_effective: least number of *independent* values (n over the autocorrelation time) for a test.
        level_floor: least difference of level that matters, in baseline standard deviations.
        scale_floor: least ratio of deviations that matters, > 1; its inverse below 1.
        shape_floor: least Kolmogorov-Smirnov distance that matters once location and scale are made equal.
        gap_floor: least share of cells, beyond the baseline's, that must be missing.
        trend_floor: least rise or fall of a trend over the run that matters, in baseline standard deviations.
        oscillation_floor: least amplitude of an oscillation that matters, in baseline standard deviations.
        stuck_floor: least share of the run's values in held stretches that matters.
        spike_floor: least distance of a spike from the median that matters, in baseline standard deviations.
        rate_floor: least ratio of sample rates that matters, > 1; its inverse below 1.
        duplication_floor: least share of rows, beyond the baseline's, that repeat the row before them.
        clock_floor: least leap of a clock that matters, in intervals of the run's rows.
        min_coverage: share of the baseline's metrics that must have a value in the run.
        quarantine_limit: share of cells set aside (text, not finite) above which a metric fails.
        slow_separation: for a metric too slow to be tested: how many full baseline ranges lie between the run and
            the baseline's range before the two are different beyond doubt.
        slow_material: for such a metric: least difference as a share of the baseline's greatest magnitude.
        slow_equal: for such a metric: ranges whose ends differ by no more than this share of the magnitude are equal.
        critical: metrics that must be there and clean.
        drift_is_fail: whether drift is a FAIL.
        rules: metric to what is expected of it beside that.
        registered: the metrics of the registry; None where there is none.
        strict: whether a metric that is not registered fails.

    Raises:
        UsageError: a number is out of its range; the message names it.
    """

    alpha: float = 0.01
    min_n: int = 20
    min_effective: float = 8.0
    level_floor: float = 0.25
    scale_floor: float = 1.25
    shape_floor: float = 0.05
    gap_floor: float = 0.05
    trend_floor: float = 0.5
    oscillation_floor: float = 0.5
    stuck_floor: float = 0.05
    spike_floor: float = 8.0
    rate_floor: float = 1.1
    duplication_floor: float = 0.01
    clock_floor: float = 20.0
    min_coverage: float = 1.0
    quarantine_limit: float = 0.01
    slow_separation: float = 5.0
    slow_material: float = 0.01
    slow_equal: float = 0.001
    critical: frozenset[str] = frozenset()
    drift_is_fail: bool = False
    rules: Mapping[str, MetricRule] = field(default_factory=dict)
    registered: frozenset[str] | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            _in_range(name, getattr(self, name))
        if self.strict and self.registered is None:
            raise UsageError("strict asks for registered metrics, and there is no registry", remedy="name a registry")
        if isinstance(self.critical, str):
            raise UsageError(f"critical must be a set of metric names, got the text {self.critical!r}")

    def as_dict(self) -> Mapping[str, Any]:
        """Return every number, as written into evidence (names sorted, so that equal configurations are equal)."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        return plain | {
            "critical": sorted(self.critical),
            "rules": {name: self.rules[name].as_dict() for name in sorted(self.rules)},
            "registered": None if self.registered is None else sorted(self.registered),
        }

    @property
    def must_have(self) -> frozenset[str]:
        """Metrics that are critical, by name or by their rule."""
        return self.critical | {name for name, rule in self.rules.items() if rule.critical}

    def rule(self, metric: str) -> MetricRule:
        """Return what is expected of a metric."""
        return self.rules.get(metric, NO_RULE)

    def of(self, metric: str) -> "CompareConfig":
        """Return the configuration as it holds for one metric."""
        rule = self.rules.get(metric)
        if rule is None:
            return self
        floors = {name: getattr(rule, name) for name in _FLOORS if getattr(rule, name) is not None}
        critical = self.critical | {metric} if rule.critical else self.critical
        return replace(self, **floors, critical=critical, drift_is_fail=self.drift_is_fail or rule.drift_is_fail)

    def unregistered(self, metric: str) -> bool:
        """Return whether there is a registry that does not know the metric."""
        return self.registered is not None and metric not in self.registered
