"""One end of a connection: heads, bodies and raw bytes, each within bounds of size and of silence."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from trueup.domains.automation.egress.proxy_wire import HEAD, WireRefused, chunk_size, header_lines

CHUNK = 1 << 16
"""Bytes that are moved at a time."""
_LINE = 8_192


@dataclass(frozen=True, slots=True)
class Limits:
    """What the proxy takes on.

    Args:
        connections: of the browser at a time.
        request, response: bytes of one body; of a WebSocket or tunnel, of all that goes each way.
        connect: seconds for a connection and its handshake.
        idle: seconds of silence after which a connection is closed.
        recheck: seconds after which a WebSocket or tunnel is decided about again.
    """

    connections: int = 256
    request: int = 64 << 20
    response: int = 256 << 20
    connect: float = 20.0
    idle: float = 60.0
    recheck: float = 2.0


class Closed(Exception):
    """The other end closed the connection in the middle of something."""


class TooLarge(Exception):
    """More bytes came than a body may have."""


class Wire:
    """Reads and writes one end of a connection.

    Args:
        idle: seconds of silence after which ``TimeoutError`` is raised; None where somebody else watches.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle: float | None) -> None:
        self.reader, self.writer, self.idle = reader, writer, idle
        self._held = bytearray()

    @property
    def holds(self) -> bool:
        """Whether bytes came that nobody has asked for yet."""
        return bool(self._held)

    async def _more(self) -> bool:
        async with asyncio.timeout(self.idle):
            data = await self.reader.read(CHUNK)
        self._held += data
        return bool(data)

    async def _until(self, mark: bytes, most: int) -> bytes | None:
        """Return what comes before a mark; None where the connection ended before anything came."""
        start = 0
        while (at := self._held.find(mark, start)) < 0:
            if len(self._held) > most:
                raise WireRefused("head_size", f"more than {most} bytes of headers")
            start = max(0, len(self._held) - len(mark) + 1)
            if not await self._more():
                if self._held:
                    raise Closed
                return None
        if at > most:
            raise WireRefused("head_size", f"more than {most} bytes of headers")
        found = bytes(self._held[:at])
        del self._held[: at + len(mark)]
        return found

    async def head(self) -> bytes | None:
        """Return a message's head without the empty line; None where no further message came."""
        return await self._until(b"\r\n\r\n", HEAD)

    async def _line(self) -> bytes:
        found = await self._until(b"\r\n", _LINE)
        if found is None:
            raise Closed
        return found

    async def some(self, most: int = CHUNK) -> bytes:
        """Return bytes that came; none at the end."""
        if not self._held and not await self._more():
            return b""
        found = bytes(self._held[:most])
        del self._held[:most]
        return found

    async def body(self, length: int | None, most: int) -> AsyncIterator[bytes]:
        """Give a body piece by piece.

        Args:
            length: None for chunks, -1 for up to the end.
            most: bytes that it may have.

        Raises:
            TooLarge: it has more.
            Closed: it ended too early.
            WireRefused: its chunks are none.
        """
        if length is not None and length > most:
            raise TooLarge
        seen = 0
        pieces = self._chunks() if length is None else self._plain(length)
        async for piece in pieces:
            seen += len(piece)
            if seen > most:
                raise TooLarge
            yield piece

    async def _plain(self, length: int) -> AsyncIterator[bytes]:
        left = length
        while left:
            piece = await self.some(min(left, CHUNK) if left > 0 else CHUNK)
            if not piece:
                if left > 0:
                    raise Closed
                return
            left -= len(piece) if left > 0 else 0
            yield piece

    async def _chunks(self) -> AsyncIterator[bytes]:
        while left := chunk_size(await self._line()):
            while left:
                piece = await self.some(min(left, CHUNK))
                if not piece:
                    raise Closed
                left -= len(piece)
                yield piece
            if await self._line():
                raise WireRefused("chunk", "a chunk is longer than it says")
        lines = []
        while line := await self._line():
            lines.append(line)
            if len(lines) > 100:
                raise WireRefused("head_size", "more than 100 trailers")
        header_lines(b"\r\n".join(lines))

    async def send(self, data: bytes) -> None:
        """Write, and wait until the other end keeps up."""
        self.writer.write(data)
        async with asyncio.timeout(self.idle):
            await self.writer.drain()

    def abort(self) -> None:
        """Close at once, dropping what was not sent."""
        self.writer.transport.abort()

    async def close(self) -> None:
        """Close after what was written is sent, within a second."""
        self.writer.close()
        try:
            async with asyncio.timeout(1):
                await self.writer.wait_closed()
        except (OSError, TimeoutError):
            self.abort()
