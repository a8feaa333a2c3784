"""The browser's way out, spoken to as a hostile client and in front of hostile servers would."""

import asyncio
import base64
import contextlib
import ssl
from ipaddress import ip_address

import pytest

from tests.domains.automation.egress.test_http import AGENT, NOW, opened
from trueup.domains.automation.egress.gate import Gate
from trueup.domains.automation.egress.proxy import Proxy
from trueup.domains.automation.egress.proxy_io import Limits
from trueup.domains.automation.egress.record import Record
from trueup.domains.automation.engine.decide import Asked
from trueup.domains.automation.engine.hostpolicy import Listing, compiled

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


def test_more_connections_than_a_browser_has_are_turned_away():
    async def go():
        async with Server() as server, World(server, limits=Limits(connections=1)) as world:
            assert (await world.get(server))[0] == 200
            first, world.reader, world.writer = world.writer, *await asyncio.open_connection("127.0.0.1", world.proxy.port)
            turned_away = (await world.hear())[:2]
            first.close()
            await world.again()
            while (answer := await world.get(server))[0] == 503:
                await world.again()
            return turned_away, answer[0], world.proxy.counts.busy >= 1

    assert asyncio.run(go()) == ((503, "egress.proxy.busy"), 200, True)


def test_connections_that_close_while_the_proxy_ends_are_no_error_of_the_program():
    complaints = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
        snapshot = compiled((), listing=Listing.ALLOWLIST, authorizations=(), killed=(), digest="")
        nothing = Gate(lambda: snapshot, Asked(), lambda: NOW, Record(""))
        for turns in range(6):
            async with Proxy(nothing, AGENT) as proxy:
                ends = [await asyncio.open_connection("127.0.0.1", proxy.port) for _ in range(10)]
                for _, writer in ends:
                    writer.write(b"no request\r\n\r\n")
                while proxy.counts.malformed < len(ends):
                    await asyncio.sleep(0)
                for _ in range(turns):
                    await asyncio.sleep(0)
            for _, writer in ends:
                writer.close()
            await asyncio.sleep(0.01)

    asyncio.run(main())
    assert not complaints


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
