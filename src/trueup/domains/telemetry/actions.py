"""Every change telemetry makes: comparisons are recorded, hosts are sampled."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from trueup.domains.telemetry import asserting, configuring
from trueup.domains.telemetry import facts as known
from trueup.domains.telemetry.progress import tell, telling_columns
from trueup.domains.telemetry.sources.sheetname import joined
from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.errors import UnreadableInput, UsageError
from trueup.kernel.evidence.artifacts import Artifact
from trueup.kernel.evidence.engine.encode import encode
from trueup.kernel.evidence.engine.fact import Fact, FactValue, Predicate

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.result import Comparison  # needs NumPy, which most commands do not
    from trueup.domains.telemetry.engine.table import Table

KEEP_BELOW = 16 << 20
SOURCE = "trueup.telemetry.compare"
_ROLES = ("baseline", "run")


class Wishes(Input):
    """How to compare, and the numbers that decide."""

    subject: str = Field(default="", pattern=r"^[^\x00-\x1f]{0,200}$")
    critical: tuple[str, ...] = ()
    drift_is_fail: bool = False
    alpha: float = Field(default=0.01, gt=0, lt=1)
    keep_inputs: Literal["auto", "always", "never"] = "auto"
    pdf: bool = False
    registry: dict[str, Any] | None = None
    asserts: dict[str, Any] | None = None

    @field_validator("subject")
    @classmethod
    def _free(cls, value: str) -> str:
        if value.startswith("run/"):
            raise ValueError("what begins with run/ is a run that was taken in: hold it against its baseline with 'analyze'")
        return value


class CompareInput(Wishes):
    """Two files of this machine."""

    baseline: Path
    run: Path
    baseline_sheet: str = Field(default="", max_length=100)
    sheet: str = Field(default="", max_length=100)


@dataclass(frozen=True, slots=True)
class File:
    """A file to compare, and what people call it."""

    path: Path
    name: str
    sheet: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison's work hands to its transaction."""

    comparison: "Comparison"
    subject: str
    digests: tuple[str, str]
    artifacts: tuple[Artifact, ...]
    document: dict[str, Any]


class Compare(Action[CompareInput, None, Compared]):
    """Compare a run with its baseline and record the verdict."""

    name = "telemetry.comparison.create"
    summary = "compare a run with its baseline and record the verdict"
    tags = frozenset({"operate", "analyse"})
    input = CompareInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: CompareInput, loaded: None) -> Compared:
        """Read, compare, draw; store what was made."""
        files = (
            File(input.baseline, joined(input.baseline, input.baseline_sheet), input.baseline_sheet),
            File(input.run, joined(input.run, input.sheet), input.sheet),
        )
        return compared(ctx, files, input)

    def apply(self, ctx: Context, input: CompareInput, loaded: None, prepared: Compared) -> Outcome:
        """Record facts and entry."""
        return recorded(ctx, prepared)


def compared(ctx: Context, files: tuple[File, File], wishes: Wishes) -> Compared:
    """Compare two files, baseline first, and store report and document.

    Raises:
        UnreadableInput: one is no table, or changed while it was read.
    """
    from trueup.domains.telemetry.engine.config import CompareConfig
    from trueup.domains.telemetry.engine.document import document
    from trueup.domains.telemetry.engine.views import Mapped, Watched
    from trueup.domains.telemetry.engine.whole import examine_run
    from trueup.domains.telemetry.sources.tabular import open_table

    tell(0.0, "reading")
    before = tuple(digest(file.path) for file in files)
    asked: dict[str, Any] = {"alpha": wishes.alpha, "critical": frozenset(wishes.critical), "drift_is_fail": wishes.drift_is_fail}
    registry = configuring.given_registry(wishes.registry) if wishes.registry is not None else None
    config = CompareConfig(**asked, **(configuring.rules(registry) if registry else {}))
    checks = asserting.given(wishes.asserts)
    spool = ctx.ports.spool()
    with (
        open_table(files[0].path, workdir=spool, sheet=files[0].sheet) as baseline,
        open_table(files[1].path, workdir=spool, sheet=files[1].sheet) as run,
    ):
        read = [f"baseline: {note}" for note in baseline.notes] + [f"run: {note}" for note in run.notes]
        sides: list[Table] = [baseline, run]
        if registry:
            sides = [Mapped(side, configuring.columns(side.numeric, registry)) for side in sides]
        watched = Watched(sides[1], telling_columns(len(run.numeric)))
        comparison = examine_run(sides[0], watched, config=config, checks=checks)
        comparison = replace(comparison, notes=(*read, *comparison.notes))
    digests = (digest(files[0].path), digest(files[1].path))
    if digests != before:
        raise UnreadableInput("a file changed while it was compared", remedy="compare files that nobody is writing")
    tell(0.9, "drawing")
    subject = wishes.subject or f"run:{digests[1][:16]}{f'#{files[1].sheet}' if files[1].sheet else ''}"
    named = {role: {"name": file.name, "sha256": sha} for role, file, sha in zip(_ROLES, files, digests, strict=True)}
    body = document(comparison, subject=subject, files=named)
    return Compared(comparison, subject, digests, _stored(ctx, files, wishes, comparison, body), body)


def _stored(
    ctx: Context, files: tuple[File, File], wishes: Wishes, comparison: "Comparison", body: dict[str, Any]
) -> tuple[Artifact, ...]:
    sides = {
        "title": f"{files[1].name} compared with {files[0].name}",
        "baseline_name": files[0].name,
        "run_name": files[1].name,
    }
    meta = {
        "Subject": body["subject"],
        "Baseline SHA-256": body["files"]["baseline"]["sha256"],
        "Run SHA-256": body["files"]["run"]["sha256"],
    }
    stored = reports(ctx, comparison, body, sides, meta, pdf=wishes.pdf)
    put = ctx.ports.artifacts.put
    for role, file in zip(_ROLES, files, strict=True):
        if wishes.keep_inputs == "always" or (wishes.keep_inputs == "auto" and file.path.stat().st_size <= KEEP_BELOW):
            stored.append(put(ctx.tenant, file.path, name=f"{role}-{file.name}", media_type="application/octet-stream"))
    return tuple(stored)


def reports(
    ctx: Context,
    comparison: "Comparison",
    body: Mapping[str, Any],
    sides: Mapping[str, str],
    meta: Mapping[str, str],
    *,
    pdf: bool,
) -> list[Artifact]:
    """Store what a comparison is shown as: page, document, and on demand a PDF.

    Args:
        ctx: of the action.
        comparison: what was found.
        body: its document.
        sides: ``title``, ``baseline_name`` and ``run_name``.
        meta: further facts for the reader.
        pdf: whether to make one.
    """
    from trueup.domains.telemetry.report import render_html

    put = ctx.ports.artifacts.put
    page = render_html(comparison, **sides, meta=meta)
    stored = [
        put(ctx.tenant, page.encode(), name="report.html", media_type="text/html"),
        put(ctx.tenant, encode(body), name="comparison.json", media_type="application/json"),
    ]
    if pdf:
        from trueup.domains.telemetry.report.pdf import render_pdf

        made = render_pdf(comparison, **sides, meta=meta)
        stored.append(put(ctx.tenant, made, name="report.pdf", media_type="application/pdf"))
    return stored


def recorded(ctx: Context, prepared: Compared) -> Outcome:
    """Return what a comparison changes: facts, and an entry that names its artifacts."""
    comparison = prepared.comparison
    artifacts = {artifact.name: artifact.sha256 for artifact in prepared.artifacts}
    return Outcome(
        {**prepared.document, "artifacts": artifacts},
        facts=verdict_facts(
            prepared.subject,
            prepared.document,
            ctx.now,
            dict(zip((known.BASELINE, known.RUN), prepared.digests, strict=True)),
        ),
        artifacts=prepared.artifacts,
        subjects=(prepared.subject,),
        note={"verdict": str(comparison.verdict), "findings": len(comparison.findings)},
    )


def verdict_facts(subject: str, body: Mapping[str, Any], at: datetime, digests: Mapping[Predicate, str]) -> list[Fact]:
    """Return what a comparison makes known: of the run, and of each of its metrics.

    Args:
        subject: the run's.
        body: the comparison's document.
        at: when it was found.
        digests: of what was compared; those that are empty are left out.
    """

    def fact(predicate: Predicate, value: FactValue, part: str = "") -> Fact:
        return Fact(
            subject=f"{subject}{part}",
            predicate=predicate.key,
            value=value,
            unit=predicate.unit,
            valid_at=at,
            recorded_at=at,
            source=SOURCE,
        )

    facts = [
        fact(known.VERDICT, body["verdict"]),
        fact(known.FINDINGS, len(body["findings"])),
        fact(known.COMPARED, len(body["metrics"])),
    ]
    facts += [fact(predicate, value) for predicate, value in digests.items() if value]
    facts += [fact(known.METRIC_VERDICT, metric["verdict"], f"/{metric['metric']}") for metric in body["metrics"]]
    strongest: dict[str, float] = {}
    for finding in body["findings"]:
        if finding["effect"] is not None:
            strongest.setdefault(finding["metric"], float(finding["effect"]))
    facts += [fact(known.METRIC_EFFECT, effect, f"/{metric}") for metric, effect in strongest.items()]
    return [*facts, *asserting.facts(subject, body, at, SOURCE)]


def digest(path: Path) -> str:
    """Return a file's SHA-256, hex.

    Raises:
        UnreadableInput: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise UnreadableInput(f"{path}: {exc.strerror or exc}", remedy="name a readable file") from exc


class SampleHostInput(Input):
    """How long, how often, what of, and where to."""

    seconds: float = Field(gt=0, le=86_400)
    rate: float = Field(default=10.0, gt=0, le=100)
    pid: int | None = Field(default=None, gt=0)
    out: Path


class SampleHost(Action[SampleHostInput, None, dict[str, Any]]):
    """Sample this machine into a Parquet file."""

    name = "telemetry.host.sample"
    summary = "sample this machine into a file"
    tags = frozenset({"operate"})
    input = SampleHostInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: SampleHostInput, loaded: None) -> dict[str, Any]:
        """Sample, then write the file in one step."""
        if not input.out.absolute().parent.is_dir():
            raise UsageError(f"{input.out}: there is no such folder", remedy="make it first, or choose another --out")
        from trueup.domains.telemetry.sources.host import sample_host, write_parquet

        sample = sample_host(seconds=input.seconds, rate=input.rate, pid=input.pid)
        write_parquet(sample, input.out, scratch=ctx.ports.spool())
        return {
            "out": str(input.out),
            "sha256": digest(input.out),
            "rows": len(sample.time_ms),
            "metrics": list(sample.columns),
            "excluded": [{"name": item.name, "reason": item.reason} for item in sample.excluded],
            "notes": list(sample.notes),
        }

    def apply(self, ctx: Context, input: SampleHostInput, loaded: None, prepared: dict[str, Any]) -> Outcome:
        """Record the file's digest."""
        return Outcome(prepared, note={"sha256": prepared["sha256"], "rows": prepared["rows"]})


ACTIONS = (Compare, SampleHost)
