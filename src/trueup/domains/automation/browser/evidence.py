"""What a page is now, and what a run saw: kept without secrets, within bounds.

Each part stands for itself: one that cannot be had is named with its reason, and the others are kept.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from trueup.domains.automation.browser.errors import StepFailed
from trueup.domains.automation.browser.intercept import HAR, log_of, read_bodies
from trueup.domains.automation.browser.performed import Kept
from trueup.domains.automation.browser.pictures import PNG, SHAPE, Shape, taken
from trueup.domains.automation.browser.stage import Stage
from trueup.domains.automation.engine.codes import first_line
from trueup.domains.automation.engine.redact import without_passwords
from trueup.domains.automation.engine.stepkinds import Capture
from trueup.kernel.evidence.engine.encode import stamp

SECONDS = 30.0
"""That all of it may take together."""
_STATE = (
    f"(most) => {{ {SHAPE}"
    """
    const root = document.documentElement;
    const kind = document.doctype ? new XMLSerializer().serializeToString(document.doctype) + '\\n' : '';
    const html = kind + (root ? root.outerHTML : ''), text = document.body ? document.body.innerText : '';
    return [html.slice(0, most), html.length, text.slice(0, most), text.length, shape()];
}"""
)
_CUT = "\n[cut: {size} characters in all]"


async def capture(stage: Stage, step: Capture) -> dict[str, Any]:
    """Keep what the page is now."""
    wanted = {name for name in ("html", "text", "screenshot") if getattr(step, name)}
    return {name: kept.sha256 for name, kept in (await _page(stage, wanted, f"step-{stage.path}")).items()}


async def gather(stage: Stage) -> None:
    """Keep the evidence of a whole run; what cannot be had is named in ``Performed.left_out``.

    What a ``capture`` kept as the last step of all is not taken once more.
    """
    wanted, captured = stage.limits.evidence, stage.performed.steps[-1:]
    stage.kept = []
    if captured and captured[0].action == "capture" and captured[0].success:
        wanted -= set(captured[0].data)
        stage.kept = list(captured[0].artifacts)
    stage.until = asyncio.get_running_loop().time() + SECONDS
    if stage.crashed or stage.page.is_closed():
        for name in sorted(wanted & {"html", "text", "screenshot"}):
            stage.performed.left_out[name] = "the page is gone"
    else:
        await _part(stage, wanted & {"html", "text", "screenshot"}, lambda: _page(stage, wanted, "final"))
    logs: tuple[tuple[str, Callable[[Stage], Awaitable[Kept]]], ...] = (("har", _har), ("console", _console), ("trace", _trace))
    for name, kept in logs:
        if name in wanted:
            await _part(stage, {name}, lambda kept=kept: kept(stage))  # type: ignore[misc]
    stage.performed.artifacts.extend(stage.kept)


async def _part(stage: Stage, names: frozenset[str] | set[str], work: Callable[[], Awaitable[Any]]) -> None:
    from playwright.async_api import Error

    if not names:
        return
    try:
        async with asyncio.timeout_at(stage.until):
            await work()
    except (Error, StepFailed, TimeoutError) as exc:
        had = {one.name for one in stage.kept}
        for name in sorted(names):
            if not any(one.startswith(f"final.{_ENDINGS.get(name, name)}") for one in had):
                stage.performed.left_out[name] = stage.redactor.text(first_line(str(exc))) or "it took too long"


_ENDINGS = {"screenshot": "png", "text": "txt"}


async def _page(stage: Stage, wanted: frozenset[str] | set[str], name: str) -> dict[str, Kept]:
    """Keep a page's HTML, text and picture: at two questions to the browser."""
    if not wanted & {"html", "text", "screenshot"}:
        return {}
    html, html_size, text, text_size, shape = await stage.page.evaluate(_STATE, stage.limits.text_bytes)
    found: dict[str, Kept] = {}
    if "html" in wanted:
        words = stage.redactor.text(without_passwords(_whole(html, html_size)))
        found["html"] = await stage.keep(words.encode("utf-8", "replace"), name=f"{name}.html", media_type="text/html")
    if "text" in wanted:
        words = stage.redactor.text(_whole(text, text_size))
        found["text"] = await stage.keep(words.encode("utf-8", "replace"), name=f"{name}.txt", media_type="text/plain")
    if "screenshot" in wanted:
        picture = await taken(stage, shape=Shape(*shape))
        found["screenshot"] = await stage.keep(picture, name=f"{name}.png", media_type=PNG)
    return found


def _whole(text: str, size: int) -> str:
    return text if len(text) >= size else text + _CUT.format(size=size)


async def _har(stage: Stage) -> Kept:
    recorder = stage.recorder
    if stage.limits.bodies:
        await read_bodies(
            {answer: recorder.exchanges[one] for one, answer in recorder.answers.items() if recorder.exchanges[one].over}
        )
    log = log_of(stage, list(recorder.exchanges.values()), recorder.more)
    return await stage.keep(json.dumps(log, ensure_ascii=False).encode("utf-8", "replace"), name="final.har", media_type=HAR)


async def _console(stage: Stage) -> Kept:
    rows = list(stage.recorder.console)
    if stage.recorder.more_lines:
        rows.append({"type": "left out", "lines": stage.recorder.more_lines})
    return await stage.keep(_lines(stage, rows), name="final.console.jsonl", media_type="application/x-ndjson")


async def _trace(stage: Stage) -> Kept:
    """Keep all steps and all documents, by time."""
    rows = [{**one.document(), "what": "step"} for one in stage.performed.steps]
    for one in stage.documents.seen:
        seen = stage.recorder.exchanges.get(one.response.request)
        at = stamp(seen.at) if seen else ""
        rows.append({"at": at, "what": "document", "url": one.url, "status": one.status})
    return await stage.keep(
        _lines(stage, sorted(rows, key=lambda row: str(row["at"]))), name="final.trace.jsonl", media_type="application/x-ndjson"
    )


def _lines(stage: Stage, rows: list[dict[str, Any]]) -> bytes:
    """Return rows as JSON lines without secrets, as many as there is room for."""
    found, size = [], 0
    for number, row in enumerate(rows):
        line = json.dumps(stage.redactor.data(row), ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        size += len(line)
        if size > stage.limits.text_bytes:
            found.append(json.dumps({"what": "left out", "lines": len(rows) - number}).encode() + b"\n")
            break
        found.append(line)
    return b"".join(found)
