"""The site that is worked on: a hundred pages with a style, a script and a picture each, in a process of its own."""

import multiprocessing
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PAGES = 100
_WORDS = "Lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore. " * 12


def _png() -> bytes:
    rows = b"".join(b"\0" + bytes((x * 4) % 256 for x in range(64) for _ in range(3)) for _ in range(64))
    parts = ((b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def page(number: int) -> str:
    """Return one page."""
    links = "".join(f"<li><a href='/{n}'>page {n}</a></li>" for n in range(number, number + 5))
    return (
        f"<!doctype html><html><head><title>Page {number}</title><link rel=stylesheet href=/style.css>"
        f"<script src=/script.js defer></script></head><body><h1>Page {number}</h1><img src=/picture.png alt=''>"
        f"<p>{_WORDS}</p><ul>{links}</ul></body></html>"
    )


def serve(pipe: Any) -> None:
    """Serve until the process is ended; sends its port first."""
    from aiohttp import web

    kept = {
        "/style.css": ("text/css", b"body{font-family:sans-serif;margin:2rem}h1{color:#225}"),
        "/script.js": ("text/javascript", b"document.title += ' ready'"),
        "/picture.png": ("image/png", _png()),
        "/robots.txt": ("text/plain", b"User-agent: *\nDisallow: /private\n"),
        "/favicon.ico": ("image/png", _png()),
    }

    async def answer(request: web.Request) -> web.Response:
        kind, body = kept.get(request.path, ("text/html", page(hash(request.path) % PAGES).encode()))
        return web.Response(body=body, content_type=kind)

    async def begin() -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", answer)
        return app

    import socket

    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    pipe.send(taken.getsockname()[1])
    web.run_app(begin(), sock=taken, print=None, access_log=None)


@contextmanager
def served() -> Iterator[int]:
    """Run the site; yield its port."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()
