"""``trueup telemetry assert`` and ``warn``: what every sample has to be, and what is not broken yet."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from trueup.domains.telemetry.cli_support import (
    FILE,
    assert_words,
    asserts_document,
    deliver,
    finding_words,
    make_folder,
    registry_document,
    showing_progress,
)
from trueup.kernel.doors import App, finish, pass_store
from trueup.kernel.errors import NotFound


@click.command("assert")
@click.option("--asserts", "asserts_file", required=True, type=FILE, help="What every sample has to be (YAML or JSON).")
@click.option("--run", "run", required=True, metavar="FILE|RUN", help="A file, or a run that was taken in, by its name.")
@click.option("--registry", "registry_file", type=FILE, help="Metric registry, for a file: canonical names and units.")
@click.option(
    "--subject", default="", help="What a file is called in facts and packs; default: run:<first 16 digits of its SHA-256>."
)
@click.option("--pdf", is_flag=True, help="Make report.pdf too.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for report.html, comparison.json and pack.zip."
)
@pass_store
def assert_command(
    app: App,
    asserts_file: Path,
    run: str,
    registry_file: Path | None,
    subject: str,
    pdf: bool,
    quiet: bool,
    out: Path | None,
) -> None:
    """Hold every sample of a run against asserts; no baseline is needed.

    Exit codes: 0 all hold, 10 only warnings do not, 20 one does not, 30 one cannot be answered, 2 a file that is no table, 3 asserts
    that cannot be read, 4 no such run.
    """
    from trueup.domains.telemetry.actions_asserts import AssertFile, AssertRun

    given: dict[str, Any] = {"asserts": asserts_document(asserts_file), "pdf": pdf}
    file = _file_of(app, run)
    if file is None and (registry_file or subject):
        raise click.UsageError("--registry and --subject are for files: a run that was taken in has both already")
    if out is not None:
        make_folder(out)
    with showing_progress(app, quiet=quiet):
        if file is None:
            value = dict(app.run(AssertRun, {**given, "run": run}))
        else:
            registry = registry_document(registry_file) if registry_file else None
            value = dict(app.run(AssertFile, {**given, "run": file, "registry": registry, "subject": subject}))
    if out is not None:
        value["out"] = deliver(app, value, out)
    app.emit(value, _words(value))
    finish(value["verdict"])


def _file_of(app: App, run: str) -> Path | None:
    """Return the file that is meant; None where a run is. What could be both is refused."""
    from trueup.domains.telemetry import queries

    path = Path(run)
    try:
        queries.find_run(app.session.tenant, run[:100])
    except NotFound:
        if path.exists() or path.suffix or path.parent != Path():
            return path
        raise
    if path.is_file():
        raise click.UsageError(f"{run} is a file here and a run that was taken in: write ./{run} for the file, or go elsewhere")
    return None


def _words(value: Mapping[str, Any]) -> Iterable[str]:
    yield f"{value['verdict']}  {value['run']['name']} against {len(value['asserts'])} asserts"
    yield from finding_words(value)
    yield from assert_words(value)
    for note in value["notes"]:
        yield f"  note: {note}"
    yield f"  subject {value['subject']}"
    for path in value.get("out", {}).values():
        yield f"  wrote {path}"


@click.command()
@click.argument("metric")
@click.option("--run", "run", default="", help="Up to this run; default: the newest of --program and --test-name.")
@click.option("--program", default="", help="The newest run of this program.")
@click.option("--test-name", default="", help="The newest run of this test.")
@click.option("--runs", "count", default=50, show_default=True, type=click.IntRange(2, 1_000), help="How many runs at most.")
@click.option("--alpha", default=0.01, show_default=True, help="Share of clean series that may be warned of by chance.")
@pass_store
def warn(app: App, metric: str, run: str, program: str, test_name: str, count: int, alpha: float) -> None:
    """Early warning over the runs of a test: METRIC, or all; scatter that grows, room to a limit that shrinks.

    Limits are those of the tenant's metric registry. No run's verdict changes.

    Exit codes: 0 nothing, 10 something to look at, 30 too few runs to tell, 4 no such run or metric.
    """
    from trueup.domains.telemetry import queries
    from trueup.domains.telemetry.actions_warn import Warn

    if not run:
        newest = queries.runs(app.session.tenant, program=program, test_name=test_name, limit=1)
        if not newest:
            raise NotFound("there is no run yet", remedy="take one in with 'trueup telemetry ingest FILE'")
        run = newest[0].name
    value = app.run(Warn, {"run": run, "metric": metric, "runs": count, "alpha": alpha})
    app.emit(value, _warnings(value))
    finish(value["verdict"])


def _warnings(value: Mapping[str, Any]) -> Iterable[str]:
    test = " / ".join(value[name] or "–" for name in ("program", "subsystem", "test_name"))
    yield f"{value['verdict']}  {len(value['runs'])} runs of {test}, up to {value['run']}"
    for one in value["series"]:
        limit = one["limit"]
        bound = f" ({'at most' if limit['above'] else 'at least'} {limit['value']:g})" if limit else " (no limit)"
        for sign in one["signs"] or [one["reason"] or _quiet(one)]:
            yield f"  {one['metric']}{bound}: {sign}"


def _quiet(one: Mapping[str, Any]) -> str:
    reach = one["runs_to_limit"]
    return f"nothing to warn of; runs to the limit {reach['reason']}" if reach else "nothing to warn of"
