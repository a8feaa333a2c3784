"""``trueup telemetry``: runs are taken in, held against their baseline, and listed."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from trueup.domains.telemetry.cli_support import (
    FILE,
    assert_words,
    asserts_document,
    deliver,
    finding_words,
    gap_words,
    judged_words,
    make_folder,
    outlook_words,
    showing_progress,
)
from trueup.domains.telemetry.cli_window import take, taking, window_words
from trueup.kernel.doors import App, finish, pass_store

_CONTEXT = (
    "scenario_id",
    "operating_mode",
    "environment",
    "environment_fingerprint",
    "sensor_config_id",
    "input_data_version",
)


def _described[**P, T](command: Callable[P, T]) -> Callable[P, T]:
    """Add the options that say what a run is."""
    for option in reversed(
        (
            click.option("--run-meta", "meta", type=FILE, help="What the test stand wrote about the run (JSON or YAML)."),
            click.option("--name", default="", help="What the run is called; default: from --run-meta, else from its SHA-256."),
            click.option("--program", default="", help="Program it belongs to."),
            click.option("--subsystem", default="", help="What was tested."),
            click.option("--test-name", default="", help="Which test it was."),
            click.option("--context", "context", multiple=True, metavar="NAME=VALUE", help=f"One of {', '.join(_CONTEXT)}."),
        )
    ):
        command = option(command)
    return command


def _judged[**P, T](command: Callable[P, T]) -> Callable[P, T]:
    """Add the options that say how a run is judged."""
    for option in reversed(
        (
            click.option("--baseline", default="", help="Hold it against this run or version, whatever the policy says."),
            click.option("--critical", multiple=True, metavar="METRIC", help="A metric that must be there and be sound."),
            click.option("--drift-is-fail", is_flag=True, help="Any drift is FAIL (exit 20)."),
            click.option("--alpha", default=0.01, show_default=True, help="Share of clean runs that may be flagged by chance."),
            click.option("--asserts", "asserts_file", type=FILE, help="Asserts: what every sample of the run has to be besides."),
            click.option("--pdf", is_flag=True, help="Make report.pdf too."),
            click.option("--quiet", is_flag=True, help="Show no progress."),
            click.option(
                "--out",
                type=click.Path(path_type=Path, file_okay=False),
                help="Folder for report.html, comparison.json and pack.zip.",
            ),
        )
    ):
        command = option(command)
    return command


def _said(meta: Path | None, context: tuple[str, ...], **given: str) -> dict[str, Any]:
    """Join what the file about the run says with what the options say, which weigh more."""
    from trueup.domains.telemetry.sources.metafile import read_meta

    found = read_meta(meta) if meta else {"context": {}}
    for item in context:
        name, equals, value = item.partition("=")
        if not (name and equals and value):
            raise click.UsageError(f"--context {item!r} is not NAME=VALUE (environment=lab)")
        found["context"][name] = value
    return found | {name: value for name, value in given.items() if value}


@click.command()
@taking
@_described
@pass_store
def ingest(
    app: App,
    /,
    path: Path | None,
    sheet: str,
    capture: str,
    since: str,
    until: str,
    lateness: float | None,
    meta: Path | None,
    context: tuple[str, ...],
    **given: str,
) -> None:
    """Take in a recorded run (CSV, TSV, Parquet, JSON lines, XLSX) or a window of a capture: its data is kept, and what it holds.

    Exit codes: 30 NO_DATA when the window holds no event; no run is made of it then.
    """
    said = _said(meta, context, **given)
    value = take(app, said, path, sheet=sheet, capture=capture, since=since, until=until, lateness=lateness)
    words = [f"run {value['run']}: {value['rows']:,} rows of {value['metrics']} metrics, from {value['file']}"]
    words += window_words(value)
    words += [f"  not a metric: {item['name']} ({item['reason']})" for item in value["excluded"]]
    words += [f"  note: {note}" for note in value["notes"]]
    app.emit(value, [*words, f"  next: trueup telemetry analyze {value['run']}"])


@click.command()
@click.argument("run")
@_judged
@pass_store
def analyze(app: App, /, run: str, out: Path | None, **how: Any) -> None:
    """Hold a run against its baseline and record the verdict.

    Exit codes: 0 PASS, 10 PASS_WITH_DRIFT, 20 FAIL, 30 NO_BASELINE, NO_DATA or INSUFFICIENT_DATA, 4 no such run.
    """
    _analyse(app, run, out, how)


@click.command("run")
@taking
@_described
@_judged
@pass_store
def run_command(
    app: App,
    /,
    path: Path | None,
    sheet: str,
    capture: str,
    since: str,
    until: str,
    lateness: float | None,
    meta: Path | None,
    context: tuple[str, ...],
    out: Path | None,
    baseline: str,
    critical: tuple[str, ...],
    drift_is_fail: bool,
    alpha: float,
    asserts_file: Path | None,
    pdf: bool,
    quiet: bool,
    **given: str,
) -> None:
    """Take in a recorded run, or a window of a capture, and hold it against its baseline: ingest and analyze in one."""
    said = _said(meta, context, **given)
    taken = take(app, said, path, sheet=sheet, capture=capture, since=since, until=until, lateness=lateness)
    app.say(f"run {taken['run']}: {taken['rows']:,} rows of {taken['metrics']} metrics")
    how = {"baseline": baseline, "critical": critical, "drift_is_fail": drift_is_fail, "alpha": alpha, "pdf": pdf}
    _analyse(app, taken["run"], out, how | {"asserts_file": asserts_file, "quiet": quiet})


def _analyse(app: App, run: str, out: Path | None, how: dict[str, Any]) -> None:
    from trueup.domains.telemetry.actions_runs import AnalyzeRun

    if out is not None:
        make_folder(out)
    quiet, asserts_file = how.pop("quiet"), how.pop("asserts_file")
    how["asserts"] = asserts_document(asserts_file) if asserts_file else None
    with showing_progress(app, quiet=quiet):
        value = dict(app.run(AnalyzeRun, {"run": run, **how}))
    if out is not None:
        value["out"] = deliver(app, value, out)
    app.emit(value, analysis_words(value))
    finish(value["verdict"])


def analysis_words(value: Mapping[str, Any]) -> Iterable[str]:
    """Say an analysis in words."""
    about = value["baseline"]
    if about["name"]:
        yield f"{value['verdict']}  {value['run']['run']} against {about['kind']} {about['name']} ({about['reason']})"
        if about["match_level"] != "NONE":
            yield f"  circumstances: {about['match_level']}, {', '.join(about['matched']) or 'none'} alike"
    else:
        yield f"{value['verdict']}  {value['run']['run']}: {about['reason']}"
    yield from finding_words(value)
    if value["metrics"]:
        yield judged_words(value)
    yield from gap_words(value)
    yield from assert_words(value)
    yield from outlook_words(value)
    for path in value.get("out", {}).values():
        yield f"  wrote {path}"
    if value["verdict"] == "NO_BASELINE":
        yield f"  a first baseline: trueup telemetry baseline create --run {value['run']['run']}"


def _stands(row: dict[str, Any]) -> str:
    """Return the verdict of a run; one that is not the policy's own is said to be asked for."""
    return f"{row['verdict'] or '-'}{' (asked)' if row['verdict'] and not row['by_policy'] else ''}"


@click.group()
def runs() -> None:
    """The runs that were taken in."""


@runs.command("list")
@click.option("--program", default="", help="Only of this program.")
@click.option("--test-name", default="", help="Only of this test.")
@click.option("--verdict", default="", help="Only those that were found to be this (PASS, FAIL, …).")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@pass_store
def list_runs(app: App, program: str, test_name: str, verdict: str, limit: int) -> None:
    """List runs, the newest first."""
    from trueup.domains.telemetry import queries

    found = queries.runs(app.session.tenant, program=program, test_name=test_name, verdict=verdict.upper(), limit=limit)
    rows = [queries.run_document(row) for row in found]
    words = [
        f"{row['run']:<28} {_stands(row):<23} {row['program'] or '-':<14} {row['test_name'] or '-':<18} {row['recorded_at'][:19]}Z"
        for row in rows
    ]
    app.emit({"runs": rows}, words or "no runs yet: take one in with 'trueup telemetry ingest FILE'")


@runs.command()
@click.argument("run")
@pass_store
def show(app: App, run: str) -> None:
    """Show a run: what it is, its metrics, and what it was found to be."""
    from trueup.domains.telemetry import measured, queries

    row = queries.find_run(app.session.tenant, run)
    found = queries.run_document(row)
    metrics = measured.documents(row.tenant, row)
    history = queries.analyses(row.tenant, row.id)
    words = [
        f"{row.name}  {_stands(found) if row.verdict else 'not analysed'}  {row.rows:,} rows of {row.file_name}, recorded {found['recorded_at'][:19]}Z"
    ]
    words += [f"  {name} {value}" for name, value in [*row.context.items(), *row.build.items()]]
    words += [
        f"  {m['metric']:<28} n {m['n']:,}" + (f"  mean {m['mean']:.6g}  sd {m['sd']:.3g}" if m["mean"] is not None else "")
        for m in metrics
    ]
    words += [
        f"  {a['at'][:19]}Z  {a['verdict']} against {a['baseline']['name'] or 'nothing'} ({a['baseline']['reason']}), {a['findings']} findings"
        for a in history
    ]
    app.emit({**found, "metric_numbers": metrics, "analyses": history}, words)


@runs.command()
@click.option("--program", default="", help="Only of this program.")
@click.option("--test-name", default="", help="Only of this test.")
@click.option("--top", default=5, show_default=True, type=click.IntRange(1, 100), help="How many recurring metrics to name.")
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1, 10_000))
@pass_store
def rollup(app: App, program: str, test_name: str, top: int, limit: int) -> None:
    """Sum up the newest runs: how they ended, and which metrics drift again and again.

    Exit codes: that of the worst verdict among them, 30 where there is no run.
    """
    from dataclasses import asdict

    from trueup.domains.telemetry import queries
    from trueup.domains.telemetry.engine.rollup import rollup as sum_up

    found = sum_up(queries.judged(app.session.tenant, program=program, test_name=test_name, limit=limit), top=top)
    words = [
        f"{found.verdict}  {found.runs} runs: {', '.join(f'{n} {verdict}' for verdict, n in found.counts.items()) or 'none'}"
    ]
    words += [f"  {item.metric}: drifted in {item.runs} runs ({', '.join(item.kinds)})" for item in found.recurring]
    words += [f"  passed in a row: {found.streak}"]
    words += [f"  look at first: {', '.join(found.order[:5])}"] if found.order else []
    findings = [{"metric": item.metric, "runs": item.runs, "kinds": list(item.kinds)} for item in found.recurring]
    app.emit({**asdict(found), "verdict": str(found.verdict), "findings": findings}, words)
    finish(found.verdict)
