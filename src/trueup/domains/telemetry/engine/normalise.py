"""Raw events become canonical ones: one name, one unit, and a record of how they came to it.

What does not fit is refused with a reason, never dropped and never guessed. Normalising what was normalised changes nothing.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from trueup.domains.telemetry.engine import units
from trueup.domains.telemetry.engine.normalise_schema import FieldMapping, Schema
from trueup.domains.telemetry.engine.registry import MetricSpec, Registry
from trueup.domains.telemetry.engine.units import Line
from trueup.kernel.errors import UsageError

LARGEST = 1e150
"""The greatest magnitude of a value: beyond it, squares (and so every measure of spread) are not finite."""
MAX_NAME = 200

REASONS: Mapping[str, str] = {
    "bad_time": "the time is missing, no number, or no date",
    "binary": "the line holds a zero byte",
    "columns": "the line has more or fewer cells than the first",
    "dimension_mismatch": "the unit does not measure what the metric's unit measures",
    "no_name": "the metric has no name, or one of more than 200 characters or with control characters",
    "no_pattern": "no pattern of the schema fits the text",
    "no_unit": "no unit is given, and none may be assumed",
    "not_a_number": "the value is no number",
    "not_finite": "the value is not finite (NaN or infinite)",
    "not_json": "the line is no JSON object",
    "not_utf8": "the line is not UTF-8 text",
    "out_of_range": "the value is larger than 1e150",
    "quote": "a quoted cell does not end, or text follows it",
    "too_long": "the line is longer than 1 MiB, or a cell of it than 128 KiB",
    "units_differ": "the metric has no unit of its own, and this one does not become that of its other values",
    "unknown_unit": "the unit is not known",
    "unregistered": "the registry does not know the metric (strict)",
}
"""Why a line is set aside."""


class Rule(NamedTuple):
    """What becomes of the values of one raw name and unit.

    Args:
        metric: the canonical name.
        unit: the label of what ``line`` gives; the two always agree.
        line: from the raw value to the canonical one.
        registered: the registry knows the metric.
        mapped_by: ``name``, ``alias``, ``source_column``, ``schema``, or ``none`` for a name that is kept.
        unit_from: ``event``, ``schema``, ``assumed`` (it said none: taken for the canonical one), or ``none``.
    """

    metric: str
    unit: str
    line: Line
    registered: bool
    mapped_by: str
    unit_from: str

    @property
    def unit_assumed(self) -> bool:
        """Whether nobody said the unit."""
        return self.unit_from == "assumed"


class Refusal(NamedTuple):
    """Why a value cannot be taken: a key of ``REASONS``, and particulars."""

    reason: str
    words: str = ""


class RawEvent(NamedTuple):
    """One value as it was sent."""

    metric: str
    value: float
    unit: str = ""


class NormalEvent(NamedTuple):
    """One value under its canonical name, in its canonical unit, with the rule that made it so."""

    metric: str
    value: float
    unit: str
    rule: Rule


type Pair = tuple[str, str]
"""A raw name and a raw unit."""


@dataclass(frozen=True, slots=True)
class Normaliser:
    """Turns raw events into canonical ones.

    Args:
        registry: the metrics that are known; None keeps every name.
        schema: what the vendor calls things.
        strict: nothing unregistered is taken, and no unit assumed.

    Raises:
        UsageError: schema and registry contradict each other.
    """

    registry: Registry | None = None
    schema: Schema = field(default_factory=Schema)
    strict: bool = False

    def __post_init__(self) -> None:
        for raw, mapping in self.schema.fields.items():
            _refuse_contradiction(raw, mapping, self.registry)
        for spec in self.registry.metrics.values() if self.registry else ():
            meant = self.schema.unit_aliases.get(spec.unit, spec.unit)
            if meant != spec.unit:
                raise UsageError(
                    f"unit_aliases: {spec.unit!r} stands for {meant!r} in the schema, but {spec.name!r} is kept in it by the registry",
                    remedy="remove the alias, or keep the metric in another unit",
                )

    def rule(self, raw_name: str, raw_unit: str, *, common_unit: str = "") -> Rule | Refusal:
        """Say what becomes of the values of one raw name and unit.

        Args:
            raw_name: as it was sent.
            raw_unit: as it was sent; empty where nothing was.
            common_unit: for a metric without a unit of its own, that of its other values.
        """
        name = raw_name.strip()
        if not name or len(name) > MAX_NAME or not name.isprintable():
            return Refusal("no_name")
        mapping, spec, mapped_by = self._meant(name)
        if spec is None and self.strict:
            return Refusal("unregistered", name)
        target = _target(spec, mapping) or common_unit
        label = self.schema.unit_aliases.get(raw_unit.strip(), raw_unit.strip())
        unit_from = "event"
        if not label:
            label, unit_from = _said(mapping, target)
            if unit_from == "assumed" and self.strict:
                return Refusal("no_unit", f"{name} is kept in {target}")
        line = _line(label, target, mapping, spec) if target else _open(label, strict=self.strict)
        if isinstance(line, Refusal):
            return line
        metric = spec.name if spec else mapping.canonical if mapping else name
        return Rule(metric, target or label, line, spec is not None, mapped_by, unit_from)

    def settle(self, pairs: Iterable[Pair]) -> dict[Pair, Rule | Refusal]:
        """Say what becomes of every pair of a file.

        The values of one metric end in one unit: where neither registry nor schema has one, it is the first by alphabet of
        those that are sent and known.
        """
        found = {pair: self.rule(*pair) for pair in sorted(set(pairs))}
        labels: dict[str, set[str]] = defaultdict(set)
        for rule in found.values():
            if isinstance(rule, Rule):
                labels[rule.metric].add(rule.unit)
        for pair, rule in found.items():
            if isinstance(rule, Rule) and len(labels[rule.metric]) > 1:
                several = labels[rule.metric] - {""}
                common = min(several, key=lambda label: (not units.known(label), label))
                settled = self.rule(*pair, common_unit=common)
                found[pair] = settled if isinstance(settled, Rule) else Refusal("units_differ", f"{pair[1]} is not {common}")
        return found

    def apply(self, event: RawEvent, *, common_unit: str = "") -> NormalEvent | Refusal:
        """Normalise one event."""
        rule = self.rule(event.metric, event.unit, common_unit=common_unit)
        if isinstance(rule, Refusal):
            return rule
        if not math.isfinite(event.value):
            return Refusal("not_finite")
        value = rule.line(event.value)
        if not abs(event.value) <= LARGEST or not abs(value) <= LARGEST:
            return Refusal("out_of_range")
        return NormalEvent(rule.metric, value, rule.unit, rule)

    def _meant(self, name: str) -> tuple[FieldMapping | None, MetricSpec | None, str]:
        mapping = self.schema.fields.get(name)
        sought = mapping.canonical if mapping else name
        spec = self.registry.resolve(sought) if self.registry else None
        if mapping:
            return mapping, spec, "schema"
        if spec is None:
            return None, None, "none"
        return None, spec, "name" if name == spec.name else "source_column" if name in spec.source_columns else "alias"


def _target(spec: MetricSpec | None, mapping: FieldMapping | None) -> str:
    if spec and spec.unit:
        return spec.unit
    return (mapping.canonical_unit or mapping.unit) if mapping else ""


def _said(mapping: FieldMapping | None, target: str) -> tuple[str, str]:
    """Return the label of a value that came without, and who says so."""
    if mapping and mapping.unit:
        return mapping.unit, "schema"
    return target, "none" if units.is_count(target) else "assumed"


def _open(label: str, *, strict: bool) -> Line | Refusal:
    return Refusal("unknown_unit", label) if strict and not units.known(label) else Line()


def _line(label: str, target: str, mapping: FieldMapping | None, spec: MetricSpec | None) -> Line | Refusal:
    """Return the line from a label to the target unit, by the mapping, the metric's own factors, or general knowledge."""
    if label == target:
        return Line()
    scaled = mapping if mapping and mapping.line is not None else None
    if scaled and label == scaled.unit:
        return _scaled(scaled, target)
    if spec and label in spec.unit_map:
        return Line(Fraction(str(spec.unit_map[label])))
    try:
        return units.line(label, target)
    except units.UnknownUnit:
        return Refusal("unknown_unit", label)
    except units.DimensionMismatch:
        pass
    try:
        return (
            units.line(label, scaled.unit).then(_scaled(scaled, target))
            if scaled
            else Refusal("dimension_mismatch", f"{label} is not {target}")
        )
    except (units.UnknownUnit, units.DimensionMismatch):
        return Refusal("dimension_mismatch", f"{label} is not {target}")


def _scaled(mapping: FieldMapping, target: str) -> Line:
    return (mapping.line or Line()).then(units.line(mapping.canonical_unit, target))


def _refuse_contradiction(raw: str, mapping: FieldMapping, registry: Registry | None) -> None:
    if registry is None:
        return
    spec = registry.resolve(mapping.canonical)
    own = registry.metrics.get(raw)
    if own and (spec is None or spec.name != own.name):
        raise UsageError(
            f"{mapping.place}: {raw!r} is a metric of the registry, and cannot become {mapping.canonical!r}",
            remedy="rename one of them, or remove the mapping",
        )
    says = mapping.canonical_unit or mapping.unit
    if spec and spec.unit and says and says not in spec.unit_map:
        try:
            units.line(says, spec.unit)
        except (units.UnknownUnit, units.DimensionMismatch):
            raise UsageError(
                f"{mapping.place}: gives {says}, but {spec.name!r} is kept in {spec.unit}",
                remedy="correct the unit of one of them",
            ) from None
