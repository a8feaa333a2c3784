"""The browser's way out, spoken to as a hostile client and in front of hostile servers would."""

import asyncio
import base64
import contextlib
import dataclasses
import ssl
from datetime import timedelta
from ipaddress import ip_address

import pytest

from tests.domains.automation.egress.test_http import AGENT, NOW, opened
from trueup.domains.automation.egress.authority import LEAVES, Authority
from trueup.domains.automation.egress.gate import Gate
from trueup.domains.automation.egress.proxy import Proxy
from trueup.domains.automation.egress.proxy_hops import Hops
from trueup.domains.automation.egress.proxy_io import Limits
from trueup.domains.automation.egress.proxy_wire import WireRefused, request_head
from trueup.domains.automation.egress.record import Record
from trueup.domains.automation.engine.decide import Asked
from trueup.domains.automation.engine.hostpolicy import HostPolicy, Listing, compiled

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers every connection with bytes, whatever is asked; keeps what it was sent.

    Args:
        answers: one for each request, the last for all further ones.
        closes: whether a connection ends after an answer.
    """

    def __init__(self, *answers, tls=None, closes=False):
        self.answers, self.tls, self.closes = list(answers) or [OK], tls, closes
        self.connections, self.got, self.tasks = 0, b"", set()

    async def _serve(self, reader, writer):
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        with contextlib.suppress(asyncio.CancelledError):
            await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                self.got += await reader.readuntil(b"\r\n\r\n")
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if callable(answer):
                    await answer(self, reader, writer)
                    break
                writer.write(answer)
                await writer.drain()
                if self.closes:
                    break

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class World:
    """A proxy in front of servers, which it may reach where they are authorised."""

    def __init__(self, *servers, policies=(), allowed=None, addresses=None, **more):
        self.killed = set()
        ports = [server.port for server in servers] if allowed is None else allowed
        authorizations = [opened(port, host) for port in ports for host in ("127.0.0.1", "inside.example")]

        async def resolver(_host, _port):
            return [ip_address(text) for text in (addresses or ["127.0.0.1"])]

        def snapshot():
            return compiled(policies, listing=Listing.ALLOWLIST, authorizations=authorizations, killed=self.killed)

        self.gate = Gate(snapshot, Asked(), lambda: NOW, Record("digest"), resolver=resolver)
        self.proxy = Proxy(self.gate, AGENT, **more)

    async def __aenter__(self):
        await self.proxy.__aenter__()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.proxy.port)
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
        await self.proxy.__aexit__()

    @property
    def credential(self):
        return b"Proxy-Authorization: Basic " + base64.b64encode(f"{self.proxy.user}:{self.proxy.password}".encode())

    async def again(self):
        """Open another connection in place of this one."""
        self.writer.close()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.proxy.port)

    async def say(self, *lines, body=b"", credential=True):
        known = [self.credential] if credential else []
        self.writer.write(b"\r\n".join([*(one.encode("latin-1") for one in lines), *known]) + b"\r\n\r\n" + body)
        return await self.hear()

    async def hear(self):
        """Return status, rule and body of an answer."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            if fields.get("transfer-encoding") == "chunked":
                body = await self.reader.readuntil(b"0\r\n\r\n")
            else:
                body = await self.reader.readexactly(int(fields.get("content-length", 0)))
        self.fields = fields
        return int(head.split(" ")[1]), fields.get("x-trueup-rule", ""), body

    async def get(self, server, path="/", *more, **options):
        return await self.say(
            f"GET http://127.0.0.1:{server.port}{path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *more, **options
        )

    async def tunnel(self, host, port, trust=None):
        answer = await self.say(f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}")
        if trust is not None and answer[0] == 200:
            await self.writer.start_tls(trust, server_hostname=host)
        return answer


def trusting(authority):
    return ssl.create_default_context(cadata=authority.certificate.decode())


def test_a_request_is_passed_on_to_the_pinned_place_with_an_honest_name_and_without_this_connections_headers():
    async def go():
        async with Server() as server, World(server) as world:
            assert await world.get(server, "/a?b", "User-Agent: Browser/1", "Connection: keep-alive", "Cookie: c=d") == (
                200,
                "",
                b"ok",
            )
            assert await world.get(server, "/again") == (200, "", b"ok")
            return server, world

    server, world = asyncio.run(go())
    first, second = server.got.split(b"\r\n\r\n")[:2]
    assert first.startswith(
        b"GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: Browser/1 %b" % (server.port, AGENT.encode())
    )
    assert b"cookie: c=d" in first
    assert b"roxy" not in server.got
    assert b"User-Agent: %b" % AGENT.encode() in second
    assert server.connections == 1
    hop = world.gate.record.hops[0]
    assert (hop.via, hop.status, hop.received, hop.address, hop.allowed) == ("browser", 200, 2, "127.0.0.1", True)


def test_nobody_else_uses_the_proxy():
    async def go(*lines):
        async with Server() as server, World(server) as world:
            answer = await world.get(server, "/", *lines, credential=False)
            assert await world.reader.read() == b""
            return answer[:2], server.connections, world.proxy.counts.unknown, world.fields["proxy-authenticate"]

    for lines in ((), ("Proxy-Authorization: Basic eDp5",), ("Proxy-Authorization: Bearer x",)):
        assert asyncio.run(go(*lines)) == ((407, "egress.proxy.credential"), 0, 1, 'basic realm="trueup"')


def test_credentials_of_two_runs_differ_and_are_not_shown():
    async def go():
        async with World() as one, World() as other:
            return one.proxy, other.proxy

    one, other = asyncio.run(go())
    assert one.password != other.password
    assert one.password not in repr(one)


@pytest.mark.parametrize(
    ("lines", "body", "rule"),
    [
        (["GET {url} HTTP/1.1", "Host: other.example"], b"", "host"),
        (["GET {url} HTTP/1.1", "Host: {host}@other"], b"", "host"),
        (["GET {url} HTTP/1.1", "Host: {host}/x"], b"", "host"),
        (["GET / HTTP/1.1", "Host: {host}"], b"", "target"),
        (["GET https://{host}/ HTTP/1.1", "Host: {host}"], b"", "target"),
        (["OPTIONS * HTTP/1.1", "Host: {host}"], b"", "target"),
        (["TRACE {url} HTTP/1.1", "Host: {host}"], b"", "method"),
        (["POST {url} HTTP/1.1", "Host: {host}", "Content-Length: 5", "Transfer-Encoding: chunked"], b"0\r\n\r\n", "smuggling"),
        (["POST {url} HTTP/1.1", "Host: {host}", "Expect: 100-continue", "Content-Length: 1"], b"x", "expect"),
        (["GET {url} HTTP/1.1", "Host: {host}", "Connection: Cookie"], b"", "connection"),
        (["GET {url} HTTP/1.1", "Host: {host}", "User-Agent: a", "User-Agent: b"], b"", "repeated"),
        (["GET {url} HTTP/1.1", "Host: {host}", "Connection: Upgrade", "Upgrade: websocket"], b"", "websocket"),
        (["CONNECT {host}/x HTTP/1.1", "Host: {host}"], b"", "connect"),
        (["CONNECT {host} HTTP/1.1", "Host: other.example:443"], b"", "host"),
        (["CONNECT {host} HTTP/1.1", "Host: {host}"], b"early", "connect"),
        (["GET {url} HTTP/1.1", "Host: {host}", "X: " + "x" * 70_000], b"", "head_size"),
    ],
)
def test_a_malformed_or_two_faced_request_goes_nowhere(lines, body, rule):
    async def go():
        async with Server() as server, World(server) as world:
            host = f"127.0.0.1:{server.port}"
            status, found, _ = await world.say(*(line.format(url=f"http://{host}/", host=host) for line in lines), body=body)
            assert await world.reader.read() == b""
            return status, found, server.connections, world.proxy.counts.malformed

    assert asyncio.run(go()) == (400, f"egress.wire.{rule}", 0, 1)


def test_a_body_is_passed_on_in_its_framing_and_its_chunks_are_made_anew():
    async def echo(server, reader, writer):
        async with asyncio.timeout(5):
            server.got += await reader.readuntil(b"0\r\n\r\n")
        writer.write(OK)

    async def go():
        async with Server(echo) as server, World(server) as world:
            lines = [
                f"POST http://127.0.0.1:{server.port}/ HTTP/1.1",
                f"Host: 127.0.0.1:{server.port}",
                "Transfer-Encoding: chunked",
            ]
            answer = await world.say(*lines, body=b"003\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: y\r\n\r\n")
            return answer, server.got.partition(b"\r\n\r\n")[2], world.gate.record.hops[0].sent

    assert asyncio.run(go()) == ((200, "", b"ok"), b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 5)


@pytest.mark.parametrize("body", [b"5;x=y\r\nabcde\r\n0\r\n\r\n", b"2\r\nabc\r\n0\r\n\r\n", b"zz\r\n"])
def test_a_body_of_odd_chunks_ends_both_connections(body):
    async def go():
        async with Server(OK) as server, World(server) as world:
            lines = [
                f"POST http://127.0.0.1:{server.port}/ HTTP/1.1",
                f"Host: 127.0.0.1:{server.port}",
                "Transfer-Encoding: chunked",
            ]
            answer = await world.say(*lines, body=body)
            return answer[:2], await world.reader.read(), world.gate.record.hops[0].outcome

    assert asyncio.run(go()) == ((502, "egress.upstream.request"), b"", "request")


def test_a_refused_request_with_a_body_does_not_leave_its_body_to_be_read_as_a_request():
    async def go():
        async with Server() as server, World(allowed=[]) as world:
            inner = f"GET http://127.0.0.1:{server.port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            answer = await world.say(
                f"POST http://127.0.0.1:{server.port}/ HTTP/1.1", f"Host: 127.0.0.1:{server.port}",
                f"Content-Length: {len(inner)}", body=inner,
            )  # fmt: skip
            return answer[:2], await world.reader.read(), server.connections, len(world.gate.record.hops)

    assert asyncio.run(go()) == ((403, "egress.address.loopback"), b"", 0, 1)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "protocol"),
        (b"ICY 200 OK\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\nX: y\r\n\r\n", "protocol"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "protocol"),
        (b"HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", "protocol"),
        (b"", "reset"),
        (b"HTTP/1.1 200", "reset"),
    ],
)
def test_an_answer_that_is_none_is_not_handed_on(answer, kind):
    async def go():
        async with Server(answer, closes=True) as server, World(server) as world:
            return (await world.get(server))[:2], world.gate.record.hops[0].outcome

    assert asyncio.run(go()) == ((502, f"egress.upstream.{kind}"), kind)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000],
)  # fmt: skip
def test_half_an_answer_is_never_taken_for_a_whole_one(answer):
    async def go():
        async with Server(answer, closes=True) as server, World(server, limits=Limits(response=1_000)) as world:
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await world.get(server)
            return world.gate.record.hops[0].outcome

    assert asyncio.run(go()) in ("cut", "too_large")


def test_hints_before_an_answer_and_offers_of_other_ways_are_not_handed_on():
    async def go():
        answer = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nAlt-Svc: h3\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok"
        async with Server(answer) as server, World(server) as world:
            assert await world.get(server) == (200, "", b"ok")
            return world.fields

    fields = asyncio.run(go())
    assert ("alt-svc" in fields, "link" in fields, fields["x-kept"]) == (False, False, "1")


def test_an_answer_up_to_the_end_of_its_connection_is_handed_on_in_chunks():
    async def go():
        async with Server(b"HTTP/1.0 200 OK\r\n\r\nhello", closes=True) as server, World(server) as world:
            return await world.get(server)

    assert asyncio.run(go()) == (200, "", b"5\r\nhello\r\n0\r\n\r\n")


def test_a_kept_connection_that_has_ended_is_replaced_and_the_request_made_once_more():
    async def go():
        async with Server(OK, closes=True) as server, World(server) as world:
            answers = [await world.get(server) for _ in range(3)]
            return answers, server.got.count(b"GET /"), [hop.status for hop in world.gate.record.hops]

    assert asyncio.run(go()) == ([(200, "", b"ok")] * 3, 3, [200] * 3)


def moved(place, status=302):
    return f"HTTP/1.1 {status} Moved\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("place", "rule"),
    [
        ("http://169.254.169.254/", "egress.address.metadata"), ("http://127.0.0.1:{other}/", "egress.redirect.private"),
        ("http://0x7f.1/", "egress.url.host_form"), ("file:///etc/passwd", "egress.url.scheme"), ("http://a@b.example/", "egress.url.userinfo"),
        ("http://[", "egress.url.invalid"), ("http://other.example/", "policy.allowlist"),
    ],
)  # fmt: skip
def test_a_redirect_that_may_not_be_followed_is_not_handed_to_the_browser(place, rule):
    async def go():
        async with Server() as other:
            answer = moved(place.format(other=other.port))
            async with Server(answer) as server, World(server, other) as world:
                found = await world.get(server)
                assert await world.get(other) == (200, "", b"ok")
                return found[:2], [hop.allowed for hop in world.gate.record.hops], other.connections

    assert asyncio.run(go()) == ((403, rule), [True, False, True], 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_within_what_is_allowed_is_handed_to_the_browser(status):
    async def go():
        async with Server(moved("/there", status)) as server, World(server) as world:
            return (await world.get(server))[0], world.fields["location"]

    assert asyncio.run(go()) == (status, "/there")


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
