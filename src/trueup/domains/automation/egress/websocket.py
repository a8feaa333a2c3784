"""WebSockets and tunnels: a decided handshake, then bytes both ways until an end, a limit, silence, or a changed decision.

References:
    RFC 6455, sections 1.3 and 4 (opening handshake).
"""

import asyncio
import base64
import hashlib
import re
import time
from collections.abc import Callable

from trueup.domains.automation.egress.proxy_io import CHUNK, Limits, TooLarge, Wire
from trueup.domains.automation.egress.proxy_wire import RequestHead, ResponseHead, WireRefused
from trueup.domains.automation.egress.record import Hop

_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def handshake(head: RequestHead) -> list[tuple[str, str]]:
    """Return the headers that ask for a WebSocket.

    Raises:
        WireRefused: it is no handshake that a browser makes.
    """
    key = head.one("sec-websocket-key")
    if head.method != "GET" or head.one("sec-websocket-version") != "13" or not _KEY.fullmatch(key):
        raise WireRefused("websocket", "it is no opening handshake of version 13")
    if head.all("content-length") or head.all("transfer-encoding"):
        raise WireRefused("websocket", "an opening handshake has no body")
    return [("Connection", "Upgrade"), ("Upgrade", "websocket")]


def accepts(head: RequestHead, answer: ResponseHead) -> bool:
    """Whether a response of status 101 accepts this handshake and nothing else."""
    digest = hashlib.sha1(head.one("sec-websocket-key").encode() + _MAGIC, usedforsecurity=False).digest()
    return answer.words("upgrade") == {"websocket"} and answer.one("sec-websocket-accept") == base64.b64encode(digest).decode()


async def relay(browser: Wire, target: Wire, hop: Hop, limits: Limits, may_go_on: Callable[[], bool]) -> str:
    """Move bytes both ways; both ends are closed when this returns.

    Args:
        browser: one end.
        target: the other.
        hop: whose counts of bytes are kept up.
        limits: of bytes each way, and of silence.
        may_go_on: asked again and again.

    Returns:
        Why it ended, in one word: ``closed``, ``timeout``, ``too_large``, ``reset`` or ``refused``.
    """

    async def up() -> None:
        while piece := await browser.some(CHUNK):
            hop.sent += len(piece)
            if hop.sent > limits.request:
                raise TooLarge
            await target.send(piece)

    async def down() -> None:
        while piece := await target.some(CHUNK):
            hop.received += len(piece)
            if hop.received > limits.response:
                raise TooLarge
            await browser.send(piece)

    # one silent direction is no silence: the counts tell whether either end has said anything
    browser.idle = target.idle = None
    tasks = {asyncio.create_task(up()), asyncio.create_task(down())}
    outcome = "reset"
    try:
        outcome = await _watched(tasks, hop, limits, may_go_on)
    finally:
        for task in tasks:
            task.cancel()
        for end in (browser, target):
            # both before anything is waited for, which a cancellation may cut short
            end.writer.close() if outcome == "closed" else end.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
    await browser.close()
    await target.close()
    return outcome


async def _watched(tasks: set[asyncio.Task[None]], hop: Hop, limits: Limits, may_go_on: Callable[[], bool]) -> str:
    moved, since = -1, time.monotonic()
    while True:
        done, _ = await asyncio.wait(tasks, timeout=limits.recheck, return_when=asyncio.FIRST_COMPLETED)
        if done:
            return _ended(done.pop())
        if not may_go_on():
            return "refused"
        if hop.sent + hop.received != moved:
            moved, since = hop.sent + hop.received, time.monotonic()
        elif time.monotonic() - since > limits.idle:
            return "timeout"


def _ended(task: asyncio.Task[None]) -> str:
    try:
        task.result()
    except TooLarge:
        return "too_large"
    except OSError:
        return "reset"
    return "closed"
