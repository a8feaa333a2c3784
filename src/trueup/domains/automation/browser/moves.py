"""Steps that lead somewhere, wait, look, or scroll: ``navigate``, ``wait``, ``assert``, ``scroll``, ``press``, ``evaluate``."""

import hashlib
import json
from typing import Any

from trueup.domains.automation.browser.conditions import comes_to_hold, words_of
from trueup.domains.automation.browser.documents import asks_to_be_left_alone, turned_away
from trueup.domains.automation.browser.errors import StepFailed
from trueup.domains.automation.browser.stage import Stage
from trueup.domains.automation.egress.gate import HopRefused
from trueup.domains.automation.engine.blocked import blocked
from trueup.domains.automation.engine.codes import Code, first_line
from trueup.domains.automation.engine.stepkinds import Assert, Evaluate, Navigate, Press, Scroll, Wait, patience_of
from trueup.domains.automation.engine.urls import UrlRefused, read


async def navigate(stage: Stage, step: Navigate) -> dict[str, Any]:
    """Go to a page.

    Raises:
        StepFailed: there is no page, it is an error's, or it may not be visited.
    """
    from playwright.async_api import Error

    await turn(stage, step.url)  # decided about, and on record, whatever its form
    address(step.url)
    try:
        await stage.page.goto(
            step.url, wait_until=step.wait_until, referer=step.referer or None, timeout=stage.within(stage.left * 1_000)
        )
    except Error as exc:
        await stage.documents.judge()
        await refused_on_the_way(stage, step.url)
        if "Download is starting" in str(exc):
            raise StepFailed(Code.NAVIGATION_FAILED, "it is a file, not a page: use file_download") from exc
        raise
    await stage.settle()
    last = stage.documents.last
    found = {"url": stage.redactor.text(stage.page.url), "status": last.status if last else None}
    if last is not None and last.status >= 400:
        raise StepFailed(Code.HTTP_STATUS, f"it answers with {last.status}", data=found)
    return found


def address(text: str) -> str:
    """Return a URL that a step names, with its names put in, as everything else reads it.

    Raises:
        StepFailed: it is none, or is refused by its form alone.
    """
    try:
        return read(text).url
    except UrlRefused as refused:
        raise StepFailed(Code.POLICY_VIOLATION, f"{text[:200]!r}: {refused.reason}", rules=(refused.rule,)) from None


async def turn(stage: Stage, url: str) -> None:
    """Wait for a navigation's turn.

    Raises:
        StepFailed: it does not come.
    """
    try:
        await stage.room.visit(url)
    except HopRefused as refused:
        raise StepFailed(Code.POLICY_VIOLATION, refused.message, rules=refused.rules) from refused


async def refused_on_the_way(stage: Stage, url: str) -> None:
    """Say by whom a request that came to nothing was turned away, where that is known: in tunnels its answer does not show it.

    Raises:
        StepFailed: policy refused it, or its target asks to be left alone.
    """
    left = await stage.room.left(url)
    if left is None:
        return
    if left.rules and left.status is None:
        raise turned_away(403, left.rules[0], left.reason)
    why = blocked(left.status or 0, {}, b"")
    if why:
        raise asks_to_be_left_alone(why, {})


async def wait(stage: Stage, step: Wait) -> dict[str, Any]:
    """Wait for a time or a condition.

    Raises:
        StepFailed: the condition did not come to hold.
    """
    if step.until is None:
        await stage.pause(step.ms or 0)
        return {"waited_ms": step.ms}
    if not await comes_to_hold(stage, step.until, patience_of(step)):
        raise StepFailed(Code.STEP_TIMEOUT, f"it did not come to hold in time: {words_of(step.until)}")
    return {"holds": True}


async def assert_(stage: Stage, step: Assert) -> dict[str, Any]:
    """Fail unless something is so, or becomes so within the step's time.

    Raises:
        StepFailed: it is not so.
    """
    if not await comes_to_hold(stage, step.condition, patience_of(step)):
        raise StepFailed(Code.ASSERTION_FAILED, step.message or f"it is not so: {words_of(step.condition)}")
    return {"holds": True}


async def scroll(stage: Stage, step: Scroll) -> dict[str, Any]:
    """Scroll to an element, or by a distance.

    Raises:
        StepFailed: the element is not there.
    """
    if step.selector is None:
        place = await stage.page.evaluate("by => { window.scrollBy({top: by, behavior: 'instant'}); return scrollY; }", step.by)
        return {"y": place}
    from playwright.async_api import TimeoutError as GaveUp

    try:
        await stage.find(step.selector, "attached").scroll_into_view_if_needed(timeout=stage.within(patience_of(step)))
    except GaveUp as exc:
        raise await stage.not_there(step.selector, exc) from exc
    return {"y": await stage.page.evaluate("scrollY")}


async def press(stage: Stage, step: Press) -> None:
    """Press a key or chord, in an element or wherever the page has its focus.

    Raises:
        StepFailed: the element is not there.
    """
    from playwright.async_api import TimeoutError as GaveUp

    if step.selector is None:
        await stage.page.keyboard.press(step.key)
    else:
        try:
            await stage.find(step.selector).press(step.key, timeout=stage.within(patience_of(step)))
        except GaveUp as exc:
            raise await stage.not_there(step.selector, exc) from exc
    await stage.settle(adopts=True)


async def evaluate(stage: Stage, step: Evaluate) -> dict[str, Any]:
    """Run a script of the page's own tongue, where its digest may run.

    Raises:
        StepFailed: it may not, it fails, or what it returns is too large.
    """
    from playwright.async_api import Error

    digest = hashlib.sha256(step.script.encode()).hexdigest()
    if await stage.room.may_evaluate(digest) is not True:
        raise StepFailed(Code.SCRIPT_REFUSED, f"no approval names the script with SHA-256 {digest}")
    try:
        value = await stage.page.evaluate(step.script)
    except Error as exc:
        words = first_line(str(exc))
        if "crashed" in words or "closed" in words:
            raise
        raise StepFailed(Code.SCRIPT_FAILED, words) from exc
    await stage.settle()
    try:
        size = len(json.dumps(value, allow_nan=False).encode())
    except (TypeError, ValueError) as exc:
        raise StepFailed(Code.SCRIPT_FAILED, "it returns what is no JSON") from exc
    if size > stage.limits.stored_bytes:
        raise StepFailed(Code.VALUE_TOO_LARGE, f"it returns {size} bytes; {stage.limits.stored_bytes} are allowed")
    stage.store(step.store_as, value)
    return {"script_sha256": digest, "value": value}
