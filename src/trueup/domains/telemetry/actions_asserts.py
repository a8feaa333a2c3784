"""Holding runs against asserts alone, without a baseline: files of this machine, and runs that were taken in."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from trueup.domains.telemetry import asserting, configuring, queries
from trueup.domains.telemetry.actions import KEEP_BELOW, digest, reports
from trueup.domains.telemetry.models import Run
from trueup.domains.telemetry.progress import tell, telling_columns
from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.errors import UnreadableInput
from trueup.kernel.evidence.artifacts import Artifact
from trueup.kernel.evidence.engine.encode import encode

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.table import Table

SOURCE = "trueup.telemetry.assert"


class AssertFileInput(Input):
    """A file of this machine, and what every sample of it has to be."""

    run: Path
    asserts: dict[str, Any]
    registry: dict[str, Any] | None = None
    subject: str = Field(default="", pattern=r"^[^\x00-\x1f]{0,200}$")
    pdf: bool = False

    @field_validator("subject")
    @classmethod
    def _free(cls, value: str) -> str:
        if value.startswith("run/"):
            raise ValueError("what begins with run/ is a run that was taken in: hold that against asserts by its name")
        return value


class AssertRunInput(Input):
    """A run that was taken in, and what every sample of it has to be."""

    run: str = Field(max_length=100)
    asserts: dict[str, Any]
    pdf: bool = False


class Answered(dict[str, Any]):
    """The document of the answers; its artifacts stand beside it."""

    artifacts: tuple[Artifact, ...] = ()


def _answered(
    ctx: Context, table: "Table", document: Mapping[str, Any], about: Mapping[str, Any], name: str, *, pdf: bool
) -> Answered:
    """Hold a table against asserts; store report, document and the asserts themselves."""
    from trueup.domains.telemetry.engine.asserted import assert_alone
    from trueup.domains.telemetry.engine.document import document as document_of
    from trueup.domains.telemetry.engine.views import Watched

    checks = asserting.given(document)
    watched = Watched(table, telling_columns(len({check.metric for check in checks})))
    found = assert_alone(watched, checks)
    body = Answered(document_of(found, **about))
    asked = asserting.digest(body["asserts"])
    body["asserts_sha256"] = asked
    tell(0.9, "drawing")
    meta = {"Subject": body["subject"], "Run SHA-256": body["run"]["sha256"], "Asserts SHA-256": asked}
    sides = {"title": f"{name} held against its asserts", "baseline_name": "no baseline", "run_name": name}
    made = reports(ctx, found, body, sides, meta, pdf=pdf)
    put = ctx.ports.artifacts.put
    asserts = encode({"asserts": [check.as_dict() for check in checks]})
    body.artifacts = (*made, put(ctx.tenant, asserts, name="asserts.json", media_type="application/json"))
    return body


def _recorded(ctx: Context, prepared: Answered) -> Outcome:
    names = {artifact.name: artifact.sha256 for artifact in prepared.artifacts}
    return Outcome(
        {**prepared, "artifacts": names},
        facts=asserting.facts(prepared["subject"], prepared, ctx.now, SOURCE),
        artifacts=prepared.artifacts,
        subjects=[prepared["subject"]],
        note={
            "verdict": prepared["verdict"],
            "findings": len(prepared["findings"]),
            "asserts": len(prepared["asserts"]),
            "asserts_sha256": prepared["asserts_sha256"],
        },
    )


class AssertFile(Action[AssertFileInput, None, Answered]):
    """Hold a file against asserts and record their answers."""

    name = "telemetry.file.assert"
    summary = "hold a file against asserts and record their answers"
    tags = frozenset({"operate", "analyse"})
    input = AssertFileInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: AssertFileInput, loaded: None) -> Answered:
        """Read what the asserts name; store what was made."""
        from trueup.domains.telemetry.engine.views import Mapped
        from trueup.domains.telemetry.sources.tabular import open_table

        tell(0.0, "reading")
        asserting.given(input.asserts)  # what is no assert is refused before a long file is read
        registry = configuring.given_registry(input.registry) if input.registry is not None else None
        sha256 = digest(input.run)
        about = {"subject": input.subject or f"run:{sha256[:16]}", "run": {"name": input.run.name, "sha256": sha256}}
        with open_table(input.run, workdir=ctx.ports.spool()) as opened:
            table: Table = Mapped(opened, configuring.columns(opened.numeric, registry)) if registry else opened
            body = _answered(ctx, table, input.asserts, about, input.run.name, pdf=input.pdf)
            body["notes"] = [*opened.notes, *body["notes"]]
        if digest(input.run) != sha256:
            raise UnreadableInput(
                "the file changed while it was read", remedy="hold a file against asserts that nobody is writing"
            )
        if input.run.stat().st_size <= KEEP_BELOW:
            put = ctx.ports.artifacts.put
            kept = put(ctx.tenant, input.run, name=f"run-{input.run.name}", media_type="application/octet-stream")
            body.artifacts = (*body.artifacts, kept)
        return body

    def apply(self, ctx: Context, input: AssertFileInput, loaded: None, prepared: Answered) -> Outcome:
        """Record facts and entry."""
        return _recorded(ctx, prepared)


class AssertRun(Action[AssertRunInput, Run, Answered]):
    """Hold a run that was taken in against asserts and record their answers; the run's own verdict stays."""

    name = "telemetry.run.assert"
    summary = "hold a run against asserts and record their answers"
    tags = frozenset({"operate", "analyse"})
    input = AssertRunInput
    prepares = True

    def load(self, ctx: Context, input: AssertRunInput) -> Run:
        """Find the run."""
        return queries.find_run(ctx.tenant, input.run)

    def resource(self, ctx: Context, input: AssertRunInput, loaded: Run) -> Resource:
        """Policy decides about the run."""
        return Resource("run", str(loaded.id), loaded.tenant, created_by=loaded.recorded_by)

    def prepare(self, ctx: Context, input: AssertRunInput, loaded: Run) -> Answered:
        """Read what the asserts name; store what was made."""
        from trueup.domains.telemetry.sources.stored import StoredRun, open_runs

        tell(0.0, "reading")
        asserting.given(input.asserts)
        stored = StoredRun(loaded.name, loaded.sha256, loaded.file_name, loaded.mapping)
        about = {"subject": queries.subject(loaded.name), "run": {"name": loaded.name, "sha256": loaded.sha256}}
        with open_runs(ctx.ports.artifacts, ctx.tenant, [stored], spool=ctx.ports.spool()) as table:
            body = _answered(ctx, table, input.asserts, about, loaded.name, pdf=input.pdf)
        size = ctx.ports.artifacts.size(ctx.tenant, loaded.sha256)
        data = Artifact(loaded.sha256, size, f"run-{Path(loaded.file_name).name}", "application/octet-stream")
        body.artifacts = (*body.artifacts, data)
        return body

    def apply(self, ctx: Context, input: AssertRunInput, loaded: Run, prepared: Answered) -> Outcome:
        """Record facts and entry."""
        return _recorded(ctx, prepared)


ACTIONS = (AssertFile, AssertRun)
