"""``trueup config``: what is set, and where each value came from."""

import json

import click

from trueup.kernel.doors import App, pass_app


@click.group()
def config() -> None:
    """Settings: the environment, settings.yaml in the home, defaults."""


@config.command()
@pass_app
def show(app: App) -> None:
    """Show every setting: its value, and whether it is a default, the environment's, or a line of the file."""
    from trueup.config.options import FILE, resolve

    home = app.key_folder.parent
    rows = [value.as_dict() for value in resolve(home)]
    words = [f"{row['key']:<24} {row['value'] or '-':<40} {row['origin']}" for row in rows]
    app.emit({"home": str(home), "file": str(home / FILE), "settings": rows}, [f"home {home}", *words])


@config.command()
@pass_app
def check(app: App) -> None:
    """Check settings.yaml against its schema."""
    from trueup.config.options import FILE, read_file

    path = app.key_folder.parent / FILE
    found = read_file(path) if path.exists() else {}
    words = f"{path}: {len(found)} settings, all understood" if found else f"{path}: not there; the defaults hold"
    app.emit({"file": str(path), "settings": len(found)}, words)


@config.command()
@pass_app
def schema(app: App) -> None:
    """Print the JSON Schema of settings.yaml."""
    from trueup.config.options import schema as form

    app.emit(form(), json.dumps(form(), indent=2, ensure_ascii=False))
