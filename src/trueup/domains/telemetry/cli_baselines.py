"""``trueup telemetry baseline``: versions, their tags, and the policy that chooses."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from trueup.kernel.doors import App, pass_store

_HOURS = {"m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0}


def hours(text: str) -> float:
    """Read a length of time.

    Raises:
        click.UsageError: it is none.

    >>> hours("7d")
    168.0
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([mhdw])", text)
    if found is None:
        raise click.UsageError(f"--window {text!r} is no length of time (30m, 24h, 7d, 2w)")
    return float(found[1]) * _HOURS[found[2]]


@click.group()
def baseline() -> None:
    """What runs are held against."""


@baseline.command()
@click.option("--run", "runs", multiple=True, help="A run to make it of; may be repeated.")
@click.option("--window", help="Instead: all runs of the scope that passed within this time (30m, 24h, 7d, 2w).")
@click.option("--program", default="", help="Of this program (with --window).")
@click.option("--subsystem", default="", help="Of this subsystem (with --window).")
@click.option("--test-name", default="", help="Of this test (with --window).")
@pass_store
def create(app: App, /, runs: tuple[str, ...], window: str | None, **scope: str) -> None:
    """Make a version: of named runs, or of those that passed lately. It never changes."""
    from trueup.domains.telemetry.actions_baselines import CreateBaseline

    if runs and any(scope.values()):
        raise click.UsageError("--program, --subsystem and --test-name go with --window; runs that are named know theirs")
    value = app.run(CreateBaseline, {"runs": runs, "window_hours": hours(window) if window else None, **scope})
    app.emit(value, [*_words(value), f"  next: trueup telemetry baseline promote {value['version']}"])


def _words(value: Mapping[str, Any]) -> list[str]:
    quality = value["quality"]
    of = " / ".join(part or "-" for part in (value["program"], value["subsystem"], value["test_name"]))
    words = [f"{value['version']}  {', '.join(value['tags']) or 'no tag'}  {of}  {len(value['runs'])} runs"]
    words.append(f"  quality {quality['score']:.2f}: {'fit' if quality['passed'] else 'not fit'}")
    return words + [f"    {part['name']}: {part['words']}" for part in quality["parts"] if not part["passed"]]


@baseline.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@pass_store
def list_versions(app: App, limit: int) -> None:
    """List versions, the newest first, with the tags they bear now."""
    from trueup.domains.telemetry import queries

    rows = queries.baselines(app.session.tenant, limit=limit)
    words = [word for row in rows for word in _words(row)]
    app.emit({"versions": rows}, words or "no versions yet: make one with 'trueup telemetry baseline create'")


@baseline.command()
@click.argument("version")
@click.option("--tag", default="golden", show_default=True, help="The tag it gets.")
@click.option("--reason", default="", help="Why; whoever is asked for consent reads it.")
@click.option("--skip-quality-gate", "skip", is_flag=True, help="Although it is not fit; needs a --reason.")
@pass_store
def promote(app: App, version: str, tag: str, reason: str, skip: bool) -> None:
    """Ask that runs be held against VERSION from now on.

    Another person has to consent (exit 6 until then): trueup approval approve REQUEST. Consent is bound to the version's
    digest, and so to the data of its runs.
    """
    from trueup.domains.telemetry import queries
    from trueup.domains.telemetry.actions_baselines import PromoteBaseline

    row = queries.find_baseline(app.session.tenant, version)
    value = app.run(
        PromoteBaseline, {"version": row.name, "digest": row.digest, "tag": tag, "reason": reason, "skip_quality": skip}
    )
    app.emit(value, f"{value['version']} is {value['tag']}")


@baseline.command()
@click.argument("version")
@click.option("--tag", default="golden", show_default=True, help="The tag that goes back.")
@click.option("--reason", required=True, help="Why.")
@pass_store
def rollback(app: App, version: str, tag: str, reason: str) -> None:
    """Give the tag of VERSION back to the version that bore it before."""
    from trueup.domains.telemetry.actions_baselines import RollBackBaseline

    value = app.run(RollBackBaseline, {"version": version, "tag": tag, "reason": reason})
    app.emit(value, f"{value['version']} is {value['tag']} again, not {value['previous']}")


@baseline.command()
@click.option("--tag", default="", help="Only of this tag.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@pass_store
def history(app: App, tag: str, limit: int) -> None:
    """Show how tags moved, the newest first."""
    from trueup.domains.telemetry import queries
    from trueup.kernel.evidence.engine.encode import stamp

    names = {row["id"]: row["version"] for row in queries.baselines(app.session.tenant, limit=10_000)}
    rows: list[dict[str, Any]] = [
        {
            "at": stamp(row.at),
            "tag": row.tag,
            "version": names.get(str(row.baseline)),
            "previous": names.get(str(row.previous)) if row.previous else None,
            "kind": row.kind,
            "reason": row.reason,
            "by": row.by,
        }
        for row in queries.tag_history(app.session.tenant, tag=tag, limit=limit)
    ]
    words = [
        f"{row['at'][:19]}Z  {row['kind']:<8}  {row['tag']}: {row['version']}, before {row['previous'] or 'none'}  {row['by']}  {row['reason']}"
        for row in rows
    ]
    app.emit({"history": rows}, words or "no version was ever given a tag")


@baseline.group()
def policy() -> None:
    """How baselines are chosen, and what they have to fulfil."""


@policy.command("set")
@click.argument("path", type=click.Path(path_type=Path))
@pass_store
def set_policy(app: App, path: Path) -> None:
    """Set the baseline policy from a YAML file; analyses from now on go by it."""
    from trueup.domains.telemetry.actions_config import PutPolicy
    from trueup.domains.telemetry.engine.policy import SCHEMA
    from trueup.kernel.documents import check_schema, parse_yaml
    from trueup.kernel.errors import ConfigurationError, UnreadableInput

    try:
        document = parse_yaml(path.read_text(encoding="utf-8"), str(path))
        check_schema(document, SCHEMA)
    except OSError as exc:
        raise UnreadableInput(f"{path}: cannot be read ({exc.strerror})", remedy="name a YAML file") from None
    except UnicodeDecodeError:
        raise UnreadableInput(f"{path}: is not UTF-8 text", remedy="save the file as UTF-8") from None
    except UnreadableInput as exc:
        raise ConfigurationError(exc.message, remedy="see the fields with 'trueup telemetry baseline policy schema'") from None
    value = app.run(PutPolicy, {"policy": document.value})
    app.emit(value, f"baseline policy set, digest {value['digest'][:16]}")


@policy.command()
@pass_store
def show(app: App) -> None:
    """Show the policy that is in force."""
    from dataclasses import asdict

    from trueup.domains.telemetry import queries
    from trueup.domains.telemetry.engine.policy import BaselinePolicy

    row = queries.configuration(app.session.tenant, queries.POLICY)
    if row is None:
        app.emit({"policy": None, "digest": ""}, [f"no policy was set; the default holds: {asdict(BaselinePolicy())}"])
        return
    app.emit({"policy": row.body, "digest": row.digest}, [f"digest {row.digest}", *(f"  {k}: {v}" for k, v in row.body.items())])


@policy.command()
@pass_store
def schema(app: App) -> None:
    """Print the JSON Schema of a baseline policy."""
    import json

    from trueup.domains.telemetry.engine.policy import SCHEMA

    app.emit(dict(SCHEMA), json.dumps(SCHEMA, indent=2))
