"""What ``ingest`` and ``run`` take in: a file, a sheet of one, or a window of a capture."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from trueup.kernel.doors import App, finish
from trueup.kernel.errors import UsageError
from trueup.kernel.words import Verdict


def taking[**P, T](command: Callable[P, T]) -> Callable[P, T]:
    """Add what says where the run comes from."""
    for option in reversed(
        (
            click.argument("path", type=click.Path(path_type=Path), required=False),
            click.option("--sheet", default="", metavar="NAME", help="Sheet of a workbook; default: the first."),
            click.option("--capture", default="", metavar="NAME", help="Take in a capture instead of a file."),
            click.option(
                "--from", "since", default="", metavar="TIME", help="Of a capture: the first moment (ISO 8601 with its zone)."
            ),
            click.option("--to", "until", default="", metavar="TIME", help="Of a capture: the first moment after it."),
            click.option(
                "--lateness",
                type=click.FloatRange(min=0),
                metavar="SECONDS",
                help="Of a capture: leave out, and count, what is older by more than this than something heard before it.",
            ),
        )
    ):
        command = option(command)
    return command


def take(
    app: App,
    said: Mapping[str, Any],
    path: Path | None,
    *,
    sheet: str,
    capture: str,
    since: str,
    until: str,
    lateness: float | None = None,
) -> Mapping[str, Any]:
    """Take a run in; an empty window of a capture ends the command with NO_DATA.

    Raises:
        UsageError: neither a file nor a capture is named, or both.
    """
    if (path is None) is not bool(capture):
        raise UsageError("name either a file or a --capture", remedy="see 'trueup telemetry ingest --help'")
    if not capture:
        from trueup.domains.telemetry.actions_runs import IngestRun

        if since or until or lateness is not None:
            raise UsageError("--from, --to and --lateness are of a capture", remedy="name one with --capture")
        return app.run(IngestRun, {**said, "path": path, "sheet": sheet})
    from trueup.domains.telemetry.actions_window import IngestCapture

    if sheet:
        raise UsageError("a capture has no sheets", remedy="leave --sheet out")
    window = {name: at for name, at in (("since", since), ("until", until), ("lateness", lateness)) if at not in ("", None)}
    value = app.run(IngestCapture, {**said, "capture": capture, **window})
    if value.get("verdict") == Verdict.NO_DATA:
        app.emit(value, f"{Verdict.NO_DATA}  the capture {capture} holds no event of that time")
        finish(Verdict.NO_DATA)
    return value


def window_words(value: Mapping[str, Any]) -> list[str]:
    """Say what a run's window held."""
    window = value.get("window")
    if not window:
        return []
    return [
        f"  capture {window['capture']}: {window['events']:,} events, {window['delivery']}",
        f"  {window['lost']:,} lost, {window['late']:,} too late, {window['dead_letters']:,} dead letters, {window['duplicates']:,} duplicates left out",
        f"  events {window['first']} to {window['last']}, sha256 {window['sha256']}",
    ]
