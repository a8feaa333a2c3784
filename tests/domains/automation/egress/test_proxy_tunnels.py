"""The proxy where TLS ends, where tunnels are relayed, and where connections go on."""

import asyncio
import contextlib
import dataclasses
import ssl
from datetime import timedelta
from ipaddress import ip_address

import pytest

from tests.domains.automation.egress.test_http import AGENT, NOW, opened
from tests.domains.automation.egress.test_proxy import OK, Server, World, trusting
from trueup.domains.automation.egress.authority import LEAVES, Authority
from trueup.domains.automation.egress.gate import Gate
from trueup.domains.automation.egress.proxy_hops import Hops
from trueup.domains.automation.egress.proxy_io import Limits
from trueup.domains.automation.egress.proxy_wire import WireRefused, request_head
from trueup.domains.automation.egress.record import Record
from trueup.domains.automation.engine.decide import Asked
from trueup.domains.automation.engine.hostpolicy import HostPolicy, Listing, compiled


def test_tls_ends_at_the_proxy_and_the_targets_certificate_is_verified_for_its_name():
    async def go(host, target, trust):
        async with Server(tls=target.context("inside.example")) as server, World(server, trust=trusting(trust)) as world:
            await world.tunnel(host, server.port, trusting(world.proxy.authority))
            world.writer.write(f"GET /x HTTP/1.1\r\nHost: {host}:{server.port}\r\n\r\n".encode())
            answer = await world.hear()
            return answer[:2], world.gate.record.hops[0].url.rpartition(":")[0], b"GET /x" in server.got

    target = Authority()
    assert asyncio.run(go("inside.example", target, target)) == ((200, ""), "https://inside.example", True)
    assert asyncio.run(go("inside.example", target, Authority())) == (
        (502, "egress.upstream.certificate"), "https://inside.example", False,
    )  # fmt: skip
    assert asyncio.run(go("127.0.0.1", target, target))[0] == (502, "egress.upstream.certificate")


def test_every_request_inside_a_tunnel_is_decided_about_by_its_whole_url():
    async def go():
        policy = HostPolicy("p", 1, "inside.example", paths=("/open",), ports=frozenset())
        target = Authority()
        async with (
            Server(tls=target.context("inside.example")) as server,
            World(server, policies=[policy], trust=trusting(target)) as world,
        ):
            await world.tunnel("inside.example", server.port, trusting(world.proxy.authority))
            found = []
            for path, host in (
                ("/open/a", "inside.example"),
                ("/closed", "inside.example"),
                ("/open/../closed", "inside.example"),
            ):
                world.writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{server.port}\r\n\r\n".encode())
                found.append((await world.hear())[:2])
            world.writer.write(f"GET /open HTTP/1.1\r\nHost: other.example:{server.port}\r\n\r\n".encode())
            found.append((await world.hear())[:2])
            return found, server.got.count(b"GET ")

    assert asyncio.run(go()) == ([(200, ""), (403, "policy.path"), (403, "policy.path"), (400, "egress.wire.host")], 1)


def test_a_hello_that_names_another_host_than_the_tunnel_ends_it():
    async def go():
        async with Server() as server, World(server) as world:
            await world.tunnel("inside.example", server.port)
            with pytest.raises((ssl.SSLError, OSError)):
                await world.writer.start_tls(trusting(world.proxy.authority), server_hostname="other.example")

    asyncio.run(go())


def test_plain_http_inside_a_tunnel_is_decided_about_as_such():
    async def go():
        async with Server() as server, World(server) as world:
            await world.tunnel("127.0.0.1", server.port)
            world.writer.write(f"GET /x HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
            return await world.hear(), world.gate.record.hops[0].url == f"http://127.0.0.1:{server.port}/x"

    assert asyncio.run(go()) == ((200, "", b"ok"), True)


async def echoing(server, reader, writer):
    key = server.got.lower().partition(b"sec-websocket-key: ")[2].partition(b"\r\n")[0]
    assert key
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    while data := await reader.read(100):
        writer.write(data.upper())


SHAKE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


def test_a_websocket_is_relayed_until_its_host_is_switched_off():
    async def go():
        async with Server(echoing) as server, World(server, limits=Limits(recheck=0.05)) as world:
            assert (await world.get(server, "/socket", *SHAKE))[0] == 101
            world.writer.write(b"hello")
            assert await world.reader.readexactly(5) == b"HELLO"
            world.killed.add("127.0.0.1")
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionError):
                    assert await world.reader.read() == b""
            hop = world.gate.record.hops[0]
            return hop.url.partition(":")[0], hop.sent, hop.received, hop.outcome, hop.rule_ids

    assert asyncio.run(go()) == ("ws", 5, 5, "refused", ("kill_switch",))


@pytest.mark.parametrize(
    ("limits", "said", "outcome"),
    [
        (Limits(request=10), b"x" * 11, "too_large"),
        (Limits(response=3), b"abcd", "too_large"),
        (Limits(idle=0.1, recheck=0.05), b"a", "timeout"),
    ],
)
def test_a_websocket_has_bounds_of_bytes_and_of_silence(limits, said, outcome):
    async def go():
        async with Server(echoing) as server, World(server, limits=dataclasses.replace(limits, recheck=0.05)) as world:
            await world.get(server, "/socket", *SHAKE)
            world.writer.write(said)
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionError):
                    await world.reader.read()
            return world.gate.record.hops[0].outcome

    assert asyncio.run(go()) == outcome


def test_an_answer_that_accepts_another_handshake_is_no_websocket():
    async def other(server, _reader, writer):
        writer.write(
            b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
        )

    async def go():
        async with Server(other) as server, World(server) as world:
            return (await world.get(server, "/socket", *SHAKE))[:2]

    assert asyncio.run(go()) == (502, "egress.upstream.protocol")


def test_a_tunnel_that_is_only_relayed_is_decided_about_and_recorded_by_its_host():
    async def go():
        target = Authority()
        async with Server(tls=target.context("127.0.0.1")) as server, World(server, tunnel_only=True) as world:
            await world.tunnel("127.0.0.1", server.port, trusting(target))
            world.writer.write(b"GET /whatever HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = await world.hear()
            hop = world.gate.record.hops[0]
            return answer, (hop.via, hop.method, hop.url.rpartition(":")[0], hop.allowed), b"/whatever" in server.got

    assert asyncio.run(go()) == ((200, "", b"ok"), ("tunnel", "CONNECT", "https://127.0.0.1", True), True)


@pytest.mark.parametrize("tunnel_only", [True, False])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "metadata.google.internal"])
def test_a_tunnel_to_what_is_not_allowed_reaches_nothing(host, tunnel_only):
    async def go():
        async with Server() as server, World(allowed=[], tunnel_only=tunnel_only) as world:
            answer = await world.tunnel(host, server.port)
            if answer[0] == 200:
                world.writer.write(f"GET / HTTP/1.1\r\nHost: {host}:{server.port}\r\n\r\n".encode())
                answer = await world.hear()
            return answer[0], answer[1].startswith("egress."), server.connections, [hop.allowed for hop in world.gate.record.hops]

    assert asyncio.run(go()) == (403, True, 0, [False])


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:10.0.0.1"], ["169.254.169.254"]])
def test_a_public_name_that_leads_inside_is_not_connected_to(addresses):
    async def go():
        async with Server() as server:
            policy = HostPolicy("p", 1, "rebinding.example", ports=frozenset({server.port}))
            async with World(allowed=[], policies=[policy], addresses=addresses) as world:
                named = f"rebinding.example:{server.port}"
                return (await world.say(f"GET http://{named}/ HTTP/1.1", f"Host: {named}"))[0], server.connections

    assert asyncio.run(go()) == (403, 0)


def test_more_connections_than_allowed_are_turned_away():
    async def go():
        async with World(limits=Limits(connections=1)) as world:
            await asyncio.sleep(0)
            reader, writer = await asyncio.open_connection("127.0.0.1", world.proxy.port)
            answer = await reader.read()
            writer.close()
            return answer.split(b"\r\n")[0], world.proxy.counts.busy

    assert asyncio.run(go()) == (b"HTTP/1.1 503 Service Unavailable", 1)


def test_a_silent_client_and_a_silent_target_are_given_up():
    async def silent(_server, reader, _writer):
        await reader.read()

    async def go():
        async with Server(silent) as server, World(server, limits=Limits(idle=0.1)) as world:
            answer = await world.get(server)
            reader, writer = await asyncio.open_connection("127.0.0.1", world.proxy.port)
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
            writer.close()
            return answer[:2]

    assert asyncio.run(go()) == (502, "egress.upstream.timeout")


def test_a_toll_that_was_entered_is_left_however_a_hop_ends():
    class Toll:
        entered = left = 0

        async def enter(self, _way):
            self.entered += 1
            return ("limit.minute", "too often") if self.entered > 3 else ("", "")

        async def leave(self, _way):
            self.left += 1

    async def go():
        async with Server(OK, b"nothing\r\n\r\n", echoing) as server, World(server) as world:
            world.gate.toll = toll = Toll()
            first = await world.get(server)
            second = await world.get(server)
            await world.again()
            await world.get(server, "/socket", *SHAKE)
            await world.again()
            fourth = await world.get(server)
            for _ in range(100):
                if toll.left == 3:
                    break
                await asyncio.sleep(0.01)
            return first[0], second[0], fourth[:2], toll.left

    assert asyncio.run(go()) == (200, 502, (403, "limit.minute"), 3)


def hop_from(*lines):
    """Ask for an authorised place inside after a public one, as a page with these headers would; return the rule that refuses."""

    async def resolver(host, _port):
        return [ip_address("93.184.216.34" if host.endswith("outside.example") else "127.0.0.1")]

    inside = [opened(8000), opened(9000)]
    outside = HostPolicy("p", 1, "outside.example")
    snapshot = compiled([outside], listing=Listing.ALLOWLIST, authorizations=inside)
    gate = Gate(lambda: snapshot, Asked(), lambda: NOW + timedelta(seconds=1), Record("d"), resolver=resolver)

    async def go():
        hops = Hops(gate, AGENT)
        for url in ("https://outside.example/", "http://127.0.0.1:8000/"):
            host = url.split("/")[2]
            await hops.open(url, request_head(f"GET / HTTP/1.1\r\nHost: {host}".encode()))
        head = "\r\n".join(["GET / HTTP/1.1", "Host: 127.0.0.1:9000", *lines])
        with contextlib.suppress(Exception):
            await hops.open("http://127.0.0.1:9000/", request_head(head.encode()))
        return gate.record.hops[-1]

    hop = asyncio.run(go())
    return "" if hop.allowed else hop.rule_ids[0]


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ([], ""),
        (["Sec-Fetch-Site: none"], ""),
        (["Referer: http://127.0.0.1:8000/page"], ""),
        (["Origin: http://127.0.0.1:8000"], ""),
        (["Referer: https://outside.example/page"], "egress.redirect.private"),
        (["Origin: https://outside.example"], "egress.redirect.private"),
        (["Origin: https://never.example"], "egress.redirect.private"),
        (["Origin: null", "Referer: https://outside.example/"], "egress.redirect.private"),
        (["Sec-Fetch-Site: cross-site"], "egress.redirect.private"),
        (["Origin: null", "Sec-Fetch-Site: cross-site"], "egress.redirect.private"),
    ],
)
def test_a_page_from_outside_does_not_reach_what_was_opened_inside(lines, rule):
    assert hop_from(*lines) == rule


def test_a_host_header_is_compared_as_it_would_be_read():
    async def go(host):
        gate = Gate(
            lambda: compiled([], listing=Listing.ALLOWLIST, authorizations=[opened(80)]), Asked(), lambda: NOW, Record("d")
        )
        await Hops(gate, AGENT).open("http://127.0.0.1/", request_head(f"GET / HTTP/1.1\r\nHost: {host}".encode()))

    asyncio.run(go("127.0.0.1:80"))
    for host in ("127.0.0.1:81", "127.0.0.2", "", "a b"):
        with pytest.raises(WireRefused):
            asyncio.run(go(host))


def test_an_authoritys_leaves_are_for_one_name_and_kept_within_bounds():
    authority = Authority()
    one = authority.context("a.example")
    assert authority.context("a.example") is one
    assert authority.spki != Authority().spki
    for n in range(LEAVES):
        authority._leaves[f"{n}.example"] = one
    authority.context("b.example")
    assert "a.example" not in authority._leaves
    assert "b.example" in authority._leaves
