"""What every room's command-line door is handed: where to write, and how to act."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import update_wrapper
from pathlib import Path
from typing import Any, Concatenate, Protocol
from uuid import UUID

import click

from trueup.kernel.words import ExitCode, Verdict, exit_code


class Session(Protocol):
    """An open home: the ports of actions, and the tenant of this call."""

    @property
    def tenant(self) -> UUID:
        """The tenant that ``--tenant`` names."""

    @property
    def installation(self) -> Any:
        """The process's hold on the home, for commands that act for others or go on working."""

    def context(self, *, system: bool = False, key: str | None = None) -> Any:
        """Return an action context for the calling principal."""

    def sequence(self) -> None:
        """Give pending entries their index and publish checkpoints."""

    def spool(self) -> Path:
        """Return a scratch folder that goes with the session."""

    def close(self) -> None:
        """Release the home."""


class Product(Protocol):
    """What commands that need no home want to know of the whole product."""

    def folders(self) -> list[Path]:
        """Return the folders that hold policies."""

    def actions(self) -> list[Any]:
        """Return what policy knows of every registered action."""

    def predicates(self) -> Mapping[str, Any]:
        """Return the registered predicates by ``name@version``."""


@dataclass
class App:
    """One command's surroundings.

    Args:
        json: print one JSON document on standard output instead of words.
        verbose: say more on standard error.
        opener: opens the home when a command first needs it.
        key_folder: the home's keys, for commands that need no store; may not exist.
        product: its policies, actions and predicates.
    """

    json: bool
    verbose: bool
    opener: Callable[[], Session]
    key_folder: Path
    product: Product
    _session: Session | None = field(default=None, repr=False)

    @property
    def session(self) -> Session:
        """The open home; opened at first use."""
        if self._session is None:
            self._session = self.opener()
        return self._session

    @property
    def opened(self) -> bool:
        """Whether the home was opened."""
        return self._session is not None

    def run(self, action: Any, input: Mapping[str, Any], *, system: bool = False, key: str | None = None) -> Mapping[str, Any]:
        """Run an action for the calling principal and sequence its entry; return its value."""
        from trueup.kernel.actions.runner import run

        context = self.session.context(system=system, key=key)
        context.ports.keys.require_present()
        try:
            return run(action, context, input).value
        finally:
            self.session.sequence()

    def emit(self, document: Any, words: str | Iterable[str]) -> None:
        """Print the result: the document with ``--json``, else the words.

        A reader that closed the pipe early does not change how the command ends: a FAIL stays a FAIL.
        """
        text = words if isinstance(words, str) else "\n".join(words)
        try:
            click.echo(json.dumps(document, ensure_ascii=False, indent=2, default=str) if self.json else text)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)

    def say(self, message: str) -> None:
        """Tell the person something, on standard error."""
        click.echo(message, err=True)

    def progress(self, message: str) -> None:
        """Show progress on one line, where a terminal is watching."""
        if sys.stderr.isatty():
            click.echo(f"\r\033[K{message}", nl=False, err=True)

    def close(self) -> None:
        """Release the home."""
        if self._session is not None:
            self._session.close()
            self._session = None


def finish(verdict: Verdict | str) -> None:
    """End the command with a verdict's exit code."""
    leave(exit_code(Verdict(verdict)))


def leave(code: ExitCode) -> None:
    """End the command with an exit code."""
    click.get_current_context().exit(int(code))


pass_app = click.make_pass_decorator(App)


def pass_store[**P, R](command: Callable[Concatenate[App, P], R]) -> Callable[P, R]:
    """Hand a command its surroundings with the home open, so that it may import what needs the store."""

    def opened(app: App, /, *args: P.args, **kwargs: P.kwargs) -> R:
        app.session  # noqa: B018 - opens at first use
        return command(app, *args, **kwargs)

    update_wrapper(opened, command)
    return pass_app(opened)
