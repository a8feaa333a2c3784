"""Sketches are made of a file, and a run is checked by them against a stored baseline."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from trueup.domains.telemetry import configuring, queries, trust
from trueup.domains.telemetry.actions import digest
from trueup.domains.telemetry.engine.selection import Candidate, Form
from trueup.domains.telemetry.progress import telling_columns
from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.errors import NotFound, UnreadableInput, UsageError
from trueup.kernel.evidence.artifacts import Artifact
from trueup.kernel.evidence.engine.encode import encode
from trueup.kernel.files import write_atomic

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.sketch import TableSketch
    from trueup.domains.telemetry.engine.table import Table

# an entry of a check says less than one of a comparison, and no gate takes the one for the other
_SAID = "a check by sketches is no comparison: it publishes no verdict of the run, and no baseline can be built on it"


class SketchInput(Input):
    """Which file, where to, and how long its windows are."""

    source: Path
    out: Path
    seconds: float | None = Field(default=None, gt=0)
    rows: int | None = Field(default=None, gt=0)


class SketchRun(Action[SketchInput, None, dict[str, Any]]):
    """Write the sketches of a file, and of its windows."""

    name = "telemetry.sketch.create"
    summary = "write the sketches of a file of measurements"
    tags = frozenset({"operate", "analyse"})
    input = SketchInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: SketchInput, loaded: None) -> dict[str, Any]:
        """Read, sketch, write in one step."""
        from trueup.domains.telemetry.engine.sketchdoc import SketchFile, Window, sketch_document
        from trueup.domains.telemetry.engine.sketchwindows import sketch_windows, window_bounds

        if input.out.exists() and input.source.exists() and input.out.samefile(input.source):
            raise UsageError(f"{input.out}: is the file to be sketched", remedy="choose another --out")
        before = digest(input.source)
        with _opened(ctx, input.source) as (table, whole, notes):
            windows: list[Window] = []
            if input.seconds is not None or input.rows is not None:
                bounds = window_bounds(table, seconds=input.seconds, rows=input.rows)
                windows = [Window(a, b, one) for a, b, one in sketch_windows(table, bounds)]
        if digest(input.source) != before:
            raise UnreadableInput(f"{input.source}: changed while it was read", remedy="sketch files that nobody is writing")
        source = {"name": input.source.name, "sha256": before}
        write_atomic(input.out, encode(sketch_document(SketchFile(source, whole, windows))) + b"\n")
        return {
            "out": str(input.out),
            "sha256": digest(input.out),
            "source": source,
            "rows": whole.rows,
            "metrics": list(whole.metrics),
            "windows": len(windows),
            "rank_error": max((one.grid.rank_error for one in whole.metrics.values()), default=0.0),
            "excluded": [{"name": item.name, "reason": item.reason} for item in whole.excluded],
            "notes": notes,
        }

    def apply(self, ctx: Context, input: SketchInput, loaded: None, prepared: dict[str, Any]) -> Outcome:
        """Record both digests."""
        note = {"sha256": prepared["sha256"], "source": prepared["source"]["sha256"], "rows": prepared["rows"]}
        return Outcome(prepared, subjects=[f"file:{prepared['sha256'][:16]}"], note=note)


class CheckInput(Input):
    """A baseline (a sketch file, a version, or a tag), a run's file, and the numbers that decide."""

    baseline: str = Field(min_length=1, max_length=4096)
    run: Path
    subject: str = Field(default="", pattern=r"^[^\x00-\x1f]{0,200}$")
    critical: tuple[str, ...] = ()
    drift_is_fail: bool = False
    alpha: float = Field(default=0.01, gt=0, lt=1)

    @field_validator("subject")
    @classmethod
    def _free(cls, value: str) -> str:
        if value.startswith("run/"):
            raise ValueError("what begins with run/ is a run that was taken in: hold it against its baseline with 'analyze'")
        return value


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """What a check's work hands to its transaction."""

    document: dict[str, Any]
    artifact: Artifact


class CheckRun(Action[CheckInput, None, CheckedRun]):
    """Check a run by sketches against a stored baseline and record the answer."""

    name = "telemetry.check.create"
    summary = "check a run by sketches against a stored baseline"
    tags = frozenset({"operate", "analyse"})
    input = CheckInput
    prepares = True
    local = True

    def prepare(self, ctx: Context, input: CheckInput, loaded: None) -> CheckedRun:
        """Find the baseline, sketch what has no sketch yet, check."""
        from trueup.domains.telemetry.engine.config import CompareConfig
        from trueup.domains.telemetry.engine.sketchcheck import check

        found = _baseline(ctx, input.baseline)
        asked: dict[str, Any] = {
            "alpha": input.alpha,
            "critical": frozenset(input.critical),
            "drift_is_fail": input.drift_is_fail,
        }
        registry = configuring.registry(ctx)[0] if found.version else None
        config = CompareConfig(**asked, **(configuring.rules(registry, *found.scope) if registry else {}))
        before = digest(input.run)
        with _opened(ctx, input.run, canonical=found.version) as (_, run, notes):
            answer = check(found.sketch, run, config=config)
        if digest(input.run) != before:
            raise UnreadableInput(f"{input.run}: changed while it was read", remedy="check files that nobody is writing")
        body = answer.document(
            subject=input.subject or f"run:{before[:16]}",
            files={"baseline": found.about, "run": {"name": input.run.name, "sha256": before}},
        )
        body["notes"] = [*found.notes, *(f"run: {note}" for note in notes), *body["notes"], _SAID]
        artifact = ctx.ports.artifacts.put(ctx.tenant, encode(body), name="check.json", media_type="application/json")
        return CheckedRun(body, artifact)

    def apply(self, ctx: Context, input: CheckInput, loaded: None, prepared: CheckedRun) -> Outcome:
        """Record the answer; it is no fact about the run, since not every kind of drift was looked for."""
        body = prepared.document
        note = {
            "verdict": body["verdict"],
            "findings": len(body["findings"]),
            "baseline": body["files"]["baseline"]["sha256"],
            "run": body["files"]["run"]["sha256"],
            "judged_kinds": body["judged_kinds"],
        }
        value = {**body, "artifacts": {prepared.artifact.name: prepared.artifact.sha256}}
        return Outcome(value, artifacts=(prepared.artifact,), subjects=(body["subject"],), note=note)


@contextmanager
def _opened(ctx: Context, path: Path, *, canonical: bool = False) -> "Iterator[tuple[Table, TableSketch, list[str]]]":
    """Open a file and sketch it, under the tenant's canonical names where that is asked for."""
    from trueup.domains.telemetry.engine.sketch import sketch_table
    from trueup.domains.telemetry.engine.views import Mapped, Watched
    from trueup.domains.telemetry.sources.tabular import open_table

    with open_table(path, workdir=ctx.ports.spool()) as opened:
        table: Table = opened
        if canonical:
            table = Mapped(opened, configuring.columns(opened.numeric, configuring.registry(ctx)[0]))
        yield table, sketch_table(Watched(table, telling_columns(len(table.numeric)))), list(opened.notes)


@dataclass(frozen=True, slots=True)
class _Baseline:
    """What is checked against: its sketches, what it is called, and in which program and mode its rules hold."""

    sketch: "TableSketch"
    about: Mapping[str, str]
    notes: tuple[str, ...] = ()
    version: bool = False
    scope: tuple[str, str] = ("", "")


def _baseline(ctx: Context, name: str) -> _Baseline:
    """Find a baseline: a sketch file of that path, or else a version of that name or tag.

    Raises:
        NotFound: there is neither.
        UsageError: there are several.
    """
    versions = [item for item in trust.candidates(ctx.tenant) if item.form is Form.VERSION]
    named = [item for item in versions if name in (item.id, item.name)] or [item for item in versions if name in item.tags]
    path = Path(name)
    if path.is_file():
        if named:
            raise UsageError(f"{name}: is a file and a baseline version", remedy=f"write ./{name} for the file")
        return _from_file(path)
    if not named:
        raise NotFound(
            f"{name}: there is no such sketch file, baseline version or tag",
            remedy="see 'trueup telemetry baseline list', or make a file with 'trueup telemetry sketch'",
        )
    if len(named) > 1:
        raise UsageError(f"{name}: {len(named)} versions bear that tag", remedy="name the version")
    return _from_version(ctx, named[0])


def _from_file(path: Path) -> _Baseline:
    from trueup.domains.telemetry.sources.sketchfile import read_sketches

    file, sha256 = read_sketches(path)
    about = {
        "name": path.name,
        "sha256": sha256,
        "kind": "sketches",
        "of": file.source["name"],
        "of_sha256": file.source["sha256"],
    }
    note = f"the baseline is the sketch file {path.name}, and not a version that somebody answers for"
    return _Baseline(file.whole, about, (note,))


def _from_version(ctx: Context, item: Candidate) -> _Baseline:
    from trueup.domains.telemetry.engine.sketch import sketch_table
    from trueup.domains.telemetry.sources.stored import StoredRun, open_runs

    row = queries.baseline_of(ctx.tenant, item.id)
    runs = queries.baseline_runs(ctx.tenant, row)
    parts: list[StoredRun] = [StoredRun(run.name, run.sha256, run.file_name, run.mapping) for run in runs]
    with open_runs(ctx.ports.artifacts, ctx.tenant, parts, spool=ctx.ports.spool()) as table:
        sketch = sketch_table(table)
    about = {"name": item.name, "sha256": row.digest, "kind": "version"}
    notes = () if item.trusted else (f"{item.name} is not trusted: no policy would choose it",)
    return _Baseline(sketch, about, notes, version=True, scope=(item.circumstances.scope.program, ""))


ACTIONS = (SketchRun, CheckRun)
