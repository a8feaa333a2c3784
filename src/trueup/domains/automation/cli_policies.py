"""``trueup automation policy`` and ``kill``: which targets may be touched, how hard, and stopping everything."""

from pathlib import Path
from typing import Any

import click

from trueup.kernel.doors import App, pass_store

FILE = click.Path(exists=False, dir_okay=False, path_type=Path)


@click.group()
def policy() -> None:
    """Which targets may be touched, and how hard."""


@policy.command("put")
@click.argument("host")
@click.option("--deny", is_flag=True, help="Deny it: stronger than whatever allows it.")
@click.option("--port", "ports", multiple=True, type=int, help="A port, instead of 80 and 443; may be repeated.")
@click.option("--path", "paths", multiple=True, help="What paths have to begin with; may be repeated.")
@click.option("--strategy", "strategies", multiple=True, default=("vanilla",), show_default=True, help="A tier; may be repeated.")
@click.option("--per-minute", default=5, show_default=True, help="Requests a minute.")
@click.option("--per-hour", default=30, show_default=True, help="Requests an hour.")
@click.option("--concurrent", default=1, show_default=True, help="Requests at once.")
@click.option("--script", "scripts", multiple=True, help="SHA-256 of a script that the tier custom may run; may be repeated.")
@click.option("--notes", default="", help="For people.")
@pass_store
def put_policy(
    app: App,
    host: str,
    deny: bool,
    ports: tuple[int, ...],
    paths: tuple[str, ...],
    strategies: tuple[str, ...],
    per_minute: int,
    per_hour: int,
    concurrent: int,
    scripts: tuple[str, ...],
    notes: str,
) -> None:
    """Set the policy of HOST (a name, *.name for every name below it, * for all)."""
    from trueup.domains.automation.actions_policies import PutPolicy

    given = {"ports": ports, "paths": paths, "strategies": strategies, "scripts": scripts, "notes": notes}
    limits = {"per_minute": per_minute, "per_hour": per_hour, "concurrent": concurrent}
    value = app.run(PutPolicy, {"host": host, "denied": deny, "allowed": not deny, **given, **limits})
    app.emit(value, line(value))


def line(found: dict[str, Any] | Any) -> str:
    """Return a policy as a line for people."""
    what = "denied" if found["denied"] or not found["allowed"] else "allowed"
    limits = f"{found['per_minute']}/min, {found['per_hour']}/h, {found['concurrent']} at once"
    more = "".join(f", {name} {', '.join(map(str, found[name]))}" for name in ("ports", "paths") if found[name])
    return f"{found['host']:<32} v{found['version']}  {what:<8} {', '.join(found['strategies'])}; {limits}{more}"


@policy.command("list")
@pass_store
def list_policies(app: App) -> None:
    """List the policies in force, and what holds for hosts that none names."""
    from trueup.domains.automation import snapshots
    from trueup.domains.automation.actions_policies import policy_document

    kind = str(snapshots.listing(app.session.tenant))
    found = [policy_document(row) for row in snapshots.policies_in_force(app.session.tenant)]
    rest = "refused" if kind == "allowlist" else "allowed"
    app.emit({"listing": kind, "policies": found}, [*map(line, found), f"every other host is {rest} ({kind})"])


@policy.command()
@click.argument("host")
@pass_store
def history(app: App, host: str) -> None:
    """Show every version of the policy of HOST, the newest first."""
    from trueup.domains.automation import snapshots
    from trueup.domains.automation.actions_policies import pattern_of, policy_document
    from trueup.kernel.errors import NotFound

    try:
        pattern = pattern_of(host)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from None
    found = [policy_document(row) for row in snapshots.policy_versions(app.session.tenant, pattern)]
    if not found:
        raise NotFound(f"there was never a policy of {pattern}", remedy="list them with 'trueup automation policy list'")
    app.emit({"versions": found}, [f"{line(one)}{'  retired' if one['retired'] else ''}  by {one['by']}" for one in found])


@policy.command()
@click.argument("host")
@pass_store
def retire(app: App, host: str) -> None:
    """Take the policy of HOST out of force."""
    from trueup.domains.automation.actions_policies import RetirePolicy

    value = app.run(RetirePolicy, {"host": host})
    app.emit(value, f"the policy of {value['host']} is out of force")


@policy.command()
@click.argument("kind", type=click.Choice(["allowlist", "denylist"]))
@pass_store
def listing(app: App, kind: str) -> None:
    """Say whether hosts that no policy names are refused (allowlist) or allowed (denylist)."""
    from trueup.domains.automation.actions_policies import SetListing

    app.emit(app.run(SetListing, {"listing": kind}), f"hosts that no policy names: {kind}")


@policy.command("import")
@click.argument("path", type=FILE)
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@pass_store
def import_policies(app: App, path: Path, dry_run: bool) -> None:
    """Set every policy of a YAML or JSON file; policies that it does not name stay."""
    from trueup.domains.automation import policyfile, snapshots
    from trueup.domains.automation.actions_policies import PutPolicy, SetListing

    kind, hosts = policyfile.load(path)
    there = {row.pattern: row.body for row in snapshots.policies_in_force(app.session.tenant)}
    changed = [host for host in hosts if there.get(host.host) != host.body()]
    relisted = kind is not snapshots.listing(app.session.tenant)
    if not dry_run:
        for host in changed:
            app.run(PutPolicy, host.model_dump(mode="json"))
        if relisted:
            app.run(SetListing, {"listing": str(kind)})
    verb = "would change" if dry_run else "changed"
    words = [f"{verb}: {host.host}{'' if host.host in there else ' (new)'}" for host in changed]
    words += [f"{verb}: every other host, to {kind}"] if relisted else []
    document = {"changed": [host.host for host in changed], "listing": str(kind), "dry_run": dry_run}
    app.emit(document, words or "nothing to change")


@click.group()
def kill() -> None:
    """Stop all work on a host, or on every host, at once."""


@kill.command("on")
@click.argument("host", default="*")
@click.option("--reason", required=True, help="Why; it is kept.")
@pass_store
def kill_on(app: App, host: str, reason: str) -> None:
    """Switch HOST off (default: everything); nothing leaves from the next step on."""
    from trueup.domains.automation.actions_policies import SwitchOff

    value = app.run(SwitchOff, {"host": host, "reason": reason})
    app.emit(value, f"switched off: {'everything' if value['host'] == '*' else value['host']}")


@kill.command("off")
@click.argument("host", default="*")
@click.option("--reason", required=True, help="Why; it is kept.")
@pass_store
def kill_off(app: App, host: str, reason: str) -> None:
    """Let work on HOST (default: everything) go on."""
    from trueup.domains.automation.actions_policies import SwitchOn

    value = app.run(SwitchOn, {"host": host, "reason": reason})
    app.emit(value, f"goes on: {'everything' if value['host'] == '*' else value['host']}")


@kill.command("list")
@pass_store
def kill_list(app: App) -> None:
    """List what is switched off."""
    from trueup.domains.automation import snapshots

    rows = [
        {"host": row.pattern, "reason": row.reason, "at": row.at, "by": row.by}
        for row in snapshots.switched_off(app.session.tenant)
    ]
    app.emit({"off": rows}, [f"{row['host']}  {row['reason']}  by {row['by']}" for row in rows] or "nothing is switched off")
