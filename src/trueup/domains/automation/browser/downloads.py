"""Files: fetched by the browser itself, cut off where they grow too large, held against what is expected: ``file_download``.

A link or a URL is opened in a page of its own whose answer is turned into a file: it has the session's cookies, streams to disk,
and shows its status and headers before its first byte is stored.

References:
    Chrome DevTools Protocol, domains ``Fetch`` (requests paused at their response) and ``Page`` (progress of downloads).
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from trueup.domains.automation.browser.documents import RULE, asks_to_be_left_alone, turned_away
from trueup.domains.automation.browser.elements import done
from trueup.domains.automation.browser.errors import StepFailed
from trueup.domains.automation.browser.moves import address, refused_on_the_way, turn
from trueup.domains.automation.browser.stage import Stage
from trueup.domains.automation.engine.blocked import blocked
from trueup.domains.automation.engine.codes import Code
from trueup.domains.automation.engine.media import HEAD, file_name, is_one_of, media_type_of
from trueup.domains.automation.engine.stepkinds import SELECTOR_MS, FileDownload

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Download, Page

_CHUNK = 1 << 20
_MOVED = frozenset({301, 302, 303, 307, 308})


@dataclass  # without slots: the driver puts a mark on whom it calls
class _Coming:
    """A file on its way.

    Args:
        most: bytes that it may have.
        wrong: set once it is known why it will not come.
        declared: its media type, as its sender says.
    """

    most: int
    wrong: "asyncio.Future[StepFailed]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    declared: str = ""
    url: str = ""

    def fails(self, why: StepFailed) -> None:
        """Note why it will not come; the first reason counts."""
        if not self.wrong.done():
            self.wrong.set_result(why)

    def progress(self, event: dict[str, Any]) -> None:
        """Hear how much of it came."""
        size = max(event.get("totalBytes", 0), event.get("receivedBytes", 0))
        if size > self.most:
            self.fails(self.too_large(int(size)))

    def too_large(self, size: int) -> StepFailed:
        """Return why it is not taken."""
        return StepFailed(Code.DOWNLOAD_TOO_LARGE, f"at least {size} bytes; {self.most} are allowed", data={"size": size})


async def file_download(stage: Stage, step: FileDownload) -> dict[str, Any]:
    """Fetch a file and hold it against what is expected.

    Raises:
        StepFailed: it does not come, or is not what is expected; it is not kept then.
    """
    coming = _Coming(min(step.max_bytes, stage.limits.download_bytes))
    stage.downloads = asyncio.get_running_loop().create_future()
    try:
        async with _asked(stage, step, coming):
            download = await _first(stage.downloads, coming)
            coming.url = coming.url or download.url
            try:
                path = await _whole(stage, download, coming)
                return await _held(stage, step, coming, download.suggested_filename, path)
            except BaseException:
                await _quietly(download.cancel())
                raise
            finally:
                await _quietly(download.delete())
    finally:
        stage.downloads.cancel()
        stage.downloads = None


@asynccontextmanager
async def _asked(stage: Stage, step: FileDownload, coming: _Coming) -> AsyncIterator[None]:
    """Set a download off, by a click or in a page of its own."""
    if step.method == "click":
        session = await stage.context.new_cdp_session(stage.page)
        try:
            session.on("Page.downloadProgress", coming.progress)
            await session.send("Page.enable")
            await done(stage, step.selector or "", stage.find(step.selector or "").click(timeout=stage.within(SELECTOR_MS)))
            judging = asyncio.create_task(_judged(stage, coming))
            try:
                yield
            finally:
                judging.cancel()
        finally:
            await _quietly(session.detach())
        return
    came_from = stage.page.url if step.method == "link" else ""
    place = step.url if step.method == "fetch" else await _href(stage, step.selector or "")
    await turn(stage, place)
    url = address(place)
    coming.url = url
    # a page that is none of those that steps are performed on is known as such before it opens
    async with _apart(stage) as page:
        session = await stage.context.new_cdp_session(page)
        session.on("Page.downloadProgress", coming.progress)
        await session.send("Page.enable")
        answering = _Answering(session, coming)
        session.on("Fetch.requestPaused", answering.paused)
        await session.send("Fetch.enable", {"patterns": [{"urlPattern": "*", "requestStage": "Response"}]})
        going = asyncio.create_task(_gone(stage, page, url, came_from, coming))
        try:
            yield
        finally:
            going.cancel()
            await asyncio.gather(going, *answering.tasks, return_exceptions=True)


@asynccontextmanager
async def _apart(stage: Stage) -> "AsyncIterator[Page]":
    page = await stage.context.new_page()
    stage.documents.apart.add(page)
    stage.opened = [one for one in stage.opened if one is not page]
    try:
        yield page
    finally:
        await _quietly(page.close())


async def _href(stage: Stage, selector: str) -> str:
    """Return where a link leads.

    Raises:
        StepFailed: it is not there, or leads nowhere.
    """
    href = await done(stage, selector, stage.find(selector).get_attribute("href", timeout=stage.within(SELECTOR_MS)))
    if not href:
        raise StepFailed(Code.DOWNLOAD_FAILED, f"what is {selector!r} is no link")
    return urljoin(stage.page.url, href)


async def _gone(stage: Stage, page: "Page", url: str, came_from: str, coming: _Coming) -> None:
    """Open a file's URL; that a page comes instead of it is a failure."""
    from playwright.async_api import Error

    try:
        await page.goto(url, referer=came_from or None, wait_until="commit", timeout=stage.within(stage.left * 1_000))
        coming.fails(StepFailed(Code.DOWNLOAD_FAILED, "nothing came that can be kept as a file"))
    except Error as exc:
        if "Download is starting" in str(exc):
            return
        try:
            await refused_on_the_way(stage, url)
        except StepFailed as why:
            coming.fails(why)
        words = str(exc).partition("\n")[0][:300]
        coming.fails(StepFailed(Code.NAVIGATION_FAILED if "net::ERR_" in words else Code.DOWNLOAD_FAILED, words))


async def _judged(stage: Stage, coming: _Coming) -> None:
    """Watch for a page that comes instead of a file, and ends the run."""
    try:
        while True:
            await stage.documents.settle(stage.left)
            await stage.documents.judge()
            await asyncio.sleep(0.1)
    except StepFailed as why:
        coming.fails(why)


@dataclass  # without slots: the driver puts a mark on whom it calls
class _Answering:
    """Looks at the answers of a page that files are fetched with, and makes a file of the one that is whole."""

    session: "CDPSession"
    coming: _Coming
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def paused(self, event: dict[str, Any]) -> None:
        """Hear of a request that waits at its response."""
        task = asyncio.create_task(self._go(event))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _go(self, event: dict[str, Any]) -> None:
        from playwright.async_api import Error

        number, status = event["requestId"], int(event.get("responseStatusCode", 0))
        with suppress(Error):  # its page may be gone by now
            given = event.get("responseHeaders", [])
            headers = {one["name"].lower(): one["value"] for one in given}
            if not status or (status in _MOVED and "location" in headers):
                await self.session.send("Fetch.continueRequest", {"requestId": number})
                return
            why = self._wrong(status, headers)
            if why is not None:
                self.coming.fails(why)
                await self.session.send("Fetch.failRequest", {"requestId": number, "errorReason": "Aborted"})
                return
            self.coming.declared, self.coming.url = headers.get("content-type", ""), event["request"]["url"]
            said = headers.get("content-disposition", "")
            kept = [one for one in given if one["name"].lower() != "content-disposition"]
            kept.append({"name": "Content-Disposition", "value": _as_file(said)})
            answer = {"requestId": number, "responseCode": status, "responseHeaders": kept}
            await self.session.send("Fetch.continueResponse", answer)

    def _wrong(self, status: int, headers: dict[str, str]) -> StepFailed | None:
        if headers.get(RULE):
            return turned_away(status, headers[RULE], "")
        why = blocked(status, headers, b"")
        if why:
            return asks_to_be_left_alone(why, headers)
        if not 200 <= status < 300 or status in (204, 205, 206):
            return StepFailed(Code.DOWNLOAD_FAILED, f"it answers with {status}", data={"status": status})
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > self.coming.most:
            return self.coming.too_large(int(length))
        return None


def _as_file(said: str) -> str:
    kind, _, rest = said.partition(";")
    return said if kind.strip().lower() == "attachment" else f"attachment;{rest}" if rest else "attachment"


async def _first(download: "asyncio.Future[Download]", coming: _Coming) -> "Download":
    either: list[asyncio.Future[Any]] = [download, coming.wrong]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if coming.wrong.done():
        if download.done():
            await _quietly(download.result().cancel())
        raise coming.wrong.result()
    return download.result()


async def _whole(stage: Stage, download: "Download", coming: _Coming) -> Path:
    """Wait until a file is there, unless it is known before that it will not be.

    Raises:
        StepFailed: it does not come, or grows too large.
    """
    failing = asyncio.ensure_future(download.failure())
    try:
        either: list[asyncio.Future[Any]] = [failing, coming.wrong]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if coming.wrong.done():
            raise coming.wrong.result()
        why = failing.result()
    finally:
        failing.cancel()
    if why is not None:
        await refused_on_the_way(stage, download.url)
        raise StepFailed(Code.DOWNLOAD_FAILED, f"it was not whole: {why}")
    return Path(await download.path())


async def _held(stage: Stage, step: FileDownload, coming: _Coming, suggested: str, path: Path) -> dict[str, Any]:
    """Hold a file against what is expected, and keep it.

    Raises:
        StepFailed: it is something else.
    """
    digest, size, head = await asyncio.to_thread(_read, path)
    kind = media_type_of(head, coming.declared)
    why = blocked(200, {"content-type": kind}, head)
    if why:
        raise asks_to_be_left_alone(why, {})
    name = file_name(suggested)
    found: dict[str, Any] = {
        "url": stage.redactor.text(coming.url),
        "file_name": name,
        "sha256": digest,
        "size": size,
        "media_type": kind,
        "declared_type": coming.declared,
    }
    if size > coming.most:
        raise coming.too_large(size)
    if size < step.min_bytes:
        raise StepFailed(Code.DOWNLOAD_TOO_SMALL, f"{size} bytes; at least {step.min_bytes} are expected", data=found)
    if step.sha256 and digest != step.sha256:
        raise StepFailed(Code.DOWNLOAD_HASH, f"its SHA-256 is {digest}; expected {step.sha256}", data=found)
    if step.media_types and not is_one_of(kind, step.media_types):
        allowed = ", ".join(step.media_types)
        raise StepFailed(Code.DOWNLOAD_TYPE, f"by its content it is {kind}; allowed: {allowed}", data=found)
    await stage.keep(path, name=name, media_type=kind)
    stage.store(step.store_as, found)
    return found


def _read(path: Path) -> tuple[str, int, bytes]:
    digest, size, head = hashlib.sha256(), 0, b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            head = head or chunk[:HEAD]
    return digest.hexdigest(), size, head


async def _quietly(work: Any) -> None:
    """Do something to what may be gone already."""
    from playwright.async_api import Error

    with suppress(Error):
        await work
