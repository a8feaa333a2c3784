"""The log of servers and workers: one line each for a request, a job that did not go well, and what is worth knowing.

What is logged is chosen, never what came in: no headers, no query strings, no bodies. Each line bears the id of its
request, of its job, and of the trace that both belong to.

References:
    W3C Trace Context, section 3.2 (``traceparent``).
"""

import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO
from uuid import uuid4

import structlog

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def configure(stream: TextIO | None = None, environ: Mapping[str, str] = os.environ) -> None:
    """Send log lines to a stream; standard error by default.

    ``TRUEUP_LOG_LEVEL`` is the least level that is logged, ``TRUEUP_LOG_FORMAT`` ``json`` or ``text``. What libraries log
    in Python's own way joins in the same form.
    """
    level = LEVELS.get(environ.get("TRUEUP_LOG_LEVEL", "info"), 20)
    out = stream or sys.stderr
    common: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    text = environ.get("TRUEUP_LOG_FORMAT", "json") == "text"
    rendered = (
        structlog.dev.ConsoleRenderer(colors=False)
        if text
        else structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=False)
    )
    structlog.configure(
        processors=[*common, rendered],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, rendered], foreign_pre_chain=common
        )
    )
    ours = logging.getLogger("trueup")
    ours.handlers, ours.propagate = [handler], False
    ours.setLevel(level)


def log() -> Any:
    """Return the logger."""
    return structlog.get_logger()


def trace_of(headers: Mapping[str, str]) -> str:
    """Return the id of the trace that a request belongs to, as ``traceparent`` says, else a new one: 32 hex digits.

    >>> trace_of({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    '0af7651916cd43dd8448eb211c80319c'
    """
    found = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return found[1] if found and set(found[1]) != {"0"} else uuid4().hex
