"""The browser's only way out: a proxy on the loopback address that decides about every request with the run's own gate.

TLS ends here, with a certificate that this run's browser alone trusts, so that decisions are about whole URLs and methods; the
target's certificate is verified here. Tunnels that are only decided about by their host are an explicit mode, and recorded so.

No ``Via`` is added (RFC 9110, 7.6.3): browser and proxy are one client, and its name is in ``User-Agent``.
"""

import asyncio
import base64
import contextlib
import hmac
import re
import secrets
import socket
import ssl
from dataclasses import dataclass, field
from typing import cast

from trueup.domains.automation.egress.authority import Authority
from trueup.domains.automation.egress.gate import Gate, HopRefused
from trueup.domains.automation.egress.proxy_exchange import Exchange, refusal
from trueup.domains.automation.egress.proxy_hops import Hops, agrees
from trueup.domains.automation.egress.proxy_io import Closed, Limits, TooLarge, Wire
from trueup.domains.automation.egress.proxy_upstream import UpstreamFailed, Upstreams
from trueup.domains.automation.egress.proxy_wire import RequestHead, WireRefused, request_head
from trueup.domains.automation.egress.trust import system_trust
from trueup.domains.automation.egress.websocket import relay
from trueup.domains.automation.engine.urls import Target, UrlRefused, read

_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}")
_TLS = 0x16
_BROKEN = (Closed, TooLarge, OSError, TimeoutError)


@dataclass(slots=True)
class Counts:
    """What the proxy itself turned away, before any hop."""

    unknown: int = 0  # without the credential
    busy: int = 0
    malformed: int = 0


@dataclass(slots=True)
class Proxy:
    """One run's proxy; used as a context manager inside the run's event loop.

    Args:
        gate: decides and records.
        agent: the honest name: product, version, contact.
        trust: certificates that targets may have; those of the system by default.
        tunnel_only: relay TLS as it is, deciding about the host alone.
    """

    gate: Gate
    agent: str
    trust: ssl.SSLContext | None = None
    limits: Limits = field(default_factory=Limits)
    tunnel_only: bool = False
    authority: Authority = field(default_factory=Authority)
    user: str = "run"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    counts: Counts = field(default_factory=Counts)
    port: int = 0
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _upstreams: Upstreams = field(init=False)
    _hops: Hops = field(init=False)

    def __post_init__(self) -> None:
        """Make what all connections share."""
        trust = self.trust or system_trust()
        self._upstreams = Upstreams(trust, self.limits)
        self._hops = Hops(self.gate, self.agent)

    async def __aenter__(self) -> "Proxy":
        """Listen on a free port of the loopback address."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        self._upstreams.close()

    @property
    def address(self) -> str:
        """Where the browser finds it."""
        return f"http://127.0.0.1:{self.port}"

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer, self.limits.idle)
        if len(self._open) >= self.limits.connections:
            self.counts.busy += 1
            await _last_word(wire, refusal(503, "egress.proxy.busy", "too many connections"))
            return
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        try:
            await self._answered(wire)
        except asyncio.CancelledError:
            # the streams of asyncio report a handler that ends cancelled as an error of the program
            wire.abort()

    async def _answered(self, wire: Wire) -> None:
        try:
            await self._serve(wire)
        except WireRefused as refused:
            self.counts.malformed += 1
            await _last_word(wire, refusal(400, refused.rule, refused.reason))
        except _BROKEN:
            wire.abort()
        finally:
            await wire.close()

    async def _serve(self, wire: Wire) -> None:
        """Answer the requests of one connection until it becomes a tunnel or ends."""
        exchange = Exchange(self._hops, self._upstreams, self.limits)
        while (raw := await wire.head()) is not None:
            head = request_head(raw)
            if not self._known(head):
                self.counts.unknown += 1
                await _last_word(wire, refusal(407, "egress.proxy.credential", "this proxy is one run's own"))
                return
            if head.method == "CONNECT":
                await self._tunnel(wire, head)
                return
            if not await exchange.one(wire, head, absolute(head)):
                return

    def _known(self, head: RequestHead) -> bool:
        given = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        said = head.one("proxy-authorization")
        return hmac.compare_digest(said.encode("latin-1"), f"Basic {given}".encode())

    async def _tunnel(self, wire: Wire, head: RequestHead) -> None:
        if not _AUTHORITY.fullmatch(head.target) or wire.holds:
            raise WireRefused("connect", "it is no plain request for a tunnel")
        try:
            target = read(f"https://{head.target}/")
        except UrlRefused as refused:
            # refused by name, as a hop would be
            with contextlib.suppress(HopRefused):
                await self.gate.open(f"https://{head.target}/", method="CONNECT", via="tunnel")
            await _last_word(wire, refusal(403, refused.rule, refused.reason))
            return
        agrees(target.url, head)
        if self.tunnel_only:
            await self._relayed(wire, target)
        else:
            await self._ended_here(wire, target)

    async def _relayed(self, wire: Wire, target: Target) -> None:
        """Decide about a host, and pass on what is said to it."""
        try:
            way = await self.gate.open(target.url, method="CONNECT", via="tunnel")
        except HopRefused as refused:
            await _last_word(wire, refusal(403, refused.rules[0], refused.details["reason"]))
            return
        try:
            upstream = await self._upstreams.connect_plainly(way)
            await wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
            way.hop.outcome = await relay(wire, upstream, way.hop, self.limits, lambda: self._hops.may_go_on(way))
        except UpstreamFailed as failed:
            way.hop.outcome = failed.kind
            await _last_word(wire, refusal(502, f"egress.upstream.{failed.kind}", "no connection could be made"))
        finally:
            await self.gate.close(way)

    async def _ended_here(self, wire: Wire, target: Target) -> None:
        """Answer as the host, and decide about each request that is meant for it."""
        transport = cast("asyncio.Transport", wire.writer.transport)
        # held back so that the first byte can be looked at, and TLS begins with it
        transport.pause_reading()
        await wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
        secure = await _first_byte(transport, self.limits.idle) == _TLS
        transport.resume_reading()
        if secure:
            await wire.writer.start_tls(self.authority.context(target.host), ssl_handshake_timeout=self.limits.connect)
        scheme = "https" if secure else "http"
        exchange = Exchange(self._hops, self._upstreams, self.limits)
        while (raw := await wire.head()) is not None:
            head = request_head(raw)
            if not head.target.startswith("/"):
                raise WireRefused("target", "a request inside a tunnel names its path alone")
            named = f"[{target.host}]" if ":" in target.host else target.host
            if not await exchange.one(wire, head, f"{scheme}://{named}:{target.port}{head.target}"):
                return


def absolute(head: RequestHead) -> str:
    """Return the URL of a request to a proxy.

    Raises:
        WireRefused: it is not the absolute form of an http URL.
    """
    if not head.target.startswith("http://"):
        raise WireRefused("target", "a request to a proxy names an http URL")
    return head.target


async def _first_byte(transport: asyncio.Transport, seconds: float) -> int:
    """Return the next byte of a connection that is held back, without taking it.

    Raises:
        Closed: there is none.
    """
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    # a second handle of the same connection: the loop lets nobody else watch a transport's own
    with socket.socket(fileno=socket.dup(transport.get_extra_info("socket").fileno())) as peeked:
        loop.add_reader(peeked, ready.set)
        try:
            async with asyncio.timeout(seconds):
                await ready.wait()
            found = peeked.recv(1, socket.MSG_PEEK)
        finally:
            loop.remove_reader(peeked)
    if not found:
        raise Closed
    return found[0]


async def _last_word(wire: Wire, answer: bytes) -> None:
    with contextlib.suppress(*_BROKEN):
        await wire.send(answer)
    await wire.close()
