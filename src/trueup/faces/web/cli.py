"""``trueup serve``: the reports of this home on a local address."""

import click

from trueup.kernel.doors import App, pass_store
from trueup.kernel.errors import Refused, UsageError

LOOPBACK = ("127.0.0.1", "localhost")


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="A loopback address; others are refused until there are logins."
)
@click.option("--port", default=8471, show_default=True, type=click.IntRange(0, 65535), help="0 takes any free port.")
@pass_store
def serve(app: App, host: str, port: int) -> None:
    """Show the recorded comparisons and their reports, each checked against the ledger, on a local address."""
    from trueup.faces.web.server import ReportServer

    if host not in LOOPBACK:
        raise Refused(
            f"{host} is not a loopback address", remedy="pages without a login are served to this machine alone: --host 127.0.0.1"
        )
    try:
        server = ReportServer((host, port), app.session)
    except OSError as exc:
        raise UsageError(
            f"cannot listen on {host}:{port}: {exc.strerror}", remedy="choose another port with --port, or 0 for any"
        ) from exc
    with server:
        app.say(f"reports of this home: {server.address}  (Ctrl-C ends)")
        server.serve_forever()
