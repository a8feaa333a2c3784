"""The corpus in a real browser: what it opens by itself, as a page's part, by script or by a redirect never reaches the forbidden port."""

import asyncio
import json
from urllib.parse import quote

import pytest
from playwright.async_api import Error

from tests.domains.automation.browser.world import world  # noqa: F401 - a fixture
from tests.domains.automation.test_ssrf import entries

TRIED = """async (urls) => {
    const settled = (one) => new Promise((done) => { one.onload = one.onerror = done; setTimeout(done, 3000) });
    const tries = [];
    for (const url of urls) {
        const image = new Image(), frame = document.createElement('iframe'), style = document.createElement('link');
        tries.push(settled(image)); image.src = url;
        tries.push(settled(style)); style.rel = 'stylesheet'; style.href = url; document.head.append(style);
        tries.push(settled(frame)); frame.src = url; document.body.append(frame);
        try { tries.push(fetch(url, {mode: 'no-cors'}).catch(() => 0)) } catch {}
        try { tries.push(fetch(url, {method: 'POST', mode: 'no-cors', body: 'secret'}).catch(() => 0)) } catch {}
        try { navigator.sendBeacon(url, 'secret') } catch {}
        try { const socket = new WebSocket(url.replace(/^http/, 'ws')); tries.push(settled(socket)) } catch {}
    }
    await Promise.all(tries);
    return tries.length;
}"""


@pytest.fixture
def places(world):
    return entries(world.forbidden.port)


@pytest.mark.requirement("automation:AR-12")
def test_what_the_browser_opens_is_refused_by_its_rule_or_swallowed_by_the_browser_itself(world, places):
    """Those that the browser would read from this machine alone (``file:``, ``data:``) are refused before it is told of them."""

    async def go():
        context = await world.context()
        try:
            for one in places:
                if one["browser"] is None:
                    continue
                page = await context.new_page()
                since = len(world.gate.record.hops)
                try:
                    answer = await page.goto(one["url"])
                    found = (await answer.all_headers())["x-trueup-rule"]
                    assert answer.status == 403
                except Error:
                    found = ""
                assert found == one["browser"], one
                hops = world.gate.record.hops[since:]
                await page.close()
                assert not any(hop.allowed for hop in hops)
                assert not found or (found,) in [hop.rule_ids for hop in hops]
        finally:
            await context.close()

    world.run(go())
    assert world.forbidden.heard == 0


@pytest.mark.parametrize("way", ["directly", "by a redirect"])
def test_what_a_page_asks_for_in_any_way_never_reaches_the_forbidden_port(world, places, way):
    urls = [one["url"] for one in places]
    if way == "by a redirect":
        urls = [f"/go?to={quote(one['url'])}" for one in places if one["kind"] != "control"]
    since = len(world.gate.record.hops)
    assert world.evaluated("http", f"({TRIED})({json.dumps(urls)})") > 5 * len(urls)
    world.run(asyncio.sleep(0.2))
    made = [hop for hop in world.gate.record.hops[since:] if hop.allowed]
    sites = tuple(f"{way}://127.0.0.1:{site.port}/" for site in world.sites.values() for way in ("http", "https", "ws"))
    assert [hop.url for hop in made if not hop.url.startswith(sites)] == []
    refused = {hop.rule_ids[0] for hop in world.gate.record.hops[since:] if not hop.allowed}
    assert {"egress.address.loopback", "egress.address.metadata", "egress.address.private", "egress.name.localhost"} <= refused
    assert world.forbidden.heard == 0


def test_the_port_that_is_authorized_answers_and_the_forbidden_one_beside_it_does_not(world):
    assert world.goto(world.url("http", "/there"))[0] == 200
    assert world.goto(f"http://127.0.0.1:{world.forbidden.port}/") == (403, "egress.address.loopback")
