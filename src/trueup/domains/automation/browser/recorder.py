"""What a run's pages asked for, were answered, and said: noted from events alone, at no question to the browser."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from trueup.domains.automation.engine.har import BODY, Exchange, PageSeen, Timings
from trueup.kernel.evidence.engine.encode import stamp

if TYPE_CHECKING:
    from playwright.async_api import ConsoleMessage, Page, Request, Response, WebError

LINES = 2_000
"""Lines of a console that are noted."""
_LINE = 4_000
_LONGEST = 8_192


@dataclass  # without slots: the driver puts a mark on whom it calls
class Recorder:
    """One run's record.

    Args:
        most: exchanges that are noted; later ones are counted.
        room: bytes of what was sent that may yet be kept.
    """

    most: int
    exchanges: "dict[Request, Exchange]" = field(default_factory=dict)
    answers: "dict[Request, Response]" = field(default_factory=dict)
    pages: "dict[Page, PageSeen]" = field(default_factory=dict)
    console: list[dict[str, Any]] = field(default_factory=list)
    room: int = 8 << 20
    more: int = 0
    more_lines: int = 0

    def opened(self, page: "Page") -> PageSeen:
        """Note a page."""
        if page not in self.pages:
            self.pages[page] = PageSeen(len(self.pages) + 1, page.url, datetime.now(UTC))
        return self.pages[page]

    def requested(self, request: "Request", page: "Page | None") -> None:
        """Note a request."""
        if len(self.exchanges) >= self.most:
            self.more += 1
            return
        number = self.opened(page).number if page is not None else max(len(self.pages), 1)
        if page is not None and self.pages[page].url in ("", "about:blank") and request.is_navigation_request():
            self.pages[page] = replace(self.pages[page], url=request.url[:_LONGEST])
        sent = request.headers
        posted = request.post_data_buffer if request.method not in ("GET", "HEAD") else None
        self.exchanges[request] = Exchange(
            method=request.method,
            url=request.url[:_LONGEST],
            at=datetime.now(UTC),
            page=number,
            kind=request.resource_type,
            sent=sent,
            posted=self._posted(posted),
            posted_bytes=len(posted or b""),
        )

    def _posted(self, data: bytes | None) -> str | None:
        """Return what was sent, as a text; None where it is none, or too long by itself or with all others."""
        if not data or len(data) > BODY or len(data) > self.room:
            return None
        self.room -= len(data)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return None

    def answered(self, response: "Response") -> None:
        """Note an answer beside its request."""
        found = self.exchanges.get(response.request)
        if found is None:
            return
        self.answers[response.request] = response
        found.status, found.status_text, found.received = response.status, response.status_text, response.headers
        length = found.received.get("content-length", "")
        found.size = int(length) if length.isascii() and length.isdigit() else -1

    def finished(self, request: "Request") -> None:
        """Note that an answer is whole."""
        found = self.exchanges.get(request)
        if found is not None:
            found.over = True
            at = request.timing
            found.timings = Timings(at["responseStart"] - max(at["requestStart"], 0), at["responseEnd"] - at["responseStart"])

    def failed(self, request: "Request") -> None:
        """Note that no whole answer comes."""
        found = self.exchanges.get(request)
        if found is not None:
            found.over, found.failure = True, request.failure or "no answer"

    def said(self, message: "ConsoleMessage") -> None:
        """Note a line of the console."""
        place = message.location
        self._line(message.type, message.text, f"{place.get('url', '')}:{place.get('lineNumber', 0)}")

    def broke(self, error: "WebError") -> None:
        """Note an error that a script did not catch."""
        self._line("uncaught", error.error.message, error.page.url if error.page else "")

    def _line(self, kind: str, text: str, place: str) -> None:
        if len(self.console) >= LINES:
            self.more_lines += 1
            return
        self.console.append({"at": stamp(datetime.now(UTC)), "type": kind, "text": text[:_LINE], "place": place[:_LINE]})
