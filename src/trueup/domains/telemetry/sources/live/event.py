"""What a live source hands on: events, dead letters, and the key by which an event is known again."""

import math
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple
from zlib import crc32

MAX_PAYLOAD = 1 << 20
"""Bytes that one message may hold; a longer one is a dead letter."""
KEPT_OF_DEAD = 4096
"""Bytes that are kept of a dead letter."""

_MAX_INTEGER = (1 << 63) - 1
_SCALES = ((1e17, 1e-3), (1e14, 1.0), (1e11, 1e3), (0.0, 1e6))  # nano-, micro-, milliseconds, seconds: to microseconds
_LATEST = 253_402_300_800_000_000  # the year 10,000


class Event(NamedTuple):
    """One thing that was heard.

    Args:
        topic: where from within the source (``rig/7/bearing``).
        payload: as it came.
        received: when, in epoch microseconds.
        key: by which it is known again when it is sent twice; None for an event that has none (at-least-once).
        sequence: the sender's number of it.
        device_time: the sender's time of it, in epoch microseconds.
        metric: where the message is about one metric alone; else empty.
        raw: it fits no grammar, and is kept as it is.
    """

    topic: str
    payload: bytes
    received: int
    key: bytes | None = None
    sequence: int | None = None
    device_time: int | None = None
    metric: str = ""
    raw: bool = False


class Dead(NamedTuple):
    """A message that cannot be an event: counted and kept, never tried again.

    Args:
        topic: where from within the source.
        received: when, in epoch microseconds.
        reason: one word with underscores (``not_json``).
        payload: its first bytes.
        size: how many it had, as far as known.
    """

    topic: str
    received: int
    reason: str
    payload: bytes
    size: int


def dead(topic: str, received: int, reason: str, payload: bytes, *, size: int = 0) -> Dead:
    """Return a dead letter with no more of the payload than is kept."""
    return Dead(topic, received, reason, bytes(payload[:KEPT_OF_DEAD]), size or len(payload))


@lru_cache(maxsize=4096)
def _topic_digest(topic: str) -> bytes:
    return blake2b(topic.encode("utf-8", "surrogateescape"), digest_size=12).digest()


def key_of(topic: str, *, sequence: int | None, device_time: int | None, metric: str = "", payload: bytes = b"") -> bytes | None:
    """Return the key of an event within its source: topic, sequence or device time, metric.

    A sender that counts is believed, and its time joins the number, since many count from 0 again when they restart. Where
    there is a time alone, two different messages may share it: then the payload's checksum tells them apart.

    Returns:
        None where the sender gave neither.
    """
    if sequence is None and device_time is None:
        return None
    head = _topic_digest(topic)
    time = b"" if device_time is None else device_time.to_bytes(8, "big", signed=True)
    if sequence is not None:
        return head + b"s" + sequence.to_bytes(8, "big", signed=True) + time + metric.encode()
    return head + b"t" + time + crc32(payload).to_bytes(4, "big") + metric.encode()


def whole(value: object) -> int | None:
    """Return a sender's number as an integer of 64 bits, None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    if isinstance(value, float) and number != value:
        return None
    return number if -_MAX_INTEGER <= number <= _MAX_INTEGER else None


def moment(value: object) -> int | None:
    """Return a sender's time in epoch microseconds, None where it is none.

    Numbers are seconds, milli-, micro- or nanoseconds since 1970, told apart by their size (seconds up to the year 5138);
    text is a number or ISO 8601, in UTC where it names no zone.

    >>> moment(1700000000), moment("2023-11-14T22:13:20Z"), moment(1700000000000)
    (1700000000000000, 1700000000000000, 1700000000000000)
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        try:
            return _from_iso(value)
        except (ValueError, OverflowError):
            pass
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float):
        return None
    return _from_number(value)


def _from_number(value: float) -> int | None:
    try:
        size = abs(float(value))
    except OverflowError:
        return None
    if not math.isfinite(size):
        return None
    scale = next(factor for least, factor in _SCALES if size >= least)
    micro = round(value * scale)
    return micro if 0 <= micro < _LATEST else None


def _from_iso(text: str) -> int:
    if not ("-" in text[1:] or ":" in text):
        raise ValueError(text)
    at = datetime.fromisoformat(text)
    return micros(at if at.tzinfo else at.replace(tzinfo=UTC))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    """Return an aware moment in epoch microseconds, exactly."""
    past = at - _EPOCH
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


def stamped(at: int) -> str:
    """Return epoch microseconds as RFC 3339 in UTC."""
    second, micro = divmod(at, 1_000_000)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{micro:06d}Z"
