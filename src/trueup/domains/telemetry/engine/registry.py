"""The metric registry: what each metric is called, what it is measured in, and what is expected of it.

References:
    Unicode Standard Annex 15 (names are compared in form NFKC).
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple


class Persistence(NamedTuple):
    """A limit is broken when ``k`` of ``n`` values in a row break it."""

    k: int
    n: int


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric.

    Args:
        name: the canonical one.
        unit: the canonical unit, as written in the registry; empty for plain numbers and for what has no unit yet.
        unit_map: factor of units that are not generally known.
        aliases: other names of it.
        source_columns: columns of files that hold it, exactly as written there.
        critical: must be there, and sound.
        drift_is_fail: drift of it is a FAIL.
        drift_threshold: difference of means that is drift, in the unit.
        drift_percent: the same, in percent of the baseline.
        min_effect: smaller differences do not matter, in the unit.
        fail_threshold: a value above it fails.
        invariant_eq: every value is this.
        invariant_min: no value is below.
        invariant_max: no value is above.
        persistence: how many values in a row break a limit.
        level_floor: least difference of level that matters, in baseline standard deviations.
        scale_floor: least ratio of deviations that matters.
        shape_floor: least Kolmogorov-Smirnov distance that matters.
    """

    name: str
    unit: str = ""
    unit_map: Mapping[str, float] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    source_columns: tuple[str, ...] = ()
    critical: bool = False
    drift_is_fail: bool = False
    drift_threshold: float | None = None
    drift_percent: float | None = None
    min_effect: float | None = None
    fail_threshold: float | None = None
    invariant_eq: float | None = None
    invariant_min: float | None = None
    invariant_max: float | None = None
    persistence: Persistence | None = None
    level_floor: float | None = None
    scale_floor: float | None = None
    shape_floor: float | None = None

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield what cannot hold together, as (key, words)."""
        low, high, equal, limit = self.invariant_min, self.invariant_max, self.invariant_eq, self.fail_threshold
        if low is not None and high is not None and low > high:
            yield "invariant_min", f"is {low:g}, above invariant_max {high:g}"
        if equal is not None and low is not None and equal < low:
            yield "invariant_eq", f"is {equal:g}, below invariant_min {low:g}"
        if equal is not None and high is not None and equal > high:
            yield "invariant_eq", f"is {equal:g}, above invariant_max {high:g}"
        if limit is not None and low is not None and limit < low:
            yield "fail_threshold", f"is {limit:g}, below invariant_min {low:g}: every value would fail"
        if limit is not None and equal is not None and limit < equal:
            yield "fail_threshold", f"is {limit:g}, below invariant_eq {equal:g}: every value would fail"
        if self.critical and limit is None and equal is None and low is None and high is None:
            yield "critical", "is true, but there is no invariant_eq, invariant_min, invariant_max or fail_threshold"
        if self.persistence and self.persistence.k > self.persistence.n:
            yield "persistence", f"asks for {self.persistence.k} of {self.persistence.n} values"

    def rule(self) -> dict[str, Any]:
        """Return what a comparison asks of the metric, by the comparison's own words; what is not set is not there."""
        found = {theirs: getattr(self, ours) for ours, theirs in _RULE.items()}
        return {name: value for name, value in found.items() if value is not None}


_RULE = {
    "critical": "critical",
    "unit": "unit",
    "invariant_min": "minimum",
    "invariant_max": "maximum",
    "invariant_eq": "equals",
    "fail_threshold": "fail_above",
    "persistence": "persistence",
    "drift_is_fail": "drift_is_fail",
    "min_effect": "min_effect",
    "drift_threshold": "drift_threshold",
    "drift_percent": "drift_percent",
    "level_floor": "level_floor",
    "scale_floor": "scale_floor",
    "shape_floor": "shape_floor",
}
NAMING = frozenset({"aliases", "source_columns", "unit", "unit_map"})
"""What holds for every program and mode: a value that is stored has one name and one unit."""
FIELDS = tuple(item.name for item in fields(MetricSpec) if item.name != "name")

type Overlays = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Program or mode → metric → the fields of it that are different there."""


@dataclass(frozen=True)
class Registry:
    """Every metric that is known.

    Args:
        version: the writer's own count or date.
        metrics: by canonical name.
        programs: what is different in a program.
        modes: what is different in a mode; weighs more than the program.
    """

    version: str
    metrics: Mapping[str, MetricSpec]
    programs: Overlays = field(default_factory=dict)
    modes: Overlays = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256, hex, over one encoding of everything; comments and the order of metrics do not count."""
        plain = {
            "version": self.version,
            "metrics": {name: _plain(spec) for name, spec in self.metrics.items()},
            "programs": self.programs,
            "modes": self.modes,
        }
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def resolve(self, raw_name: str) -> MetricSpec | None:
        """Return the metric that a raw name means: by its name, by a source column, or by an alias; None where nobody knows.

        >>> Registry("1", {"cpu_temp": MetricSpec("cpu_temp", aliases=("CPU Temperature",))}).resolve("cpu-TEMPERATURE").name
        'cpu_temp'
        """
        if raw_name in self.metrics:
            return self.metrics[raw_name]
        return self._columns.get(raw_name) or self._folded.get(fold(raw_name))

    def effective(self, program: str = "", mode: str = "") -> "Registry":
        """Return the registry as it holds in a program and a mode; one without overlay changes nothing."""
        changed: dict[str, dict[str, Any]] = {}
        for overlay in (self.programs.get(program, {}), self.modes.get(mode, {})):
            for name, more in overlay.items():
                changed[name] = {**changed.get(name, {}), **more}
        return Registry(
            self.version, dict(self.metrics) | {name: replace(self.metrics[name], **more) for name, more in changed.items()}
        )

    def rules(self, program: str = "", mode: str = "") -> Mapping[str, dict[str, Any]]:
        """Return what a comparison asks of each metric, as keywords of its rule, in a program and a mode."""
        return {name: spec.rule() for name, spec in self.effective(program, mode).metrics.items()}

    @cached_property
    def _columns(self) -> Mapping[str, MetricSpec]:
        return {column: spec for spec in self.metrics.values() for column in spec.source_columns}

    @cached_property
    def _folded(self) -> Mapping[str, MetricSpec]:
        return {fold(name): spec for spec in self.metrics.values() for name in (spec.name, *spec.aliases)}


def fold(name: str) -> str:
    """Return a name by which it is compared: small letters and digits alone.

    >>> fold("Bus-Voltage (V)"), fold("m²")
    ('busvoltagev', 'm2')
    """
    return "".join(char for char in unicodedata.normalize("NFKC", name).lower() if char.isalnum())


def _plain(spec: MetricSpec) -> dict[str, Any]:
    found = {item.name: getattr(spec, item.name) for item in fields(spec)}
    return found | {
        "aliases": sorted(spec.aliases),
        "source_columns": sorted(spec.source_columns),
        "unit_map": dict(spec.unit_map),
    }
