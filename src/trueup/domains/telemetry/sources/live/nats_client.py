"""The library's NATS client, fitted for taking in much: it keeps what comes as bytes until it is taken, and never parses what a sender chose.

It replaces the client's parser and overrides ``_process_info``; the locked version, and the conformance kit, hold what they rely on. The
library would hear nothing more after a subject that is no UTF-8, and would speak plainly with a server that offers no TLS.

References:
    NATS documentation, "JetStream wire API": pull requests (``CONSUMER.MSG.NEXT``), their status messages, acknowledgements, and the
    tokens of a message's reply subject.
"""

import asyncio
import json
import re
import ssl
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import nats.errors
import nats.js.errors
from nats.aio.client import Client as Library
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from trueup.domains.telemetry.sources.live.nats_creds import Credentials, credentials
from trueup.domains.telemetry.sources.live.nats_faults import (
    LOST,
    NO_CONSUMER,
    NotJoinedError,
    denied,
    of_connection,
    of_jetstream,
    unfit,
)
from trueup.domains.telemetry.sources.live.nats_frames import Frames
from trueup.domains.telemetry.sources.live.remote import server_of, trusted

CONNECT_SECONDS, API_SECONDS, CLOSE_SECONDS = 5, 5.0, 2
ASK_SECONDS, ANSWER_SECONDS = 5.0, 3.0
ASK_BYTES = 16 << 20
MAX_PENDING = 20_000
# $JS.ACK.<stream>.<consumer>.<delivered>.<number>.<…>.<time>.<pending>; servers with domains put domain and account before the stream
_ACK = re.compile(rb"\$JS\.ACK\.(?:[^.]+\.[^.]+\.)?([^.]+)\.[^.]+\.\d+\.(\d{1,19})\.\d+\.(\d{1,19})\.\d+(?:\.[^.]+)*")


@dataclass(frozen=True, slots=True)
class Server:
    """How to reach a server, and what to hear of it.

    Args:
        host: name or address.
        port: TCP port.
        stream: to read.
        consumer: under which the server remembers what was acknowledged; the same for every start of one capture.
        subject: of the stream's messages, with ``*`` and ``>``; empty for all.
        ack_wait: seconds after which the server sends again what was not acknowledged.
        username: empty for none.
        password: never shown.
        token: never shown.
        creds: file of the user's JWT and key.
        tls: speak to nobody without TLS.
        ca: file of the authorities to trust; None for the system's.
        certificate: client certificate, with ``key``.
        key: of the certificate.
    """

    host: str
    port: int
    stream: str
    consumer: str
    subject: str = ""
    ack_wait: float = 10.0
    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    creds: Path | None = None
    tls: bool = False
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Where it is, as the library wants it."""
        return f"nats://[{self.host}]:{self.port}" if ":" in self.host else f"nats://{self.host}:{self.port}"


class Access:
    """What opens the server's door: a context for TLS, and who we are.

    Raises:
        ConfigurationError: a file of it cannot be used.
    """

    def __init__(self, server: Server) -> None:
        self.context: ssl.SSLContext = trusted(server.ca, server.certificate, server.key)
        self._server = server
        self._creds: Credentials | None = credentials(server.creds) if server.creds else None

    def options(self) -> dict[str, Any]:
        """Return the arguments of the library's ``connect``."""
        server, creds = self._server, self._creds
        found: dict[str, Any] = {"tls": self.context, "tls_hostname": server.host}
        if creds is not None:
            return {**found, "user_jwt_cb": lambda: creds.token, "signature_cb": creds.sign}
        if server.username:
            return {**found, "user": server.username, "password": server.password}
        return {**found, "token": server.token} if server.token else found


class Arrived(NamedTuple):
    """A message of a stream as it came.

    Args:
        subject: to which it was sent.
        reply: where its acknowledgement goes.
        data: its body.
        stream: its stream.
        number: the stream's number of it.
        taken: when the stream took it, in epoch nanoseconds.
    """

    subject: bytes
    reply: bytes
    data: bytes
    stream: bytes
    number: int
    taken: int


def arrived(subject: bytes, reply: bytes, data: bytes) -> Arrived | None:
    """Return a message as its stream sent it; None where it is of none."""
    found = _ACK.fullmatch(reply)
    return Arrived(subject, reply, data, found[1], int(found[2]), int(found[3])) if found else None


class Client(Library):
    """A client that puts the messages of one subscription aside as bytes.

    Args:
        tls: speak to nobody without TLS.
    """

    def __init__(self, *, tls: bool) -> None:
        super().__init__()
        self._only_tls = tls
        self._ps = self.frames = Frames(self, self._heard)
        self.arrived: deque[Arrived] = deque()
        self.woken = asyncio.Event()
        self.left = self.came = 0
        self.odd = 0
        self.ended = ""

    def _heard(self, subject: bytes, reply: bytes, headers: bytes, data: bytes) -> None:
        message = arrived(subject, reply, data)
        if message is not None:
            self.arrived.append(message)
            self.left -= 1
            self.came += 1
        else:
            self._told(headers)
        self.woken.set()

    def _told(self, headers: bytes) -> None:
        """Hear what the server says of the request."""
        code, _, words = headers.partition(b"\r\n")[0].removeprefix(b"NATS/1.0").strip().partition(b" ")
        if code in {b"404", b"408"} or (code == b"409" and self.came):
            self.left = 0
        elif code == b"409" and words == b"Server Shutdown":
            self.left, self.ended = 0, LOST
        elif code in {b"409", b"503"}:
            self.left = 0
            self.ended = f"the stream cannot be read ({words.decode('ascii', 'replace') or 'nobody answers for it'})"
        elif code != b"100":
            self.odd += 1

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:  # noqa: FBT001, FBT002 - the library's
        if initial_connection and self._only_tls and not info.get("tls_required"):
            raise nats.errors.SecureConnWantedError
        await super()._process_info(info, initial_connection)


class Link:
    """One connection to a server, from its beginning to its end; nothing happens on it while none of its coroutines is awaited.

    Args:
        server: to which.
        access: what opens its door.
    """

    def __init__(self, server: Server, access: Access) -> None:
        self._server, self._access = server, access
        self._client = Client(tls=server.tls)
        self._inbox, self._until = "", 0.0
        self._faults: list[Exception] = []

    @property
    def arrived(self) -> deque[Arrived]:
        """What came and was not taken yet, oldest first."""
        return self._client.arrived

    @property
    def asking(self) -> bool:
        """Whether the server owes an answer to a request."""
        return self._client.left > 0

    @property
    def lost(self) -> str:
        """Why it is of no use any more; empty while it is."""
        if self._client.is_closed:
            return LOST
        if refused := denied(self._faults):
            return f"the broker refuses what is needed: {refused}"
        if self.asking and time.monotonic() > self._until:
            return "the broker does not answer"
        return self._client.ended

    def odd(self) -> int:
        """Return how many messages came that are none of a stream, since it was asked last."""
        found, self._client.odd = self._client.odd, 0
        return found

    async def join(self) -> None:
        """Connect, and make or find the consumer.

        Raises:
            NotJoinedError: it cannot be done.
        """
        try:
            await self._connect()
            await self._bind()
        except nats.js.errors.APIError as exc:
            raise of_jetstream(self._server.stream, self._server.consumer, exc) from None
        except (nats.errors.Error, OSError, ValueError) as exc:
            if self._client.is_connected and isinstance(exc, TimeoutError) and not denied(self._faults):
                raise NotJoinedError("the broker does not answer for JetStream") from None
            raise of_connection(exc, self._faults) from None

    async def _connect(self) -> None:
        async def noted(fault: Exception) -> None:
            self._faults.append(fault)

        await self._client.connect(
            self._server.address,
            error_cb=noted,
            allow_reconnect=False,  # a new connection is a new request: the library's own would wait for answers that never come
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=CONNECT_SECONDS,
            name=self._server.consumer,
            **self._access.options(),
        )

    async def _bind(self) -> None:
        server, manager = self._server, self._client.jetstream(timeout=API_SECONDS)
        wanted = ConsumerConfig(
            name=server.consumer,
            durable_name=server.consumer,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=server.ack_wait,
            max_deliver=-1,  # what could not be stored is never given up
            max_ack_pending=MAX_PENDING,
            filter_subject=server.subject or None,
        )
        try:
            self._check((await manager.consumer_info(server.stream, server.consumer)).config)
        except nats.js.errors.NotFoundError as exc:
            if exc.err_code != NO_CONSUMER:
                raise
        self._check((await manager.add_consumer(server.stream, wanted)).config)
        self._inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(self._inbox)
        self._client.frames.pulled = subscription._id
        await self._client.flush(CONNECT_SECONDS)

    def _check(self, config: ConsumerConfig) -> None:
        """Refuse a consumer by which messages could be missed: another one's, or of another subject."""
        server, subject = self._server, " ".join(config.filter_subjects or [config.filter_subject or ""])
        acknowledges = config.ack_policy == AckPolicy.EXPLICIT and config.max_deliver in {None, -1}
        whole = config.deliver_policy == DeliverPolicy.ALL and not config.headers_only and not config.deliver_subject
        if not acknowledges or not whole:
            raise unfit(server.stream, server.consumer, "it does not read all that the stream holds, one acknowledged by one")
        if subject != server.subject:
            raise unfit(server.stream, server.consumer, f"it reads {subject or 'every subject'}")

    async def ask(self, most: int) -> None:
        """Ask for so many messages; the server says so when it has none for a while."""
        self._client.left, self._client.came, self._until = most, 0, time.monotonic() + ASK_SECONDS + ANSWER_SECONDS
        size = max(ASK_BYTES, 2 * self._client.max_payload)
        request = {"batch": most, "expires": int(ASK_SECONDS * 1e9), "max_bytes": size}
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._server.stream}.{self._server.consumer}"
        with suppress(nats.errors.Error):  # a connection that is lost says so
            await self._client.publish(subject, json.dumps(request).encode(), self._inbox)

    async def listen(self, seconds: float) -> None:
        """Wait until something arrives, and take what is there at once."""
        client = self._client
        if not client.arrived and seconds:
            client.woken.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(client.woken.wait(), seconds)
        idle = 0
        while idle < 4 and client.left > 0:
            before = len(client.arrived)
            await asyncio.sleep(0)
            idle = 0 if len(client.arrived) > before else idle + 1

    async def acknowledge(self, replies: Iterable[bytes]) -> None:
        """Say of messages that they need not come again."""
        with suppress(nats.errors.Error):  # what is not acknowledged comes again
            for reply in replies:
                await self._client.publish(reply.decode())

    async def quiet(self) -> None:
        """Let nothing more come; what is under way arrives."""
        client = self._client
        if client.is_connected and client.frames.pulled >= 0:
            with suppress(nats.errors.Error, OSError):
                await client._send_unsubscribe(client.frames.pulled)
                await client.flush(CLOSE_SECONDS)

    async def close(self) -> None:
        """End it; what was acknowledged is with the server then, where it still listens."""
        client = self._client
        with suppress(nats.errors.Error, OSError, AssertionError):
            if client.is_connected:
                await client.flush(CLOSE_SECONDS)
        with suppress(nats.errors.Error, OSError, AssertionError):
            await asyncio.wait_for(client.close(), CLOSE_SECONDS)


def parse_server(text: str) -> tuple[str, int, bool]:
    """Return host, port and whether TLS must be spoken, of an address (``nats://127.0.0.1:4222``, ``tls://broker``).

    Raises:
        UsageError: it is none, or holds credentials.
    """
    schemes = {"nats": (4222, False), "tls": (4222, True)}
    credentials = "--username, --token-env or --token-secret, or --creds"
    return server_of(text, schemes, form="nats://HOST:PORT, or tls:// for TLS", credentials=credentials)
