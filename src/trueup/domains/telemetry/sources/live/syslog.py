"""Syslog over datagrams, streams, TLS and Unix sockets, and from files.

Syslog has no acknowledgement: what a socket handed over and is not committed yet is lost when this process is killed. A commit
follows within a tenth of a second. Only a followed file can be read again.

References:
    RFC 5426 (UDP), RFC 6587 (TCP), RFC 5425 (TLS); socket(7), ``SO_RXQ_OVFL``.
"""

import selectors
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Protocol

from trueup.domains.telemetry.sources.live.event import MAX_PAYLOAD, Dead, Event, dead
from trueup.domains.telemetry.sources.live.follow import Line, Place
from trueup.domains.telemetry.sources.live.sink import Sink
from trueup.domains.telemetry.sources.live.sockets import Address, Drops, bind_datagram, bind_stream
from trueup.domains.telemetry.sources.live.syslog_frames import Deframer, Frame
from trueup.domains.telemetry.sources.live.syslog_parse import parse
from trueup.domains.telemetry.sources.live.tail import PLACE, FileSource
from trueup.kernel.errors import UnreadableInput

POLL_SECONDS = 0.05
READ = 1 << 18
TURN = 1_000  # datagrams that are taken before the other sockets have their turn
CONNECTIONS = 512
DROPS_SECONDS = 1.0


def event_of(line: bytes, received: int, zone: tzinfo = UTC, *, key: bytes | None = None) -> Event:
    """Return a syslog message as an event; its topic is ``host/program``, its metric the program without its process id."""
    found = parse(line, received, zone=zone)
    topic = f"{found.host or '-'}/{found.app or '-'}"
    return Event(topic, line, received, key, None, found.time, found.app, found.grammar == "raw")


@dataclass(frozen=True, slots=True)
class FileLines:
    """Lines of a syslog file; the key of each is its place in the file."""

    zone: tzinfo = UTC

    def read(self, line: Line, sink: Sink) -> Event | Dead | None:
        """Return the line as an event; an empty one is none."""
        if line.too_long:
            return dead("-/-", sink.now(), "too_long", line.data, size=line.size)
        if not line.data:
            return None
        key = b"o" + line.turn.to_bytes(4, "big") + line.offset.to_bytes(8, "big")
        return event_of(line.data, sink.now(), self.zone, key=key)


def syslog_file(path: Path, cursors: dict[str, str], *, follow: bool, zone: tzinfo = UTC) -> FileSource:
    """Return a source that reads a syslog file, through rotations.

    Raises:
        UnreadableInput: there is none.
    """
    if not path.is_file():
        raise UnreadableInput(f"{path}: there is no such file", remedy="name a readable file")
    place = Place.parse(cursors[PLACE]) if PLACE in cursors else None
    return FileSource(path, FileLines(zone), place=place, follow=follow, kind="syslog")


class _Door(Protocol):
    """One registered socket."""

    socket: socket.socket

    def readable(self, sink: Sink) -> None:
        """Take what is there."""

    def close(self, sink: Sink) -> None:
        """Take what is left and release it."""


@dataclass
class SyslogSource:
    """Listens for syslog messages.

    Args:
        addresses: where; port 0 takes a free one (see ``bound``).
        tls: of ``tls://`` addresses.
        zone: of senders that name none.
        told: told where it listens, once it does.
    """

    addresses: Sequence[Address]
    tls: ssl.SSLContext | None = None
    zone: tzinfo = UTC
    told: Callable[[str], None] = lambda _text: None
    kind: str = "syslog"
    bound: list[str] = field(default_factory=list)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector, init=False)
    _open: dict[int, _Door] = field(default_factory=dict, init=False)

    def run(self, sink: Sink, stop: Callable[[], bool]) -> None:
        """Listen until it is stopped.

        Raises:
            UsageError: an address cannot be listened on.
        """
        try:
            for address in self.addresses:
                self._listen(address)
            for text in self.bound:
                self.told(text)
            sink.live()
            while not stop():
                self._turn(sink)
        finally:
            for door in list(self._open.values()):
                self.forget(door)
                door.close(sink)
            self._selector.close()
            for address in self.addresses:
                address.remove()

    def _listen(self, address: Address) -> None:
        if address.datagrams:
            bound = bind_datagram(address)
            self.add(_Datagrams(bound, self.zone))
        else:
            bound = bind_stream(address)
            self.add(_Listener(bound, self, self.tls if address.scheme == "tls" else None))
        self.bound.append(address.said(bound))

    def _turn(self, sink: Sink) -> None:
        if sink.due and not sink.commit() and sink.full:
            time.sleep(POLL_SECONDS)  # nothing is taken in that could not be kept: senders wait, datagrams are counted
            return
        ready = self._selector.select(POLL_SECONDS)
        for key, _ in ready:
            door: Any = key.data
            door.readable(sink)
            if sink.full:
                return
        if not ready:
            for found in self._open.values():
                if isinstance(found, _Datagrams):
                    found.look(sink)

    def add(self, door: "_Door") -> None:
        """Listen to a socket."""
        self._open[door.socket.fileno()] = door
        self._selector.register(door.socket, selectors.EVENT_READ, door)

    def forget(self, door: "_Door") -> None:
        """Listen to a socket no more."""
        self._open.pop(door.socket.fileno(), None)
        self._selector.unregister(door.socket)

    @property
    def connections(self) -> int:
        """How many streams are open."""
        return sum(isinstance(door, _Stream) for door in self._open.values())


class _Datagrams:
    """One socket of datagrams, each a message."""

    def __init__(self, bound: socket.socket, zone: tzinfo) -> None:
        self.socket = bound
        self._zone, self._drops = zone, Drops(bound)
        self._looked = time.monotonic()

    def readable(self, sink: Sink) -> None:
        for _ in range(TURN):
            if sink.full or not self._one(sink):
                break

    def look(self, sink: Sink) -> None:
        """Ask the kernel what it has dropped since the last datagram that was taken."""
        now = time.monotonic()
        if now - self._looked > DROPS_SECONDS:
            self._looked = now
            if dropped := self._drops.by_the_kernel():
                self._count(sink, dropped)
                sink.commit()

    def _one(self, sink: Sink) -> bool:
        try:
            data, more, flags, _ = self.socket.recvmsg(MAX_PAYLOAD, 64)
        except (BlockingIOError, InterruptedError):
            return False
        if more:
            self._count(sink, self._drops.told(more))
        if flags & socket.MSG_TRUNC:
            sink.put(dead("-/-", sink.now(), "too_long", data))
        elif data := data.rstrip(b"\r\n\0"):
            sink.put(event_of(data, sink.now(), self._zone))
        return True

    @staticmethod
    def _count(sink: Sink, dropped: int) -> None:
        if dropped:
            sink.count("dropped_by_kernel", dropped)

    def close(self, sink: Sink) -> None:
        while self._one(sink):
            if sink.full and not sink.commit():
                break
        self._count(sink, self._drops.by_the_kernel())
        self.socket.close()


class _Listener:
    """One socket that streams are opened on."""

    def __init__(self, bound: socket.socket, source: SyslogSource, tls: ssl.SSLContext | None) -> None:
        self.socket = bound
        self._source, self._tls = source, tls

    def readable(self, sink: Sink) -> None:
        try:
            found, _ = self.socket.accept()
        except OSError:
            return
        if self._source.connections >= CONNECTIONS:
            found.close()
            sink.count("connections_refused", 1)
            return
        found.settimeout(0)
        if self._tls is not None:
            found = self._tls.wrap_socket(found, server_side=True, do_handshake_on_connect=False)
        self._source.add(_Stream(found, self._source))

    def close(self, sink: Sink) -> None:  # noqa: ARG002 - every door is closed in the same way
        self.socket.close()


class _Stream:
    """One connection."""

    def __init__(self, found: socket.socket, source: SyslogSource) -> None:
        self.socket = found
        self._source, self._frames = source, Deframer()
        self._shaking = isinstance(found, ssl.SSLSocket)
        self._zone = source.zone

    def readable(self, sink: Sink) -> None:
        if self._take(sink):
            return
        self._source.forget(self)
        self.close(sink)

    def _take(self, sink: Sink) -> bool:
        """Take what is there; False when the connection is over."""
        try:
            if self._shaking and isinstance(self.socket, ssl.SSLSocket):
                self.socket.do_handshake()
                self._shaking = False
            while data := self.socket.recv(READ):
                for frame in self._frames.feed(data):
                    self._put(frame, sink)
                if sink.full and not getattr(self.socket, "pending", int)():
                    return True
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        except OSError:
            if self._shaking:
                sink.count("handshakes_failed", 1)
        return False

    def _put(self, frame: Frame, sink: Sink) -> None:
        if self._frames.irregular:
            sink.count("irregular_frames", self._frames.irregular)
            self._frames.irregular = 0
        if frame.too_long:
            sink.put(dead("-/-", sink.now(), "too_long", frame.data, size=frame.size))
        elif data := frame.data.rstrip(b"\r\n\0"):
            sink.put(event_of(data, sink.now(), self._zone))

    def close(self, sink: Sink) -> None:
        if self._source.connections >= 0 and not self._shaking:
            self._drain(sink)
        last = self._frames.end()
        if last is not None:
            sink.count("cut_short", int(not last.whole and last.too_long))
            self._put(last, sink)
        self.socket.close()

    def _drain(self, sink: Sink) -> None:
        """Take what the kernel holds already, so that a stop loses nothing that was sent before it."""
        try:
            while data := self.socket.recv(READ):
                for frame in self._frames.feed(data):
                    self._put(frame, sink)
                if sink.full and not sink.commit():
                    return
        except OSError:
            return
