"""A real browser of the pool behind a job's proxy: whatever a page tries, what is not allowed never sees a connection; what is allowed loads."""

import asyncio
import socket
import ssl
import time
from ipaddress import ip_address
from urllib.parse import quote
from uuid import UUID

import pytest
from aiohttp import WSMsgType, web
from playwright.async_api import Error, async_playwright

from tests.domains.automation.egress.listening import Forbidden
from tests.domains.automation.egress.sites import Site
from tests.domains.automation.egress.test_http import AGENT, NOW, opened
from trueup.domains.automation.browser.launch import executable
from trueup.domains.automation.browser.pool import Pool
from trueup.domains.automation.egress.authority import Authority
from trueup.domains.automation.egress.gate import Gate
from trueup.domains.automation.egress.proxy import Proxy
from trueup.domains.automation.egress.record import Record
from trueup.domains.automation.engine.decide import Asked
from trueup.domains.automation.engine.hostpolicy import HostPolicy, Listing, compiled
from trueup.kernel.errors import UsageError

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


def webrtc(port):
    """What asks a port of the loopback address in all ways of WebRTC; gives the candidates that it found."""
    servers = [f"stun:127.0.0.1:{port}", f"turn:127.0.0.1:{port}?transport=udp", f"turn:127.0.0.1:{port}?transport=tcp",
               f"turns:127.0.0.1:{port}?transport=tcp"]  # fmt: skip
    return f"""async () => {{
        const peer = new RTCPeerConnection({{iceServers: {servers!r}.map(
            (urls) => urls.startsWith('stun') ? {{urls}} : {{urls, username: 'u', credential: 'c'}})}});
        const found = [];
        peer.onicecandidate = (event) => event.candidate && found.push(event.candidate.candidate);
        peer.createDataChannel('x');
        await peer.setLocalDescription(await peer.createOffer());
        const other = new RTCPeerConnection();
        await other.setRemoteDescription(peer.localDescription);
        await other.setLocalDescription(await other.createAnswer());
        await peer.setRemoteDescription(other.localDescription);
        await peer.addIceCandidate({{sdpMid: '0', candidate:
            'candidate:1 1 udp 2122260223 127.0.0.1 {port} typ host'}}).catch(() => 0);
        await peer.addIceCandidate({{sdpMid: '0', candidate:
            'candidate:2 1 tcp 1518280447 127.0.0.1 {port} typ host tcptype passive'}}).catch(() => 0);
        await new Promise((done) => setTimeout(done, 1000));
        return found;
    }}"""


def on(name, to):
    """A page that leads the browser somewhere in one of the ways that pages have; the link's way has to be clicked."""
    script = {
        "redirect": f"location = '/go?to={quote(to)}'",
        "fetch": f"fetch('{to}', {{mode: 'no-cors', credentials: 'include'}})",
        "post": f"fetch('{to}', {{method: 'POST', mode: 'no-cors', body: 'secret'}})",
        "beacon": f"navigator.sendBeacon('{to}', 'secret')",
        "websocket": f"new WebSocket('{to}'.replace('http', 'ws'))",
        "event source": f"new EventSource('{to}')",
        "window": f"window.open('{to}')",
        "service worker": "navigator.serviceWorker.register('/worker.js')",
        "worker": "new Worker('/worker.js')",
        "popup redirect": f"window.open('/go?to={quote(to)}')",
        "fetch redirect": f"fetch('/go?to={quote(to)}')",
    }
    html = {
        "img": f'<img src="{to}">',
        "img redirect": f'<img src="/go?to={quote(to)}">',
        "meta refresh": f'<meta http-equiv="refresh" content="0;url={to}">',
        "iframe": f'<iframe src="{to}"></iframe>',
        "iframe redirect": f'<iframe src="/go?to={quote(to)}"></iframe>',
        "download": f'<a id="it" href="{to}" download>save</a>',
        "form": f'<form method="post" action="{to}"><button id="it">send</button></form>',
        "style": f'<link rel="stylesheet" href="{to}">',
        "script": f'<script src="{to}"></script>',
        "prefetch": f'<link rel="prefetch" href="{to}">',
        "object": f'<object data="{to}"></object>',
        "media": f'<video autoplay src="{to}"></video>',
    }
    return html[name] if name in html else f"<script>{script[name]}</script>"


NAMED = ["redirect", "img redirect", "meta refresh", "iframe", "fetch", "websocket", "service worker", "download"]
FURTHER = ["img", "post", "beacon", "event source", "window", "worker", "popup redirect", "fetch redirect", "iframe redirect",
           "form", "style", "script", "prefetch", "object", "media"]  # fmt: skip


@pytest.mark.requirement("automation:FR-P8")
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", NAMED)
def test_what_is_not_allowed_never_sees_a_connection_and_what_is_allowed_loads(world, name, scheme):
    click = "#it" if name in ("download", "form") else ""
    since = len(world.gate.record.hops)
    bad = f"{scheme}://127.0.0.1:{world.forbidden.port}/secret"
    found = world.shown(scheme, on(name, bad), lambda: world.refused(since), script=f"fetch('{bad}')", click=click)
    assert {hop.rule_ids for hop in found} == {("egress.address.loopback",)}
    good = world.url(scheme, f"/target-{name.replace(' ', '-')}")
    place = good.rpartition("/")[2]
    assert world.shown(scheme, on(name, good), lambda: world.asked(scheme, f"/{place}"), script=f"fetch('{good}')", click=click)
    assert world.forbidden.heard == 0


@pytest.mark.parametrize("name", FURTHER)
def test_the_other_ways_of_pages_lead_out_no_further(world, name):
    since = len(world.gate.record.hops)
    bad = f"https://127.0.0.1:{world.forbidden.port}/secret"
    found = world.shown(
        "https",
        on(name, bad),
        lambda: world.refused(since),
        script=f"importScripts('{bad}')",
        click="#it" if name == "form" else "",
    )
    assert {hop.rule_ids for hop in found} == {("egress.address.loopback",)}
    assert world.forbidden.heard == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_leads_inside_only_later_is_not_connected_to(world, scheme):
    for answers in ([["93.184.216.34", "127.0.0.1"], ["127.0.0.1"]], [["127.0.0.1"]], [["::1"]], [["::ffff:127.0.0.1"]]):
        world.addresses["rebinding.example"] = answers
        since = len(world.gate.record.hops)
        url = f"{scheme}://rebinding.example:{world.forbidden.port}/"
        assert world.shown(scheme, on("fetch", url), lambda since=since: world.refused(since))
        assert world.gate.record.hops[-1].rule_ids == ("egress.address.loopback",)
    assert world.forbidden.heard == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1", "127.0.0.2", "2130706433", "a.localhost"])
def test_this_machines_own_addresses_are_not_reached_around_the_proxy(world, host):
    status, rule = world.goto(f"http://{host}:{world.forbidden.port}/")
    assert status == 403
    assert rule.startswith("egress.")
    assert world.forbidden.heard == 0


def test_hints_and_offers_of_other_protocols_open_nothing(world):
    """Preconnect, DNS prefetch, HTTP/3 by Alt-Svc, and early connections of a speculative kind."""
    to = f"https://127.0.0.1:{world.forbidden.port}"
    offers = {"Alt-Svc": f'h3="127.0.0.1:{world.forbidden.port}"; ma=3600', "Link": f"<{to}>; rel=preconnect"}
    for turn in range(3):
        html = f'<link rel="preconnect" href="{to}"><link rel="dns-prefetch" href="{to}"><img src="/after{turn}">'
        assert world.shown("https", html, lambda turn=turn: world.asked("https", f"/after{turn}"), headers=offers)
    time.sleep(0.3)
    assert world.forbidden.heard == 0


def test_webrtc_sends_nothing_around_the_proxy(world):
    found = world.evaluated("https", webrtc(world.forbidden.port))
    assert [line for line in found if " udp " in line.lower()] == []
    assert world.forbidden.heard == 0


def test_a_browser_that_is_started_otherwise_would_be_heard():
    async def otherwise(port):
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=executable(), chromium_sandbox=False)
            page = await browser.new_page()
            await page.set_content(f'<link rel="preconnect" href="https://127.0.0.1:{port}"><img src="http://127.0.0.1:{port}/">')
            await page.evaluate(webrtc(port))
            await browser.close()

    with Forbidden() as listener:
        asyncio.run(otherwise(listener.port))
        assert listener.datagrams > 0
        assert listener.connections > 1


def test_the_listener_that_nothing_reaches_would_have_counted():
    with Forbidden() as listener:
        socket.create_connection(("127.0.0.1", listener.port)).close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", ("127.0.0.1", listener.port))
        ends = time.monotonic() + SECONDS
        while listener.heard < 2 and time.monotonic() < ends:
            time.sleep(0.01)
        assert (listener.connections, listener.datagrams) == (1, 1)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_websocket_that_is_allowed_talks_both_ways(world, scheme):
    url = world.url(scheme, "/socket").replace("http", "ws")
    said = world.evaluated(
        scheme,
        f"""() => new Promise((done) => {{
            const socket = new WebSocket('{url}');
            socket.onopen = () => socket.send('hello');
            socket.onmessage = (event) => done(event.data);
            socket.onerror = () => done('no');
        }})""",
    )
    assert said == "HELLO"


def test_a_download_that_is_allowed_arrives_whole(world):
    async def go():
        context = await world.context(accept_downloads=True)
        page = await context.new_page()
        async with page.expect_download() as waiting:
            await page.evaluate(f"location = '{world.url('https', '/file')}'")
        path = await (await waiting.value).path()
        size = path.stat().st_size
        await context.close()
        return size

    assert world.run(go()) == 100_000


def test_what_came_back_from_the_proxy_names_the_rule(world):
    since = len(world.gate.record.hops)
    text = world.evaluated(
        "http",
        f"fetch('/go?to=http://127.0.0.1:{world.forbidden.port}/').then(async (r) => [r.status, r.headers.get('x-trueup-rule')])",
    )
    assert text == [403, "egress.address.loopback"]
    first, second, third = world.gate.record.hops[since:]
    assert (first.allowed, second.status, third.allowed, third.via) == (True, 302, False, "browser")


def test_pages_see_an_automated_browser_and_servers_its_honest_name(world):
    webdriver, agent, plugins = world.evaluated("https", "[navigator.webdriver, navigator.userAgent, typeof window.chrome]")
    assert webdriver is True
    assert agent.endswith(AGENT)
    assert "HeadlessChrome" in agent
    assert {entry[2]["User-Agent"] for site in world.sites.values() for entry in site.asked} == {agent}
    assert plugins in ("object", "undefined")


@pytest.mark.parametrize(
    "profile",
    [{}, {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}, {"locale": "de-DE", "timezone_id": "Europe/Berlin"},
     {"color_scheme": "dark", "reduced_motion": "reduce"}],
)  # fmt: skip
def test_pages_see_an_automated_browser_whatever_the_profile(world, profile):
    webdriver, agent = world.evaluated("https", "[navigator.webdriver, navigator.userAgent]", **profile)
    assert webdriver is True
    assert agent.endswith(AGENT)


def test_requests_that_the_driver_makes_itself_go_through_the_proxy_too(world):
    async def go():
        context = await world.context()
        refused = await context.request.get(f"http://127.0.0.1:{world.forbidden.port}/")
        allowed = await context.request.get(world.url("http", "/driver"))
        await context.close()
        return refused.status, allowed.status

    assert world.run(go()) == (403, 200)
    assert world.forbidden.heard == 0


@pytest.mark.parametrize(
    "profile", [{"user_agent": "Mozilla"}, {"proxy": {"server": "direct://"}}, {"ignore_https_errors": True}]
)
def test_a_profile_does_not_say_who_the_browser_is_or_where_it_goes_out(world, profile):
    with pytest.raises(UsageError):
        world.run(world.context(**profile))


def test_a_browsers_own_messages_are_never_malformed_or_too_many(world):
    assert world.evaluated("https", "fetch('/there').then((r) => r.status)") == 200
    assert (world.proxy.counts.busy, world.proxy.counts.malformed) == (0, 0)


def test_another_authority_than_the_runs_own_is_not_trusted(world):
    """Negative control of the trust: the same proxy with another key is turned down before a request is made."""
    own, world.proxy.authority = world.proxy.authority, Authority()
    before = len(world.gate.record.hops)
    try:
        with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
            world.evaluated("https", "1")
    finally:
        world.proxy.authority = own
    assert len(world.gate.record.hops) == before
    assert world.evaluated("https", "1") == 1


def test_a_targets_certificate_is_verified_by_the_proxy_itself(world):
    with Site(world.answer, Authority().context("127.0.0.1")) as stranger:
        world.authorizations.append(opened(stranger.port))
        answered = world.goto(stranger.url())
    assert answered == (502, "egress.upstream.certificate")
    assert stranger.asked == []
