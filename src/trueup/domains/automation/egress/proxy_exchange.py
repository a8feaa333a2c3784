"""One request and its answer: decided, sent to where it leads, streamed back within bounds."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus

from trueup.domains.automation.egress import websocket
from trueup.domains.automation.egress.gate import HopRefused, Way
from trueup.domains.automation.egress.http import METHODS
from trueup.domains.automation.egress.proxy_hops import Hops
from trueup.domains.automation.egress.proxy_io import Closed, Limits, TooLarge, Wire
from trueup.domains.automation.egress.proxy_upstream import UpstreamFailed, Upstreams, failure
from trueup.domains.automation.egress.proxy_wire import (
    RequestHead,
    ResponseHead,
    WireRefused,
    length,
    response_head,
    response_length,
    written,
)

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
# said anew here; other ways to reach the host, which would lead around this one; and what this proxy alone says
_NOT_PASSED = frozenset({"content-length", "alt-svc", "x-trueup-rule"})
_CHALLENGE = 'Basic realm="trueup"'


def refusal(status: int, rule: str, reason: str, *, last: bool = True) -> bytes:
    """Return the answer to what is not passed on.

    Args:
        status: of HTTP.
        rule: the id of what refuses it, given as ``X-Trueup-Rule``.
        reason: in words.
        last: whether the connection ends with it.
    """
    body = f"{reason} ({rule})\n".encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    headers += [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), ("X-Trueup-Rule", rule)]
    headers += [("Proxy-Authenticate", _CHALLENGE)] if status == 407 else []
    headers += [("Connection", "close")] if last else []
    return written(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", headers) + body


@dataclass(slots=True)
class Exchange:
    """The requests of one connection of the browser, one after the other."""

    hops: Hops
    upstreams: Upstreams
    limits: Limits

    async def one(self, browser: Wire, head: RequestHead, url: str) -> bool:
        """Answer one request.

        Args:
            browser: where it came from, and where the answer goes.
            head: of the request; its body is not read yet.
            url: that it is for, with the scheme http or https.

        Returns:
            Whether the connection goes on.

        Raises:
            WireRefused: it cannot be passed on; nothing was.
        """
        if head.method not in METHODS:
            raise WireRefused("method", f"the method {head.method} is not passed on")
        if head.all("expect"):
            raise WireRefused("expect", "no request waits for leave to send its body")
        asks = head.wants_websocket
        extra = websocket.handshake(head) if asks else []
        size = length(head)
        size = 0 if size == -1 else size
        try:
            way = await self.hops.open(f"ws{url.removeprefix('http')}" if asks else url, head)
        except HopRefused as refused:
            # a body that nobody reads ends the connection
            await browser.send(refusal(403, refused.rules[0], refused.details["reason"], last=size != 0))
            return size == 0
        try:
            return await self._passed_on(browser, head, way, self._first(way, head, extra, size), size)
        except UpstreamFailed as failed:
            way.hop.outcome = failed.kind
            await browser.send(refusal(502, f"egress.upstream.{failed.kind}", f"no whole answer came back: {failed.kind}"))
            return False
        finally:
            await self.hops.gate.close(way)

    def _first(self, way: Way, head: RequestHead, extra: list[tuple[str, str]], size: int | None) -> bytes:
        """Return what a request to the target begins with."""
        headers = self.hops.sent(way, head) + extra
        if size is None:
            headers.append(("Transfer-Encoding", "chunked"))
        elif size or head.all("content-length"):
            headers.append(("Content-Length", str(size)))
        return written(f"{head.method} {way.target.path} HTTP/1.1", headers)

    async def _passed_on(self, browser: Wire, head: RequestHead, way: Way, first: bytes, size: int | None) -> bool:
        upstream, answer = await self._answered(browser, head, way, first, size)
        keep = False
        try:
            way.hop.status = answer.status
            if answer.status == HTTPStatus.SWITCHING_PROTOCOLS:
                await self._websocket(browser, upstream, head, way, answer)
                return False
            refused = self._redirected(way, answer)
            if refused is not None:
                await browser.send(refusal(403, refused.rules[0], refused.details["reason"], last=False))
                return True
            keep, lasts = await self._streamed(browser, upstream, head, way, answer)
            return lasts
        finally:
            if keep:
                self.upstreams.keep(way, upstream)
            else:
                upstream.abort()

    def _redirected(self, way: Way, answer: ResponseHead) -> HopRefused | None:
        try:
            return self.hops.redirected(way, answer)
        except WireRefused as exc:
            raise UpstreamFailed("protocol") from exc

    async def _answered(
        self, browser: Wire, head: RequestHead, way: Way, first: bytes, size: int | None
    ) -> tuple[Wire, ResponseHead]:
        """Send a request, and return what its answer begins with; once more where a kept connection had ended by itself."""
        kept = self.upstreams.reuse(way) if head.method in _REPEATABLE and size == 0 and not head.wants_websocket else None
        if kept is not None:
            try:
                return kept, await self._asked(browser, kept, way, first, size)
            except UpstreamFailed as failed:
                kept.abort()
                if failed.kind != "reset":
                    raise
            except BaseException:
                kept.abort()
                raise
        upstream = await self.upstreams.connect(way)
        try:
            return upstream, await self._asked(browser, upstream, way, first, size)
        except BaseException:
            upstream.abort()
            raise

    async def _asked(self, browser: Wire, upstream: Wire, way: Way, first: bytes, size: int | None) -> ResponseHead:
        try:
            await upstream.send(first)
            async for piece in self._uploaded(browser, size):
                way.hop.sent += len(piece)
                await upstream.send(b"%x\r\n%b\r\n" % (len(piece), piece) if size is None else piece)
            if size is None:
                await upstream.send(b"0\r\n\r\n")
            while True:
                raw = await upstream.head()
                if raw is None:
                    raise UpstreamFailed("reset")
                answer = response_head(raw)
                # early hints and the like are not for this browser
                if answer.status >= 200 or answer.status == HTTPStatus.SWITCHING_PROTOCOLS:
                    return answer
        except WireRefused as exc:
            raise UpstreamFailed("protocol") from exc
        except Closed as exc:
            raise UpstreamFailed("reset") from exc
        except (OSError, TimeoutError) as exc:
            raise UpstreamFailed(failure(exc)) from exc

    async def _uploaded(self, browser: Wire, size: int | None) -> AsyncIterator[bytes]:
        """Give a request's body; what is wrong with it is the browser's fault, not the target's."""
        try:
            async for piece in browser.body(size, self.limits.request):
                yield piece
        except (WireRefused, Closed) as exc:
            raise UpstreamFailed("request") from exc
        except TooLarge as exc:
            raise UpstreamFailed("request_too_large") from exc

    async def _streamed(
        self, browser: Wire, upstream: Wire, head: RequestHead, way: Way, answer: ResponseHead
    ) -> tuple[bool, bool]:
        """Hand an answer to the browser.

        Returns:
            Whether the target's connection, and the browser's, go on.
        """
        try:
            size = response_length(answer, head.method)
            headers = [(name, value) for name, value in answer.passed_on() if name not in _NOT_PASSED]
            stated = answer.one("content-length")
        except WireRefused as exc:
            raise UpstreamFailed("protocol") from exc
        chunked = size is None or size < 0
        headers += [("Transfer-Encoding", "chunked")] if chunked else [("Content-Length", stated)] if stated else []
        if not chunked and not stated and answer.status not in (204, 304) and head.method != "HEAD":
            headers.append(("Content-Length", "0"))
        await browser.send(written(f"HTTP/1.1 {answer.status} {answer.reason}", headers))
        try:
            async for piece in upstream.body(size, self.limits.response):
                way.hop.received += len(piece)
                await browser.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        except (TooLarge, Closed, WireRefused, OSError, TimeoutError) as exc:
            # cut off, so that half a body is never taken for a whole one
            way.hop.outcome = "too_large" if isinstance(exc, TooLarge) else "cut"
            browser.abort()
            return False, False
        if chunked:
            await browser.send(b"0\r\n\r\n")
        return answer.lasts and (size is None or size >= 0), "close" not in head.words("connection")

    async def _websocket(self, browser: Wire, upstream: Wire, head: RequestHead, way: Way, answer: ResponseHead) -> None:
        try:
            if not head.wants_websocket or not websocket.accepts(head, answer):
                raise UpstreamFailed("protocol")
            headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), *answer.passed_on()]
        except WireRefused as exc:
            raise UpstreamFailed("protocol") from exc
        await browser.send(written("HTTP/1.1 101 Switching Protocols", headers))
        way.hop.outcome = await websocket.relay(browser, upstream, way.hop, self.limits, lambda: self.hops.may_go_on(way))


__all__ = ["Exchange", "refusal"]
