"""Write docs/reference/cli.md from the commands themselves.

python scripts/cli_reference.py             write the page
python scripts/cli_reference.py --check     fail when the page is not what the commands say
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from trueup.faces.cli.main import COMMANDS, cli

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "cli.md"
HEAD = """# The command line

Made by `scripts/cli_reference.py` from the commands themselves. What each ends with: [exit codes](exit-codes.md).

## Global options

They stand before or after the command.

| option | meaning |
|---|---|
| `--home DIR` | the [home](home.md): folder of store, keys and artifacts; else `TRUEUP_HOME`, else the user's data folder |
| `--tenant T` | the tenant to work in; default `default`, and `system` is the installation's own log |
| `--json` | print one JSON document on standard output, for every exit code |
| `--verbose` | say more on standard error |
| `--version` | print the version |
| `-h`, `--help` | explain a command |

## Environment

| variable | meaning |
|---|---|
| `TRUEUP_HOME` | the home, where `--home` does not name one |
"""


def tree(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command that does something, with its words, in the order of its name."""
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path[-1] if path else "trueup")
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from tree(found, (*path, name))
    else:
        yield path, command


def options(command: click.Command) -> list[click.Option]:
    """Return the options of a command that a person may write."""
    return [item for item in command.params if isinstance(item, click.Option) and not item.hidden]


def _usage(path: tuple[str, ...], command: click.Command) -> str:
    context = click.Context(command, info_name=" ".join(("trueup", *path)))
    return " ".join((context.command_path, *command.collect_usage_pieces(context)))


def _value(option: click.Option, context: click.Context) -> str:
    name = "" if option.is_flag else " " + option.make_metavar(ctx=context).removesuffix(" RANGE").replace("|", "\\|")
    return f"`{', '.join(option.opts)}{name}`"


def _meaning(option: click.Option, context: click.Context) -> str:
    words = option.help or ""
    extra = option.get_help_extra(context)
    told = [f"default `{extra['default']}`"] if "default" in extra else []
    told += [f"range `{extra['range']}`"] if "range" in extra else []
    told += ["required"] if "required" in extra else []
    return words + (f" ({'; '.join(told)})" if told else "")


def _section(path: tuple[str, ...], command: click.Command) -> str:
    context = click.Context(command, info_name=path[-1])
    lines = [f"## {' '.join(path)}", "", "```text", _usage(path, command), "```", "", (command.help or "").strip(), ""]
    rows = [f"| {_value(option, context)} | {_meaning(option, context).strip()} |" for option in options(command)]
    if rows:
        lines += ["| option | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def page() -> str:
    """Return the page as Markdown."""
    rows = [f"| `{name}` | {COMMANDS[name][1]} |" for name in sorted(COMMANDS)]
    groups = "\n".join(["## Commands", "", "| command | what for |", "|---|---|", *rows, ""])
    return "\n".join([HEAD, groups, *(_section(path, command) for path, command in tree(cli))]).rstrip() + "\n"


def main() -> int:
    """Check, or write."""
    if "--check" not in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        sys.stderr.write(f"cli reference: {PAGE.relative_to(ROOT)} is out of date: run python scripts/cli_reference.py\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
