"""``trueup secret``: put, list, delete; never show."""

import sys

import click

from trueup.kernel.doors import App, pass_store
from trueup.kernel.errors import UsageError


@click.group()
def secret() -> None:
    """Secrets, sealed in the store and used by reference. There is no command that shows one."""


@secret.command()
@click.argument("name")
@pass_store
def put(app: App, name: str) -> None:
    """Store a secret; its value is read from standard input (or asked for on a terminal)."""
    from trueup.kernel.secrets.actions import PutSecret

    value = click.prompt("value", hide_input=True, err=True) if sys.stdin.isatty() else _standard_input()
    if not value:
        raise UsageError("no value on standard input", remedy=f"printf %s VALUE | trueup secret put {name}")
    done = app.run(PutSecret, {"name": name, "value": value})
    app.emit(done, f"secret {done['name']} version {done['version']}")


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise UsageError(
            "the value on standard input is not UTF-8 text", remedy="encode it first, for example with base64"
        ) from None


@secret.command("list")
@pass_store
def list_secrets(app: App) -> None:
    """List names and versions."""
    from trueup.kernel.secrets import queries

    rows = queries.secrets(app.session.tenant)
    app.emit({"secrets": rows}, [f"{row['name']}  version {row['version']}  {row['updated_at']}" for row in rows] or "no secrets")


@secret.command()
@click.argument("name")
@pass_store
def delete(app: App, name: str) -> None:
    """Delete a secret."""
    from trueup.kernel.secrets.actions import DeleteSecret

    app.run(DeleteSecret, {"name": name})
    app.emit({"deleted": name}, f"deleted {name}")
