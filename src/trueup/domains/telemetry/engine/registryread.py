"""A metric registry, from a document: nothing unknown, nothing ambiguous, nothing that contradicts itself."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from trueup.domains.telemetry.engine import units
from trueup.domains.telemetry.engine.registry import FIELDS, NAMING, MetricSpec, Persistence, Registry, fold
from trueup.kernel.documents import Document, Path, check_schema
from trueup.kernel.errors import UnreadableInput

_TOP = ("version", "metrics", "programs", "mode_overrides")
_OVERLAID = tuple(name for name in FIELDS if name not in NAMING)
_LISTS = ("aliases", "source_columns")


def read_registry(document: Document, schema: Mapping[str, Any]) -> Registry:
    """Read a registry.

    Args:
        document: the parsed file.
        schema: ``metric-registry.schema.json``.

    Raises:
        UnreadableInput: not of this form; a key or unit that is not known; one name for two metrics; limits that cannot
            hold together. It names file, line, field and a remedy.
    """
    refuse_unknown(document, (), _TOP)
    body = document.value if isinstance(document.value, Mapping) else {}
    for path in _metric_paths(body):
        refuse_unknown(document, path, FIELDS)
    for part, name, path in _overlay_paths(body):
        refuse_unknown(document, (part, name), ("metrics",))
        _refuse_naming(document, path)
        refuse_unknown(document, path, _OVERLAID)
    check_schema(document, schema)
    metrics = {name: _spec(name, given or {}) for name, given in body["metrics"].items()}
    _refuse_doubles(document, metrics)
    _refuse_units(document, metrics)
    overlays = [_overlays(document, part, metrics) for part in ("programs", "mode_overrides")]
    registry = Registry(str(body["version"]), metrics, overlays[0], overlays[1])
    _refuse_contradictions(document, registry)
    return registry


def refuse_unknown(document: Document, path: Path, allowed: Iterable[str]) -> None:
    """Refuse a key that is not known, and name the nearest that is."""
    here, allowed = at(document.value, path), tuple(allowed)
    for key in here if isinstance(here, Mapping) else ():
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, n=1, cutoff=0.5)
            remedy = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(allowed)}"
            document.refuse((*path, key), "unknown key", remedy=remedy, error=UnreadableInput)


def at(value: Any, path: Path) -> Any:
    """Return what stands at a place of a document; None where there is nothing."""
    for part in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _metric_paths(body: Mapping[str, Any]) -> Iterable[Path]:
    metrics = body.get("metrics")
    return [("metrics", name) for name in metrics] if isinstance(metrics, Mapping) else []


def _overlay_paths(body: Mapping[str, Any]) -> Iterable[tuple[str, str, Path]]:
    for part in ("programs", "mode_overrides"):
        overlays = body.get(part)
        for name in overlays if isinstance(overlays, Mapping) else ():
            metrics = at(overlays, (name, "metrics"))
            for metric in metrics if isinstance(metrics, Mapping) else ():
                yield part, name, (part, name, "metrics", metric)
            if not isinstance(metrics, Mapping):
                yield part, name, (part, name, "metrics")


def _refuse_naming(document: Document, path: Path) -> None:
    here = at(document.value, path)
    for key in here if isinstance(here, Mapping) else ():
        if key in NAMING:
            words = "names and units hold for every program and mode"
            document.refuse((*path, key), words, remedy=f"move {key} to the metric itself", error=UnreadableInput)


def _spec(name: str, given: Mapping[str, Any]) -> MetricSpec:
    return MetricSpec(name, **_values(given))


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in given.items():
        if key in _LISTS:
            found[key] = tuple(value)
        elif key == "persistence":
            found[key] = Persistence(**value) if value else None
        elif key == "unit_map":
            found[key] = {unit: float(factor) for unit, factor in value.items()}
        else:
            found[key] = float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return found


def _refuse_doubles(document: Document, metrics: Mapping[str, MetricSpec]) -> None:
    taken: dict[str, tuple[str, str]] = {}
    for name in metrics:
        _take(document, taken, ("metrics", name), name, name)
    for name, spec in metrics.items():
        for index, alias in enumerate(spec.aliases):
            _take(document, taken, ("metrics", name, "aliases", index), alias, name)
    columns: dict[str, str] = {}
    for name, spec in metrics.items():
        for index, column in enumerate(spec.source_columns):
            path = ("metrics", name, "source_columns", index)
            other = columns.setdefault(column, name)
            meant, word = taken.get(fold(column), (name, column))
            if other != name or meant != name:
                _refuse_double(document, path, column, name, other if other != name else meant, word)


def _take(document: Document, taken: dict[str, tuple[str, str]], path: Path, word: str, name: str) -> None:
    folded = fold(word)
    if not folded:
        remedy = "write at least one letter or digit"
        document.refuse(path, f"{word!r} holds no letter or digit to be known by", remedy=remedy, error=UnreadableInput)
    other, theirs = taken.setdefault(folded, (name, word))
    if other != name:
        _refuse_double(document, path, word, name, other, theirs)


def _refuse_double(document: Document, path: Path, word: str, name: str, other: str, theirs: str) -> None:
    same = "" if theirs == word else f" (written {theirs!r} there)"
    message = f"{word!r} stands for both {name!r} and {other!r}{same}"
    document.refuse(
        path, message, remedy="let it stand for one of them; case, spaces and signs do not count", error=UnreadableInput
    )


def _refuse_units(document: Document, metrics: Mapping[str, MetricSpec]) -> None:
    for name, spec in metrics.items():
        if not units.known(spec.unit):
            document.refuse(
                ("metrics", name, "unit"),
                f"{spec.unit!r} is no known unit",
                remedy="write it as kW, degC, mm/s, %, dB or count",
                error=UnreadableInput,
            )
        for label, factor in spec.unit_map.items():
            if units.known(label):
                _refuse_factor(document, spec, label, factor)


def _refuse_factor(document: Document, spec: MetricSpec, label: str, factor: float) -> None:
    """Refuse a factor for a generally known unit, unless it is the one that is generally known."""
    path = ("metrics", spec.name, "unit_map", label)
    try:
        true = units.line(label, spec.unit)
    except units.DimensionMismatch:
        remedy = "give the vendor's unit a name of its own"
        document.refuse(path, f"does not measure what {spec.unit!r} measures", remedy=remedy, error=UnreadableInput)
    if true.offset or abs(float(true.factor) - factor) > 1e-9 * abs(factor):
        message = f"is {factor:g}, but {label} to {spec.unit or 'a number'} is {float(true.factor):g}"
        remedy = "leave it out: this unit is generally known"
        document.refuse(path, message, remedy=remedy, error=UnreadableInput)


def _overlays(document: Document, part: str, metrics: Mapping[str, MetricSpec]) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, overlay in (document.value.get(part) or {}).items():
        for metric in overlay["metrics"]:
            if metric not in metrics:
                near = difflib.get_close_matches(metric, metrics, n=1, cutoff=0.5)
                remedy = f"did you mean {near[0]!r}?" if near else "name a metric that stands under metrics"
                document.refuse((part, name, "metrics", metric), "no such metric", remedy=remedy, error=UnreadableInput)
        found[name] = {metric: _values(more) for metric, more in overlay["metrics"].items()}
    return found


def _refuse_contradictions(document: Document, registry: Registry) -> None:
    for name, spec in registry.metrics.items():
        _refuse_contradiction(document, spec, ("metrics", name), "")
    programs: list[str] = ["", *registry.programs]
    modes: list[str] = ["", *registry.modes]
    for program, mode in product(programs, modes):
        theirs, ours = registry.programs.get(program, {}), registry.modes.get(mode, {})
        for name in (*theirs, *ours):
            spec = replace(registry.metrics[name], **{**theirs.get(name, {}), **ours.get(name, {})})
            inside = ("mode_overrides", mode) if name in ours else ("programs", program)
            where = f" (program {program or 'any'}, mode {mode or 'any'})"
            _refuse_contradiction(document, spec, (*inside, "metrics", name), where)


def _refuse_contradiction(document: Document, spec: MetricSpec, path: Path, where: str) -> None:
    for key, words in spec.contradictions():
        document.refuse((*path, key), f"{words}{where}", remedy="correct one of the two", error=UnreadableInput)
