"""Every change to runs: they are taken in, and held against a baseline."""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from uuid import UUID, uuid4

from pydantic import AwareDatetime, Field, field_validator, model_validator

from trueup.domains.telemetry import analysing, configuring, measured, queries
from trueup.domains.telemetry import facts as known
from trueup.domains.telemetry.actions import digest, verdict_facts
from trueup.domains.telemetry.engine.circumstances import CONTEXT
from trueup.domains.telemetry.models import Analysis, Run, RunMetric
from trueup.domains.telemetry.sources.sheetname import joined, parted
from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.errors import Conflict, UnreadableInput
from trueup.kernel.evidence.artifacts import Artifact
from trueup.kernel.evidence.engine.fact import Fact

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.numbers import MetricNumbers

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
SOURCE = "trueup.telemetry.runs"
KEPT_FINDINGS = 100  # of one analysis, the strongest; all of them stand in its document
_Text = Field(default="", max_length=120, pattern=r"^[^\x00-\x1f]*$")


class RunInput(Input):
    """What is said about a run."""

    name: str = Field(default="", pattern=rf"{NAME}|^$")
    program: str = _Text
    subsystem: str = _Text
    test_name: str = _Text
    context: dict[str, str] = Field(default_factory=dict)
    build: dict[str, str] = Field(default_factory=dict, max_length=10)
    started_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    source: Literal["file", "capture", "host"] = "file"

    @field_validator("context")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if name not in CONTEXT:
                raise ValueError(f"{name!r} is none of {', '.join(CONTEXT)}")
            if not 0 < len(text) <= 120:
                raise ValueError(f"{name} must have 1 to 120 characters")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.started_at and self.ended_at and self.ended_at < self.started_at:
            raise ValueError("the run ended before it started")
        return self


class IngestRunInput(RunInput):
    """A recorded file and what is said about it."""

    path: Path
    sheet: str = Field(default="", max_length=100)


@dataclass(frozen=True, slots=True)
class Taken:
    """What reading a run's file hands to its transaction."""

    name: str
    data: Artifact
    rows: int
    mapping: dict[str, dict[str, Any]]
    numbers: "dict[str, MetricNumbers]"
    excluded: list[dict[str, str]]
    notes: tuple[str, ...]


class IngestRun(Action[IngestRunInput, None, Taken]):
    """Take in a run: keep its file, and what it holds."""

    name = "telemetry.run.ingest"
    summary = "take in a recorded run"
    tags = frozenset({"operate"})
    input = IngestRunInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: IngestRunInput, loaded: None) -> Taken:
        """Read every column once; store the file."""
        from trueup.domains.telemetry.engine.numbers import numbers_of
        from trueup.domains.telemetry.sources.tabular import open_table

        sha256 = digest(input.path)
        registry, _ = configuring.registry(ctx)
        joined(input.path, input.sheet)
        with open_table(input.path, workdir=ctx.ports.spool(), sheet=input.sheet) as table:
            mapping = {name: asdict(source) for name, source in configuring.columns(table.numeric, registry).items()}
            numbers = {name: numbers_of(table.column(source["raw"])) for name, source in mapping.items()}
            excluded = [{"name": item.name, "reason": item.reason} for item in table.excluded]
            rows, notes = table.rows, table.notes
        data = ctx.ports.artifacts.put(ctx.tenant, input.path, name=input.path.name, media_type="application/octet-stream")
        if data.sha256 != sha256:
            raise UnreadableInput("the file changed while it was read", remedy="take in a file that nobody is writing")
        own = hashlib.sha256(f"{sha256}#{input.sheet}".encode()).hexdigest() if input.sheet else sha256
        return Taken(input.name or f"run-{own[:12]}", data, rows, mapping, numbers, excluded, notes)

    def apply(self, ctx: Context, input: IngestRunInput, loaded: None, prepared: Taken) -> Outcome:
        """Write the run; the same file under the same name again is the same run."""
        there = Run.objects.filter(tenant=ctx.tenant, name=prepared.name).first()
        if there is not None and (there.sha256, parted(there.file_name)[1]) != (prepared.data.sha256, input.sheet):
            raise Conflict(f"there is another run called {prepared.name}", remedy="give this one a name of its own with --name")
        if there is None:
            there = self._write(ctx, input, prepared)
        value = {
            **queries.run_document(there),
            "excluded": prepared.excluded,
            "notes": list(prepared.notes),
        }
        fact = Fact(
            subject=queries.subject(there.name),
            predicate=known.RUN.key,
            value=prepared.data.sha256,
            unit=known.RUN.unit,
            valid_at=ctx.now,
            recorded_at=ctx.now,
            source=SOURCE,
        )
        note = {
            "sha256": prepared.data.sha256,
            "rows": prepared.rows,
            "metrics": len(prepared.mapping),
            "numbers": there.numbers,
        }
        return Outcome(value, facts=[fact], artifacts=[prepared.data], subjects=[queries.subject(there.name)], note=note)

    @staticmethod
    def _write(ctx: Context, input: IngestRunInput, prepared: Taken) -> Run:
        id = uuid4()
        numbers = [
            {"metric": name, "unit": prepared.mapping[name]["unit"], **asdict(found)} for name, found in prepared.numbers.items()
        ]
        run = Run.objects.create(
            id=id,
            tenant=ctx.tenant,
            name=prepared.name,
            program=input.program,
            subsystem=input.subsystem,
            test_name=input.test_name,
            context=dict(input.context),
            source=input.source,
            file_name=joined(input.path, input.sheet),
            sha256=prepared.data.sha256,
            mapping=prepared.mapping,
            build=dict(input.build),
            numbers=measured.digest(numbers),
            rows=prepared.rows,
            started_at=input.started_at,
            ended_at=input.ended_at,
            recorded_at=ctx.now,
            recorded_by=ctx.principal.id,
        )
        RunMetric.objects.bulk_create([RunMetric(tenant=ctx.tenant, run=id, **one) for one in numbers])
        return run


class AnalyzeRunInput(Input):
    """Which run, against what, and the numbers that decide."""

    run: str = Field(max_length=100)
    baseline: str = Field(default="", max_length=100)
    alpha: float = Field(default=0.01, gt=0, le=0.5)
    critical: tuple[str, ...] = Field(default=(), max_length=10_000)
    drift_is_fail: bool = False
    pdf: bool = False
    asserts: dict[str, Any] | None = None


class AnalyzeRun(Action[AnalyzeRunInput, Run, analysing.Analysed]):
    """Hold a run against its baseline and record the verdict."""

    name = "telemetry.run.analyze"
    summary = "hold a run against its baseline and record the verdict"
    tags = frozenset({"operate", "analyse"})
    input = AnalyzeRunInput
    prepares = True

    def load(self, ctx: Context, input: AnalyzeRunInput) -> Run:
        """Find the run."""
        return queries.find_run(ctx.tenant, input.run)

    def resource(self, ctx: Context, input: AnalyzeRunInput, loaded: Run) -> Resource:
        """Policy decides about the run."""
        return Resource("run", str(loaded.id), loaded.tenant, created_by=loaded.recorded_by)

    def prepare(self, ctx: Context, input: AnalyzeRunInput, loaded: Run) -> analysing.Analysed:
        """Choose, read, compare, draw; store what was made."""
        critical = frozenset(input.critical)
        wishes = analysing.Wishes(input.baseline, input.alpha, critical, input.drift_is_fail, input.pdf, input.asserts)
        return analysing.analyse(ctx, loaded, wishes)

    def apply(self, ctx: Context, input: AnalyzeRunInput, loaded: Run, prepared: analysing.Analysed) -> Outcome:
        """Record the analysis, the run's verdict, facts and entry."""
        document = prepared.document
        names = {artifact.name: artifact.sha256 for artifact in prepared.artifacts}
        made = Analysis.objects.create(
            id=uuid4(),
            tenant=ctx.tenant,
            run=loaded.id,
            at=ctx.now,
            verdict=document["verdict"],
            by_policy=document["by_policy"],
            findings=len(document["findings"]),
            found=[{key: item[key] for key in ("metric", "kind", "effect")} for item in document["findings"][:KEPT_FINDINGS]],
            baseline=document["baseline"],
            config_digest=document["config_digest"],
            comparison=names["comparison.json"],
            report=names["report.html"],
        )
        changed: dict[str, Any] = {"analysed_at": ctx.now}
        if document["by_policy"] or not loaded.by_policy:
            # what the policy found stands until it finds otherwise, whatever else the run is held against
            id = document["baseline"]["id"]
            changed |= {"verdict": document["verdict"], "by_policy": document["by_policy"], "against": UUID(id) if id else None}
        Run.objects.filter(tenant=ctx.tenant, id=loaded.id).update(**changed)
        return Outcome(
            {**document, "analysis": str(made.id), "artifacts": names},
            facts=self._facts(loaded, document, ctx.now),
            artifacts=prepared.artifacts,
            subjects=[queries.subject(loaded.name)],
            note={
                "verdict": document["verdict"],
                "by_policy": document["by_policy"],
                "findings": len(document["findings"]),
                "analysis": str(made.id),
            },
        )

    @staticmethod
    def _facts(run: Run, document: dict[str, Any], at: datetime) -> list[Fact]:
        subject, held_against = queries.subject(run.name), document["baseline"]["digest"]
        if document["by_policy"]:
            return verdict_facts(subject, document, at, {known.BASELINE: held_against})
        return [
            Fact(
                subject=subject,
                predicate=known.ASKED.key,
                value=document["verdict"],
                unit=known.ASKED.unit,
                valid_at=at,
                recorded_at=at,
                source=SOURCE,
            )
        ]


ACTIONS = (IngestRun, AnalyzeRun)
