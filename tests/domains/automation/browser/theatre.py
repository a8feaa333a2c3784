# ruff: noqa: ARG002 (a caller has the whole contract)
"""A real browser behind a real proxy, one allowed site, and a caller that keeps everything in memory."""

import asyncio
import hashlib
from pathlib import Path

from aiohttp import web
from pydantic import SecretStr

from tests.domains.automation.egress.listening import Forbidden
from tests.domains.automation.egress.sites import Site
from tests.domains.automation.egress.test_http import AGENT, gate_for, opened
from trueup.domains.automation.browser.launch import launched
from trueup.domains.automation.browser.perform import perform
from trueup.domains.automation.browser.performed import Kept, Performed
from trueup.domains.automation.browser.room import Left, Limits
from trueup.domains.automation.egress.gate import HopRefused
from trueup.domains.automation.egress.proxy import Proxy
from trueup.domains.automation.engine.steps import Script
from trueup.kernel.errors import NotFound

QUICK = Limits(evidence=frozenset(), recheck=0.2)
"""For tests that do not look at evidence."""


class Keeping:
    """What performing needs of its caller, in memory."""

    def __init__(self, record=None, *, secrets=None, sessions=None, approved=(), refused=None, stops=None):
        self.files, self.named, self.told_, self.visited = {}, {}, [], []
        self.secrets, self.sessions = secrets or {}, sessions or {}
        self.approved, self.refused, self.stops, self.record = approved, refused, stops, record
        self.asked = 0

    async def keep(self, data, *, name, media_type):
        data = data.read_bytes() if isinstance(data, Path) else data
        digest = hashlib.sha256(data).hexdigest()
        self.files[digest] = self.named[name] = data
        return Kept(digest, len(data), name, media_type)

    async def fetch_artifact(self, sha256):
        if sha256 not in self.files:
            raise NotFound("no artifact")
        return self.files[sha256]

    async def secret(self, name, at):
        if name not in self.secrets:
            raise NotFound("no secret")
        return SecretStr(self.secrets[name])

    async def session(self, name):
        return self.sessions.get(name)

    async def keep_session(self, name, state, hours):
        self.sessions[name] = state

    async def go_on(self):
        self.asked += 1
        if self.stops is not None and self.stops(self):
            raise Stopped

    async def visit(self, url):
        self.visited.append(url)
        if self.refused and self.refused in url:
            raise HopRefused(url, "not now", ("limit.requests_per_minute",))

    async def left(self, url):
        for hop in reversed(self.record.hops if self.record else []):
            if hop.url == url:
                return Left(hop.status, () if hop.allowed else hop.rule_ids, hop.reason)
        return None

    async def told(self, path, step, state, result=None):
        self.told_.append((path, state))

    async def may_evaluate(self, script_sha256):
        return script_sha256 in self.approved


class Stopped(Exception):
    """Somebody ended the run."""


class Theatre:
    """One browser, proxy and site for all tests of a module.

    Args:
        answer: of the site, besides ``/page``, which shows what a test gives.
    """

    def __init__(self, answer=None):
        self.html, self.more = "", answer
        self.site = Site(self.answer)
        self.runner = asyncio.Runner()

    async def answer(self, request):
        if request.path == "/page":
            return web.Response(text=self.html, content_type="text/html")
        found = await self.more(request) if self.more else None
        return found if found is not None else web.Response(text="<h1>there</h1>", content_type="text/html")

    def __enter__(self):
        self.forbidden = Forbidden()
        self.site.__enter__()
        self.gate = gate_for(opened(self.site.port))
        self.proxy = Proxy(self.gate, AGENT)
        self.run(self.proxy.__aenter__())
        self._launched = launched(self.proxy)
        self.browser = self.run(self._launched.__aenter__())
        return self

    def __exit__(self, *_):
        self.run(self._launched.__aexit__(None, None, None))
        self.run(self.proxy.__aexit__(None, None, None))
        self.runner.close()
        self.site.__exit__()
        self.forbidden.__exit__()

    def run(self, awaited):
        async def bounded():
            async with asyncio.timeout(60):
                return await awaited

        return self.runner.run(bounded())

    @property
    def page(self):
        return self.site.url("/page")

    def asked(self, path):
        return [entry for entry in self.site.asked if entry[1].partition("?")[0] == path]

    def plays(self, html, *steps, room=None, limits=QUICK, profile=None, opens=True, performed=None):
        """Perform steps on a page; return what came of them, and the room."""
        self.html = html
        room = room or Keeping()
        room.record = self.gate.record
        first = [{"action": "navigate", "url": self.page}] if opens else []
        script = Script.model_validate({"steps": [*first, *steps]})
        performed = performed or Performed()

        async def go():
            context = self.context = await self.browser.context(**(profile or {}))
            try:
                return await perform(context, script, room, limits=limits, performed=performed)
            finally:
                await context.close()

        return self.run(go()), room


def last(performed):
    """Return the last step's result."""
    return performed.steps[-1]


def digest(script):
    import hashlib

    return hashlib.sha256(script.encode()).hexdigest()
