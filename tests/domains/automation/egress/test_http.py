"""Fetching through the gate, against real servers: what is not allowed never receives a byte."""

import asyncio
import gzip
import ssl
import zlib
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from aiohttp import web

from tests.domains.automation.egress.sites import answering, text
from trueup.domains.automation.egress.gate import Gate, HopRefused
from trueup.domains.automation.egress.http import Bounds, Fetcher, FetchFailed, Request, checked_headers
from trueup.domains.automation.egress.record import Record
from trueup.domains.automation.engine.decide import Asked
from trueup.domains.automation.engine.hostpolicy import Authorization, HostPolicy, Listing, compiled
from trueup.domains.automation.engine.tiers import Granted, Strategy
from trueup.kernel.errors import UsageError

NOW = datetime(2026, 3, 1, tzinfo=UTC)
AGENT = "Trueup/0 (+https://example.org/bot)"
LOOPBACK = Granted("loopback", frozenset(Strategy), own=True)


def opened(port, host="127.0.0.1"):
    return Authorization(f"a{port}", 1, host, frozenset({port}), LOOPBACK, NOW + timedelta(hours=1), inside=True)


def gate_for(*authorizations, policies=(), resolver=None, killed=()):
    record = Record("digest")
    snapshot = compiled(policies, listing=Listing.ALLOWLIST, authorizations=authorizations, killed=killed)
    more = {"resolver": resolver} if resolver else {}
    return Gate(lambda: snapshot, Asked(), lambda: NOW, record, **more)


def fetch(gate, url, *, bounds=None, trust=None, **more):
    async def go():
        async with Fetcher(gate, agent=AGENT, bounds=bounds, trust=trust) as fetcher:
            return await fetcher.fetch(Request(url, **more))

    return asyncio.run(go())


def refused(gate, url, **more):
    with pytest.raises(HopRefused) as error:
        fetch(gate, url, **more)
    return error.value.rules


def test_an_authorised_loopback_port_is_fetched_and_its_neighbour_hears_nothing():
    with answering(text("hello", ETag="1")) as site, answering(text()) as neighbour:
        gate = gate_for(opened(site.port))
        answer = fetch(gate, site.url("/a?b=c#d"), headers={"X-Job": "7"})
        assert (answer.status, answer.body, answer.headers["etag"]) == (200, b"hello", "1")
        assert refused(gate, neighbour.url()) == ("egress.address.loopback",)
    (method, path, headers), *rest = site.asked
    assert (method, path, headers["User-Agent"], headers["X-Job"], rest) == ("GET", "/a?b=c", AGENT, "7", [])
    assert headers["Host"] == f"127.0.0.1:{site.port}"
    assert neighbour.asked == []
    assert [(hop.allowed, hop.status) for hop in gate.record.hops] == [(True, 200), (False, None)]


def test_a_redirect_to_what_is_not_allowed_is_not_followed():
    with answering(text()) as forbidden, answering(text("", 302, Location=forbidden.url("/secret"))) as site:
        assert refused(gate_for(opened(site.port)), site.url()) == ("egress.address.loopback",)
    assert len(site.asked) == 1
    assert forbidden.asked == []


def test_a_redirect_does_not_lead_to_another_loopback_port_that_is_authorised_by_itself():
    with answering(text()) as other, answering(text("", 302, Location=other.url())) as site:
        assert refused(gate_for(opened(site.port), opened(other.port)), site.url()) == ("egress.redirect.private",)
    assert other.asked == []


@pytest.mark.parametrize(
    "place",
    ["http://0x7f.1/", "http://2130706433/", "//user@127.0.0.1/", "file:///etc/passwd", "http://169.254.169.254/", "\\\\evil/"],
)
def test_a_redirect_to_a_disguised_or_foreign_place_is_refused(place):
    with answering(text("", 302, Location=place)) as site:
        assert refused(gate_for(opened(site.port)), site.url())[0].startswith("egress.")


def public(site_port, answers):
    """A gate whose public name resolves to what each call of ``answers`` says."""

    async def resolver(_host, _port):
        return [ip_address(text) for text in answers()]

    policy = HostPolicy("p", 1, "rebinding.example", ports=frozenset({site_port}))
    return gate_for(policies=[policy], resolver=resolver)


def test_a_public_name_that_leads_inside_is_refused_and_nothing_is_sent():
    with answering(text()) as site:
        gate = public(site.port, lambda: ["93.184.216.34", "127.0.0.1"])
        assert refused(gate, f"http://rebinding.example:{site.port}/") == ("egress.address.loopback",)
        assert refused(public(site.port, list), f"http://rebinding.example:{site.port}/") == ("egress.dns.no_answer",)
    assert site.asked == []


def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to():
    calls = []

    async def resolver(host, _port):
        calls.append(host)
        return [ip_address("127.0.0.1")] if len(calls) == 1 else [ip_address("10.0.0.1")]

    with answering(text("ok")) as site:
        gate = gate_for(opened(site.port, "inside.example"), resolver=resolver)
        assert fetch(gate, f"http://inside.example:{site.port}/").body == b"ok"
    assert calls == ["inside.example"]
    assert site.asked[0][2]["Host"] == f"inside.example:{site.port}"


def test_credentials_stay_within_their_origin(certificate):
    async def resolver(_host, _port):
        return [ip_address("127.0.0.1")]

    secret = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Trace": "1"}
    with answering(text("ok")) as site:
        site._handler = text("", 302, Location="/again")
        gate = gate_for(opened(site.port, "a.example"), resolver=resolver)

        async def handler(request):
            if request.path == "/start":
                return web.Response(status=302, headers={"Location": "/again"})
            return web.Response(text="ok")

        site._handler = handler
        fetch(gate, f"http://a.example:{site.port}/start", headers=secret)
    assert [asked[2].get("Authorization") for asked in site.asked] == ["Bearer x", "Bearer x"]


def test_credentials_do_not_leave_their_origin_by_a_redirect():
    """Between public names: both lead to one server here, as far as the connection is concerned."""
    asked = []

    async def handler(request):
        asked.append((request.host.partition(":")[0], request.headers.get("Authorization"), request.headers.get("X-Trace")))
        if request.path == "/start":
            return web.Response(status=307, headers={"Location": f"http://b.example:{site.port}/end"})
        return web.Response(text="ok")

    async def resolver(_host, _port):
        return [ip_address("127.0.0.1")]

    with answering(handler) as site:
        gate = gate_for(opened(site.port, "a.example"), opened(site.port, "b.example"), resolver=resolver)
        # b is authorised by itself, so a redirect to it is refused: credentials could not even be tempted to leave
        assert refused(gate, f"http://a.example:{site.port}/start", headers={"Authorization": "x", "X-Trace": "1"}) == (
            "egress.redirect.private",
        )
    assert asked == [("a.example", "x", "1")]


@pytest.mark.parametrize(
    ("status", "method", "then"), [(303, "POST", "GET"), (302, "POST", "GET"), (307, "POST", "POST"), (301, "PUT", "PUT")]
)
def test_the_method_after_a_redirect_is_that_of_the_standard(status, method, then):
    async def handler(request):
        return web.Response(status=status, headers={"Location": "/end"}) if request.path == "/start" else web.Response(text="ok")

    with answering(handler) as site:
        fetch(gate_for(opened(site.port)), site.url("/start"), method=method, body=b"data")
    assert [asked[0] for asked in site.asked] == [method, then]


def test_a_ring_of_redirects_ends():
    with answering(text("", 302, Location="/")) as site, pytest.raises(FetchFailed) as failed:
        fetch(gate_for(opened(site.port)), site.url(), bounds=Bounds(redirects=3))
    assert (failed.value.kind, len(site.asked)) == ("redirects", 4)


def test_a_switch_holds_from_the_next_hop_on():
    with answering(text("", 302, Location="/end")) as site:
        snapshots = [
            compiled([], listing=Listing.ALLOWLIST, authorizations=[opened(site.port)], killed=killed) for killed in ((), ("*",))
        ]
        gate = Gate(lambda: snapshots[min(len(site.asked), 1)], Asked(), lambda: NOW, Record("d"))
        assert refused(gate, site.url("/start")) == ("kill_switch",)
    assert len(site.asked) == 1


def packed(body, encoding):
    async def handler(_request):
        return web.Response(body=body, headers={"Content-Encoding": encoding})

    return handler


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_packed_body_is_unpacked_and_a_bomb_is_not(encoding, pack):
    with answering(packed(pack(b"hello"), encoding)) as site:
        assert fetch(gate_for(opened(site.port)), site.url()).body == b"hello"
    with answering(packed(pack(bytes(5_000_000)), encoding)) as site, pytest.raises(FetchFailed) as failed:
        fetch(gate_for(opened(site.port)), site.url(), bounds=Bounds(unpacked=1_000_000))
    assert failed.value.kind == "too_large"


@pytest.mark.parametrize(("handler", "kind"), [(packed(b"x", "br"), "encoding"), (packed(b"not packed", "gzip"), "protocol")])
def test_a_body_that_cannot_be_unpacked_is_no_answer(handler, kind):
    with answering(handler) as site, pytest.raises(FetchFailed) as failed:
        fetch(gate_for(opened(site.port)), site.url())
    assert failed.value.kind == kind


def test_a_body_longer_than_allowed_and_one_that_never_ends_are_cut_off():
    async def endless(request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 10_000)
            await asyncio.sleep(0.001)

    with answering(endless) as site:
        with pytest.raises(FetchFailed) as failed:
            fetch(gate_for(opened(site.port)), site.url(), bounds=Bounds(wire=100_000))
        assert failed.value.kind == "too_large"
        with pytest.raises(FetchFailed) as failed:
            fetch(gate_for(opened(site.port)), site.url(), bounds=Bounds(seconds=0.3))
        assert failed.value.kind == "timeout"


@pytest.mark.parametrize(
    "headers",
    [{"X-A": "b\r\nX-Evil: 1"}, {"X A": "b"}, {"": "b"}, {"Host": "evil"}, {"User-Agent": "Mozilla"}, {"Content-Length": "0"}, {"X-A": " b"},
     {"X-Forwarded-For": "1.1.1.1"}],
)  # fmt: skip
def test_headers_that_are_none_or_not_the_callers_are_refused(headers):
    with pytest.raises(UsageError):
        checked_headers(headers)


def test_the_environments_proxies_are_ignored(monkeypatch):
    with answering(text()) as proxy, answering(text("direct")) as site:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        assert fetch(gate_for(opened(site.port)), site.url()).body == b"direct"
    assert proxy.asked == []


def test_a_certificate_is_verified_for_the_name_that_was_asked_for(certificate):
    server, trust = certificate("inside.example")

    async def resolver(_host, _port):
        return [ip_address("127.0.0.1")]

    with answering(text("secure"), tls=server) as site:
        gate = gate_for(opened(site.port, "inside.example"), opened(site.port, "other.example"), resolver=resolver)
        assert fetch(gate, f"https://inside.example:{site.port}/", trust=trust).body == b"secure"
        for url, trusted in ((f"https://other.example:{site.port}/", trust), (f"https://inside.example:{site.port}/", None)):
            with pytest.raises(FetchFailed) as failed:
                fetch(gate, url, trust=trusted or ssl.create_default_context())
            assert failed.value.kind == "certificate"


def test_a_redirect_from_https_to_http_is_refused(certificate):
    server, trust = certificate("inside.example")

    async def resolver(_host, _port):
        return [ip_address("127.0.0.1")]

    def handler(_request):
        return web.Response(status=302, headers={"Location": f"http://inside.example:{site.port}/plain"})

    async def answer(request):
        return handler(request)

    with answering(answer, tls=server) as site:
        gate = gate_for(opened(site.port, "inside.example"), resolver=resolver)
        assert refused(gate, f"https://inside.example:{site.port}/", trust=trust) == ("egress.redirect.downgrade",)
    assert len(site.asked) == 1


def test_the_record_tells_every_hop_and_counts_what_was_refused():
    with answering(text("hello")) as site:
        gate = gate_for(opened(site.port))
        fetch(gate, site.url())
        for _ in range(3):
            refused(gate, "http://127.0.0.1:1/")
    lines = gate.record.lines().splitlines()
    assert len(lines) == 5
    assert b'"refused":[{"host":"127.0.0.1","rule":"egress.address.loopback","count":3}]' in lines[0]
    assert b'"received":5' in lines[1]
