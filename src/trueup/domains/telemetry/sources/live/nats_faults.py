"""Why a NATS server cannot be listened to, in words, and whether trying again may help.

References:
    NATS documentation, "JetStream wire API", error codes.
"""

import logging
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import nats.errors
import nats.js.errors

from trueup.kernel.errors import ConfigurationError, Refused, TrueupError

LOST = "the connection to the broker is lost"
NO_CONSUMER = 10_014
_OFF = frozenset({None, 10_039, 10_076})  # no answer; not enabled for the account; not enabled


class NotJoinedError(Exception):
    """The server cannot be listened to now.

    Args:
        reason: why.
        error: that trying again will not help, if nobody changes anything; None where it may.
    """

    def __init__(self, reason: str, error: TrueupError | None = None) -> None:
        super().__init__(reason)
        self.reason, self.error = reason, error


def unfit(stream: str, consumer: str, why: str) -> NotJoinedError:
    """Return that a consumer is not what a capture needs."""
    reason = f"the broker's consumer {consumer!r} of the stream {stream!r} cannot be used: {why}"
    remedy = "capture under another --name or --client-id, or have the broker's consumer removed"
    return NotJoinedError(reason, ConfigurationError(reason, remedy=remedy))


def of_jetstream(stream: str, consumer: str, exc: nats.js.errors.APIError) -> NotJoinedError:
    """Return why JetStream does not do what it was asked for."""
    if isinstance(exc, nats.js.errors.NotFoundError):
        reason = f"the broker has no stream {stream!r}"
        remedy = "make it ('nats stream add'), or name one that is there with --stream"
        return NotJoinedError(reason, ConfigurationError(reason, remedy=remedy))
    if isinstance(exc, nats.js.errors.ServiceUnavailableError):
        if exc.err_code not in _OFF:
            return NotJoinedError(f"JetStream is not ready ({exc.description})")
        reason = "the broker does not run JetStream for us"
        remedy = "start it with 'nats-server --jetstream', or have it enabled for the account"
        return NotJoinedError(reason, ConfigurationError(reason, remedy=remedy))
    if isinstance(exc, nats.js.errors.BadRequestError):
        return unfit(stream, consumer, str(exc.description))
    return NotJoinedError(f"JetStream does not answer as it should ({exc.description})")


def of_connection(exc: Exception, faults: Iterable[Exception]) -> NotJoinedError:
    """Return why there is no connection, of what ended the attempt and what was heard on the way."""
    words = str(exc).lower()
    if refused := denied(faults) or ("Authorization Violation" if "authorization" in words or "authentication" in words else ""):
        reason = f"the broker refuses the connection: {refused}"
        remedy = "ask who runs the broker for credentials, and for permission to make a consumer and to read by it"
        return NotJoinedError(reason, Refused(reason, remedy=remedy))
    if isinstance(exc, nats.errors.SecureConnWantedError):
        return NotJoinedError("the broker offers no TLS")
    first = next(iter(faults), exc)
    if isinstance(first, ssl.SSLCertVerificationError):
        return NotJoinedError(f"no connection to the broker (its certificate: {first.verify_message})")
    return NotJoinedError(f"no connection to the broker ({getattr(first, 'strerror', None) or type(first).__name__})")


def denied(faults: Iterable[Exception]) -> str:
    """Return what the server says we may not; empty where it said nothing of it."""
    told = (str(fault).removeprefix("nats: ") for fault in faults)
    return next((words for words in told if "permissions violation" in words.lower()), "")


@contextmanager
def without_noise() -> Iterator[None]:
    """Keep back what Python says of every connection over TLS that the library ends, which is no fault."""
    logger = logging.getLogger("asyncio")

    def worth(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("returning true from eof_received()")

    logger.addFilter(worth)
    try:
        yield
    finally:
        logger.removeFilter(worth)
