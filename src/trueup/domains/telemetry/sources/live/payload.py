"""Message bodies: a JSON object with metrics, or a bare number. Pure: bytes in, names out."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from trueup.domains.telemetry.sources.live.event import MAX_PAYLOAD as LIMIT
from trueup.domains.telemetry.sources.live.event import Dead, Event, dead, key_of, moment, whole

METRIC, VALUE, UNIT = ("metric", "name"), "value", "unit"
DEPTH = 16


@dataclass(frozen=True, slots=True)
class Fields:
    """Which fields of a message say which one it is.

    Args:
        sequence: the sender's running number.
        times: the sender's time; the first one that is there.
    """

    sequence: str = "seq"
    times: tuple[str, ...] = ("timestamp", "time", "ts", "device_time")


class Reading(NamedTuple):
    """One value of one metric, as a message says it."""

    metric: str
    value: Any
    unit: str


def event_of(topic: str, payload: bytes, received: int, fields: Fields, *, keyed: bool = True) -> Event | Dead:
    """Return a message as an event, or as a dead letter with its reason.

    Args:
        topic: where it came from.
        payload: its body.
        received: epoch microseconds.
        fields: which of its fields say which one it is.
        keyed: make a key; a caller that has a better one of its own does not want it.
    """
    if len(payload) > LIMIT:
        return dead(topic, received, "too_long", payload)
    try:
        body = _parsed(payload)
    except (ValueError, RecursionError):
        return dead(topic, received, "not_json", payload)
    if isinstance(body, dict):
        sequence = whole(body.get(fields.sequence))
        device_time = None
        for name in fields.times:
            if name in body:
                device_time = moment(body[name])
                break
        metric = _named(body)
        key = key_of(topic, sequence=sequence, device_time=device_time, metric=metric, payload=payload) if keyed else None
        return Event(topic, payload, received, key, sequence, device_time, metric)
    if isinstance(body, int | float):
        return Event(topic, payload, received)
    return dead(topic, received, "not_an_object_or_number", payload)


_scan = json.JSONDecoder().raw_decode


def _parsed(payload: bytes) -> Any:
    """Parse JSON; the common case, without white space around it, takes half as long as ``json.loads``."""
    text = payload.decode()
    try:
        body, end = _scan(text)
    except ValueError:
        return json.loads(text)
    return body if end == len(text) else json.loads(text)


def _named(body: dict[str, Any]) -> str:
    if VALUE in body:
        for name in METRIC:
            if isinstance(body.get(name), str):
                return str(body[name]).encode("utf-8", "backslashreplace").decode()  # half a surrogate pair is no text
    return ""


def readings(topic: str, payload: bytes, fields: Fields) -> Iterator[Reading]:
    """Yield the values that a stored message holds: one named metric, every other field of an object, or a bare number.

    A bare number's metric is its topic. Values stay what they were sent as (numbers, texts, truth values); nested objects
    become ``outer.inner``, lists are kept as JSON text.
    """
    body = json.loads(payload)
    if not isinstance(body, dict):
        yield Reading(topic, body, "")
        return
    unit = body.get(UNIT) if isinstance(body.get(UNIT), str) else ""
    name = _named(body)
    if name:
        yield Reading(name, _plain(body[VALUE]), str(unit))
        return
    if VALUE in body:
        yield Reading(topic, _plain(body[VALUE]), str(unit))
    skipped = {fields.sequence, VALUE, UNIT, next((name for name in fields.times if name in body), "")}
    yield from _flat({name: value for name, value in body.items() if name not in skipped}, "")


def _flat(body: dict[str, Any], prefix: str) -> Iterator[Reading]:
    for name, value in body.items():
        if isinstance(value, dict) and prefix.count(".") < DEPTH:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield Reading(f"{prefix}{name}", _plain(value), "")


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number; the text says what was sent
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
