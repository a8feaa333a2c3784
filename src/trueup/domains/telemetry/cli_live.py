"""``trueup telemetry capture``: listen to live sources, and look at what they told."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from trueup.kernel.doors import App, finish, leave, pass_store
from trueup.kernel.errors import UsageError
from trueup.kernel.words import ExitCode, Verdict

PATH = click.Path(path_type=Path)
HOURS = click.FloatRange(min=0, min_open=True)


@click.group()
def capture() -> None:
    """Listen to live sources; what they tell is on the disk before it is acknowledged."""


_START = (
    click.option("--source", "kind", required=True, type=click.Choice(["mqtt", "nats", "syslog", "file_replay", "host"]), help="What to listen to."),
    click.option("--name", required=True, help="What the capture is called; the same name goes on where it stopped."),
    click.option("--duration", type=HOURS, help="Seconds after which it stops."),
    click.option("--max-events", default=0, type=click.IntRange(0), help="Messages after which it stops (0: no limit)."),
    click.option("--broker", default="", metavar="URL", help="mqtt://HOST:PORT, mqtts:// for TLS; nats://HOST:PORT, tls:// for TLS."),
    click.option("--topic", "topics", multiple=True, help="mqtt: a filter to subscribe to; may be repeated. nats: a subject of the stream; default: all."),
    click.option("--stream", default="", metavar="NAME", help="nats: the JetStream stream to read."),
    click.option("--ack-wait", default=10.0, show_default=True, type=click.FloatRange(1, 3600), help="nats: seconds before the server sends again."),
    click.option("--qos", default="1", show_default=True, type=click.Choice(["0", "1"]), help="mqtt: 1 is acknowledged when it is stored."),
    click.option("--mqtt-version", "version", default="3.1.1", show_default=True, type=click.Choice(["3.1.1", "5"]), help="mqtt: protocol."),
    click.option("--client-id", default="", help="mqtt: name of the session at the broker. nats: of the consumer. Default: one for this capture."),
    click.option("--session-expiry", "expiry", default=604_800, show_default=True, type=click.IntRange(0), help="mqtt 5: seconds a session is kept."),
    click.option("--username", default="", help="mqtt, nats: user."),
    click.option("--password-env", default="", metavar="VAR", help="mqtt, nats: variable of the environment that holds the password."),
    click.option("--password-secret", default="", metavar="NAME", help="mqtt, nats: secret that holds the password."),
    click.option("--token-env", default="", metavar="VAR", help="nats: variable of the environment that holds the token."),
    click.option("--token-secret", default="", metavar="NAME", help="nats: secret that holds the token."),
    click.option("--creds", type=PATH, help="nats: file of credentials, with the user's JWT and key."),
    click.option("--ca", type=PATH, help="TLS: authorities to trust (syslog: of senders, who then must show a certificate)."),
    click.option("--certificate", type=PATH, help="TLS: certificate to show."),
    click.option("--key", type=PATH, help="TLS: key of the certificate."),
    click.option("--sequence-field", default="seq", show_default=True, help="Field that holds a message's running number."),
    click.option("--time-field", default="", help="Field that holds a message's time; default: timestamp, time, ts or device_time."),
    click.option("--listen", multiple=True, metavar="URL", help="syslog: udp://, tcp:// or tls://HOST:PORT, unix:// or unix-dgram://PATH; may be repeated."),
    click.option("--timezone", default="UTC", show_default=True, help="syslog: of senders that name none."),
    click.option("--path", type=PATH, help="file_replay, syslog: the file to read."),
    click.option("--follow", is_flag=True, help="file_replay, syslog: go on with what is appended, through rotations."),
    click.option("--speed", default="max", show_default=True, help="file_replay: max, original, or a factor."),
    click.option("--rate", default=1.0, show_default=True, type=click.FloatRange(min=0, min_open=True, max=100), help="host: samples a second."),
    click.option("--pid", type=click.IntRange(1), help="host: also sample this process and its descendants."),
)  # fmt: skip


def _options(command: Any) -> Any:
    for option in reversed(_START):
        command = option(command)
    return command


@capture.command()
@_options
@pass_store
def start(app: App, /, name: str, duration: float | None, max_events: int, **asked: Any) -> None:
    """Listen to a source until it is stopped (Ctrl-C, SIGTERM), or for as long or as much as is asked for.

    Exit codes: 0 when it was stopped, 30 NO_DATA when nothing came, 1 when something that was heard could not be stored,
    3 when the broker has no such stream, 5 when the broker refuses, 7 when the capture runs already.
    """
    from trueup.domains.telemetry.capturing import run_capture
    from trueup.domains.telemetry.sources.live.build import Asked

    for what in ("password", "token"):
        asked[what] = _secret(app, what, asked.pop(f"{what}_env"), asked.pop(f"{what}_secret"))
    source = Asked(**{**asked, "qos": int(asked["qos"])})
    done = dict(run_capture(app, _named(name), source, seconds=duration or 0.0, limit=max_events))
    if not done["received"] and not done["not_stored"]:
        app.emit({"verdict": Verdict.NO_DATA, "findings": [], **done}, [f"{Verdict.NO_DATA}  nothing came ({done['reason']})"])
        finish(Verdict.NO_DATA)
    app.emit(done, _ended(done))
    if done["not_stored"]:
        leave(ExitCode.INTERNAL)


def _named(name: str) -> str:
    import re

    from trueup.domains.telemetry.actions_live import NAME

    if not re.fullmatch(NAME, name):
        raise UsageError(
            f"{name!r} cannot be the name of a capture", remedy="use small letters, digits, dot, dash and underscore"
        )
    return name


def _secret(app: App, what: str, variable: str, secret: str) -> str:
    """Return a password or a token; empty where none was named."""
    from trueup.domains.telemetry.sources.live.build import password_of

    if variable and secret:
        raise UsageError(f"--{what}-env and --{what}-secret both name a {what}", remedy="name one of them")
    if secret:
        from trueup.kernel.secrets.vault import Vault

        context = app.session.context()
        return Vault(context.ports.keys.path / "secrets.key").reveal(context.tenant, secret).get_secret_value()
    return password_of(variable, option=f"--{what}-env") if variable else ""


def _ended(done: Mapping[str, Any]) -> Iterable[str]:
    yield f"{done['name']}: {done['received']} received, {done['stored']} stored, {done['duplicates']} known, {done['dead_letters']} dead letters"
    if done["not_stored"]:
        yield f"  {done['not_stored']} could not be stored"
    yield f"  events {done['after'] + 1} to {done['until']}, sha256 {done['sha256']}"
    yield f"  ended: {done['reason']}"


@capture.command("list")
@pass_store
def list_captures(app: App) -> None:
    """List captures."""
    from trueup.domains.telemetry.capturing import stand
    from trueup.domains.telemetry.sources.live.reading import captures

    context = app.session.context()
    rows = [stand(app, file) for file in captures(context.ports.data, context.tenant)]
    words = [f"{row['name']:<20} {row['kind']:<12} {row['state']:<9} {row['counters']['stored']} stored" for row in rows]
    app.emit({"captures": rows}, words or "no captures")


@capture.command()
@click.argument("name")
@pass_store
def show(app: App, name: str) -> None:
    """Show a capture: state, counters, dead letters."""
    from trueup.domains.telemetry.actions_live import file_of
    from trueup.domains.telemetry.capturing import stand

    file = file_of(app.session.context(), _named(name))
    document = {**stand(app, file), "newest_dead_letters": file.dead()}
    app.emit(document, _shown(document))


def _shown(document: Mapping[str, Any]) -> Iterable[str]:
    yield f"{document['name']}  {document['kind']}, {document['state']}, {document['delivery']}"
    if document["reason"]:
        yield f"  {document['reason']}"
    yield from (f"  {name:<20} {value}" for name, value in document["counters"].items())
    yield from (f"  dead letters: {count} {reason}" for reason, count in document["dead_letters"].items())
    if document["first_received"]:
        yield f"  received from {document['first_received']} to {document['last_received']}"


@capture.command()
@click.argument("name")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The .jsonl or .parquet file to write."
)
@click.option("--timezone", default="UTC", show_default=True, help="Of syslog senders that name none.")
@click.option("--sequence-field", default="seq", show_default=True, help="Field that holds a message's running number.")
@pass_store
def export(app: App, name: str, output: Path, timezone: str, sequence_field: str) -> None:
    """Write every value of a capture to a file, for normalising."""
    from trueup.domains.telemetry.actions_live import ExportCapture

    input = {"name": _named(name), "output": output, "zone": timezone, "sequence_field": sequence_field}
    done = app.run(ExportCapture, input)
    app.emit(done, f"{done['rows']} values: {done['out']}")


@capture.command()
@click.argument("name")
@pass_store
def remove(app: App, name: str) -> None:
    """Remove what a source told; the entries about it stay."""
    from trueup.domains.telemetry.actions_live import RemoveCapture

    done = app.run(RemoveCapture, {"name": _named(name)})
    app.emit(done, f"removed {done['name']}")
