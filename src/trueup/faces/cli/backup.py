"""``trueup backup`` and ``trueup restore``."""

from pathlib import Path

import click

from trueup import __version__
from trueup.kernel.doors import App, finish, pass_app, pass_store


@click.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@pass_store
def backup(app: App, out: Path) -> None:
    """Write store, keys and artifacts of every tenant to one file, as of one moment; others may go on working.

    The file holds the private keys: it is readable by you alone, keep it so.
    """
    from trueup.kernel import tenancy
    from trueup.kernel.backup.actions import CreateBackup

    app.session.sequence()
    tenancy.reach_every()
    home = app.key_folder.parent
    value = app.run(CreateBackup, {"out": out.absolute(), "home": home, "version": __version__}, system=True)
    words = [
        f"{value['backup']}: {value['rows']} rows, {value['files']} files, {len(value['logs'])} logs",
        "  it holds the private keys: keep it where nobody else can read it",
        f"  restore it: trueup --home NEW restore {value['backup']}",
    ]
    app.emit(value, words)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@pass_app
def restore(app: App, file: Path) -> None:
    """Restore a back-up into an empty home (and an empty database), and verify every log."""
    from trueup.config.home import Home
    from trueup.config.restoring import restore as restored

    found = restored(Home(app.key_folder.parent), file.absolute(), say=app.progress)
    app.progress("")
    sound = all(log["verdict"] in ("PASS", "NO_DATA") for log in found["logs"])
    findings = [finding for log in found["logs"] for finding in log["findings"]]
    verdict = "PASS" if sound else "FAIL"
    words = [f"{found['home']}: {found['rows']} rows and {found['files']} files restored"]
    words += [f"  log {log['tenant']}: {log['size']} entries, {log['verdict']}" for log in found["logs"]]
    app.emit({"verdict": verdict, "findings": findings, **found}, words)
    finish(verdict)
