"""NATS JetStream: a durable pull consumer, acknowledged message by message once each is on the disk.

One thread owns the connection and drives it; between two turns nothing happens on it, and the store is asked only then. What was
received and not acknowledged when a connection breaks is kept: the server sends it again, and its key tells that it is known.

References:
    NATS documentation, "Consumers" (pull, durable, explicit acknowledgement, AckWait, MaxDeliver, MaxAckPending).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

from trueup.domains.telemetry.sources.live.event import Dead, Event, dead
from trueup.domains.telemetry.sources.live.nats_client import Access, Arrived, Link, Server
from trueup.domains.telemetry.sources.live.nats_faults import NotJoinedError, without_noise
from trueup.domains.telemetry.sources.live.payload import Fields, event_of
from trueup.domains.telemetry.sources.live.sink import TRANSPORT, Backoff, Sink

POLL_SECONDS = 0.05


@dataclass
class JetStreamSource:
    """A consumer of one stream.

    Args:
        server: whose.
        fields: which fields of a message say which one it is to its sender.
    """

    server: Server
    fields: Fields = field(default_factory=Fields)
    kind: str = "nats"
    _access: Access = field(init=False, repr=False)
    _runner: asyncio.Runner = field(init=False, repr=False)
    _sink: Sink = field(init=False, repr=False)
    _link: Link | None = field(default=None, init=False, repr=False)
    _owed: list[bytes] = field(default_factory=list, init=False, repr=False)
    _ever: bool = field(default=False, init=False)
    _backoff: Backoff = field(default_factory=Backoff, init=False)

    def __post_init__(self) -> None:
        self._access = Access(self.server)

    def run(self, sink: Sink, stop: Callable[[], bool]) -> None:
        """Listen until it is stopped, through losses of the server.

        Raises:
            Refused: the server lets nobody in by these credentials, or not to this stream.
            ConfigurationError: it has no such stream, or no JetStream, or the consumer is not ours.
        """
        self._sink = sink
        with without_noise(), asyncio.Runner() as self._runner:
            try:
                while not stop():
                    if self._link is None:
                        self._connect(stop)
                    else:
                        self._turn(self._link)
            finally:
                self._leave()

    def _connect(self, stop: Callable[[], bool]) -> None:
        # The server sends again what was not acknowledged: with nowhere to keep it, it must not come yet.
        if not self._backoff.ready or self._sink.full:
            self._sink.commit()
            time.sleep(POLL_SECONDS)
            return
        link = Link(self.server, self._access)
        joining = self._runner.get_loop().create_task(link.join())
        while not joining.done() and not stop():
            self._runner.run(asyncio.wait({joining}, timeout=POLL_SECONDS))
        joining.cancel()
        self._runner.run(asyncio.wait({joining}))
        fault = None if joining.cancelled() else joining.exception()
        if fault is None and not joining.cancelled():
            self._joined(link)
            return
        self._runner.run(link.close())
        if isinstance(fault, NotJoinedError):
            if fault.error is not None and not self._ever:
                raise fault.error
            self._away(fault.reason)
        elif fault is not None:
            raise fault

    def _joined(self, link: Link) -> None:
        if self._ever:
            self._sink.count("reconnects", 1)
        self._link, self._ever = link, True
        self._backoff.went_well()
        self._sink.well(TRANSPORT)
        self._sink.live()

    def _turn(self, link: Link) -> None:
        """Take what is there; commit and acknowledge when nothing more is there at once, or when much was taken."""
        sink = self._sink
        if sink.full and not self._settle(link):
            self._runner.run(link.listen(POLL_SECONDS / 5))  # the connection is kept alive while nothing can be kept
            return
        if self._take(link):
            return
        settled = self._settle(link) if self._owed or sink.due else True
        if link.lost:
            self._drop(link)
            return
        if settled and not link.asking and not link.arrived:
            self._runner.run(link.ask(sink.room))
        self._runner.run(link.listen(POLL_SECONDS))

    def _take(self, link: Link) -> bool:
        """Take up to a batch of what is there; tell whether there was something."""
        sink = self._sink
        if not link.arrived:
            self._runner.run(link.listen(0))
            if odd := link.odd():
                sink.count("irregular_frames", odd)
        arrived = link.arrived
        if not arrived:
            return False
        while arrived and not sink.full:
            one = arrived.popleft()
            sink.put(event_from(one, sink.now(), self.fields))
            self._owed.append(one.reply)
        return True

    def _settle(self, link: Link) -> bool:
        """Make durable, then acknowledge."""
        if not self._sink.commit():
            return False
        owed, self._owed = self._owed, []
        if owed:
            self._runner.run(link.acknowledge(owed))
        return True

    def _drop(self, link: Link) -> None:
        """Give up a connection that is of no use any more; what came over it and was not stored comes again."""
        self._link = None
        self._owed.clear()
        reason = link.lost
        self._runner.run(link.close())
        self._away(reason)

    def _away(self, reason: str) -> None:
        self._backoff.failed()
        self._sink.fault(TRANSPORT, reason)

    def _leave(self) -> None:
        """Store and acknowledge what is there or under way; what cannot be stored comes again at the next start."""
        link, self._link = self._link, None
        if link is None:
            return
        self._runner.run(link.quiet())
        self._settle(link)
        while self._take(link) and self._settle(link):
            pass
        self._runner.run(link.close())


def event_from(one: Arrived, received: int, fields: Fields) -> Event | Dead:
    """Return a message as an event under the key that the stream gives it, or as a dead letter with its reason."""
    try:
        topic = topic_of(one.subject)
    except UnicodeDecodeError:
        return dead("", received, "topic_not_utf8", one.data)
    found = event_of(topic, one.data, received, fields, keyed=False)
    return found._replace(key=key_from(one)) if isinstance(found, Event) else found


@lru_cache(maxsize=4096)
def topic_of(subject: bytes) -> str:
    """Return a subject as text."""
    return subject.decode()


@lru_cache(maxsize=64)
def _digest(stream: bytes) -> bytes:
    return blake2b(stream, digest_size=12).digest()


def key_from(one: Arrived) -> bytes:
    """Return the key of a message within its source: stream, the stream's number of it, and when the stream took it.

    A stream that was made anew counts from 1 again: the time tells its messages from those of the one before.
    """
    return _digest(one.stream) + b"n" + one.number.to_bytes(8, "big") + one.taken.to_bytes(8, "big")
