"""``trueup apikey``: keys for programs, shown once, stored as digests."""

from datetime import timedelta

import click

from trueup.kernel.doors import App, pass_store


@click.group()
def apikey() -> None:
    """API keys: how programs come in. A key is shown once, when it is made or rotated."""


@apikey.command()
@click.option("--name", required=True, help="What the key is for.")
@click.option("--role", "roles", multiple=True, required=True, help="A role of yours that the key holds; may be repeated.")
@click.option("--days", default=90, show_default=True, type=click.IntRange(0, 3650), help="Days until it expires; 0 for never.")
@click.option("--agent", is_flag=True, help="An AI agent acts with it: R2 actions are held, and it gives no consent.")
@pass_store
def create(app: App, name: str, roles: tuple[str, ...], days: int, agent: bool) -> None:
    """Make a key, with no more rights than you have."""
    from trueup.kernel.identity.actions_keys import CreateApiKey
    from trueup.kernel.identity.credentials import new_key

    key = new_key()
    expires = app.session.context().now + timedelta(days=days) if days else None
    input = {"name": name, "prefix": key.prefix, "secret": key.secret, "roles": roles, "expires_at": expires, "agent": agent}
    value = app.run(CreateApiKey, input)
    app.emit({**value, "key": key.text}, _words(key.text, f"expires {value['expires_at'] or 'never'}"))


def _words(text: str, more: str) -> list[str]:
    return [text, more, "the key is shown this once; send it as 'Authorization: Bearer …'"]


@apikey.command()
@click.argument("key")
@click.option(
    "--overlap", default=0, show_default=True, type=click.IntRange(0, 168), help="Hours for which the old secret still works."
)
@pass_store
def rotate(app: App, key: str, overlap: int) -> None:
    """Give KEY (id, prefix or name) a new secret."""
    from trueup.kernel.identity import queries
    from trueup.kernel.identity.actions_keys import RotateApiKey
    from trueup.kernel.identity.credentials import new_key

    row = queries.api_key(app.session.tenant, key, now=app.session.context().now)
    new = new_key(prefix=row["prefix"])
    value = app.run(RotateApiKey, {"key": row["id"], "secret": new.secret, "overlap": overlap * 3600})
    app.emit(
        {**value, "key": new.text},
        _words(new.text, f"the old secret works for {overlap} hours" if overlap else "the old secret is dead"),
    )


@apikey.command()
@click.argument("key")
@pass_store
def revoke(app: App, key: str) -> None:
    """End KEY (id, prefix or name), at once and for good."""
    from trueup.kernel.identity import queries
    from trueup.kernel.identity.actions_keys import RevokeApiKey

    row = queries.api_key(app.session.tenant, key, now=app.session.context().now)
    app.emit(app.run(RevokeApiKey, {"key": row["id"]}), f"revoked {row['prefix']} ({row['name']})")


@apikey.command("list")
@pass_store
def list_keys(app: App) -> None:
    """List the tenant's keys, the newest first; never a secret."""
    from trueup.kernel.identity import queries

    rows = queries.api_keys(app.session.tenant, now=app.session.context().now)
    words = [
        f"{r['prefix']}  {r['state']:<8} {', '.join(r['roles']):<24} {r['name']}  expires {r['expires_at'] or 'never'}  "
        f"used {r['last_used_at'] or 'never'}"
        for r in rows
    ]
    app.emit({"api_keys": rows}, words or "no API keys")
