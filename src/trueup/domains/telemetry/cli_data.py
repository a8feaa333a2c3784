"""``trueup telemetry normalize``, ``inject`` and ``registry``: files of measurements, and what their metrics are."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from trueup.domains.telemetry.cli_support import FILE
from trueup.kernel.doors import App, finish, leave, pass_app, pass_store
from trueup.kernel.words import ExitCode, Verdict


@click.command()
@click.option("--input", "source", required=True, type=FILE, help="Events: CSV, TSV, JSON lines or Parquet, long or wide.")
@click.option("--output", required=True, type=FILE, help="The .parquet, .csv or .jsonl file to write.")
@click.option("--registry", type=FILE, help="Metric registry: names, units, expectations.")
@click.option("--schema", "schema_file", type=FILE, help="Telemetry schema: what the vendor calls things.")
@click.option("--quarantine", type=FILE, help="What was set aside; default: OUTPUT.quarantine.jsonl.")
@click.option("--strict", is_flag=True, help="Take nothing that is not registered, and assume no unit.")
@click.option(
    "--max-quarantine",
    default=0.01,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share that may be set aside before the exit code is 20.",
)
@pass_store
def normalize(app: App, /, **input: Any) -> None:
    """Give events their canonical names and units; what does not fit is set aside with its line and a reason.

    Exit codes: 0 done, 20 when more than --max-quarantine was set aside, 30 NO_DATA when there was nothing, 2 a file that cannot
    be read, or is no registry or schema.
    """
    from trueup.domains.telemetry.actions_data import NormaliseEvents

    done = dict(app.run(NormaliseEvents, input))
    counts = done["counts"]
    if not counts["written"] and not counts["quarantined"]:
        app.emit(
            {"verdict": Verdict.NO_DATA, "findings": [], **done}, [f"{Verdict.NO_DATA}  {done['input']['name']} holds no values"]
        )
        finish(Verdict.NO_DATA)
    app.emit(done, _normalised(done))
    if not done["within"]:
        leave(ExitCode.FAIL)


def _normalised(done: Mapping[str, Any]) -> Iterable[str]:
    counts = done["counts"]
    yield f"{counts['written']} values of {len(done['metrics'])} metrics: {done['files']['out']}"
    if counts["quarantined"]:
        limit = "" if done["within"] else ", more than is allowed"
        yield f"  set aside: {counts['quarantined']} ({100 * done['share_quarantined']:.3g} %{limit}), see {done['files']['quarantined']}"
        yield from (f"    {count} {reason}" for reason, count in done["quarantine"]["reasons"].items())
    if counts["missing"]:
        yield f"  missing: {counts['missing']}"
    yield from (f"  not registered: {name}" for name in done["unregistered"])
    yield from (f"  unit assumed: {name} ({done['metrics'][name]['unit']})" for name in done["unit_assumed"])
    yield from (f"  not carried over: {item['name']} ({item['reason']})" for item in done["excluded"])


_FAULTS = (
    "value_corruption",
    "schema_change",
    "time_skew",
    "stuck_at",
    "spike",
    "sensor_drift",
    "duplication",
    "drop_out",
    "latency_spike",
    "packet_loss",
    "variance",
    "oscillation",
    "unit_swap",
)


@click.command()
@click.option("--fault", required=True, type=click.Choice(_FAULTS), help="What goes wrong.")
@click.option("--input", "source", required=True, type=FILE, help="A wide table: CSV, TSV, JSON lines or Parquet.")
@click.option("--output", required=True, type=FILE, help="The file to write, in the form of the input.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Same seed, same bytes.")
@click.option(
    "--metric", "metrics", multiple=True, help="Column to put it into; may be repeated; default: all that it makes sense for."
)
@click.option(
    "--from",
    "start",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of the rows after which it begins.",
)
@click.option("--scale", type=float, help="How strong: standard deviations, or a factor (variance, latency_spike, unit_swap).")
@click.option("--count", type=click.IntRange(1), help="Spikes, bursts, or copies of a row.")
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), help="Share of the rows from there that are hit.")
@click.option("--value", type=float, help="stuck_at: what the sensor shows; default: what it showed last.")
@click.option("--seconds", type=float, help="time_skew: by how much the clock is off.")
@click.option("--period", type=click.IntRange(2), help="oscillation: rows of one period.")
@click.option(
    "--change", default="rename", show_default=True, type=click.Choice(["rename", "drop", "retype"]), help="schema_change: how."
)
@pass_store
def inject(app: App, /, **input: Any) -> None:
    """Put a fault into a copy of a recording, to see whether it is found.

    Exit codes: 0 done, 2 when the fault would change nothing, or the file is no table.
    """
    from trueup.domains.telemetry.actions_data import InjectFault

    done = app.run(InjectFault, input)
    rows = (
        f"{done['rows_in']} rows" if done["rows_in"] == done["rows_out"] else f"{done['rows_in']} rows became {done['rows_out']}"
    )
    said = ", ".join(f"{name} {value}" for name, value in done["parameters"].items())
    words = [
        f"{done['fault']} from row {done['first_row']}: {done['cells_changed']} cells changed, {rows}: {done['out']}",
        f"  columns: {', '.join(done['columns']) or 'whole rows'}",
        f"  seed {done['seed']}, {said}",
    ]
    words += [f"  cannot be found: {done['undetectable']}"] if done["undetectable"] else []
    app.emit(done, words)


@click.group()
def registry() -> None:
    """Check and show metric registries."""


@registry.command()
@click.argument("file", type=FILE)
@click.option("--schema", "schema_file", type=FILE, help="Also check that this telemetry schema agrees with it.")
@pass_app
def check(app: App, file: Path, schema_file: Path | None) -> None:
    """Check a metric registry.

    Exit codes: 0 sound, 2 not a registry; the message names file, line and field.
    """
    from trueup.domains.telemetry.engine.normalise import Normaliser
    from trueup.domains.telemetry.sources.registryfile import load_registry, load_schema

    found = load_registry(file)
    document: dict[str, Any] = {"version": found.version, "digest": found.digest, "metrics": len(found.metrics)}
    if schema_file:
        schema = load_schema(schema_file)
        Normaliser(found, schema)
        document["schema"] = {"version": schema.version, "digest": schema.digest, "fields": len(schema.fields)}
    app.emit(document, f"{file}: sound, {len(found.metrics)} metrics, sha256 {found.digest}")


@registry.command()
@click.argument("file", type=FILE)
@click.option("--program", default="", help="As it holds in this program.")
@click.option("--mode", default="", help="As it holds in this mode of operation.")
@pass_app
def show(app: App, file: Path, program: str, mode: str) -> None:
    """Show what a registry says of each metric, in a program and a mode.

    Exit codes: 0 done, 2 not a registry.
    """
    from trueup.domains.telemetry.sources.registryfile import load_registry

    found = load_registry(file)
    rules = found.rules(program, mode)
    metrics = {
        name: {"aliases": list(spec.aliases), "source_columns": list(spec.source_columns), **rules[name]}
        for name, spec in found.metrics.items()
    }
    app.emit(
        {"version": found.version, "digest": found.digest, "metrics": metrics},
        [_shown(name, rule) for name, rule in rules.items()],
    )


def _shown(name: str, rule: Mapping[str, Any]) -> str:
    said = [f"{key} {value}" for key, value in rule.items() if value is not False and key != "unit"]
    return f"{name} [{rule.get('unit', '')}]{': ' if said else ''}{', '.join(said)}"
