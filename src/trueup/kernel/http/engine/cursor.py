"""Cursors: where a page ended, sealed so that a caller can only hand back what it was given.

A cursor is ``base64url(mac ‖ json)``: the MAC is HMAC-SHA-256 over scope and values, cut to 16 bytes. The scope names the
list, its order, its filters and its tenant, so a cursor of one list opens no other.

References:
    RFC 2104 section 5 (truncation), RFC 4648 section 5.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence

from trueup.kernel.errors import UsageError

Value = str | int | float | bool | None
_MAC = 16
_LONGEST = 4096


def seal(key: bytes, scope: str, values: Sequence[Value]) -> str:
    """Return the cursor that stands after a row with these sort values."""
    data = json.dumps(list(values), separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_mac(key, scope, data) + data).rstrip(b"=").decode()


def unseal(key: bytes, scope: str, cursor: str, *, length: int) -> list[Value]:
    """Return the values of a cursor.

    Raises:
        UsageError: it was not made here, for this list.
    """
    try:
        if len(cursor) > _LONGEST:
            raise ValueError("too long")
        blob = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        mac, data = blob[:_MAC], blob[_MAC:]
        if not hmac.compare_digest(mac, _mac(key, scope, data)):
            raise ValueError("sealed for something else")
        values = json.loads(data)
    except ValueError:
        values = None
    if not isinstance(values, list) or len(values) != length:
        raise UsageError("the cursor is not one of this list", remedy="begin again without a cursor", details={"field": "cursor"})
    return values


def _mac(key: bytes, scope: str, data: bytes) -> bytes:
    return hmac.new(key, len(scope.encode()).to_bytes(4, "big") + scope.encode() + data, hashlib.sha256).digest()[:_MAC]
