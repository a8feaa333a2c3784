"""Messages read strictly: what two programs could frame or address differently is refused."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.egress.proxy_io import Closed, TooLarge, Wire
from trueup.domains.automation.egress.proxy_wire import (
    WireRefused,
    chunk_size,
    length,
    request_head,
    response_head,
    response_length,
    written,
)

TOKEN = st.text("abcdefghijklmnopqrstuvwxyz-_0123456789", min_size=1, max_size=20)
VALUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30)


def request(*lines, first="GET / HTTP/1.1"):
    return request_head("\r\n".join([first, "Host: a.example", *lines]).encode("latin-1"))


@given(st.lists(st.tuples(TOKEN, VALUE), max_size=8))
def test_what_is_written_is_read_as_it_was(headers):
    plain = [(name, value) for name, value in headers if name != "host"]
    raw = written("GET /a?b HTTP/1.1", [("host", "a.example"), *plain])
    head = request_head(raw.removesuffix(b"\r\n\r\n"))
    assert (head.method, head.target, head.headers) == ("GET", "/a?b", (("host", "a.example"), *plain))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_refused(raw):
    for read in (request_head, response_head):
        with contextlib.suppress(WireRefused):
            read(raw)


@pytest.mark.parametrize(
    ("first", "rule"),
    [
        ("GET  / HTTP/1.1", "request_line"), ("get / HTTP/1.1", "request_line"), ("GET / HTTP/1.0", "request_line"),
        ("GET / HTTP/2", "request_line"), ("GET /\x7f HTTP/1.1", "request_line"), ("GET / HTTP/1.1 ", "request_line"),
        ("", "request_line"), ("GET /\xe9 HTTP/1.1", "request_line"), ("GET / HTTP/1.1\nX: y", "line_end"),
    ],
)  # fmt: skip
def test_a_first_line_that_is_not_plainly_one_is_refused(first, rule):
    with pytest.raises(WireRefused) as refused:
        request(first=first)
    assert refused.value.rule == f"egress.wire.{rule}"


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("X : y", "header"), (" folded", "header"), ("X", "header"), (": y", "header"), ("X\t: y", "header"), ("X: a\x00b", "line_end"),
        ("X: a\rb", "line_end"), ("X: a\nb", "line_end"), ("X: a\x01b", "header"), ("Host: b.example", "host"), ("H\xe9: y", "header"),
    ],
)  # fmt: skip
def test_a_header_that_others_could_read_differently_is_refused(line, rule):
    with pytest.raises(WireRefused) as refused:
        request(line)
    assert refused.value.rule == f"egress.wire.{rule}"


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"], ["Content-Length: 5", "Content-Length: 5"], ["Content-Length: 5, 5"],
        ["Content-Length: +5"], ["Content-Length: 0x5"], ["Content-Length: "], ["Content-Length: -1"], ["Transfer-Encoding: "],
        ["Transfer-Encoding: gzip, chunked"], ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: identity"], ["Transfer-Encoding: chunked, chunked"], ["Transfer-Encoding: xchunked"],
        ["Content-Length: ", "Transfer-Encoding: chunked", "Content-Length: 3"],
    ],
)  # fmt: skip
def test_a_length_that_is_said_twice_or_oddly_is_refused(lines):
    with pytest.raises(WireRefused):
        length(request(*lines))


def test_a_plain_length_is_read():
    assert (length(request("Content-Length: 5")), length(request("Transfer-Encoding: Chunked")), length(request())) == (
        5,
        None,
        -1,
    )


def answer(text):
    return response_head(text.encode())


def test_a_response_without_a_body_has_none_whatever_it_says():
    for status, method in ((204, "GET"), (304, "GET"), (200, "HEAD")):
        assert response_length(answer(f"HTTP/1.1 {status} X\r\nContent-Length: 9"), method) == 0
    assert response_length(answer("HTTP/1.1 200"), "GET") == -1
    assert answer("HTTP/1.1 200 OK").lasts
    assert not answer("HTTP/1.0 200 OK").lasts


def test_chunks_in_an_old_response_are_refused():
    with pytest.raises(WireRefused):
        response_length(answer("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked"), "GET")


@pytest.mark.parametrize("line", [b"", b"5;a=b", b" 5", b"5 ", b"0x5", b"-1", b"+1", b"123456789", b"g", "５".encode()])
def test_a_chunk_of_an_odd_size_is_refused(line):
    with pytest.raises(WireRefused):
        chunk_size(line)


def test_headers_of_the_connection_are_not_passed_on():
    head = request(
        "Connection: close, X-Mine", "X-Mine: 1", "Keep-Alive: 1", "Proxy-Authorization: x", "TE: trailers", "X-Kept: 2"
    )
    assert head.passed_on() == [("host", "a.example"), ("x-kept", "2")]


@pytest.mark.parametrize("name", ["Host", "content-length", "Cookie", "User-Agent"])
def test_a_connection_header_does_not_take_away_what_says_where_a_message_goes(name):
    with pytest.raises(WireRefused):
        request(f"Connection: close, {name}").passed_on()


def through(raw, size, most=1 << 20):
    """Return the body that a wire reads out of bytes, and what is left after it."""

    async def go():
        reader = asyncio.StreamReader()
        reader.feed_data(raw)
        reader.feed_eof()
        wire = Wire(reader, None, 1)
        body = b"".join([piece async for piece in wire.body(size, most)])
        return body, await wire.some(1 << 20)

    return asyncio.run(go())


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5), st.binary(max_size=20))
def test_chunks_are_put_together_and_nothing_after_them_is_taken(pieces, after):
    raw = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n" + after
    assert through(raw, None) == (b"".join(pieces), after)


@given(st.binary(max_size=50), st.binary(max_size=20))
def test_a_body_ends_where_its_length_says(body, after):
    assert through(body + after, len(body)) == (body, after)
    assert through(body + after, -1) == (body + after, b"")


@pytest.mark.parametrize(
    ("raw", "size", "error"),
    [
        (b"abc", 4, Closed), (b"5\r\nabc", None, Closed), (b"3\r\nabcd\r\n0\r\n\r\n", None, WireRefused), (b"x" * 11, 11, TooLarge),
        (b"b\r\n" + b"x" * 11 + b"\r\n0\r\n\r\n", None, TooLarge), (b"0\r\nbad trailer\r\n\r\n", None, WireRefused),
        (b"x" * 11, -1, TooLarge), (b"0\r\n" + b"a: b\r\n" * 101 + b"\r\n", None, WireRefused),
    ],
)  # fmt: skip
def test_a_body_that_is_cut_too_long_or_badly_framed_is_no_body(raw, size, error):
    with pytest.raises(error):
        through(raw, size, most=10)
