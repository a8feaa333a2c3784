"""Whatever a page tries in a real browser behind a job's proxy, what is not allowed never sees a connection; what is allowed loads."""

import asyncio
import socket
import time
from urllib.parse import quote

import pytest
from playwright.async_api import async_playwright

from tests.domains.automation.browser.world import SECONDS, world  # noqa: F401 - a fixture
from tests.domains.automation.egress.listening import Forbidden
from trueup.domains.automation.browser.launch import executable


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
