"""``trueup telemetry sketch`` and ``check``: sketches of files, and drift checks by them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from trueup.domains.telemetry.cli_support import FILE, finding_words, gap_words, judged_words
from trueup.kernel.doors import App, finish, pass_store

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def window(text: str) -> dict[str, Any]:
    """Read the length of a window.

    Raises:
        click.UsageError: it is none.

    >>> window("10m"), window("5000 rows")
    ({'seconds': 600.0}, {'rows': 5000})
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])|([0-9]+) ?rows", text)
    if found is None or not float(found[1] or found[3]):
        raise click.UsageError(f"--window {text!r} is no length of a window (30s, 10m, 1h, 2d, 5000rows)")
    return {"rows": int(found[3])} if found[3] else {"seconds": float(found[1]) * _SECONDS[found[2]]}


@click.command()
@click.argument("source", type=FILE)
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The sketch file to write (JSON).")
@click.option(
    "--window", "length", metavar="LENGTH", help="Also of windows of this length: 30s, 10m, 1h, 2d by the clock, or 5000rows."
)
@pass_store
def sketch(app: App, /, source: Path, out: Path, length: str | None) -> None:
    """Write the sketches of a file: all that a drift check needs, in little room.

    Exit codes: 0 done, 2 a file that is no table.
    """
    from trueup.domains.telemetry.actions_sketch import SketchRun

    value = app.run(SketchRun, {"source": source, "out": out, **(window(length) if length else {})})
    words = [f"{value['rows']:,} rows of {len(value['metrics'])} metrics: {out}"]
    words += [f"  {value['windows']:,} windows"] if length else []
    words += [f"  ranks are known to {100 * value['rank_error']:.3g} %, sha256 {value['sha256']}"]
    words += [f"  not a metric: {item['name']} ({item['reason']})" for item in value["excluded"]]
    app.emit(value, [*words, *(f"  note: {note}" for note in value["notes"])])


@click.command()
@click.option("--baseline", required=True, help="A sketch file, or a baseline version, or its tag.")
@click.option("--run", "run_file", required=True, type=FILE, help="The run to check (CSV, Parquet, JSONL).")
@click.option("--subject", default="", help="What the run is called; default: run:<first 16 digits of its SHA-256>.")
@click.option("--critical", multiple=True, metavar="METRIC", help="A metric that must be there and be sound; may be repeated.")
@click.option("--drift-is-fail", is_flag=True, help="Any drift is FAIL (exit 20) instead of PASS_WITH_DRIFT (exit 10).")
@click.option("--alpha", default=0.01, show_default=True, help="Share of clean checks that may be flagged by chance.")
@pass_store
def check(app: App, /, run_file: Path, **how: Any) -> None:
    """Check a run by sketches against a stored baseline: quick, and said to be so: not every kind of drift is looked for.

    Exit codes: 0 PASS, 10 PASS_WITH_DRIFT, 20 FAIL, 30 NO_DATA or INSUFFICIENT_DATA, 2 a file that is no table, 4 no such baseline.
    """
    from trueup.domains.telemetry.actions_sketch import CheckRun

    value = app.run(CheckRun, {"run": run_file, **how})
    app.emit(value, check_words(value))
    finish(value["verdict"])


def check_words(value: Mapping[str, Any]) -> Iterable[str]:
    """Say a check in words."""
    yield f"{value['verdict']}  {value['files']['run']['name']} against {value['files']['baseline']['name']}, by sketches"
    yield from finding_words(value)
    yield judged_words(value)
    yield from gap_words(value)
    yield f"  subject {value['subject']}"
