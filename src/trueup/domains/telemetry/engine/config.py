"""The numbers that decide a comparison."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

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
    "quarantine_limit": (0.0, math.nextafter(1.0, 0.0), "at least 0 and below 1"),
    "slow_separation": (_ABOVE_0, _FINITE, "above 0"),
    "slow_material": (_ABOVE_0, _FINITE, "above 0"),
    "slow_equal": (_ABOVE_0, _FINITE, "above 0"),
}


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
        quarantine_limit: share of cells set aside (text, not finite) above which a metric fails.
        slow_separation: for a metric too slow to be tested: how many full baseline ranges lie between the run and
            the baseline's range before the two are different beyond doubt.
        slow_material: for such a metric: least difference as a share of the baseline's greatest magnitude.
        slow_equal: for such a metric: ranges whose ends differ by no more than this share of the magnitude are equal.
        critical: metrics that must be there and clean.
        drift_is_fail: whether drift is a FAIL.

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
    quarantine_limit: float = 0.01
    slow_separation: float = 5.0
    slow_material: float = 0.01
    slow_equal: float = 0.001
    critical: frozenset[str] = frozenset()
    drift_is_fail: bool = False

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            value, (low, high, expected) = getattr(self, name), _NUMBERS[name]
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not low <= value <= high:
                raise UsageError(f"{name} must be {expected}, got {value!r}", remedy=f"choose another {name}")
        if isinstance(self.critical, str):
            raise UsageError(f"critical must be a set of metric names, got the text {self.critical!r}")

    def as_dict(self) -> Mapping[str, Any]:
        """Return every number, as written into evidence (names sorted, so that equal configurations are equal)."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain | {"critical": sorted(self.critical)}
