"""What performing shares between steps: the page, what was stored, what is left of the time, and what was seen."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trueup.domains.automation.browser.documents import Documents
from trueup.domains.automation.browser.errors import StepFailed
from trueup.domains.automation.browser.performed import Kept, Performed
from trueup.domains.automation.browser.recorder import Recorder
from trueup.domains.automation.browser.room import Limits, Room
from trueup.domains.automation.engine.codes import Code, first_line
from trueup.domains.automation.engine.redact import Redactor

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Download, Locator, Page, Request, Response

_MOST_OPENED = 5
_OPENING = 5.0
_TURN = "new Promise((done) => setTimeout(done, 0))"
_PASSWORDS = "input[type=password]"

type WaitFor = Literal["visible", "attached", "enabled"]


@dataclass  # without slots: the driver puts a mark on whom it calls
class Stage:
    """One run.

    Args:
        page: that steps are performed on.
        stored: what steps stored.
        scope: what loops call their items.
        pictures: that steps stored, by name.
        until: when the current step has to be over, by the loop's clock.
        masked: selectors of fields that something secret was typed into.
        kept: artifacts of the current step.
        path: of the current step.
        opened: pages that were opened since the last step.
        opening: whether a document was asked for by a page that is not known yet.
        downloads: takes the next file that a page sends; without one, such a file is not taken.
    """

    context: "BrowserContext"
    room: Room
    limits: Limits
    performed: Performed
    page: "Page"
    documents: Documents = field(default_factory=Documents)
    redactor: Redactor = field(default_factory=Redactor)
    recorder: Recorder = field(init=False)
    stored: dict[str, Any] = field(default_factory=dict)
    scope: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    until: float = 0.0
    masked: list[str] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    path: str = ""
    downloads: "asyncio.Future[Download] | None" = None
    opened: "list[Page]" = field(default_factory=list)
    opening: bool = False
    crashed: bool = False
    _listeners: list[tuple[str, Callable[[Any], None]]] = field(default_factory=list)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _sizes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin to listen."""
        self.recorder = Recorder(self.limits.exchanges)
        self.recorder.opened(self.page)
        self._listeners = [
            ("request", self._requested),
            ("response", self._answered),
            ("requestfinished", self._finished),
            ("requestfailed", self._failed),
            ("console", self.recorder.said),
            ("weberror", self.recorder.broke),
            ("page", self._opened),
            ("download", self._downloaded),
        ]
        for name, heard in self._listeners:
            self.context.on(name, heard)  # type: ignore[call-overload]
        self.page.on("crash", self._crashed)

    async def close(self) -> None:
        """Listen no longer."""
        for name, heard in self._listeners:
            self.context.remove_listener(name, heard)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # what is heard

    def _requested(self, request: "Request") -> None:
        page = _page_of(request)
        self.opening = self.opening or (page is None and request.is_navigation_request())
        self.recorder.requested(request, page)
        self.documents.requested(request, page)

    def _answered(self, response: "Response") -> None:
        self.recorder.answered(response)
        self.documents.answered(response, _page_of(response.request))

    def _finished(self, request: "Request") -> None:
        self.recorder.finished(request)
        if request.existing_response is None or request.redirected_to is None:
            self.documents.over(request)

    def _failed(self, request: "Request") -> None:
        self.recorder.failed(request)
        self.documents.over(request)

    def _opened(self, page: "Page") -> None:
        if page not in self.documents.apart:
            if len(self.opened) >= _MOST_OPENED:
                self._aside(page.close())
                return
            self.opened.append(page)
            self._news.set()
            self.recorder.opened(page)
            page.on("crash", self._crashed)

    def _crashed(self, page: "Page") -> None:
        self.crashed = self.crashed or page is self.page

    def _downloaded(self, download: "Download") -> None:
        if self.downloads is not None and not self.downloads.done():
            self.downloads.set_result(download)
        else:
            self._aside(download.cancel())

    def _aside(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # what is turned away may be gone by itself
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    # time

    @property
    def left(self) -> float:
        """Seconds that are left of the current step."""
        return max(self.until - asyncio.get_running_loop().time(), 0.001)

    def within(self, milliseconds: float) -> float:
        """Return a time, or what is left of the step's, in milliseconds."""
        return min(milliseconds, self.left * 1_000)

    async def pause(self, milliseconds: float) -> None:
        """Wait, and ask on the way whether the run may go on."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + milliseconds / 1_000
        while (rest := ends - loop.time()) > 0:
            await asyncio.sleep(min(rest, self.limits.recheck))
            await self.room.go_on()

    # elements

    def find(self, selector: str, wait_for: WaitFor = "visible") -> "Locator":
        """Return the first element that a selector means; where it is to be visible, the first that is."""
        found = self.page.locator(selector)
        return (found if wait_for == "attached" else found.filter(visible=True)).first

    async def not_there(self, selector: str, exc: Exception) -> StepFailed:
        """Return why an element could not be used in time: it is not there, is not to be seen, or does not let itself be used."""
        from playwright.async_api import Error

        count, seen = 0, 0
        with suppress(Error, TimeoutError):
            async with asyncio.timeout(2):
                every = self.page.locator(selector)
                count, seen = await every.count(), await every.filter(visible=True).count()
        if not count:
            return StepFailed(Code.SELECTOR_NOT_FOUND, f"nothing on the page is {selector!r}", selector=selector)
        if not seen:
            return StepFailed(Code.SELECTOR_NOT_FOUND, f"what is {selector!r} is not visible", selector=selector)
        return StepFailed(Code.ELEMENT_NOT_READY, f"what is {selector!r} does not let itself be used: {first_line(str(exc))}")

    def masks(self) -> "list[Locator]":
        """Return what no picture shows: password fields, and what holds something secret."""
        fields = [self.page.locator(one) for one in (_PASSWORDS, *dict.fromkeys(self.masked))]
        return fields + [self.page.get_by_text(value) for value in self.redactor.values]

    # what goes on after a step that may have led somewhere else

    async def settle(self, *, adopts: bool = False) -> None:
        """Wait for the documents that a step led to, and judge them.

        Args:
            adopts: whether a page that was opened becomes the one that steps are performed on; it is closed otherwise.

        Raises:
            StepFailed: one of them ends the run.
        """
        from playwright.async_api import Error

        before = len(self.documents.seen)
        if adopts and not self.documents.pending:
            # what a page sets off by an event it begins once the event is over
            with suppress(Error, TimeoutError):
                async with asyncio.timeout(min(self.left, 1.0)):
                    await self.page.evaluate(_TURN)
        if self.documents.pending:
            await self.documents.settle(self.left)
        await self._pages(adopts=adopts)
        await self.documents.judge()
        if len(self.documents.seen) > before or adopts:
            with suppress(Error):  # a page that does not end loading is there all the same
                await self.page.wait_for_load_state("domcontentloaded", timeout=self.within(10_000))

    async def _pages(self, *, adopts: bool) -> None:
        if adopts and self.opening and not self.opened:
            # its document is asked for before the driver knows the page
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self.left, _OPENING)):
                    await self._news.wait()
        self.opening = False
        opened, self.opened = [page for page in self.opened if not page.is_closed()], []
        if adopts and opened:
            self.page = opened.pop()
        for page in opened:
            self._aside(page.close())
        if self.page.is_closed():
            others = [page for page in self.context.pages if page not in self.documents.apart and not page.is_closed()]
            self.page = others[-1] if others else await self.context.new_page()

    # what is kept

    async def keep(self, data: bytes | Path, *, name: str, media_type: str) -> Kept:
        """Keep an artifact of the current step."""
        kept = await self.room.keep(data, name=name, media_type=media_type)
        self.kept.append(kept)
        return kept

    def store(self, name: str | None, value: Any) -> None:
        """Store a value, where a step names it.

        Raises:
            StepFailed: all that is stored becomes too large.
        """
        if name is None:
            return
        self._sizes[name] = len(json.dumps(value, ensure_ascii=False, default=str).encode())
        size = sum(self._sizes.values())
        if size > self.limits.stored_bytes:
            raise StepFailed(
                Code.VALUE_TOO_LARGE, f"what is stored would have {size} bytes; {self.limits.stored_bytes} are allowed"
            )
        self.stored[name] = value
        self.performed.stored[name] = self.redactor.data(value)

    @property
    def values(self) -> dict[str, Any]:
        """What texts may name."""
        return {**self.stored, **self.scope}


def _page_of(request: "Request") -> "Page | None":
    from playwright.async_api import Error

    try:
        return request.frame.page
    except Error:
        return None  # of a worker, or of a page that is just being opened
