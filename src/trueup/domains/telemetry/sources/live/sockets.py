"""Sockets that syslog comes in by: addresses, and what the kernel dropped."""

import os
import socket
import stat
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from trueup.kernel.errors import UsageError

SCHEMES = ("udp", "tcp", "tls", "unix", "unix-dgram")
DEFAULT_PORTS = {"udp": 514, "tcp": 601, "tls": 6514}
BUFFER = 16 << 20
_SO_RXQ_OVFL, _SO_RCVBUFFORCE = 40, 33  # Linux; Python names neither
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen.

    Args:
        scheme: ``udp``, ``tcp``, ``tls``, ``unix`` (a stream) or ``unix-dgram``.
        host: of a network address.
        port: of a network address; 0 for any that is free.
        path: of a Unix socket.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Return the address that a text names (``udp://127.0.0.1:5514``, ``unix-dgram:///run/rig.sock``).

        Raises:
            UsageError: it names none.
        """
        scheme, colon, rest = text.partition("://")
        if not colon or scheme not in SCHEMES:
            raise UsageError(f"{text!r} is no address to listen on", remedy=f"begin it with one of {', '.join(SCHEMES)} and ://")
        if scheme.startswith("unix"):
            if not rest:
                raise UsageError(f"{text!r} names no path", remedy="write unix:///path/of/the/socket")
            return cls(scheme, path=rest)
        host, separator, port = rest.rpartition(":")
        if not separator:
            host, port = rest, str(DEFAULT_PORTS[scheme])
        if not port.isascii() or not port.isdigit() or int(port) > 65_535 or not host:
            raise UsageError(f"{text!r} names no host and port", remedy=f"write {scheme}://127.0.0.1:PORT")
        return cls(scheme, host.strip("[]"), int(port))

    @property
    def datagrams(self) -> bool:
        """Whether each packet is a message."""
        return self.scheme in ("udp", "unix-dgram")

    def said(self, bound: socket.socket) -> str:
        """Return it as a text, with the port that was taken."""
        if self.path:
            return f"{self.scheme}://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{bound.getsockname()[1]}"

    def remove(self) -> None:
        """Remove the socket's file."""
        if self.path:
            with suppress(OSError):
                Path(self.path).unlink()


def bind_datagram(address: Address) -> socket.socket:
    """Return a socket that datagrams come in by, with a large buffer that counts what it drops.

    Raises:
        UsageError: the address cannot be had.
    """
    bound = _made(address, socket.SOCK_DGRAM)
    with suppress(OSError):
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    with suppress(OSError):
        bound.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER)
    with suppress(OSError):
        bound.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
    return bound


def bind_stream(address: Address) -> socket.socket:
    """Return a socket that connections come in by.

    Raises:
        UsageError: the address cannot be had.
    """
    bound = _made(address, socket.SOCK_STREAM)
    bound.listen(_BACKLOG)
    return bound


def _made(address: Address, kind: socket.SocketKind) -> socket.socket:
    try:
        if address.path:
            _clear(Path(address.path), kind)
            found = socket.socket(socket.AF_UNIX, kind)
            where: str | tuple[str, int] = address.path
        else:
            family = socket.getaddrinfo(address.host, address.port, type=kind)[0][0]
            found = socket.socket(family, kind)
            where = (address.host, address.port)
            if kind is socket.SOCK_STREAM:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.settimeout(0)
        try:
            found.bind(where)
        except OSError:
            found.close()
            raise
    except OSError as exc:
        place = address.path or f"{address.host}:{address.port}"
        raise UsageError(
            f"cannot listen on {address.scheme}://{place}: {exc.strerror or exc}",
            remedy="choose an address of this machine that is free (ports below 1024 need the right to them)",
        ) from None
    return found


def _clear(path: Path, kind: socket.SocketKind) -> None:
    """Remove the socket file of a listener that is gone."""
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return
    with socket.socket(socket.AF_UNIX, kind) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()


class Drops:
    """What the kernel dropped at a socket because its buffer was full.

    The kernel tells the sum so far with each datagram (``SO_RXQ_OVFL``), and ``/proc/net/udp`` holds it for what was dropped
    after the last one.
    """

    def __init__(self, bound: socket.socket) -> None:
        self._inode = os.fstat(bound.fileno()).st_ino
        self._udp = bound.family != socket.AF_UNIX
        self._known = 0

    def told(self, ancillary: Sequence[tuple[int, int, bytes]]) -> int:
        """Return how many more were dropped, as a datagram tells it."""
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_RXQ_OVFL and len(data) >= 4:
                return self._more(int(struct.unpack("=I", data[:4])[0]))
        return 0

    def by_the_kernel(self) -> int:
        """Return how many more were dropped, as the kernel's table tells it; 0 where it has none."""
        if not self._udp:
            return 0
        for table in ("/proc/net/udp", "/proc/net/udp6"):
            with suppress(OSError, ValueError, IndexError), Path(table).open() as lines:
                for line in lines:
                    cells = line.split()
                    if cells[9] == str(self._inode):
                        return self._more(int(cells[-1]))
        return 0

    def _more(self, total: int) -> int:
        more = (total - self._known) % (1 << 32)
        if more >= 1 << 31:
            return 0  # an older sum than is known
        self._known = total
        return more
