"""Real servers on the loopback address: what they are asked for, they remember."""

import asyncio
import threading
from contextlib import contextmanager

from aiohttp import web


class Site:
    """A server in a thread of its own.

    Args:
        handler: of every request; gets the request, returns a response.
        tls: an SSL context, for https.
    """

    def __init__(self, handler, tls=None):
        self.asked, self._handler, self._tls = [], handler, tls
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    async def _answer(self, request):
        self.asked.append((request.method, request.path_qs, request.headers))
        return await self._handler(request)

    async def _start(self):
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._ready.set()

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._loop.run_forever()
        self._loop.run_until_complete(self._over())
        self._loop.close()

    async def _over(self):
        await self._runner.cleanup()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def url(self, path="/", *, host="127.0.0.1"):
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)


@contextmanager
def answering(handler, tls=None):
    with Site(handler, tls) as site:
        yield site


def text(body="", status=200, **headers):
    async def handler(_request):
        return web.Response(text=body, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return handler
