"""Steps on one element: ``click``, ``fill``, ``select``, ``check``, ``hover``, ``upload``; and how secrets are typed."""

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from trueup.domains.automation.browser.errors import StepFailed
from trueup.domains.automation.browser.stage import Stage
from trueup.domains.automation.engine.codes import Code
from trueup.domains.automation.engine.media import HEAD, media_type_of
from trueup.domains.automation.engine.stepkinds import Check, Click, Fill, Hover, OnElement, Select, Upload, patience_of
from trueup.domains.automation.engine.urls import UrlRefused, read
from trueup.kernel.errors import NotFound

if TYPE_CHECKING:
    from playwright.async_api import Locator

MAX_UPLOAD = 50 << 20
"""Bytes that the driver hands to a page."""
_TICK = 0.05


async def click(stage: Stage, step: Click) -> None:
    """Click an element, and wait for where that leads."""
    found = await _ready(stage, step)
    more = {"button": step.button, "click_count": step.count, "modifiers": list(step.modifiers)}
    await done(stage, step.selector, found.click(timeout=stage.within(patience_of(step)), **more))  # type: ignore[arg-type]
    await stage.settle(adopts=True)


async def fill(stage: Stage, step: Fill) -> None:
    """Put a text, or a secret, into a field."""
    found = await _ready(stage, step)
    if step.secret is not None:
        await put_secret(stage, found, step.selector, step.secret, patience_of(step))
    else:
        await put(stage, found, step.selector, step.value or "", patience_of(step))


async def select(stage: Stage, step: Select) -> dict[str, Any]:
    """Choose options of a list."""
    found = await _ready(stage, step)
    chosen = {"value" if step.by == "value" else "label": list(step.values)}
    work = found.select_option(timeout=stage.within(patience_of(step)), **chosen)  # type: ignore[arg-type]
    values = await done(stage, step.selector, work)
    await stage.settle()
    return {"values": values}


async def check(stage: Stage, step: Check) -> None:
    """Tick a box, or clear it."""
    found = await _ready(stage, step)
    await done(stage, step.selector, found.set_checked(step.checked, timeout=stage.within(patience_of(step))))
    await stage.settle()


async def hover(stage: Stage, step: Hover) -> None:
    """Move the pointer over an element."""
    found = await _ready(stage, step)
    await done(stage, step.selector, found.hover(timeout=stage.within(patience_of(step))))


async def upload(stage: Stage, step: Upload) -> dict[str, Any]:
    """Give a file field an artifact.

    Raises:
        StepFailed: it is not kept, or too large.
    """
    try:
        data = await stage.room.fetch_artifact(step.artifact)
    except NotFound as exc:
        raise StepFailed(Code.ARTIFACT_MISSING, f"no artifact {step.artifact} is kept") from exc
    if len(data) > MAX_UPLOAD:
        raise StepFailed(Code.VALUE_TOO_LARGE, f"a file of {len(data)} bytes; {MAX_UPLOAD} are allowed")
    found = await _ready(stage, step)
    kind = media_type_of(data[:HEAD])
    file = {"name": step.file_name, "mimeType": kind, "buffer": data}
    await done(stage, step.selector, found.set_input_files(file, timeout=stage.within(patience_of(step))))  # type: ignore[arg-type]
    await stage.settle()
    return {"sha256": step.artifact, "size": len(data), "media_type": kind, "file_name": step.file_name}


async def done[T](stage: Stage, selector: str, work: Awaitable[T]) -> T:
    """Return what comes of something that is done to an element.

    Raises:
        StepFailed: the element was not there in time, or did not let itself be used.
    """
    from playwright.async_api import TimeoutError as GaveUp

    try:
        return await work
    except GaveUp as exc:
        raise await stage.not_there(selector, exc) from exc


async def put(stage: Stage, found: "Locator", selector: str, value: str, milliseconds: float) -> None:
    """Type a text; what goes into a password field is a secret, whoever wrote it down."""
    kind = await done(stage, selector, found.evaluate("e => String(e.type || '')", timeout=stage.within(milliseconds)))
    if kind == "password":
        hide(stage, selector, value)
    await done(stage, selector, found.fill(value, timeout=stage.within(milliseconds)))


async def put_secret(stage: Stage, found: "Locator", selector: str, name: str, milliseconds: float) -> None:
    """Type a secret, into the very element and document that it was asked for.

    Raises:
        StepFailed: there is no such secret for that place.
    """
    held = await done(stage, selector, found.element_handle(timeout=stage.within(milliseconds)))
    frame = await held.owner_frame()
    value = await secret(stage, name, frame.url if frame else "")
    hide(stage, selector, value)
    # the element itself: another document has none of that name's secrets
    await done(stage, selector, held.fill(value, timeout=stage.within(milliseconds)))


async def secret(stage: Stage, name: str, at: str) -> str:
    """Return a secret for a place.

    Raises:
        StepFailed: there is none, or the place is no page that anything secret is typed into.
    """
    try:
        read(at.partition("#")[0])
    except UrlRefused:
        raise StepFailed(Code.CREDENTIAL_MISSING, f"{name!r} is not typed into a page without an address of its own") from None
    try:
        value = (await stage.room.secret(name, at)).get_secret_value()
    except NotFound as exc:
        raise StepFailed(Code.CREDENTIAL_MISSING, f"there is no secret {name!r} for this place") from exc
    stage.redactor.learn(value)
    return value


def hide(stage: Stage, selector: str, value: str) -> None:
    """Take a value out of everything that is written down, and its field out of pictures."""
    stage.redactor.learn(value)
    stage.masked.append(selector)


async def _ready(stage: Stage, step: OnElement) -> "Locator":
    """Return a step's element; where the step says so, once it is enabled."""
    found = stage.find(step.selector, step.wait_for)
    if step.wait_for == "enabled":
        loop = asyncio.get_running_loop()
        ends = loop.time() + stage.within(patience_of(step)) / 1_000
        while not await done(stage, step.selector, found.is_enabled(timeout=stage.within(patience_of(step)))):
            if loop.time() >= ends:
                raise StepFailed(Code.ELEMENT_NOT_READY, f"what is {step.selector!r} is not enabled")
            await asyncio.sleep(_TICK)
    return found
