"""What a vendor calls things: fields, units, topics and lines of text, from a document.

References:
    MQTT 5.0, section 4.7 (topic filters); RE2 syntax (patterns run in time linear in the text).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from trueup.domains.telemetry.engine import units
from trueup.domains.telemetry.engine.registryread import at, refuse_unknown
from trueup.domains.telemetry.engine.units import Line
from trueup.kernel.documents import Document, check_schema
from trueup.kernel.errors import UnreadableInput

_TOP = ("version", "field_mapping", "unit_aliases", "sources")
_MAPPING = ("canonical", "unit", "canonical_unit", "factor", "offset")
_HOLE = re.compile(r"\{([^{}]*)\}")
_TOLERANCE = Fraction(1, 10**9)


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """What one raw name means.

    Args:
        canonical: the metric.
        unit: of raw values that do not say; empty where it is not known.
        canonical_unit: of what ``line`` gives.
        line: from ``unit`` to ``canonical_unit``; None where the units alone decide.
        place: file, line and field, for errors.
    """

    canonical: str
    unit: str = ""
    canonical_unit: str = ""
    line: Line | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A line of text that holds values.

    Args:
        pattern: in RE2 syntax; without ``metric`` every named group is a metric, with it ``value`` and ``unit`` are groups.
        groups: names of its groups in order; unnamed ones are empty.
        metric: template of the metric's name; ``{group}`` is replaced by what the group matched.
        place: file, line and field, for errors.
    """

    pattern: str
    groups: tuple[str, ...]
    metric: str = ""
    place: str = ""


@dataclass(frozen=True)
class Schema:
    """What a vendor calls things.

    Args:
        version: the writer's own count or date.
        fields: by raw name, exactly.
        unit_aliases: what a label stands for.
        topics: (topic filter, template of a name), the first that matches holds.
        patterns: for text.
        source: everything as it was written, for the digest.
    """

    version: str = "0"
    fields: Mapping[str, FieldMapping] = field(default_factory=dict)
    unit_aliases: Mapping[str, str] = field(default_factory=dict)
    topics: tuple[tuple[str, str], ...] = ()
    patterns: tuple[Pattern, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256, hex; topics and patterns count in their order, all else without."""
        ordered = {"topics": self.topics, "source": self.source}
        return hashlib.sha256(json.dumps(ordered, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def name_of(self, topic: str, metric: str) -> str:
        """Return what a value of a topic is called before it is resolved.

        ``{1}``, ``{2}`` … stand for what the ``+`` of the filter matched, ``{#}`` for the rest with dots, ``{metric}`` for the
        name the message gave.

        >>> Schema(topics=(("rig/+/#", "rig{1}.{#}"),)).name_of("rig/7/bearing/temp", "")
        'rig7.bearing.temp'
        """
        for pattern, template in self.topics:
            found = matched(pattern, topic)
            if found is not None:
                holes = {**found, "metric": metric}
                return _HOLE.sub(lambda hole: holes[hole[1]], template)  # noqa: B023 - used before the next turn
        return metric


def matched(pattern: str, topic: str) -> dict[str, str] | None:
    """Return what the wildcards of a topic filter stand for; None where the topic does not match.

    >>> matched("rig/+/temp", "rig/7/temp"), matched("rig/#", "rig"), matched("rig/+", "rig/7/temp")
    ({'1': '7'}, {'#': ''}, None)
    """
    wanted, given = pattern.split("/"), topic.split("/")
    found: dict[str, str] = {}
    if given[0].startswith("$") and wanted[0] in ("+", "#"):
        return None
    for index, part in enumerate(wanted):
        if part == "#":
            return {**found, "#": ".".join(given[index:])}
        if index >= len(given) or part not in ("+", given[index]):
            return None
        if part == "+":
            found[str(len(found) + 1)] = given[index]
    return found if len(wanted) == len(given) else None


def read_schema(document: Document, schema: Mapping[str, Any]) -> Schema:
    """Read a telemetry schema.

    Args:
        document: the parsed file.
        schema: ``telemetry-schema.schema.json``.

    Raises:
        UnreadableInput: not of this form; an unknown key, unit or wildcard; a factor that is not what its units say; names
            that are mapped round and round. It names file, line, field and a remedy.
    """
    refuse_unknown(document, (), _TOP)
    mapping = at(document.value, ("field_mapping",))
    for name in mapping if isinstance(mapping, Mapping) else ():
        refuse_unknown(document, ("field_mapping", name), _MAPPING)
    check_schema(document, schema)
    body = document.value
    aliases = dict(body.get("unit_aliases") or {})
    for label, meant in aliases.items():
        if not units.known(meant):
            _refuse(document, ("unit_aliases", label), f"{meant!r} is no known unit", "write a unit such as degC or kW")
        if aliases.get(meant, meant) != meant:
            _refuse(document, ("unit_aliases", label), f"{meant!r} is an alias itself", "name the unit that is meant in the end")
    fields = {name: _mapping(document, name, given) for name, given in (body.get("field_mapping") or {}).items()}
    for name, mapping in fields.items():
        if aliased := {mapping.unit, mapping.canonical_unit} & set(aliases):
            words = f"{min(aliased)!r} stands for {aliases[min(aliased)]!r} by unit_aliases"
            _refuse(document, ("field_mapping", name), words, "name the unit that is meant in the end")
    _refuse_rounds(document, fields)
    return Schema(str(body["version"]), fields, aliases, _topics(document), _patterns(document), body)


def _refuse(document: Document, path: tuple[str | int, ...], words: str, remedy: str) -> None:
    document.refuse(path, words, remedy=remedy, error=UnreadableInput)


def _mapping(document: Document, name: str, given: Mapping[str, Any]) -> FieldMapping:
    path: tuple[str | int, ...] = ("field_mapping", name)
    unit, canonical_unit = given.get("unit", ""), given.get("canonical_unit", "")
    scaled = "factor" in given or "offset" in given
    place = document.place(path)
    if canonical_unit and not units.known(canonical_unit):
        _refuse(document, (*path, "canonical_unit"), f"{canonical_unit!r} is no known unit", "write a unit such as degC or kW")
    if not scaled:
        if unit and not units.known(unit):
            _refuse(document, (*path, "unit"), f"{unit!r} is no known unit", "give its factor and canonical_unit, or correct it")
        if unit and canonical_unit:
            _line(document, (*path, "unit"), unit, canonical_unit)
        return FieldMapping(given["canonical"], unit, canonical_unit, None, place)
    if not (unit and canonical_unit):
        words = "factor and offset lead from unit to canonical_unit, and one of these is missing"
        _refuse(document, path, words, "name both units (raw counts have the unit 1)")
    line = Line(Fraction(str(given.get("factor", 1))), Fraction(str(given.get("offset", 0))))
    _refuse_line(document, path, unit, canonical_unit, line)
    return FieldMapping(given["canonical"], unit, canonical_unit, line, place)


def _line(document: Document, path: tuple[str | int, ...], unit: str, target: str) -> Line | None:
    try:
        return units.line(unit, target)
    except units.DimensionMismatch:
        _refuse(document, path, f"{unit!r} does not measure what {target!r} measures", "correct one of them, or give a factor")
    except units.UnknownUnit as unknown:
        _refuse(document, path, unknown.message, "correct it")
    return None


def _refuse_line(document: Document, path: tuple[str | int, ...], unit: str, target: str, line: Line) -> None:
    """Refuse a factor or offset that is not what two known units of one kind say."""
    try:
        true = units.line(unit, target)
    except (units.UnknownUnit, units.DimensionMismatch):
        return
    if abs(true.factor - line.factor) > _TOLERANCE * abs(true.factor) or abs(true.offset - line.offset) > _TOLERANCE * (
        1 + abs(true.offset)
    ):
        says = f"value x {float(line.factor):g} + {float(line.offset):g}"
        words = f"{says} is not how {unit} becomes {target}: that is value x {float(true.factor):g} + {float(true.offset):g}"
        _refuse(document, path, words, "leave factor and offset out, or correct the units")


def _refuse_rounds(document: Document, fields: Mapping[str, FieldMapping]) -> None:
    for name, mapping in fields.items():
        onward = fields.get(mapping.canonical)
        if onward and onward.canonical != mapping.canonical:
            words = f"{mapping.canonical!r} is itself mapped, to {onward.canonical!r}"
            _refuse(document, ("field_mapping", name, "canonical"), words, "name the metric that is meant in the end")


def _topics(document: Document) -> tuple[tuple[str, str], ...]:
    found = []
    for pattern, template in (at(document.value, ("sources", "mqtt", "topic_map")) or {}).items():
        path = ("sources", "mqtt", "topic_map", pattern)
        parts = pattern.split("/")
        if "#" in parts[:-1] or any(len(part) > 1 and set(part) & set("+#") for part in parts):
            _refuse(document, path, "is no topic filter", "let + and # stand alone between slashes, # at the end")
        known = {*(str(index + 1) for index in range(parts.count("+"))), "metric", *(["#"] if parts[-1] == "#" else [])}
        _refuse_holes(document, path, template, known)
        found.append((pattern, template))
    return tuple(found)


def _refuse_holes(document: Document, path: tuple[str | int, ...], template: str, known: set[str]) -> None:
    unknown = [hole for hole in _HOLE.findall(template) if hole not in known]
    if unknown or set("{}") & set(_HOLE.sub("", template)):
        words = f"{{{unknown[0]}}} stands for nothing" if unknown else "a brace stands alone"
        _refuse(document, path, words, f"known here: {', '.join(f'{{{name}}}' for name in sorted(known))}")


def _patterns(document: Document) -> tuple[Pattern, ...]:
    found = []
    for index, given in enumerate(at(document.value, ("sources", "syslog", "patterns")) or ()):
        path = ("sources", "syslog", "patterns", index)
        text, metric = given["pattern"], given.get("metric", "")
        try:
            compiled = re.compile(text)  # never run: it tells the groups apart, and RE2 does the matching
        except (re.error, RecursionError, OverflowError) as error:
            document.refuse((*path, "pattern"), f"is no pattern: {error}", remedy="correct it", error=UnreadableInput)
        names = {number: name for name, number in compiled.groupindex.items()}
        groups = tuple(names.get(number + 1, "") for number in range(compiled.groups))
        if not names or (metric and "value" not in compiled.groupindex):
            wanted = "a group (?P<value>…)" if metric else "a named group, as in (?P<temperature_c>…)"
            _refuse(document, (*path, "pattern"), f"has no {wanted.removeprefix('a ')}", f"name what it holds with {wanted}")
        if metric:
            _refuse_holes(document, (*path, "metric"), metric, set(compiled.groupindex))
        found.append(Pattern(text, groups, metric, document.place(path)))
    return tuple(found)
