"""MQTT 3.1.1 and 5: a persistent session, acknowledged message by message once each is on the disk.

One thread reads the socket and drives the client. What was received and not acknowledged when a connection breaks is kept: the
broker sends it again, and its key tells that it is known.

References:
    MQTT 3.1.1 (OASIS), sections 4.3.2 (QoS 1) and 3.1.2.4 (clean session); MQTT 5.0, sections 3.1.2.11 and 4.1.
"""

import select
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from trueup.domains.telemetry.sources.live.event import dead
from trueup.domains.telemetry.sources.live.payload import Fields, event_of
from trueup.domains.telemetry.sources.live.sink import TRANSPORT, Backoff, Sink
from trueup.kernel.errors import ConfigurationError, Refused, UsageError

READ = 1 << 18
POLL_SECONDS = 0.05
CONNECT_SECONDS = 5.0
_REFUSALS = frozenset({1, 2, 4, 5, 0x81, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x95, 0x9B})


@dataclass(frozen=True, slots=True)
class Broker:
    """How to reach a broker, and what to hear of it.

    Args:
        host: name or address.
        port: TCP port.
        topics: filters to subscribe to.
        client_id: under which the broker keeps the session; the same for every start of one capture.
        version: 4 for MQTT 3.1.1, 5 for MQTT 5.
        qos: 0 or 1.
        username: empty for none.
        password: never shown.
        tls: speak TLS.
        ca: file of the authorities to trust; None for the system's.
        certificate: client certificate, with ``key``.
        key: of the certificate.
        expiry: seconds for which the broker keeps the session (MQTT 5).
        keepalive: seconds.
        receive_maximum: messages that the broker may send before the first is acknowledged (MQTT 5).
    """

    host: str
    port: int
    topics: tuple[str, ...]
    client_id: str
    version: int = 4
    qos: int = 1
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = field(default=None, repr=False)
    expiry: int = 604_800
    keepalive: int = 30
    receive_maximum: int = 5_000


class _Buffered:
    """A socket from which much is read at once: the client asks for a message in three pieces."""

    def __init__(self, below: Any) -> None:
        self._below = below
        self._data, self._at = b"", 0

    def recv(self, size: int) -> bytes:
        at = self._at
        if at >= len(self._data):
            self._data = self._below.recv(READ)
            self._at = at = 0
        part = self._data[at : at + size]
        self._at = at + len(part)
        return part

    def pending(self) -> int:
        """Return how many bytes can be had without asking the system."""
        below = self._below.pending() if isinstance(self._below, ssl.SSLSocket) else 0
        return len(self._data) - self._at + below

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


class _Client(paho.Client):
    def _create_socket(self) -> Any:
        return _Buffered(super()._create_socket())


@dataclass
class MqttSource:
    """A subscription.

    Args:
        broker: to whom.
        fields: which fields of a message say which one it is.
    """

    broker: Broker
    fields: Fields = field(default_factory=Fields)
    kind: str = "mqtt"
    _client: _Client = field(init=False, repr=False)
    _owed: list[int] = field(default_factory=list, init=False)
    _sink: Sink = field(init=False, repr=False)
    _joined: bool = field(default=False, init=False)
    _ever: bool = field(default=False, init=False)
    _refused: str = field(default="", init=False)
    _backoff: Backoff = field(default_factory=Backoff, init=False)

    def __post_init__(self) -> None:
        self._client = _client(self.broker)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._lost
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._heard

    def run(self, sink: Sink, stop: Callable[[], bool]) -> None:
        """Listen until it is stopped, through losses of the broker.

        Raises:
            Refused: the broker lets nobody in by these credentials, or not to these topics.
        """
        self._sink = sink
        try:
            while not stop():
                if self._refused:
                    raise Refused(self._refused, remedy="ask who runs the broker for credentials and topics that are permitted")
                if self._client.socket() is None:
                    self._connect(stop)
                else:
                    self._turn()
        finally:
            self._leave()

    def _connect(self, stop: Callable[[], bool]) -> None:
        if not self._backoff.ready:
            self._sink.commit()
            time.sleep(POLL_SECONDS)
            return
        self._owed.clear()  # numbers of a connection that is gone mean nothing to the next one
        try:
            self._client.connect(self.broker.host, self.broker.port, self.broker.keepalive, **_session(self.broker))
        except (OSError, ValueError) as exc:
            self._away(f"no connection to the broker ({getattr(exc, 'strerror', None) or type(exc).__name__})")
            return
        until = time.monotonic() + CONNECT_SECONDS
        while not self._joined and not self._refused and self._client.socket() is not None and not stop():
            self._wait(POLL_SECONDS)
            if time.monotonic() > until:
                self._away("the broker does not answer")
                self._close()
                return

    def _turn(self) -> None:
        """Take what is there; commit and acknowledge when nothing more is there at once, or when much was taken."""
        sink = self._sink
        if sink.full and not self._settle():
            self._client.loop_misc()  # the connection is kept alive while nothing can be kept
            time.sleep(POLL_SECONDS / 5)
            return
        if self._take():
            return
        if self._owed or sink.due:
            self._settle()
        self._wait(POLL_SECONDS)

    def _take(self) -> bool:
        """Read up to a batch from what is there; tell whether more may be there."""
        connection = self._client.socket()
        if connection is None:
            return False
        if not _pending(connection) and not select.select([connection], [], [], 0)[0]:
            return False
        sink, read = self._sink, self._client.loop_read
        while not sink.full:
            read()
            connection = self._client.socket()
            if connection is None or not _pending(connection):
                break
        return True

    def _settle(self) -> bool:
        """Make durable, then acknowledge."""
        if not self._sink.commit():
            return False
        owed, self._owed = self._owed, []
        for number in owed:
            self._client.ack(number, 1)
        while self._client.socket() is not None and self._client.want_write():
            self._client.loop_write()
        return True

    def _wait(self, seconds: float) -> None:
        connection = self._client.socket()
        if connection is None:
            return
        writing = [connection] if self._client.want_write() else []
        if not _pending(connection):
            try:
                readable, writable, _ = select.select([connection], writing, [], seconds)
            except (OSError, ValueError):
                readable, writable = [connection], []
            if writable:
                self._client.loop_write()
            if readable and not self._joined:
                self._client.loop_read()
        elif not self._joined:
            self._client.loop_read()
        self._client.loop_misc()

    def _heard(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        sink = self._sink
        try:
            topic = message.topic
        except UnicodeDecodeError:
            sink.put(dead("", sink.now(), "topic_not_utf8", bytes(message.payload)))
        else:
            event = event_of(topic, bytes(message.payload), sink.now(), self.fields)
            sink.put(event)
        if message.qos:
            self._owed.append(message.mid)

    def _connected(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            if not self._ever and reason.value in _REFUSALS:
                self._refused = f"the broker refuses the connection: {reason}"
            else:
                self._away(f"the broker refuses the connection: {reason}")
            return
        if self._ever:
            self._sink.count("reconnects", 1)
            if not flags.session_present and self.broker.qos:
                self._sink.count("sessions_lost", 1)
        if self._ever and flags.session_present:
            self._well()
        else:
            self._subscribe()

    def _subscribe(self) -> None:
        if self.broker.version == paho.MQTTv5:
            options = SubscribeOptions(qos=self.broker.qos, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            self._client.subscribe([(topic, options) for topic in self.broker.topics])
        else:
            self._client.subscribe([(topic, self.broker.qos) for topic in self.broker.topics])

    def _subscribed(self, _client: Any, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        failed = [topic for topic, reason in zip(self.broker.topics, reasons, strict=False) if reason.is_failure]
        if failed:
            self._refused = f"the broker refuses the subscription to {', '.join(failed)}"
            return
        self._well()

    def _well(self) -> None:
        self._joined = self._ever = True
        self._backoff.went_well()
        self._sink.well(TRANSPORT)
        self._sink.live()

    def _lost(self, _client: Any, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        self._owed.clear()
        if self._joined:
            self._away("the connection to the broker is lost")
        self._joined = False

    def _away(self, reason: str) -> None:
        self._joined = False
        self._backoff.failed()
        self._sink.fault(TRANSPORT, reason)

    def _close(self) -> None:
        if self._client.socket() is not None:
            self._client.disconnect()
            self._client.loop_write()

    def _leave(self) -> None:
        if self._client.socket() is not None:
            self._settle()
        self._close()


def _pending(connection: Any) -> int:
    return int(connection.pending())


def _client(broker: Broker) -> _Client:
    more: dict[str, Any] = {} if broker.version == paho.MQTTv5 else {"clean_session": False}
    client = _Client(
        CallbackAPIVersion.VERSION2,
        client_id=broker.client_id,
        protocol=MQTTProtocolVersion(broker.version),
        manual_ack=True,
        reconnect_on_failure=False,
        **more,
    )
    client.connect_timeout = CONNECT_SECONDS
    if broker.username:
        client.username_pw_set(broker.username, broker.password or None)
    if broker.tls:
        client.tls_set_context(_context(broker))
    return client


def _session(broker: Broker) -> dict[str, Any]:
    if broker.version != paho.MQTTv5:
        return {}
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = broker.expiry
    properties.ReceiveMaximum = broker.receive_maximum
    return {"clean_start": False, "properties": properties}


def _context(broker: Broker) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(broker.ca) if broker.ca else None)
        if broker.certificate is not None:
            context.load_cert_chain(str(broker.certificate), str(broker.key) if broker.key else None)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigurationError(
            f"the certificates of the broker cannot be used: {exc.strerror or type(exc).__name__}",
            remedy="name readable PEM files with --ca, --certificate and --key",
        ) from None
    return context


def parse_broker(text: str) -> tuple[str, int, bool]:
    """Return host, port and whether TLS is spoken, of an address (``mqtt://127.0.0.1:1883``, ``mqtts://broker``).

    Raises:
        UsageError: it is none, or holds credentials.
    """
    scheme, colon, rest = text.partition("://")
    ports = {"mqtt": 1883, "tcp": 1883, "mqtts": 8883, "tls": 8883}
    if not colon or scheme not in ports or not rest or "/" in rest.rstrip("/"):
        raise UsageError(f"{text!r} is no address of a broker", remedy="write mqtt://HOST:PORT, or mqtts:// for TLS")
    if "@" in rest:
        raise UsageError("an address must not hold credentials", remedy="use --username, and --password-env or --password-secret")
    host, separator, port = rest.rstrip("/").rpartition(":")
    if not separator or rest.endswith("]"):
        host, port = rest.rstrip("/"), str(ports[scheme])
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536 or not host:
        raise UsageError(f"{text!r} names no host and port", remedy="write mqtt://HOST:PORT")
    return host.strip("[]"), int(port), scheme in ("mqtts", "tls")
