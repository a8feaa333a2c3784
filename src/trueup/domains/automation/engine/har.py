"""Exchanges of a page as an HTTP Archive, each request with its own response.

References:
    HTTP Archive (HAR) 1.2, as Jan Odvarko wrote it down.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from trueup import __version__
from trueup.domains.automation.engine.redact import Redactor, headers, without_passwords
from trueup.kernel.evidence.engine.encode import stamp

BODY = 64 << 10
"""Bytes of a text that an archive holds; what is longer is left out, and said so."""


@dataclass(slots=True)
class Timings:
    """Milliseconds of an exchange; those that are not known are negative."""

    wait: float = -1
    receive: float = -1

    @property
    def total(self) -> float:
        """Both together."""
        return max(self.wait, 0) + max(self.receive, 0)


@dataclass(slots=True)
class Exchange:
    """One request and what came back.

    Args:
        page: the number of the page that it belongs to.
        posted: text that was sent; None where none was, or where it is left out.
        posted_bytes: its size; -1 where it is not known.
        status: 0 while there is no answer, and where there was none.
        body: text of the answer; None where it is left out.
        size: of the answer's body in bytes; -1 where it is not known.
        failure: why there is no whole answer.
    """

    method: str
    url: str
    at: datetime
    page: int = 1
    kind: str = ""
    sent: dict[str, str] = field(default_factory=dict)
    posted: str | None = None
    posted_bytes: int = 0
    status: int = 0
    status_text: str = ""
    received: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    size: int = -1
    over: bool = False
    failure: str = ""
    timings: Timings = field(default_factory=Timings)


@dataclass(frozen=True, slots=True)
class PageSeen:
    """One page of a browser, with the URL of its first document."""

    number: int
    url: str
    at: datetime


def archive(
    exchanges: Iterable[Exchange], pages: Sequence[PageSeen], *, browser: str, redactor: Redactor, more: int = 0
) -> dict[str, Any]:
    """Return exchanges as an archive without secrets.

    Args:
        exchanges: in the order in which they began.
        pages: that they belong to.
        browser: name and version.
        redactor: knows the secrets.
        more: how many exchanges are not named.
    """
    name, _, version = browser.partition(" ")
    log: dict[str, Any] = {
        "version": "1.2",
        "creator": {"name": "Trueup", "version": __version__},
        "browser": {"name": name, "version": version},
        "pages": [_page(page, redactor) for page in pages],
        "entries": [_entry(one, redactor) for one in exchanges],
    }
    if more:
        log["comment"] = f"{more} later exchanges are not named"
    return {"log": log}


def matcher(pattern: str) -> re.Pattern[str]:
    """Return what a pattern of URLs matches; ``*`` stands for any characters."""
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")))


def text_of(content: bytes, media_type: str) -> str | None:
    """Return an answer's body as a text; None where it is none, or longer than ``BODY``."""
    kind = media_type.partition(";")[0].strip().lower()
    is_text = kind.startswith("text/") or kind.endswith(("json", "xml", "javascript", "x-www-form-urlencoded"))
    if not is_text or len(content) > BODY:
        return None
    return content.decode("utf-8", "replace")


def _page(page: PageSeen, redactor: Redactor) -> dict[str, Any]:
    # onContentLoad and onLoad are not measured: -1 says so
    timings = {"onContentLoad": -1, "onLoad": -1}
    return {
        "startedDateTime": stamp(page.at),
        "id": f"page_{page.number}",
        "title": redactor.text(page.url),
        "pageTimings": timings,
    }


def _entry(one: Exchange, redactor: Redactor) -> dict[str, Any]:
    entry = {
        "pageref": f"page_{one.page}",
        "startedDateTime": stamp(one.at),
        "time": round(one.timings.total, 3),
        "request": _request(one, redactor),
        "response": _response(one, redactor),
        "cache": {},
        "timings": {"send": 0, "wait": round(max(one.timings.wait, 0), 3), "receive": round(max(one.timings.receive, 0), 3)},
        "_resourceType": one.kind,
    }
    if one.failure:
        entry["comment"] = redactor.text(one.failure)
    return entry


def _request(one: Exchange, redactor: Redactor) -> dict[str, Any]:
    query = parse_qsl(urlsplit(one.url).query, keep_blank_values=True)
    found: dict[str, Any] = {
        "method": one.method,
        "url": redactor.text(one.url),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(one.sent, redactor),
        "queryString": [{"name": redactor.text(name), "value": redactor.text(value)} for name, value in query],
        "headersSize": -1,
        "bodySize": one.posted_bytes,
    }
    if one.posted_bytes:
        data = {"mimeType": one.sent.get("content-type", ""), "params": [], "text": redactor.text(one.posted or "")}
        found["postData"] = data if one.posted is not None else {**data, "comment": "left out"}
    return found


def _response(one: Exchange, redactor: Redactor) -> dict[str, Any]:
    content: dict[str, Any] = {"size": max(one.size, 0), "mimeType": one.received.get("content-type", "x-unknown")}
    if one.body is not None:
        content["text"] = redactor.text(without_passwords(one.body))
    elif one.size:
        content["comment"] = "left out"
    found: dict[str, Any] = {
        "status": one.status,
        "statusText": one.status_text,
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(one.received, redactor),
        "content": content,
        "redirectURL": redactor.text(one.received.get("location", "")) if 300 <= one.status < 400 else "",
        "headersSize": -1,
        "bodySize": one.size,
    }
    if not one.over:
        found["comment"] = "it was not over when this was written"
    return found


def _headers(given: dict[str, str], redactor: Redactor) -> list[dict[str, str]]:
    return [{"name": name, "value": redactor.text(value)} for name, value in headers(given).items()]
