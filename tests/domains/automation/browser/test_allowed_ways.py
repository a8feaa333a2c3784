"""What is allowed works in a real browser behind a job's proxy, which says who it is; certificates are held to it."""

import pytest
from playwright.async_api import Error

from tests.domains.automation.browser.world import world  # noqa: F401 - a fixture
from tests.domains.automation.egress.sites import Site
from tests.domains.automation.egress.test_http import AGENT, opened
from trueup.domains.automation.egress.authority import Authority
from trueup.kernel.errors import UsageError


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
