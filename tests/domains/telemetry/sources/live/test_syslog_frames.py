"""Messages of a stream: octet counting, line feeds, and what is neither."""

from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.telemetry.sources.live.event import KEPT_OF_DEAD, MAX_PAYLOAD
from trueup.domains.telemetry.sources.live.syslog_frames import Deframer


def framed(*pieces):
    deframer = Deframer()
    found = [frame for piece in pieces for frame in deframer.feed(piece)]
    last = deframer.end()
    return found, last, deframer


def test_a_sender_that_counts_octets_may_send_line_feeds_within():
    found, last, _ = framed(b"7 <1>a\nbc4 <1>d")
    assert ([frame.data for frame in found], last) == ([b"<1>a\nbc", b"<1>d"], None)


def test_a_sender_that_does_not_count_ends_messages_with_a_line_feed():
    found, last, _ = framed(b"<1>a\n<1>12 b\n")
    assert ([frame.data for frame in found], last) == ([b"<1>a", b"<1>12 b"], None)


def test_what_is_left_when_the_connection_ends_is_kept():
    found, last, _ = framed(b"<1>a\n<1>b")
    assert ([frame.data for frame in found], last.data, last.whole) == ([b"<1>a"], b"<1>b", False)


def test_a_counted_message_that_is_cut_short_is_kept():
    _, last, _ = framed(b"90 <1>a")
    assert (last.data, last.whole) == (b"<1>a", False)


def test_where_a_count_is_missing_the_line_is_kept_and_counted():
    found, last, deframer = framed(b"4 <1>a<1>no count\n4 <1>b")
    assert [frame.data for frame in found] == [b"<1>a", b"<1>no count", b"<1>b"]
    assert (last, deframer.irregular) == (None, 1)


def test_a_line_that_is_too_long_keeps_its_beginning_and_its_size():
    line = b"<1>" + b"x" * (2 * MAX_PAYLOAD)
    found, _, _ = framed(*(line[at : at + 65_536] for at in range(0, len(line), 65_536)), b"\n<1>b\n")
    assert [(frame.too_long, len(frame.data), frame.size) for frame in found] == [(True, KEPT_OF_DEAD, len(line)), (False, 4, 4)]


def test_a_counted_message_that_is_too_long_keeps_its_beginning_and_its_size():
    size = 2 * MAX_PAYLOAD
    data = b"%d " % size + b"x" * size + b"4 <1>b"
    found, _, _ = framed(*(data[at : at + 65_536] for at in range(0, len(data), 65_536)))
    assert [(frame.too_long, len(frame.data), frame.size) for frame in found] == [(True, KEPT_OF_DEAD, size), (False, 4, 4)]


MESSAGES = st.lists(st.binary(min_size=1, max_size=40), max_size=8)
CUTS = st.lists(st.integers(1, 9), min_size=1, max_size=9)


def pieces(data, cuts):
    found, at, turn = [], 0, 0
    while at < len(data):
        step = cuts[turn % len(cuts)]
        found.append(data[at : at + step])
        at, turn = at + step, turn + 1
    return found


@given(MESSAGES, CUTS)
def test_counted_messages_come_out_as_they_went_in_however_they_are_cut(messages, cuts):
    found, last, _ = framed(*pieces(b"".join(b"%d %b" % (len(one), one) for one in messages), cuts))
    assert ([frame.data for frame in found], last) == (messages, None)


@given(MESSAGES, CUTS)
def test_lines_come_out_as_they_went_in_however_they_are_cut(messages, cuts):
    lines = [b"<1>" + one.replace(b"\n", b"") for one in messages]
    found, last, _ = framed(*pieces(b"".join(one + b"\n" for one in lines), cuts))
    assert ([frame.data for frame in found], last) == (lines, None)


@given(st.binary(max_size=200), CUTS)
def test_no_bytes_are_lost_whatever_comes(data, cuts):
    whole, last, _ = framed(*pieces(data, cuts))
    kept = sum(len(frame.data) for frame in whole) + (len(last.data) if last else 0)
    assert kept + data.count(b"\n") + sum(c in b"0123456789 " for c in data) >= len(
        data
    )  # only counts and line ends are taken off
    letters = bytes(c for c in data if c not in b"0123456789 \n")
    found = b"".join(frame.data for frame in [*whole, *([last] if last else [])])
    assert bytes(c for c in found if c not in b"0123456789 \n") == letters
