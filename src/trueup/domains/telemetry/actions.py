"""Every change telemetry makes: comparisons are recorded, hosts are sampled."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trueup.domains.telemetry import facts as known
from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.errors import UnreadableInput, UsageError
from trueup.kernel.evidence.artifacts import Artifact
from trueup.kernel.evidence.engine.encode import encode
from trueup.kernel.evidence.engine.fact import Fact, FactValue, Predicate

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.result import Comparison  # needs NumPy, which most commands do not

KEEP_BELOW = 16 << 20
SOURCE = "trueup.telemetry.compare"


class CompareInput(Input):
    """Two files and the numbers that decide."""

    baseline: Path
    run: Path
    subject: str = Field(default="", pattern=r"^[^\x00-\x1f]{0,200}$")
    critical: tuple[str, ...] = ()
    drift_is_fail: bool = False
    alpha: float = Field(default=0.01, gt=0, lt=1)
    keep_inputs: Literal["auto", "always", "never"] = "auto"


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
        from trueup.domains.telemetry.engine.compare import CompareConfig, compare
        from trueup.domains.telemetry.engine.document import document
        from trueup.domains.telemetry.sources.tabular import open_table

        digests = (digest(input.baseline), digest(input.run))
        config = CompareConfig(alpha=input.alpha, critical=frozenset(input.critical), drift_is_fail=input.drift_is_fail)
        spool = ctx.ports.spool()
        with (
            open_table(input.baseline, workdir=spool) as baseline,
            open_table(input.run, workdir=spool) as run,
        ):
            comparison = compare(baseline, run, config=config)
            read = [f"baseline: {note}" for note in baseline.notes] + [f"run: {note}" for note in run.notes]
            comparison = replace(comparison, notes=(*read, *comparison.notes))
        if (digest(input.baseline), digest(input.run)) != digests:
            raise UnreadableInput("a file changed while it was compared", remedy="compare files that nobody is writing")
        subject = input.subject or f"run:{digests[1][:16]}"
        more = {
            "subject": subject,
            "files": {
                "baseline": {"name": input.baseline.name, "sha256": digests[0]},
                "run": {"name": input.run.name, "sha256": digests[1]},
            },
        }
        body = document(comparison, **more)
        return Compared(comparison, subject, digests, self._store(ctx, input, comparison, body), body)

    def _store(self, ctx: Context, input: CompareInput, comparison: "Comparison", body: dict[str, Any]) -> tuple[Artifact, ...]:
        from trueup.domains.telemetry.report import render_html

        files = body["files"]
        page = render_html(
            comparison,
            title=f"{input.run.name} compared with {input.baseline.name}",
            baseline_name=input.baseline.name,
            run_name=input.run.name,
            meta={
                "Subject": body["subject"],
                "Baseline SHA-256": files["baseline"]["sha256"],
                "Run SHA-256": files["run"]["sha256"],
            },
        )
        put = ctx.ports.artifacts.put
        stored = [
            put(ctx.tenant, page.encode(), name="report.html", media_type="text/html"),
            put(ctx.tenant, encode(body), name="comparison.json", media_type="application/json"),
        ]
        for role, path in (("baseline", input.baseline), ("run", input.run)):
            if input.keep_inputs == "always" or (input.keep_inputs == "auto" and path.stat().st_size <= KEEP_BELOW):
                stored.append(put(ctx.tenant, path, name=f"{role}-{path.name}", media_type="application/octet-stream"))
        return tuple(stored)

    def apply(self, ctx: Context, input: CompareInput, loaded: None, prepared: Compared) -> Outcome:
        """Record facts and entry."""
        comparison = prepared.comparison
        note = {"verdict": str(comparison.verdict), "findings": len(comparison.findings)}
        artifacts = {artifact.name: artifact.sha256 for artifact in prepared.artifacts}
        return Outcome(
            {**prepared.document, "artifacts": artifacts},
            facts=comparison_facts(prepared, ctx.now),
            artifacts=prepared.artifacts,
            subjects=(prepared.subject,),
            note=note,
        )


def comparison_facts(compared: Compared, at: datetime) -> Sequence[Fact]:
    """Return what a comparison makes known: of the run, and of each of its metrics."""

    def fact(predicate: Predicate, value: FactValue, part: str = "") -> Fact:
        return Fact(
            subject=f"{compared.subject}{part}",
            predicate=predicate.key,
            value=value,
            unit=predicate.unit,
            valid_at=at,
            recorded_at=at,
            source=SOURCE,
        )

    comparison = compared.comparison
    facts = [
        fact(known.VERDICT, str(comparison.verdict)),
        fact(known.FINDINGS, len(comparison.findings)),
        fact(known.COMPARED, len(comparison.metrics)),
        fact(known.BASELINE, compared.digests[0]),
        fact(known.RUN, compared.digests[1]),
    ]
    facts += [fact(known.METRIC_VERDICT, str(m.verdict), f"/{m.metric}") for m in comparison.metrics]
    strongest: dict[str, float] = {}
    for finding in comparison.findings:
        strongest.setdefault(finding.metric, float(finding.effect))
    facts += [fact(known.METRIC_EFFECT, effect, f"/{metric}") for metric, effect in strongest.items() if effect < float("inf")]
    return facts


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
