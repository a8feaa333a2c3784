"""The main documents that a run's pages were answered with: each is judged before anything goes on.

A target that asks to be left alone is left alone, and what policy refused ends the run, wherever in a step it happened.
"""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trueup.domains.automation.browser.errors import StepFailed
from trueup.domains.automation.engine.blocked import blocked
from trueup.domains.automation.engine.codes import Code

if TYPE_CHECKING:
    from playwright.async_api import Page, Request, Response

RULE = "x-trueup-rule"
"""Header of the proxy's own answers, which it takes from everybody else's."""
_BODY = 3.0
_HANGING = 0.3
_START = "document.documentElement ? document.documentElement.outerHTML.slice(0, 65536) : ''"


@dataclass(frozen=True, slots=True)
class Document:
    """One answer to a navigation of a page as a whole."""

    url: str
    status: int
    headers: dict[str, str]
    response: "Response"

    @property
    def is_file(self) -> bool:
        """Whether it is kept instead of shown."""
        return self.headers.get("content-disposition", "").lower().startswith("attachment")


@dataclass(slots=True)
class Documents:
    """All of one run.

    Args:
        seen: in the order of their answers, redirects among them.
        pending: requests for documents that are not answered yet; a redirect until it is followed.
        apart: pages that files are fetched with, and that nobody looks at.
    """

    seen: list[Document] = field(default_factory=list)
    pending: "set[Request]" = field(default_factory=set)
    apart: "set[Page]" = field(default_factory=set)
    _judged: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def requested(self, request: "Request", page: "Page | None") -> None:
        """Note a request."""
        if request.redirected_from is not None:
            self.pending.discard(request.redirected_from)
        if page not in self.apart and is_main(request):
            self.pending.add(request)

    def answered(self, response: "Response", page: "Page | None") -> None:
        """Note an answer."""
        request = response.request
        if page in self.apart or not is_main(request):
            return
        self.seen.append(Document(response.url, response.status, response.headers, response))
        if not (300 <= response.status < 400 and "location" in response.headers):
            self.over(request)

    def over(self, request: "Request") -> None:
        """Note that nothing more comes of a request."""
        self.pending.discard(request)
        self._news.set()

    @property
    def last(self) -> Document | None:
        """The last one that is shown: no redirect, and no file."""
        return next((one for one in reversed(self.seen) if not 300 <= one.status < 400 and not one.is_file), None)

    async def settle(self, seconds: float) -> None:
        """Wait until every navigation that has begun is answered, for so long at most."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while self.pending and loop.time() < ends:
            # a redirect that nobody follows is answered all the same
            hanging = all(request.existing_response is not None for request in self.pending)
            self._news.clear()
            try:
                async with asyncio.timeout_at(min(ends, loop.time() + _HANGING) if hanging else ends):
                    await self._news.wait()
            except TimeoutError:
                if hanging:
                    self.pending.clear()

    async def judge(self) -> None:
        """Look at every document that came since the last time.

        Raises:
            StepFailed: policy refused one, or its target asks to be left alone.
        """
        while self._judged < len(self.seen):
            one = self.seen[self._judged]
            self._judged += 1
            await self._judge(one)

    async def _judge(self, one: Document) -> None:
        rule = one.headers.get(RULE, "")
        if rule:
            words = (await _body(one)).decode("utf-8", "replace").strip().removesuffix(f"({rule})").strip()
            raise turned_away(one.status, rule, words)
        if 300 <= one.status < 400:
            return
        why = blocked(one.status, one.headers, b"")
        if not why and "html" in one.headers.get("content-type", "").lower():
            why = blocked(one.status, one.headers, await _body(one))
        if why:
            raise asks_to_be_left_alone(why, one.headers)


def turned_away(status: int, rule: str, words: str) -> StepFailed:
    """Return why the proxy itself answered: policy refused, or the target gave no whole answer."""
    if status == 403:
        return StepFailed(Code.POLICY_VIOLATION, words or "policy refuses it", rules=(rule,))
    return StepFailed(Code.NAVIGATION_FAILED, f"{words or 'no whole answer came back'} ({rule})")


def asks_to_be_left_alone(why: str, headers: dict[str, str]) -> StepFailed:
    """Return the end of a run whose target asks to be left alone."""
    return StepFailed(Code.TARGET_BLOCKED, why, retry_after=headers.get("retry-after", "")[:100])


def is_main(request: "Request") -> bool:
    """Whether a request is for a page as a whole, not for a frame or a part of it."""
    from playwright.async_api import Error

    if not request.is_navigation_request():
        return False
    try:
        return request.frame.parent_frame is None
    except Error:
        return True  # of a page that is just being opened


async def _body(one: Document) -> bytes:
    """Return a document's body; where it cannot be had any more, or does not end, what the page shows of it by now."""
    from playwright.async_api import Error

    try:
        async with asyncio.timeout(_BODY):
            return await one.response.body()
    except (Error, TimeoutError):
        pass
    try:
        async with asyncio.timeout(_BODY):
            return str(await one.response.frame.evaluate(_START)).encode()
    except (Error, TimeoutError):
        return b""
