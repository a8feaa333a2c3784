"""``trueup init`` and ``trueup tenant``."""

from typing import Any

import click

from trueup.kernel.doors import App, pass_store
from trueup.kernel.errors import Conflict


@click.command()
@click.option(
    "--owner", default="owner@localhost", show_default=True, metavar="EMAIL", help="Who owns the tenant, if nobody does yet."
)
@pass_store
def init(app: App, owner: str) -> None:
    """Make or complete the home: store, guards, signing key, tenant, owner. Safe to repeat.

    The owner's one-time password is printed once; it must be changed at the first login.
    """
    from trueup.kernel.evidence.guards import assert_guards
    from trueup.kernel.identity.actions import RestoreGuards

    restored = assert_guards()
    if restored:
        app.run(RestoreGuards, {"names": tuple(restored)}, system=True)
        app.say(f"put back {len(restored)} guards that were gone; check the log: trueup evidence log verify")
    app.session.sequence()
    fingerprint = app.session.context().ports.keys.signer().fingerprint
    person = _owner(app, owner)
    document = {"home": str(app.key_folder.parent), "fingerprint": fingerprint, "guards_restored": restored, "owner": person}
    app.emit(document, [f"home {document['home']}", f"signing key {fingerprint}", *_owner_words(person)])


def _owner(app: App, email: str) -> dict[str, Any]:
    """Make the owner of a tenant that has none; an owner who exists is left as they are."""
    from trueup.kernel.identity import queries
    from trueup.kernel.identity.actions_users import AddUser
    from trueup.kernel.identity.credentials import one_time_password

    if queries.has_owner(app.session.tenant):
        return {"made": False}
    password = one_time_password()
    try:
        value = app.run(AddUser, {"email": email, "roles": ("owner",), "password": password, "own": True})
    except Conflict:  # another init was faster, or a member of that address is no owner: they are left as they are
        return {"made": False}
    return {"made": True, "email": email.lower(), "id": value["id"], "one_time_password": password if value["created"] else ""}


def _owner_words(person: dict[str, Any]) -> list[str]:
    if not person["made"]:
        return ["the tenant has an owner; a lost password is replaced with: trueup user reset-password EMAIL"]
    if not person["one_time_password"]:
        return [f"owner {person['email']} (signs in with the password they have)"]
    return [
        f"owner {person['email']}",
        f"one-time password {person['one_time_password']}",
        "it is shown this once, and must be changed at the first login",
    ]


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
