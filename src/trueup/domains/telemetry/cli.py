"""``trueup telemetry``: compare runs, sample hosts."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from trueup.domains.telemetry.cli_asserts import assert_command, warn
from trueup.domains.telemetry.cli_baselines import baseline
from trueup.domains.telemetry.cli_config import current, set_registry
from trueup.domains.telemetry.cli_data import inject, normalize, registry
from trueup.domains.telemetry.cli_live import capture
from trueup.domains.telemetry.cli_runs import analyze, ingest, run_command, runs
from trueup.domains.telemetry.cli_sketch import check, sketch
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
    registry_document,
    showing_progress,
)
from trueup.kernel.doors import App, finish, pass_store


@click.group()
def telemetry() -> None:
    """Does this hardware still behave like the run that was certified?"""


@telemetry.command()
@click.option("--baseline", required=True, type=FILE, help="The run that was accepted (CSV, Parquet, JSON lines, XLSX).")
@click.option("--run", "run_file", required=True, type=FILE, help="The run to judge.")
@click.option("--baseline-sheet", default="", metavar="NAME", help="Sheet of the baseline's workbook; default: the first.")
@click.option("--sheet", default="", metavar="NAME", help="Sheet of the run's workbook; default: the first.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for report.html, comparison.json and pack.zip."
)
@click.option(
    "--subject", default="", help="What the run is called in facts and packs; default: run:<first 16 digits of its SHA-256>."
)
@click.option("--critical", multiple=True, metavar="METRIC", help="A metric that must be there and be sound; may be repeated.")
@click.option("--drift-is-fail", is_flag=True, help="Any drift is FAIL (exit 20) instead of PASS_WITH_DRIFT (exit 10).")
@click.option("--alpha", default=0.01, show_default=True, help="Share of clean comparisons that may be flagged by chance.")
@click.option("--registry", "registry_file", type=FILE, help="Metric registry: names, units, limits and what matters.")
@click.option("--asserts", "asserts_file", type=FILE, help="Asserts: what every sample of the run has to be besides.")
@click.option("--pdf", is_flag=True, help="Make report.pdf too.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option(
    "--keep-inputs",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Keep the files as evidence (auto: up to 16 MiB each).",
)
@pass_store
def compare(
    app: App,
    baseline: Path,
    run_file: Path,
    baseline_sheet: str,
    sheet: str,
    out: Path | None,
    subject: str,
    critical: tuple[str, ...],
    drift_is_fail: bool,
    alpha: float,
    registry_file: Path | None,
    asserts_file: Path | None,
    pdf: bool,
    quiet: bool,
    keep_inputs: str,
) -> None:
    """Compare a run with its baseline: level, scale and shape of every numeric column.

    Exit codes: 0 PASS, 10 PASS_WITH_DRIFT, 20 FAIL, 30 NO_DATA or INSUFFICIENT_DATA, 2 a file that is no table.
    """
    from trueup.domains.telemetry.actions import Compare

    if out is not None:
        make_folder(out)
    input = {
        "baseline": baseline,
        "run": run_file,
        "baseline_sheet": baseline_sheet,
        "sheet": sheet,
        "subject": subject,
        "critical": critical,
        "drift_is_fail": drift_is_fail,
        "alpha": alpha,
        "keep_inputs": keep_inputs,
        "pdf": pdf,
        "registry": registry_document(registry_file) if registry_file else None,
        "asserts": asserts_document(asserts_file) if asserts_file else None,
    }
    with showing_progress(app, quiet=quiet):
        value = dict(app.run(Compare, input))
    if out is not None:
        value["out"] = deliver(app, value, out)
    app.emit(value, verdict_words(value))
    finish(value["verdict"])


def verdict_words(value: Mapping[str, Any]) -> Iterable[str]:
    """Say a comparison in words."""
    yield f"{value['verdict']}  {value['files']['run']['name']} against {value['files']['baseline']['name']}"
    yield from finding_words(value)
    yield f"{judged_words(value)}, {len(value['excluded'])} columns not compared"
    for item in value["excluded"]:
        yield f"  not compared: {item['name']} ({item['reason']})"
    yield from gap_words(value)
    yield from assert_words(value)
    yield from outlook_words(value)
    yield f"  subject {value['subject']}"
    for path in value.get("out", {}).values():
        yield f"  wrote {path}"


@telemetry.command()
@click.option("--seconds", required=True, type=click.FloatRange(min=0, min_open=True, max=86_400), help="How long to sample.")
@click.option(
    "--rate", default=10.0, show_default=True, type=click.FloatRange(min=0, min_open=True, max=100), help="Samples a second."
)
@click.option("--pid", type=click.IntRange(1), help="Also sample this process and all its descendants.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The Parquet file to write.")
@pass_store
def host(app: App, seconds: float, rate: float, pid: int | None, out: Path) -> None:
    """Sample this machine (and a process tree) into a Parquet file."""
    from trueup.domains.telemetry.actions import SampleHost

    app.say(f"sampling this machine for {seconds:g} s at {rate:g} Hz")
    value = app.run(SampleHost, {"seconds": seconds, "rate": rate, "pid": pid, "out": out})
    words = [f"{value['rows']} samples of {len(value['metrics'])} metrics: {out}"]
    words += [f"  absent: {item['name']} ({item['reason']})" for item in value["excluded"]]
    words += [f"  note: {note}" for note in value["notes"]]
    app.emit(value, words)


for command in (
    assert_command,
    warn,
    ingest,
    analyze,
    run_command,
    runs,
    baseline,
    capture,
    normalize,
    registry,
    inject,
    sketch,
    check,
):
    telemetry.add_command(command)
for command in (set_registry, current):
    registry.add_command(command)
