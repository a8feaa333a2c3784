"""A real browser of the pool behind a job's proxy, between sites that are allowed and a listener that is not."""

import asyncio
import ssl
import time
from ipaddress import ip_address
from uuid import UUID

import pytest
from aiohttp import WSMsgType, web

from tests.domains.automation.egress.listening import Forbidden
from tests.domains.automation.egress.sites import Site
from tests.domains.automation.egress.test_http import AGENT, NOW, opened
from trueup.domains.automation.browser.pool import Pool
from trueup.domains.automation.egress.authority import Authority
from trueup.domains.automation.egress.gate import Gate
from trueup.domains.automation.egress.proxy import Proxy
from trueup.domains.automation.egress.record import Record
from trueup.domains.automation.engine.decide import Asked
from trueup.domains.automation.engine.hostpolicy import HostPolicy, Listing, compiled

SECONDS = 15


class World:
    """Two allowed sites, over http and https, a listener that is not allowed, and one browser for all tests of this module."""

    def __init__(self):
        self.html, self.script, self.headers = "", "", {}
        self.targets = Authority()
        self.sites = {"http": Site(self.answer), "https": Site(self.answer, self.targets.context("127.0.0.1"))}
        self.runner = asyncio.Runner()
        self.addresses = {}

    async def answer(self, request):
        if request.headers.get("Upgrade") == "websocket":
            socket_ = web.WebSocketResponse()
            await socket_.prepare(request)
            async for message in socket_:
                if message.type is WSMsgType.TEXT:
                    await socket_.send_str(message.data.upper())
            return socket_
        if request.path == "/go":
            return web.Response(status=302, headers={"Location": request.query["to"]})
        if request.path == "/worker.js":
            return web.Response(text=self.script, content_type="text/javascript")
        if request.path == "/file":
            return web.Response(body=b"x" * 100_000, headers={"Content-Disposition": "attachment; filename=data.bin"})
        html = self.html if request.path == "/page" else "<h1>there</h1>"
        return web.Response(text=html, content_type="text/html", headers=self.headers)

    async def resolver(self, host, _port):
        answers = self.addresses.get(host, [[]])
        return [ip_address(text) for text in (answers.pop(0) if len(answers) > 1 else answers[0])]

    def __enter__(self):
        self.forbidden = Forbidden()
        for site in self.sites.values():
            site.__enter__()
        rebinding = HostPolicy("p", 1, "rebinding.example", ports=frozenset({self.forbidden.port}))
        self.authorizations = [opened(site.port) for site in self.sites.values()]

        def snapshot():
            return compiled([rebinding], listing=Listing.ALLOWLIST, authorizations=self.authorizations)

        self.gate = Gate(snapshot, Asked(), lambda: NOW, Record("digest"), resolver=self.resolver)
        trust = ssl.create_default_context(cadata=self.targets.certificate.decode())
        self.pool = Pool(AGENT, lambda: NOW)
        self._lent = self.pool.lent(UUID(int=1))
        self.browser, authority = self.run(self._lent.__aenter__())
        self.proxy = Proxy(self.gate, AGENT, trust=trust, authority=authority)
        self.run(self.proxy.__aenter__())
        return self

    def context(self, **profile):
        return self.browser.context(through=self.proxy, **profile)

    def __exit__(self, *_):
        self.run(self.proxy.__aexit__(None, None, None))
        self.run(self._lent.__aexit__(None, None, None))
        self.run(self.pool.close())
        self.runner.close()
        for site in self.sites.values():
            site.__exit__()
        self.forbidden.__exit__()

    def run(self, awaited):
        return self.runner.run(_bounded(awaited))

    def url(self, scheme, path):
        return self.sites[scheme].url(path)

    def asked(self, scheme, path):
        return [entry for entry in self.sites[scheme].asked if entry[1].partition("?")[0] == path]

    def refused(self, since):
        return [hop for hop in self.gate.record.hops[since:] if not hop.allowed and f":{self.forbidden.port}/" in hop.url]

    def shown(self, scheme, html, until, *, script="", headers=None, click=""):
        """Show a page until something holds; return what ``until`` then returns."""
        self.html, self.script, self.headers = html, script, headers or {}

        async def show():
            context = await self.context()
            try:
                page = await context.new_page()
                await page.goto(self.url(scheme, "/page"), wait_until="domcontentloaded")
                if click:
                    await page.click(click)
                ends = time.monotonic() + SECONDS
                while not (found := until()) and time.monotonic() < ends:
                    await asyncio.sleep(0.02)
                return found
            finally:
                await context.close()

        return self.run(show())

    def goto(self, url):
        async def go():
            context = await self.context()
            try:
                page = await context.new_page()
                answer = await page.goto(url)
                return answer.status, (await answer.all_headers()).get("x-trueup-rule", "")
            finally:
                await context.close()

        return self.run(go())

    def evaluated(self, scheme, expression, **profile):
        self.html, self.headers = "<h1>page</h1>", {}

        async def evaluate():
            context = await self.context(**profile)
            try:
                page = await context.new_page()
                await page.goto(self.url(scheme, "/page"))
                return await page.evaluate(expression)
            finally:
                await context.close()

        return self.run(evaluate())


async def _bounded(awaited):
    async with asyncio.timeout(60):
        return await awaited


@pytest.fixture(scope="module")
def world():
    with World() as made:
        yield made
