"""``trueup init`` and ``trueup tenant``."""

import click

from trueup.kernel.doors import App, pass_store


@click.command()
@pass_store
def init(app: App) -> None:
    """Make or complete the home: store, guards, signing key, tenant. Safe to repeat."""
    from trueup.kernel.evidence.guards import assert_guards
    from trueup.kernel.identity.actions import RestoreGuards

    restored = assert_guards()
    if restored:
        app.run(RestoreGuards, {"names": tuple(restored)}, system=True)
        app.say(f"put back {len(restored)} guards that were gone; check the log: trueup evidence log verify")
    app.session.sequence()
    fingerprint = app.session.context().ports.keys.signer().fingerprint
    document = {"home": str(app.key_folder.parent), "fingerprint": fingerprint, "guards_restored": restored}
    app.emit(document, [f"home {document['home']}", f"signing key {fingerprint}"])


@click.group()
def tenant() -> None:
    """Organisations whose data never meets."""


@tenant.command("list")
@pass_store
def list_tenants(app: App) -> None:
    """List the tenants of this home."""
    from trueup.kernel.identity import queries

    rows = queries.tenants(app.session)
    app.emit({"tenants": rows}, [f"{row['slug']:<20} {row['id']}" for row in rows])


@tenant.command()
@click.argument("slug")
@click.option("--name", default="", help="The name for people.")
@pass_store
def create(app: App, slug: str, name: str) -> None:
    """Create a tenant; its log starts empty."""
    from trueup.kernel.identity.actions import CreateTenant

    value = app.run(CreateTenant, {"slug": slug, "name": name}, system=True)
    app.emit(value, f"tenant {value['slug']} {value['id']}")
