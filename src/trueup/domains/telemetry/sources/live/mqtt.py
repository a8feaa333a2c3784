"""MQTT 3.1.1 and 5: a persistent session, acknowledged message by message once each is on the disk.

One thread reads the socket and drives the client. What was received and not acknowledged when a connection breaks is kept: the
broker sends it again, and its key tells that it is known.

References:
    MQTT 3.1.1 (OASIS), sections 4.3.2 (QoS 1) and 3.1.2.4 (clean session); MQTT 5.0, sections 3.1.2.11 and 4.1.
"""

import select
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.subscribeoptions import SubscribeOptions

from trueup.domains.telemetry.sources.live.event import dead
from trueup.domains.telemetry.sources.live.mqtt_client import CONNECT_SECONDS, Broker, Client, client_of, session_of, text_of
from trueup.domains.telemetry.sources.live.payload import Fields, event_of
from trueup.domains.telemetry.sources.live.sink import TRANSPORT, Backoff, Sink
from trueup.kernel.errors import Refused

POLL_SECONDS = 0.05
_REFUSALS = frozenset({1, 2, 4, 5, 0x81, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x95, 0x9B})


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
    _client: Client = field(init=False, repr=False)
    _owed: list[int] = field(default_factory=list, init=False)
    _sink: Sink = field(init=False, repr=False)
    _joined: bool = field(default=False, init=False)
    _ever: bool = field(default=False, init=False)
    _refused: str = field(default="", init=False)
    _backoff: Backoff = field(default_factory=Backoff, init=False)

    def __post_init__(self) -> None:
        self._client = client_of(self.broker)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._lost
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._described
        self._client.heard = self._heard

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
        # A broker sends again what was not acknowledged: with nowhere to keep it, it must not come yet.
        if not self._backoff.ready or self._sink.full:
            self._sink.commit()
            time.sleep(POLL_SECONDS)
            return
        self._owed.clear()  # numbers of a connection that is gone mean nothing to the next one
        try:
            self._client.connect(self.broker.host, self.broker.port, self.broker.keepalive, **session_of(self.broker))
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
            self._client.loop_misc()
            self._flush()  # the connection is kept alive while nothing can be kept
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
        self._flush()
        return True

    def _flush(self) -> bool:
        """Send what is to be sent; tell whether some of it has to wait."""
        while self._client.socket() is not None and self._client.want_write():
            self._client.loop_write()
        connection: Any = self._client.socket()
        if connection is None:
            return False
        try:
            connection.flush()
        except OSError:
            return False  # reading finds out that the connection is lost
        return bool(connection.unsent)

    def _wait(self, seconds: float) -> None:
        connection = self._client.socket()
        if connection is None:
            return
        writing = [connection] if self._flush() else []
        if not _pending(connection):
            try:
                readable, _, _ = select.select([connection], writing, [], seconds)
            except (OSError, ValueError):
                readable = [connection]
            if readable and not self._joined:
                self._client.loop_read()
        elif not self._joined:
            self._client.loop_read()
        self._client.loop_misc()

    def _described(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        """Take a message with properties."""
        try:
            topic = message.topic.encode()
        except UnicodeDecodeError:
            topic = b"\xff"
        self._heard(topic, bytes(message.payload), message.qos, message.mid)

    def _heard(self, topic: bytes, payload: bytes, qos: int, number: int) -> None:
        sink = self._sink
        try:
            sink.put(event_of(text_of(topic), payload, sink.now(), self.fields))
        except UnicodeDecodeError:
            sink.put(dead("", sink.now(), "topic_not_utf8", payload))
        if qos:
            self._owed.append(number)

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
        self._joined = False  # so that our own farewell is no loss
        if self._client.socket() is not None:
            self._flush()
            connection: Any = self._client.socket()
            self._client.disconnect()
            if connection is not None:
                with suppress(OSError):
                    connection.flush()

    def _leave(self) -> None:
        if self._client.socket() is not None:
            self._settle()
        self._close()


def _pending(connection: Any) -> int:
    return int(connection.pending())
