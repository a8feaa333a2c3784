"""From what somebody asked for to a source."""

import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from trueup.domains.telemetry.sources.live.payload import Fields
from trueup.domains.telemetry.sources.live.sink import Source
from trueup.kernel.errors import ConfigurationError, UsageError

SPEEDS = {"max": 0.0, "original": 1.0}


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked for; only what its kind needs is looked at.

    Args:
        kind: of source.
        path: of a file.
        follow: go on with what is appended.
        speed: ``max``, ``original`` or a factor.
        listen: addresses of syslog.
        broker: address of an MQTT broker or a NATS server.
        password: never shown.
        token: never shown.
    """

    kind: str
    path: Path | None = None
    follow: bool = False
    speed: str = "max"
    listen: tuple[str, ...] = ()
    timezone: str = "UTC"
    broker: str = ""
    topics: tuple[str, ...] = ()
    qos: int = 1
    version: str = "3.1.1"
    client_id: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = field(default=None, repr=False)
    expiry: int = 604_800
    sequence_field: str = "seq"
    time_field: str = ""
    rate: float = 1.0
    pid: int | None = None
    stream: str = ""
    token: str = field(default="", repr=False)
    creds: Path | None = None
    ack_wait: float = 10.0

    @property
    def fields(self) -> Fields:
        """Which fields of a message say which one it is."""
        return Fields(self.sequence_field, (self.time_field,)) if self.time_field else Fields(self.sequence_field)

    @property
    def where(self) -> str:
        """Where it listens or reads, without secrets."""
        if self.kind == "mqtt":
            return f"{self.broker} {' '.join(self.topics)}"
        if self.kind == "nats":
            return " ".join((self.broker, self.stream, *self.topics))
        if self.kind == "host":
            return f"{self.rate:g} Hz"
        return " ".join(self.listen) if self.listen else (self.path.name if self.path else "")


def build(asked: Asked, cursors: dict[str, str], *, tenant: UUID, name: str, told: Callable[[str], None]) -> Source:
    """Return the source that was asked for, which goes on where it stood.

    Raises:
        UsageError: something that its kind needs is missing or cannot be understood.
        ConfigurationError: its certificates or credentials cannot be used, or what it is read with is not installed.
    """
    if asked.kind == "mqtt":
        return _mqtt(asked, tenant, name)
    if asked.kind == "nats":
        return _nats(asked, tenant, name)
    if asked.kind == "syslog":
        return _syslog(asked, cursors, told)
    if asked.kind == "file_replay":
        from trueup.domains.telemetry.sources.live.tail import file_replay

        path = _required(asked.path, "--path")
        return file_replay(path, cursors, fields=asked.fields, follow=asked.follow, speed=speed_of(asked.speed))
    from trueup.domains.telemetry.sources.live.hostmetrics import HostSource

    return HostSource(rate=asked.rate, pid=asked.pid)


def _required[T](value: T | None, option: str) -> T:
    if not value:
        raise UsageError(f"this source needs {option}", remedy="see 'trueup telemetry capture start --help'")
    return value


def _mqtt(asked: Asked, tenant: UUID, name: str) -> Source:
    from trueup.domains.telemetry.sources.live.mqtt import MqttSource
    from trueup.domains.telemetry.sources.live.mqtt_client import Broker, parse_broker

    host, port, tls = parse_broker(_required(asked.broker, "--broker"))
    topics = _required(asked.topics, "--topic")
    client_id = asked.client_id or _own(tenant, name)
    broker = Broker(
        host,
        port,
        topics,
        client_id,
        version=5 if asked.version == "5" else 4,
        qos=asked.qos,
        username=asked.username,
        password=asked.password,
        tls=tls,
        ca=asked.ca,
        certificate=asked.certificate,
        key=asked.key,
        expiry=asked.expiry,
    )
    return MqttSource(broker, asked.fields)


def _own(tenant: UUID, name: str) -> str:
    """Return the name by which a broker knows a capture."""
    return "tu" + blake2b(f"{tenant}/{name}".encode(), digest_size=10).hexdigest()


def _nats(asked: Asked, tenant: UUID, name: str) -> Source:
    if find_spec("nats") is None:
        raise ConfigurationError("NATS is read by an optional part", remedy="install trueup with its extra: trueup[nats]")
    from trueup.domains.telemetry.sources.live.jetstream import JetStreamSource
    from trueup.domains.telemetry.sources.live.nats_client import Server, parse_server

    host, port, tls = parse_server(_required(asked.broker, "--broker"))
    if len(asked.topics) > 1:
        raise UsageError(
            "a NATS source takes one --topic",
            remedy="write one with * or >, leave it out for all, or capture each under a name of its own",
        )
    if bool(asked.password) != bool(asked.username):
        raise UsageError(
            "--username and a password belong together", remedy="give both, or neither; a token is given by --token-env"
        )
    if sum(map(bool, (asked.username, asked.token, asked.creds))) > 1:
        raise UsageError("more than one way to log in was given", remedy="give a user with password, or a token, or --creds")
    server = Server(
        host,
        port,
        _plain(_required(asked.stream, "--stream"), "--stream"),
        _plain(asked.client_id or _own(tenant, name), "--client-id"),
        _subject(asked.topics[0]) if asked.topics else "",
        ack_wait=asked.ack_wait,
        username=asked.username,
        password=asked.password,
        token=asked.token,
        creds=asked.creds,
        tls=tls,
        ca=asked.ca,
        certificate=asked.certificate,
        key=asked.key,
    )
    return JetStreamSource(server, asked.fields)


def _plain(text: str, option: str) -> str:
    """Return a name that a NATS server takes."""
    if not re.fullmatch(r"[\w=-]{1,200}", text, re.ASCII):
        raise UsageError(
            f"{option}: {text!r} cannot be a name at a NATS server", remedy="use letters, digits, dash and underscore"
        )
    return text


def _subject(text: str) -> str:
    """Return a subject that a NATS server takes as a filter."""
    *outer, last = text.split(".")
    if not all(re.fullmatch(r"\*|[^\s*>]+", token) for token in outer) or not re.fullmatch(r"[*>]|[^\s*>]+", last):
        raise UsageError(f"--topic: {text!r} is no subject", remedy="write tokens with dots between them: rig.*.temp, or rig.>")
    return text


def _syslog(asked: Asked, cursors: dict[str, str], told: Callable[[str], None]) -> Source:
    from trueup.domains.telemetry.sources.live.sockets import Address
    from trueup.domains.telemetry.sources.live.syslog import SyslogSource, syslog_file

    zone = timezone(asked.timezone)
    if asked.path is not None and asked.listen:
        raise UsageError("--path and --listen are two sources", remedy="capture each under a name of its own")
    if asked.path is not None:
        return syslog_file(asked.path, cursors, follow=asked.follow, zone=zone)
    addresses = [Address.parse(text) for text in _required(asked.listen, "--listen or --path")]
    tls = _server(asked) if any(address.scheme == "tls" for address in addresses) else None
    return SyslogSource(addresses, tls=tls, zone=zone, told=told)


def _server(asked: Asked) -> ssl.SSLContext:
    certificate = _required(asked.certificate, "--certificate for tls://")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # a sender that never reads would leave tickets unread, and its farewell be a reset that takes its last lines with it
    context.num_tickets = 0
    try:
        context.load_cert_chain(str(certificate), str(asked.key) if asked.key else None)
        if asked.ca is not None:
            context.load_verify_locations(str(asked.ca))
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as exc:
        raise ConfigurationError(
            f"the certificate cannot be used: {exc.strerror or type(exc).__name__}",
            remedy="name readable PEM files with --certificate, --key and --ca",
        ) from None
    return context


def timezone(name: str) -> tzinfo:
    """Return the time zone of a name.

    Raises:
        UsageError: there is none.
    """
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"there is no time zone {name!r}", remedy="write one as Europe/Berlin, or UTC") from None


def speed_of(text: str) -> float:
    """Return how many times faster than recorded a file is replayed; 0 for as fast as possible.

    Raises:
        UsageError: it is no speed.
    """
    if text in SPEEDS:
        return SPEEDS[text]
    try:
        speed = float(text.removeprefix("x").removeprefix("×"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e6:
        raise UsageError(f"{text!r} is no speed", remedy="write max, original, or a factor such as 10")
    return speed


def password_of(variable: str, environment: Mapping[str, str] = os.environ, *, option: str = "--password-env") -> str:
    """Return the password or token that a variable of the environment holds.

    Raises:
        UsageError: it is not set.
    """
    value = environment.get(variable, "")
    if not value:
        raise UsageError(f"the variable {variable} is not set", remedy=f"set it, or name another with {option}")
    return value
