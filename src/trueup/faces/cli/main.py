"""The command line: global options anywhere, one exit-code table, one error shape."""

import errno
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from trueup import __version__
from trueup.config.home import find_home
from trueup.config.options import apply
from trueup.config.wiring import WholeProduct
from trueup.kernel.doors import App, Session
from trueup.kernel.errors import StorageFull, TrueupError
from trueup.kernel.files import is_full
from trueup.kernel.words import ExitCode

# Each room brings its own commands; a room is imported only when one of them is called or listed.
COMMANDS: dict[str, tuple[str, str]] = {
    "alert": ("trueup.kernel.notify.cli:alert", "What somebody should look at."),
    "apikey": ("trueup.kernel.identity.cli_keys:apikey", "Keys for programs, shown once."),
    "approval": ("trueup.kernel.change.cli:approval", "Consent to what others asked for."),
    "automation": ("trueup.domains.automation.cli:automation", "Work on web pages under policy."),
    "backup": ("trueup.faces.cli.backup:backup", "Write the whole installation to one file."),
    "completion": ("trueup.faces.cli.completion:completion", "Completion of commands in a shell."),
    "config": ("trueup.faces.cli.config:config", "Settings, and where each came from."),
    "demo": ("trueup.faces.cli.demo:demo", "Measure this machine, catch a change, prove it."),
    "doctor": ("trueup.faces.cli.doctor:doctor", "Examine the installation; mends nothing."),
    "evidence": ("trueup.kernel.evidence.cli:evidence", "The log, packs, keys and artifacts."),
    "fact": ("trueup.kernel.evidence.cli_facts:fact", "What is known."),
    "gate": ("trueup.kernel.gates.cli:gate", "Decide by facts: pass, fail or unknown."),
    "init": ("trueup.kernel.identity.cli:init", "Make or complete the home; safe to repeat."),
    "job": ("trueup.kernel.work.cli:job", "Durable work: ask, look, cancel, try again."),
    "policy": ("trueup.kernel.policy.cli:policy", "Who may do what, and why."),
    "schedule": ("trueup.kernel.work.cli_schedule:schedule", "Work that comes again."),
    "prune": ("trueup.faces.cli.prune:prune", "Forget what may be forgotten; evidence never."),
    "restore": ("trueup.faces.cli.backup:restore", "Restore a back-up into an empty home."),
    "secret": ("trueup.kernel.secrets.cli:secret", "Secrets, sealed and used by reference."),
    "serve": ("trueup.faces.web.cli:serve", "Serve the pages and the API of this home."),
    "sink": ("trueup.kernel.notify.cli:sink", "Where alerts are told."),
    "subject": ("trueup.kernel.subjects.cli:subject", "What things are called, and which of them are one."),
    "telemetry": ("trueup.domains.telemetry.cli:telemetry", "Does it still behave like the run that was certified?"),
    "tenant": ("trueup.kernel.identity.cli:tenant", "Organisations whose data never meets."),
    "user": ("trueup.kernel.identity.cli_users:user", "People: who may sign in, as what."),
    "worker": ("trueup.kernel.work.cli:worker", "Do jobs, fire schedules, hand on events."),
}
GLOBALS = """Global options, before or after the command:
  --home DIR    the folder of store, keys and artifacts (else TRUEUP_HOME, else the user's data folder)
  --tenant T    the tenant to work in (default: default)
  --json        print one JSON document on standard output
  --verbose     say more on standard error"""
COMPLETING = "_TRUEUP_COMPLETE"  # set by the shell that asks how a command line could go on
_VALUED, _FLAGS = ("--home", "--tenant"), ("--json", "--verbose")


class Rooms(click.Group):
    """A group whose commands are imported when they are called; its help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what every command understands."""
        formatter.write("\n" + GLOBALS + "\n")


@click.group(cls=Rooms, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="trueup")
def cli() -> None:
    """Compare what is claimed with what is, act only under policy, and prove both."""


def split_globals(args: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Take the global options out of a command line, wherever they stand before ``--``.

    Raises:
        click.UsageError: one of them lacks its value.
    """
    found: dict[str, str] = {}
    rest: list[str] = []
    items = iter(args)
    for item in items:
        name, equals, value = item.partition("=")
        if item == "--":
            rest.append(item)
            rest.extend(items)
        elif item in _FLAGS:
            found[item] = "yes"
        elif name in _VALUED:
            chosen = value if equals else next(items, "")
            if not chosen or (not equals and chosen.startswith("--")):
                raise click.UsageError(f"{name} needs a value")
            found[name] = chosen
        else:
            rest.append(item)
    return found, rest


def _app(options: dict[str, str], rest: Sequence[str]) -> App:
    home = find_home(options.get("--home"))
    if rest[:1] != ["config"]:  # which shows what is wrong with the file
        apply(home.path)

    def opener() -> Session:
        from trueup.config.session import HomeSession

        return HomeSession(home, tenant=options.get("--tenant", "default"), say=lambda text: click.echo(text, err=True))

    return App(
        json="--json" in options,
        verbose="--verbose" in options,
        opener=opener,
        key_folder=home.keys,
        product=WholeProduct(),
    )


def _fail(error: TrueupError, *, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps({"error": error.as_dict()}, ensure_ascii=False, indent=2, default=str))
    else:
        click.echo(f"trueup: {error.message}", err=True)
        if error.remedy:
            click.echo(f"  remedy: {error.remedy}", err=True)
    return int(error.exit_code)


def _usage(error: click.ClickException, *, as_json: bool) -> int:
    if as_json:
        body = {"code": "BAD_REQUEST", "message": error.format_message(), "details": {}}
        click.echo(json.dumps({"error": body}, ensure_ascii=False, indent=2))
    else:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "trueup"
        click.echo(f"trueup: {error.format_message()}\n  remedy: see '{where} --help'", err=True)
    return int(ExitCode.USAGE)


def main(argv: Sequence[str] | None = None, *, prepare: Callable[[list[str]], list[str]] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the arguments; default: those of the process.
        prepare: makes of them what this command line knows; what it refuses is told as any error is.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in args
    app = None
    try:
        args = prepare(args) if prepare else args
        options, rest = split_globals(args)
        app = _app(options, rest)
        result: Any = cli.main(rest, prog_name="trueup", standalone_mode=False, obj=app)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.Abort:
        return int(ExitCode.INTERRUPTED)
    except click.ClickException as exc:
        return _usage(exc, as_json=as_json)
    except TrueupError as exc:
        return _fail(exc, as_json=as_json)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except SystemExit:  # click's answer to a reader that closed the pipe of a help text; never a verdict's code
        return int(ExitCode.OK if COMPLETING in os.environ else ExitCode.INTERRUPTED)
    except Exception as exc:  # noqa: BLE001 - the last door: nothing leaves as a traceback
        return _unexpected(exc, as_json=as_json, verbose="--verbose" in args, home=app.key_folder.parent if app else Path())
    else:
        return result if isinstance(result, int) else int(ExitCode.OK)
    finally:
        if app is not None:
            app.close()


def _unexpected(exc: Exception, *, as_json: bool, verbose: bool, home: Path) -> int:
    if isinstance(exc, RuntimeError) and str(exc) == "Query interrupted":  # how DuckDB hands Ctrl-C on
        return int(ExitCode.INTERRUPTED)
    if "disk is full" in str(exc) or getattr(exc, "errno", None) == errno.ENOSPC or is_full(home):
        return _fail(
            StorageFull("the disk is full; nothing was recorded", remedy="free some space and run it again"), as_json=as_json
        )
    if verbose:
        import traceback

        traceback.print_exception(exc)
    place = Path(exc.__traceback__.tb_frame.f_code.co_filename).name if exc.__traceback__ else ""
    return _fail(
        TrueupError(
            f"internal error: {type(exc).__name__}: {exc}",
            remedy="run it again with --verbose and report what it prints",
            details={"in": place},
        ),
        as_json=as_json,
    )
