"""The numbers that decide a comparison."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from trueup.kernel.errors import UsageError

# fewer cells cannot be ordered into a change, a memory and a spread at once
_LEAST_ROWS = 8


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
    slow_separation: float = 3.0
    slow_material: float = 0.01
    slow_equal: float = 0.001
    critical: frozenset[str] = frozenset()
    drift_is_fail: bool = False

    def __post_init__(self) -> None:
        _require("alpha", self.alpha, 0.0 < self.alpha <= 0.5, "above 0 and at most 0.5")
        _require("min_n", self.min_n, self.min_n >= _LEAST_ROWS, f"a whole number of at least {_LEAST_ROWS}")
        _require("min_effective", self.min_effective, 3.0 <= self.min_effective < math.inf, "at least 3")
        _require("level_floor", self.level_floor, 0.0 < self.level_floor < math.inf, "above 0")
        _require("scale_floor", self.scale_floor, 1.0 < self.scale_floor < math.inf, "above 1")
        for name in ("shape_floor", "gap_floor"):
            value = getattr(self, name)
            _require(name, value, 0.0 < value < 1.0, "between 0 and 1")
        _require("quarantine_limit", self.quarantine_limit, 0.0 <= self.quarantine_limit < 1.0, "at least 0 and below 1")
        for name in ("slow_separation", "slow_material", "slow_equal"):
            value = getattr(self, name)
            _require(name, value, 0.0 < value < math.inf, "above 0")
        if isinstance(self.critical, str):
            raise UsageError(f"critical must be a set of metric names, got the text {self.critical!r}")

    def as_dict(self) -> Mapping[str, Any]:
        """Return every number, as written into evidence (names sorted, so that equal configurations are equal)."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain | {"critical": sorted(self.critical)}


def _require(name: str, value: float, ok: bool, expected: str) -> None:  # noqa: FBT001 - the condition, not a switch
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not ok:
        raise UsageError(f"{name} must be {expected}, got {value!r}", remedy=f"choose another {name}")
