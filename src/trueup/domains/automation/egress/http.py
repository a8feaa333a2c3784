"""Fetching over HTTP through the gate: bounded in bytes, time and redirects, decided again at every one of them.

References:
    RFC 9110 (HTTP semantics), sections 7.6.1 (connection), 10.2.3 (Retry-After), 15.4 (redirects).
"""

import asyncio
import re
import ssl
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from trueup.domains.automation.egress.bodies import Body, Gathered
from trueup.domains.automation.egress.gate import Gate, HopRefused, Way
from trueup.domains.automation.egress.trust import system_trust
from trueup.domains.automation.engine.urls import Target
from trueup.kernel.errors import TrueupError, UsageError

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TOKEN = re.compile(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")
_VALUE = re.compile(r"^[\x20-\x7e\x80-\xff\t]{0,4000}$")
# who we are, where we connect and how the message is framed are not for callers to say
_OURS = frozenset(
    {"host", "user-agent", "connection", "keep-alive", "transfer-encoding", "content-length", "upgrade", "te", "trailer", "via",
     "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "proxy-authorization",
     "proxy-connection", "accept-encoding", "expect"}
)  # fmt: skip
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
_MOVED = frozenset({301, 302, 303, 307, 308})
_CHUNK = 1 << 16
_PIECE = 1 << 18
"""Bytes that are unpacked at once, at most: a bomb is noticed before it is large."""


class FetchFailed(TrueupError):
    """Nothing, or nothing whole, came back; ``kind`` says why, in one word."""

    code = "FETCH_FAILED"

    def __init__(self, kind: str, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}", details={"kind": kind, "url": url})
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one fetch may take: bytes on the wire, bytes unpacked, seconds in all, redirects."""

    wire: int = 10 << 20
    unpacked: int = 50 << 20
    seconds: float = 30.0
    redirects: int = 10


@dataclass(frozen=True, slots=True)
class Request:
    """What to fetch."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back.

    Args:
        url: of the last hop.
        headers: with names in lower case; of repeated ones all values, joined by a comma.
        body: unpacked; a large one may lie on disk.
        redirects: how many were followed.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: Body
    redirects: int


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers that a caller may set, with names in lower case.

    Raises:
        UsageError: a name or value is none, or is not the caller's to say.
    """
    found = {}
    for name, value in headers.items():
        if not _TOKEN.match(name) or not _VALUE.match(value) or value != value.strip():
            raise UsageError(f"{name!a} is no header that can be sent", remedy="use visible characters, without line breaks")
        if name.lower() in _OURS:
            raise UsageError(f"{name} is not for callers to set", remedy="leave it out")
        found[name.lower()] = value
    return found


def connections(most: int = 100) -> aiohttp.ClientSession:
    """Open a pool of connections, inside the loop; each is to one checked address, for one name where it is secure."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=most, ttl_dns_cache=0, use_dns_cache=False),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


class Fetcher:
    """Fetches through a gate; one for each run, closed at its end.

    Args:
        agent: the honest name: product, version, contact.
        trust: certificates that are trusted; those of the system by default.
        pool: connections that several share and somebody else closes; its own by default.
        spill: folder for large bodies; by default they are held in memory.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        agent: str,
        bounds: Bounds | None = None,
        trust: ssl.SSLContext | None = None,
        pool: aiohttp.ClientSession | None = None,
        spill: Path | None = None,
    ) -> None:
        self._gate = gate
        self._agent = agent
        self._bounds = bounds or Bounds()
        self._trust = trust or system_trust()
        self._pool = pool
        self._spill = spill
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Fetcher":
        """Open the connections' pool."""
        self._session = self._pool or connections()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection that is its own."""
        if self._session is not None and self._session is not self._pool:
            await self._session.close()

    async def fetch(self, request: Request) -> Response:
        """Fetch, following redirects that are allowed.

        Raises:
            HopRefused: a hop is not allowed; nothing was sent over it.
            FetchFailed: nothing whole came back within the bounds.
            UsageError: the request cannot be sent.
        """
        if request.method not in METHODS:
            raise UsageError(
                f"{request.method!a} is no method that can be sent", remedy=f"use one of {', '.join(sorted(METHODS))}"
            )
        headers = checked_headers(request.headers)
        try:
            async with asyncio.timeout(self._bounds.seconds):
                return await self._follow(request, headers)
        except TimeoutError:
            raise FetchFailed("timeout", request.url, f"no whole answer within {self._bounds.seconds:g} s") from None

    async def _follow(self, request: Request, headers: dict[str, str]) -> Response:
        url, method, body = request.url, request.method, request.body
        came_from: Target | None = None
        for redirects in range(self._bounds.redirects + 1):
            way = await self._gate.open(url, method=method, came_from=came_from)
            try:
                if came_from is not None:
                    self._may_follow(came_from, way)
                    if came_from.origin != way.target.origin:
                        headers = {name: value for name, value in headers.items() if name not in _CREDENTIALS}
                status, answered, content = await self._once(way, method, headers, body)
            finally:
                await self._gate.close(way)
            place = answered.get("location", "")
            if status not in _MOVED or not place:
                return Response(way.target.url, status, answered, content, redirects)
            url, came_from = urljoin(way.target.url, place), way.target
            if status == 303 or (status in (301, 302) and method == "POST"):
                method, body = ("HEAD" if method == "HEAD" else "GET"), b""
        raise FetchFailed("redirects", url, f"more than {self._bounds.redirects} redirects")

    def _may_follow(self, came_from: Target, way: Way) -> None:
        if came_from.scheme == "https" and way.target.scheme == "http":
            raise self._gate.refuse(way, "egress.redirect.downgrade", "a redirect leads from https to http")

    async def _once(self, way: Way, method: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], Body]:
        """Make one hop to the address that was decided about."""
        if self._session is None:
            raise RuntimeError("a fetcher is used as a context manager")
        target = way.target
        host = f"[{way.address}]" if way.address.version == 6 else str(way.address)
        secure = target.scheme in ("https", "wss")
        plain_port = target.port == (443 if secure else 80)
        named = f"[{target.host}]" if ":" in target.host else target.host
        sent = {
            "Host": named if plain_port else f"{named}:{target.port}",
            "User-Agent": self._agent,
            "Accept-Encoding": "gzip, deflate",
            **headers,
            **self._gate.told(way),
        }
        options: dict[str, Any] = {"ssl": self._trust, "server_hostname": target.host} if secure else {}
        way.hop.sent = len(body)
        try:
            async with self._session.request(
                method,
                URL(f"{'https' if secure else 'http'}://{host}:{target.port}{target.path}", encoded=True),
                headers=sent,
                data=body or None,
                allow_redirects=False,
                **options,
            ) as answer:
                way.hop.status = answer.status
                content: Body = b"" if method == "HEAD" else await self._read(way, answer)
                return answer.status, _headers(answer), content
        except (aiohttp.ClientError, OSError, ssl.SSLError, ValueError) as exc:
            kind = _kind(exc)
            way.hop.outcome = kind
            raise FetchFailed(kind, target.url, _words(kind)) from exc

    async def _read(self, way: Way, answer: aiohttp.ClientResponse) -> Body:
        unpack = _unpacker(answer.headers.get("Content-Encoding", ""))
        if unpack is None:
            raise self._cut(way, "encoding", "its encoding is none that was asked for")
        with Gathered(self._spill) as gathered:
            async for chunk in answer.content.iter_chunked(_CHUNK):
                way.hop.received += len(chunk)
                if way.hop.received > self._bounds.wire:
                    raise self._cut(way, "too_large", f"more than {self._bounds.wire} bytes")
                for part in unpack(chunk):
                    if gathered.size + len(part) > self._bounds.unpacked:
                        raise self._cut(way, "too_large", f"more than {self._bounds.unpacked} bytes when unpacked")
                    gathered.add(part)
            return gathered.whole()

    @staticmethod
    def _cut(way: Way, kind: str, reason: str) -> FetchFailed:
        way.hop.outcome = kind
        return FetchFailed(kind, way.target.url, reason)


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in answer.headers.items():
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def _unpacker(encoding: str) -> Callable[[bytes], Iterable[bytes]] | None:
    """Return what unpacks a body into pieces of bounded length; None for an encoding that was not asked for."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return lambda data: (data,)
    if name not in ("gzip", "x-gzip", "deflate"):
        return None
    packed = zlib.decompressobj(wbits=47 if "gzip" in name else 15)

    def unpack(data: bytes) -> Iterable[bytes]:
        piece = b""
        while data or len(piece) == _PIECE:  # a whole piece may have more behind it, that is unpacked already
            try:
                piece = packed.decompress(data, _PIECE)
            except zlib.error as exc:
                raise ValueError("the body cannot be unpacked") from exc
            data = packed.unconsumed_tail
            yield piece

    return unpack


def _kind(exc: BaseException) -> str:
    if isinstance(exc, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(exc, aiohttp.ClientSSLError | ssl.SSLError):
        return "tls"
    if isinstance(exc, aiohttp.ClientConnectorError):
        return "connect"
    if isinstance(exc, aiohttp.ServerDisconnectedError | ConnectionError):
        return "reset"
    return "protocol"


def _words(kind: str) -> str:
    return {
        "certificate": "its certificate is not one for this name that is trusted",
        "tls": "no secure connection could be made",
        "connect": "no connection could be made",
        "reset": "the connection was cut off",
    }.get(kind, "its answer is not HTTP, or cannot be unpacked")


__all__ = ["Bounds", "FetchFailed", "Fetcher", "HopRefused", "Request", "Response", "checked_headers"]
