"""Changes to files of measurements: they are normalised, and faults are put into them on purpose."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from trueup.domains.telemetry.actions import digest
from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.errors import UnreadableInput, UsageError
from trueup.kernel.files import write_atomic

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.normalise import Normaliser
    from trueup.domains.telemetry.sources.eventnormal import Normalised, Provenance

META_VERSION = 1


class NormaliseInput(Input):
    """Which file, by which rules, and where to."""

    source: Path
    output: Path
    registry: Path | None = None
    schema_file: Path | None = None
    quarantine: Path | None = None
    strict: bool = False
    max_quarantine: float = Field(default=0.01, ge=0, le=1)


class NormaliseEvents(Action[NormaliseInput, None, dict[str, Any]]):
    """Normalise a file of events: canonical names and units, and where each came from."""

    name = "telemetry.events.normalise"
    summary = "normalise a file of events"
    tags = frozenset({"operate", "analyse"})
    input = NormaliseInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: NormaliseInput, loaded: None) -> dict[str, Any]:
        """Read, normalise, write; the side file last."""
        from trueup.domains.telemetry.engine.normalise import Normaliser
        from trueup.domains.telemetry.engine.normalise_schema import Schema
        from trueup.domains.telemetry.sources.eventnormal import normalise_file
        from trueup.domains.telemetry.sources.eventwrite import meta_of, wanted
        from trueup.domains.telemetry.sources.registryfile import load_registry, load_schema

        files = wanted(input.source, input.output, input.quarantine, input.registry, input.schema_file)
        registry = load_registry(input.registry) if input.registry else None
        schema = load_schema(input.schema_file) if input.schema_file else Schema()
        normaliser = Normaliser(registry, schema, strict=input.strict)
        before = digest(input.source)
        done = normalise_file(input.source, files, normaliser, workdir=ctx.ports.spool())
        if digest(input.source) != before:
            raise UnreadableInput(f"{input.source}: changed while it was read", remedy="normalise files that nobody is writing")
        body = _document(input, done, normaliser) | {
            "input": {"name": input.source.name, "sha256": before},
            "output": {"name": input.output.name, "sha256": digest(input.output)},
            "quarantine": {
                "name": files.quarantine.name,
                "sha256": digest(files.quarantine),
                "reasons": dict(done.quarantined),
            },
        }
        meta = meta_of(input.output)
        write_atomic(meta, json.dumps(body, ensure_ascii=False, indent=2).encode() + b"\n")
        places = {"out": str(input.output), "meta": str(meta), "quarantined": str(files.quarantine)}
        return body | {"files": places, "within": done.share <= input.max_quarantine}

    def apply(self, ctx: Context, input: NormaliseInput, loaded: None, prepared: dict[str, Any]) -> Outcome:
        """Record digests and counts."""
        note = {
            "input": prepared["input"]["sha256"],
            "output": prepared["output"]["sha256"],
            "quarantine": prepared["quarantine"]["sha256"],
            "registry": (prepared["registry"] or {}).get("digest"),
            "counts": prepared["counts"],
        }
        return Outcome(prepared, subjects=[f"file:{prepared['output']['sha256'][:16]}"], note=note)


def _document(input: NormaliseInput, done: "Normalised", normaliser: "Normaliser") -> dict[str, Any]:
    registry, schema = normaliser.registry, normaliser.schema
    metrics: dict[str, dict[str, Any]] = {}
    for item in done.provenance:
        found = metrics.setdefault(
            item.rule.metric, {"unit": item.rule.unit, "registered": item.rule.registered, "rows": 0, "sources": []}
        )
        found["rows"] += item.rows
        found["sources"].append(_origin(item))
    return {
        "version": META_VERSION,
        "registry": {"version": registry.version, "digest": registry.digest} if registry else None,
        "schema": {"version": schema.version, "digest": schema.digest} if input.schema_file else None,
        "strict": input.strict,
        "time": done.clock,
        "counts": {
            "lines": done.lines,
            "written": done.written,
            "missing": done.missing,
            "left_out": done.left_out,
            "quarantined": sum(done.quarantined.values()),
        },
        "share_quarantined": done.share,
        "metrics": dict(sorted(metrics.items())),
        "unregistered": sorted(name for name, found in metrics.items() if not found["registered"]) if registry else [],
        "unit_assumed": sorted({item.rule.metric for item in done.provenance if item.rule.unit_assumed}),
        "excluded": [{"name": name, "reason": reason} for name, reason in done.excluded],
    }


def _origin(item: "Provenance") -> dict[str, Any]:
    line = item.rule.line
    return {
        "raw_name": item.raw_name,
        "raw_unit": item.raw_unit,
        "unit": item.rule.unit,
        "factor": float(line.factor),
        "offset": float(line.offset),
        "mapped_by": item.rule.mapped_by,
        "unit_from": item.rule.unit_from,
        "unit_assumed": item.rule.unit_assumed,
        "rows": item.rows,
    }


class InjectInput(Input):
    """Which fault, how much of it, and into what."""

    fault: str
    source: Path
    output: Path
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    metrics: tuple[str, ...] = ()
    start: float = Field(default=0.5, ge=0, lt=1)
    scale: float | None = Field(default=None, allow_inf_nan=False)
    count: int | None = Field(default=None, ge=1, le=1_000_000)
    share: float | None = Field(default=None, gt=0, le=1)
    value: float | None = Field(default=None, allow_inf_nan=False)
    seconds: float | None = Field(default=None, allow_inf_nan=False)
    period: int | None = Field(default=None, ge=2, le=1_000_000)
    change: str = "rename"


class InjectFault(Action[InjectInput, None, dict[str, Any]]):
    """Put a fault into a recording, to see whether it is found."""

    name = "telemetry.fault.inject"
    summary = "put a fault into a copy of a recording"
    tags = frozenset({"operate", "analyse"})
    input = InjectInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: InjectInput, loaded: None) -> dict[str, Any]:
        """Compute the fault and write the copy."""
        from trueup.domains.telemetry.engine.inject import DEFAULTS, Change, Dose, Fault, hidden
        from trueup.domains.telemetry.sources.faultfile import inject_file

        try:
            fault, change = Fault(input.fault), Change(input.change)
        except ValueError as error:
            raise UsageError(str(error), remedy=f"choose among {', '.join(Fault)}") from None
        asked = {name: getattr(input, name) for name in ("scale", "count", "share", "value", "seconds", "period")}
        used = {**DEFAULTS[fault], **{name: given for name, given in asked.items() if given is not None}}
        dose = Dose(start=input.start, change=change, **used)
        before = digest(input.source)
        hit = inject_file(
            input.source, input.output, fault, metrics=input.metrics, seed=input.seed, dose=dose, workdir=ctx.ports.spool()
        )
        parameters = {"from": input.start, **used} | ({"change": str(change)} if fault is Fault.SCHEMA_CHANGE else {})
        return {
            "fault": str(fault),
            "seed": input.seed,
            "parameters": parameters,
            "columns": list(hit.metrics),
            "first_row": hit.start,
            "rows_in": hit.rows_in,
            "rows_out": hit.rows_out,
            "cells_changed": hit.cells,
            "undetectable": hidden(fault, hit.start) or None,
            "input": {"name": input.source.name, "sha256": before},
            "output": {"name": input.output.name, "sha256": digest(input.output)},
            "out": str(input.output),
        }

    def apply(self, ctx: Context, input: InjectInput, loaded: None, prepared: dict[str, Any]) -> Outcome:
        """Record that this file is faulty on purpose."""
        note = {name: prepared[name] for name in ("fault", "seed", "parameters", "rows_in", "rows_out", "cells_changed")}
        note |= {"input": prepared["input"]["sha256"], "output": prepared["output"]["sha256"]}
        return Outcome(prepared, subjects=[f"file:{prepared['output']['sha256'][:16]}"], note=note)


ACTIONS = (NormaliseEvents, InjectFault)
