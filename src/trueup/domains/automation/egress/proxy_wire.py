"""HTTP/1.1 messages as bytes, read strictly: what two programs could frame or address differently is refused.

References:
    RFC 9112 (HTTP/1.1), sections 2.2 (parsing), 3.2 (request target), 6 (body), 7.1 (chunks), 11.2 (request smuggling);
    RFC 9110, sections 5.5 (field values), 7.6.1 (connection).
"""

import re
from dataclasses import dataclass

HEAD = 64 << 10
"""Bytes of a message's first line and headers together."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_REQUEST = re.compile(r"([A-Z]{1,20}) ([\x21-\x7e]{1,16384}) HTTP/1\.1")
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_LENGTH = re.compile(r"[0-9]{1,15}")
_CHUNK = re.compile(rb"[0-9A-Fa-f]{1,8}")
_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "proxy-authentication-info",
     "te", "trailer", "transfer-encoding", "upgrade"}
)  # fmt: skip
# what a Connection header must not take away, since it says where the message goes or where it ends
_KEPT = frozenset({"host", "content-length", "cookie", "authorization", "origin", "user-agent", "location", "set-cookie"})

type Headers = tuple[tuple[str, str], ...]


class WireRefused(Exception):
    """A message that is not passed on: ``rule`` is the id of what refuses it."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule = f"egress.wire.{rule}"
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Head:
    """What every message begins with.

    Args:
        headers: names in lower case, values without the blanks around them, in their order.
    """

    headers: Headers

    def all(self, name: str) -> list[str]:
        """Return every value of a name."""
        return [value for key, value in self.headers if key == name]

    def one(self, name: str) -> str:
        """Return the value of a name that may occur once; empty where it does not.

        Raises:
            WireRefused: it occurs more than once.
        """
        found = self.all(name)
        if len(found) > 1:
            raise WireRefused("repeated", f"{name} is given {len(found)} times")
        return found[0] if found else ""

    def words(self, name: str) -> set[str]:
        """Return the words of a list, in lower case."""
        return {word.strip().lower() for value in self.all(name) for word in value.split(",")} - {""}

    def passed_on(self) -> list[tuple[str, str]]:
        """Return the headers that are for the other end, without those of this connection.

        Raises:
            WireRefused: ``Connection`` names a header that is not this connection's.
        """
        listed = self.words("connection")
        if listed & _KEPT:
            raise WireRefused("connection", f"Connection names {', '.join(sorted(listed & _KEPT))}")
        return [(name, value) for name, value in self.headers if name not in _HOP and name not in listed]


@dataclass(frozen=True, slots=True)
class RequestHead(Head):
    """The beginning of a request."""

    method: str
    target: str

    @property
    def wants_websocket(self) -> bool:
        """Whether it asks for a WebSocket (RFC 6455, section 4.1)."""
        return "upgrade" in self.words("connection") and self.words("upgrade") == {"websocket"}


@dataclass(frozen=True, slots=True)
class ResponseHead(Head):
    """The beginning of a response; ``minor`` is that of HTTP/1."""

    status: int
    reason: str
    minor: int

    @property
    def lasts(self) -> bool:
        """Whether the connection may be used again after its body."""
        return self.minor == 1 and "close" not in self.words("connection")


def request_head(raw: bytes) -> RequestHead:
    """Read a request's head.

    Args:
        raw: without the empty line that ends it.

    Raises:
        WireRefused: it is none, or one that others could read differently.
    """
    first, headers = _lines(raw)
    found = _REQUEST.fullmatch(first)
    if found is None:
        raise WireRefused("request_line", "its first line is no request of HTTP/1.1")
    head = RequestHead(headers, found.group(1), found.group(2))
    if len(head.all("host")) != 1:
        raise WireRefused("host", "it names no host, or several")
    return head


def response_head(raw: bytes) -> ResponseHead:
    """Read a response's head.

    Raises:
        WireRefused: it is none.
    """
    first, headers = _lines(raw)
    found = _STATUS.fullmatch(first)
    if found is None:
        raise WireRefused("status_line", "its first line is no status of HTTP/1")
    return ResponseHead(headers, int(found.group(2)), (found.group(3) or "").strip(), int(found.group(1)))


def header_lines(raw: bytes) -> Headers:
    """Read header lines, as trailers are.

    Raises:
        WireRefused: a line is none.
    """
    return tuple(_header(line) for line in _split(raw)) if raw else ()


def _lines(raw: bytes) -> tuple[str, Headers]:
    first, *rest = _split(raw)
    return first, tuple(_header(line) for line in rest)


def _split(raw: bytes) -> list[str]:
    lines = raw.decode("latin-1").split("\r\n")
    if any(sign in line for line in lines for sign in "\r\n\0"):
        raise WireRefused("line_end", "a line ends in something else than CR LF, or holds a NUL")
    return lines


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not _TOKEN.fullmatch(name):
        raise WireRefused("header", "a header's name is none, is folded, or has a blank before its colon")
    text = value.strip(" \t")
    if not _VALUE.fullmatch(text):
        raise WireRefused("header", f"the value of {name} holds control characters")
    return name.lower(), text


def length(head: Head) -> int | None:
    """Return how long a body is by its headers: None for chunks, -1 where they do not say.

    Raises:
        WireRefused: they say it twice, or in another way than these two.
    """
    coding = head.one("transfer-encoding")
    given = head.one("content-length")
    if coding and given:
        raise WireRefused("smuggling", "it has both Content-Length and Transfer-Encoding")
    if coding:
        if coding.lower() != "chunked":
            raise WireRefused("transfer_encoding", "its transfer encoding is not chunked alone")
        return None
    if not given and not head.all("content-length") and not head.all("transfer-encoding"):
        return -1
    if not _LENGTH.fullmatch(given):
        raise WireRefused("content_length", "its Content-Length is no plain number")
    return int(given)


def response_length(head: ResponseHead, method: str) -> int | None:
    """Return how long a response's body is: None for chunks, -1 for up to the connection's end.

    Raises:
        WireRefused: its headers contradict each other.
    """
    found = length(head)
    if found is None and head.minor == 0:
        raise WireRefused("transfer_encoding", "chunks in HTTP/1.0")
    if method == "HEAD" or head.status in (204, 304) or head.status < 200:
        return 0
    return found


def chunk_size(line: bytes) -> int:
    """Return the size that a chunk's line gives.

    Raises:
        WireRefused: it is not a plain number, base 16, without an extension.
    """
    if not _CHUNK.fullmatch(line):
        raise WireRefused("chunk", "the size of a chunk is no plain number")
    return int(line, 16)


def written(first: str, headers: list[tuple[str, str]]) -> bytes:
    """Return a message's head as bytes, with the empty line that ends it."""
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
