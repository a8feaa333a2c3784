"""The one encoder of everything that is hashed into the ledger, and the digests made from it."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from trueup.kernel.evidence.engine.fact import Fact, FactValue


def encode(document: Mapping[str, Any]) -> bytes:
    r"""Return the bytes of a document: UTF-8 JSON, keys sorted, no white space, no NaN.

    The stored bytes are what is hashed; nothing is ever parsed and encoded again to check a hash.

    Raises:
        ValueError: a value that JSON does not have.

    >>> encode({"b": 1, "a": "é"})
    b'{"a":"\xc3\xa9","b":1}'
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def raw(value: object) -> bytes:
    """Return what a column of bytes holds as bytes, whatever a raw SQL shell has put there.

    Changed bytes have to be found and named, so text or a number in their place must not be an error of its own.
    """
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return b"" if value is None else str(value).encode()


def stamp(moment: datetime) -> str:
    """Return a moment as UTC text with microseconds and ``Z``.

    Raises:
        ValueError: the moment carries no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is not a moment")
    # of other zones two moments of a repeated hour are equal, and must not share one text
    return _text(moment if moment.tzinfo is UTC else moment.astimezone(UTC))


@lru_cache(maxsize=256)
def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def salted(salt: str, data: bytes) -> str:
    """Return a digest that tells nothing about short data to who lacks the salt: HMAC-SHA-256, hex."""
    return hmac.new(bytes.fromhex(salt), data, hashlib.sha256).hexdigest()


def value_text(value: FactValue) -> str:
    """Return a fact's value as JSON text, the form in which it is stored."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def fact_bytes(fact: Fact) -> bytes:
    """Return the bytes of a fact, the leaf of its entry's fact tree."""
    return encode(
        {
            "id": fact.id,
            "predicate": fact.predicate,
            "recorded_at": stamp(fact.recorded_at),
            "source": fact.source,
            "subject": fact.subject,
            "supersedes": fact.supersedes,
            "unit": fact.unit,
            "valid_at": stamp(fact.valid_at),
            "value": fact.value,
        }
    )
