"""The library's MQTT client, fitted for taking in much: it reads and acknowledges many messages at a time.

It overrides ``_create_socket`` and ``_handle_publish`` of the client; the locked version, and the conformance kit, hold what
they rely on.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from trueup.domains.telemetry.sources.live.remote import server_of, trusted

READ = 1 << 18
CONNECT_SECONDS = 5.0


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


class Buffered:
    """A socket from which much is read at once: the client asks for a message in three pieces."""

    def __init__(self, below: Any) -> None:
        self._below = below
        self._data, self._at = b"", 0
        self._out = bytearray()

    def recv(self, size: int) -> bytes:
        """Return up to so many bytes."""
        at = self._at
        if at >= len(self._data):
            self._data = self._below.recv(READ)
            self._at = at = 0
        part = self._data[at : at + size]
        self._at = at + len(part)
        return part

    def send(self, data: bytes) -> int:
        """Take what is to be sent; acknowledgements go out together."""
        self._out += data
        return len(data)

    def flush(self) -> None:
        """Send what was taken, as far as it goes now."""
        while self._out:
            try:
                sent = self._below.send(self._out)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            del self._out[:sent]

    @property
    def unsent(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._out)

    def pending(self) -> int:
        """Return how many bytes can be had without asking the system."""
        below = self._below.pending() if isinstance(self._below, ssl.SSLSocket) else 0
        return len(self._data) - self._at + below

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


@lru_cache(maxsize=4096)
def text_of(topic: bytes) -> str:
    """Return a topic as text."""
    return topic.decode()


class Client(paho.Client):
    """A client that hands on bytes: topic, payload, QoS, number."""

    heard: Callable[[bytes, bytes, int, int], None]

    def _handle_publish(self) -> MQTTErrorCode:
        """Hand on the plain message, which nearly all are, without the objects that the library makes of it."""
        packet, qos = self._in_packet["packet"], self._in_packet["command"] >> 1 & 3
        end = 2 + (packet[0] << 8 | packet[1])
        start = end + 2 if qos else end
        modern = self._protocol == paho.MQTTv5
        if qos > 1 or end == 2 or len(packet) < start + modern or (modern and packet[start]):
            return super()._handle_publish()
        number = packet[end] << 8 | packet[end + 1] if qos else 0
        self.heard(bytes(packet[2:end]), bytes(packet[start + modern :]), qos, number)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _create_socket(self) -> Any:
        return Buffered(super()._create_socket())


def client_of(broker: Broker) -> Client:
    """Return a client that acknowledges nothing by itself."""
    more: dict[str, Any] = {} if broker.version == paho.MQTTv5 else {"clean_session": False}
    client = Client(
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
        client.tls_set_context(trusted(broker.ca, broker.certificate, broker.key))
    return client


def session_of(broker: Broker) -> dict[str, Any]:
    """Return what a connection asks for beyond the client's own settings: a session that lasts (MQTT 5)."""
    if broker.version != paho.MQTTv5:
        return {}
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = broker.expiry
    properties.ReceiveMaximum = broker.receive_maximum
    return {"clean_start": False, "properties": properties}


def parse_broker(text: str) -> tuple[str, int, bool]:
    """Return host, port and whether TLS is spoken, of an address (``mqtt://127.0.0.1:1883``, ``mqtts://broker``).

    Raises:
        UsageError: it is none, or holds credentials.
    """
    schemes = {"mqtt": (1883, False), "tcp": (1883, False), "mqtts": (8883, True), "tls": (8883, True)}
    form = "mqtt://HOST:PORT, or mqtts:// for TLS"
    return server_of(text, schemes, form=form, credentials="--username, and --password-env or --password-secret")
