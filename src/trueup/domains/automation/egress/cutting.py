"""A fault for tests of one's own systems: a request that leaves whole, and whose sender is gone before it is answered."""

import asyncio
import ssl
from typing import Any

from trueup.domains.automation.egress.gate import Gate
from trueup.domains.automation.egress.http import FetchFailed, Request
from trueup.domains.automation.egress.trust import system_trust

CUT_OFF = "cut_off"
"""Outcome of a hop that was cut off on purpose."""
_SECONDS = 10.0


async def cut_off(gate: Gate, request: Request, *, agent: str) -> None:
    """Send a request, and cut its connection off.

    Raises:
        HopRefused: it is not allowed; nothing was sent.
        FetchFailed: no connection could be made.
    """
    way = await gate.open(request.url, method=request.method)
    target = way.target
    secure = target.scheme == "https"
    options: dict[str, Any] = {"ssl": system_trust(), "server_hostname": target.host} if secure else {}
    length = [f"Content-Length: {len(request.body)}"] if request.body else []
    told = [f"{name}: {value}" for name, value in gate.told(way).items()]
    named = f"[{target.host}]" if ":" in target.host else target.host
    lines = [f"{request.method} {target.path} HTTP/1.1", f"Host: {named}:{target.port}", f"User-Agent: {agent}", *length, *told]
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(str(way.address), target.port, **options)
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + request.body)
            await writer.drain()
            writer.transport.abort()
        way.hop.sent, way.hop.outcome = len(request.body), CUT_OFF
    except (OSError, ssl.SSLError, TimeoutError) as exc:
        way.hop.outcome = "connect"
        raise FetchFailed("connect", target.url, "no connection could be made") from exc
    finally:
        await gate.close(way)
