"""Asking name servers for TXT records, over UDP and, where the answer is long, over TCP."""

import asyncio
import secrets
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from trueup.domains.automation.engine.dns import Cut, DnsFailed, answers, question
from trueup.kernel.errors import ConfigurationError

SECONDS = 3.0
"""How long one server is waited for; each is asked twice."""
_RESOLV = Path("/etc/resolv.conf")
_LENGTH = struct.Struct("!H")


@dataclass(frozen=True, slots=True)
class Server:
    """A name server."""

    host: str
    port: int = 53


def servers(setting: str, resolv: Path = _RESOLV) -> tuple[Server, ...]:
    """Return the name servers to ask: those of a setting (``address`` or ``address:port``), else those of the system.

    Raises:
        ConfigurationError: the setting is none, or the system names none.
    """
    if setting:
        return (_server(setting),)
    found = []
    with suppress(OSError):
        for line in resolv.read_text(errors="replace").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                with suppress(ValueError):
                    found.append(Server(str(ip_address(words[1].partition("%")[0]))))
    if not found:
        raise ConfigurationError("this machine names no name server", remedy="set TRUEUP_RESOLVER to the address of one")
    return tuple(found[:3])


def _server(text: str) -> Server:
    host, _, port = text.rpartition(":") if text.count(":") == 1 or text.startswith("[") else (text, "", "53")
    with suppress(ValueError):
        if 0 < int(port) < 65_536:
            return Server(str(ip_address(host.strip("[]"))), int(port))
    raise ConfigurationError(
        f"TRUEUP_RESOLVER {text[:60]!r} is no address of a name server", remedy="write 192.0.2.53 or 192.0.2.53:5353"
    )


async def txt(name: str, asked: Sequence[Server], *, seconds: float = SECONDS) -> tuple[str, ...]:
    """Return a name's TXT records; none where the name, or such a record, is not there.

    Raises:
        DnsFailed: no server answered: whether there is one is not known.
    """
    problem = DnsFailed(f"no name server answered for {name}", remedy="try again later, or set TRUEUP_RESOLVER")
    for server in (*asked, *asked):
        number = secrets.randbits(16)
        message = question(name, number)
        try:
            async with asyncio.timeout(seconds):
                try:
                    return await _over_udp(server, message, name, number)
                except Cut:
                    return await _over_tcp(server, message, name, number)
        except DnsFailed as exc:
            problem = exc
        except (OSError, TimeoutError, asyncio.IncompleteReadError, Cut):
            continue
    raise problem


class _Datagrams(asyncio.DatagramProtocol):
    """Waits for the one answer that is to the question; what else comes is passed over."""

    def __init__(self, name: str, number: int, done: "asyncio.Future[tuple[str, ...]]") -> None:
        self._name, self._number, self._done = name, number, done

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """Look at a datagram; the socket is connected, so it came from the server."""
        if self._done.done():
            return
        try:
            found = answers(data, self._name, self._number)
        except (Cut, DnsFailed) as exc:
            self._done.set_exception(exc)
        else:
            if found is not None:
                self._done.set_result(found)

    def error_received(self, exc: Exception) -> None:
        """Note that the server is not there."""
        if not self._done.done():
            self._done.set_exception(exc)


async def _over_udp(server: Server, message: bytes, name: str, number: int) -> tuple[str, ...]:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[str, ...]] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Datagrams(name, number, done), remote_addr=(server.host, server.port)
    )
    try:
        transport.sendto(message)
        return await done
    finally:
        transport.close()


async def _over_tcp(server: Server, message: bytes, name: str, number: int) -> tuple[str, ...]:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        writer.write(_LENGTH.pack(len(message)) + message)
        await writer.drain()
        (length,) = _LENGTH.unpack(await reader.readexactly(2))
        found = answers(await reader.readexactly(length), name, number)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    if found is None:
        raise DnsFailed("the name server answers another question")
    return found
