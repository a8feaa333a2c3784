"""Connections to targets: to the one address that was decided about, with a certificate that we verify ourselves."""

import asyncio
import ssl
import time
from collections import defaultdict

from trueup.domains.automation.egress.gate import Way
from trueup.domains.automation.egress.proxy_io import Limits, Wire
from trueup.domains.automation.engine.addresses import Address

KEEP = 15.0
"""Seconds that an unused connection is kept."""
_EACH = 6

type Key = tuple[str, str, int, Address]


class UpstreamFailed(Exception):
    """Nothing, or nothing whole, came back; ``kind`` says why, in one word."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Upstreams:
    """The connections of one run; closed at its end.

    Args:
        trust: certificates that are trusted.
    """

    def __init__(self, trust: ssl.SSLContext, limits: Limits) -> None:
        self._trust, self._limits = trust, limits
        self._free: dict[Key, list[tuple[float, Wire]]] = defaultdict(list)

    async def connect(self, way: Way) -> Wire:
        """Open a connection to where a hop leads; ``https`` and ``wss`` with TLS for its name.

        Raises:
            UpstreamFailed: there is none, or its certificate is not one for this name that is trusted.
        """
        secure = way.target.scheme in ("https", "wss")
        return await self._opened(way, self._trust if secure else None)

    async def connect_plainly(self, way: Way) -> Wire:
        """Open a connection without TLS, for a tunnel through which the browser speaks itself.

        Raises:
            UpstreamFailed: there is none.
        """
        return await self._opened(way, None)

    async def _opened(self, way: Way, trust: ssl.SSLContext | None) -> Wire:
        try:
            async with asyncio.timeout(self._limits.connect):
                reader, writer = await asyncio.open_connection(
                    str(way.address), way.target.port, ssl=trust, server_hostname=way.target.host if trust else None
                )
        except (OSError, TimeoutError, ValueError) as exc:
            raise UpstreamFailed(failure(exc)) from exc
        return Wire(reader, writer, self._limits.idle)

    def reuse(self, way: Way) -> Wire | None:
        """Return a kept connection to the same place, by name, scheme and address; None where there is none."""
        kept = self._free.get(_key(way), [])
        while kept:
            since, wire = kept.pop()
            # bytes that nobody asked for would be taken for the next answer
            if time.monotonic() - since < KEEP and not wire.holds and not wire.reader.at_eof():
                return wire
            wire.abort()
        return None

    def keep(self, way: Way, wire: Wire) -> None:
        """Keep a connection for the next hop to the same place."""
        kept = self._free[_key(way)]
        if wire.holds or len(kept) >= _EACH:
            wire.abort()
        else:
            kept.append((time.monotonic(), wire))

    def close(self) -> None:
        """Close what is kept."""
        for kept in self._free.values():
            for _, wire in kept:
                wire.abort()
        self._free.clear()


def _key(way: Way) -> Key:
    return way.target.scheme, way.target.host, way.target.port, way.address


def failure(exc: BaseException) -> str:
    """Return the kind of a failure in one word, as records name it."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(exc, ssl.SSLError):
        return "tls"
    if isinstance(exc, TimeoutError):
        return "timeout"
    if isinstance(exc, ConnectionResetError | BrokenPipeError):
        return "reset"
    return "connect" if isinstance(exc, OSError) else "protocol"
