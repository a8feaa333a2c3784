"""``trueup telemetry registry set`` and ``current``: the tenant's own metric registry."""

from pathlib import Path

import click

from trueup.domains.telemetry.cli_support import FILE, registry_document
from trueup.kernel.doors import App, pass_store


@click.command("set")
@click.argument("path", type=FILE)
@pass_store
def set_registry(app: App, path: Path) -> None:
    """Set the tenant's metric registry from a file; runs taken in and analysed from now on go by it."""
    from trueup.domains.telemetry.actions_config import PutRegistry

    document = registry_document(path)
    value = app.run(PutRegistry, {"registry": document})
    app.emit(
        {**value, "metrics": len(document["metrics"])},
        f"metric registry of {len(document['metrics'])} metrics set, digest {value['digest'][:16]}",
    )


@click.command()
@pass_store
def current(app: App) -> None:
    """Show the tenant's metric registry."""
    from trueup.domains.telemetry import queries

    row = queries.configuration(app.session.tenant, queries.REGISTRY)
    if row is None:
        app.emit(
            {"registry": None, "digest": ""}, "no metric registry was set: set one with 'trueup telemetry registry set FILE'"
        )
        return
    metrics = row.body["metrics"]
    words = [f"version {row.body['version']}, digest {row.digest}"]
    words += [f"  {name}  {(given or {}).get('unit', '')}" for name, given in metrics.items()]
    app.emit({"registry": row.body, "digest": row.digest}, words)
