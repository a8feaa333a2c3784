"""The problem shape: ``{error: {code, message, details, request_id}}`` with its HTTP status.

References:
    RFC 9110 section 15; RFC 6585 section 4 (429).
"""

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from trueup.kernel.actions.errors import AttemptFailed, Held
from trueup.kernel.errors import (
    ConfigurationError,
    Conflict,
    Damaged,
    NotFound,
    Refused,
    StorageFull,
    TrueupError,
    UsageError,
)

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


class Unauthenticated(TrueupError):
    """No valid credential came with the request."""

    code = "UNAUTHENTICATED"


class InvalidInput(UsageError):
    """The request is understood, and its content is not allowed."""

    code = "INVALID_INPUT"


class MethodNotAllowed(UsageError):
    """There is such an address, and it answers to other methods."""

    code = "METHOD_NOT_ALLOWED"


class TooLarge(UsageError):
    """The request is larger than is read."""

    code = "TOO_LARGE"


class TooMany(TrueupError):
    """The caller asks faster than it may.

    Args:
        wait: seconds after which to ask again.
    """

    code = "TOO_MANY_REQUESTS"

    def __init__(self, wait: float) -> None:
        self.wait = max(1, int(wait) + (wait % 1 > 0))
        super().__init__("too many requests", remedy=f"ask again in {self.wait} s", details={"retry_after_seconds": self.wait})


STATUS: tuple[tuple[type[TrueupError], int], ...] = (
    (Held, 202),
    (Unauthenticated, 401),
    (TooMany, 429),
    (MethodNotAllowed, 405),
    (TooLarge, 413),
    (InvalidInput, 422),
    (UsageError, 400),
    (Refused, 403),
    (NotFound, 404),
    (Conflict, 409),
    (AttemptFailed, 409),
    (StorageFull, 507),
    (ConfigurationError, 503),
    (Damaged, 500),
    (TrueupError, 500),
)


def status(error: TrueupError) -> int:
    """Return the HTTP status of an error.

    >>> status(NotFound("gone"))
    404
    """
    if isinstance(error, UsageError) and "fields" in error.details:
        return 422
    return next(code for kind, code in STATUS if isinstance(error, kind))


def document(error: TrueupError, request_id: str) -> dict[str, Any]:
    """Return the problem shape of an error."""
    return {"error": {**error.as_dict(), "request_id": request_id}}


def held(error: Held, request_id: str) -> dict[str, Any]:
    """Return what is told of an action that waits for people: not a failure, and not done."""
    body: dict[str, Any] = {"state": "held", "message": error.message, **error.details, "request_id": request_id}
    return body | ({"remedy": error.remedy} if error.remedy else {})


def chosen_request_id(headers: Mapping[str, str]) -> str:
    """Return the caller's ``X-Request-Id`` if it is well-formed, else a new one."""
    given = headers.get("X-Request-Id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid4().hex
