"""Pictures of a page, and what differs between two: ``screenshot`` and ``screenshot_diff``."""

import asyncio
import io
from typing import Any, Literal, NamedTuple

import numpy as np

from trueup.domains.automation.browser.errors import StepFailed
from trueup.domains.automation.browser.performed import Kept
from trueup.domains.automation.browser.stage import Stage
from trueup.domains.automation.engine.codes import Code
from trueup.domains.automation.engine.pixels import Picture, difference, heatmap, highlight
from trueup.domains.automation.engine.stepkinds import Screenshot
from trueup.domains.automation.engine.steps import ScreenshotDiff

PNG = "image/png"
SHAPE = """const shape = () => {
    const root = document.documentElement, body = document.body;
    const size = (name) => Math.max(root ? root[name] : 0, body ? body[name] : 0);
    const fits = size('scrollHeight') <= innerHeight && size('scrollWidth') <= innerWidth;
    const hides = document.querySelector('input[type=password i]') !== null
        || [...document.querySelectorAll('*')].some((e) => e.shadowRoot);
    return [root ? root.clientWidth : innerWidth, size('scrollHeight'), fits, !hides];
};"""
"""What returns the parts of a ``Shape`` from a page, as the function ``shape``."""
_PIXELS = 60_000_000
"""Pixels of a picture that is compared."""


async def screenshot(stage: Stage, step: Screenshot) -> dict[str, Any]:
    """Take a picture, once all that it waits for is there.

    Raises:
        StepFailed: something of it is not there in time.
    """
    from playwright.async_api import TimeoutError as GaveUp

    for selector in step.when:
        try:
            await stage.find(selector).wait_for(state="visible", timeout=stage.within(step.max_wait_ms))
        except GaveUp as exc:
            raise await stage.not_there(selector, exc) from exc
    if step.selector is None:
        data = await taken(stage, full_page=step.full_page, format=step.format)
    else:
        try:
            data = await stage.find(step.selector).screenshot(
                type=step.format, mask=stage.masks(), animations="disabled", scale="css", timeout=stage.within(step.max_wait_ms)
            )
        except GaveUp as exc:
            raise await stage.not_there(step.selector, exc) from exc
    kept = await stage.keep(data, name=f"step-{stage.path}.{step.format}", media_type=f"image/{step.format}")
    found = {"sha256": kept.sha256, "size": kept.size, "name": kept.name, "media_type": kept.media_type}
    if step.store_as is not None:
        stage.pictures[step.store_as] = data
        stage.store(step.store_as, found)
    return found


class Shape(NamedTuple):
    """What is known of a page before its picture is taken: ``fits`` where all of it is in view, ``open`` where nothing is secret."""

    width: int
    height: int
    fits: bool
    open: bool


async def taken(
    stage: Stage, *, full_page: bool = True, format: Literal["png", "jpeg"] = "png", shape: Shape | None = None
) -> bytes:
    """Return a picture of the page, with everything secret covered.

    Args:
        stage: of the run.
        full_page: the whole page, down to ``Limits.picture_height``, and not only what is in view.
        format: of the picture.
        shape: of the page, where it is known already.
    """
    shape = Shape(*await stage.page.evaluate(f"() => {{ {SHAPE} return shape(); }}")) if shape is None else shape
    most = stage.limits.picture_height
    clip = {"x": 0, "y": 0, "width": shape.width, "height": most} if full_page and shape.height > most else None
    return await stage.page.screenshot(
        # a page that is in view as a whole need not be laid out anew for its picture, nor one without secrets be covered
        full_page=full_page and not shape.fits,
        clip=clip,  # type: ignore[arg-type]
        type=format,
        mask=[] if shape.open and not stage.masked else stage.masks(),
        animations="disabled",
        scale="css",
        timeout=stage.within(30_000),
    )


async def earlier(stage: Stage, step: ScreenshotDiff) -> bytes:
    """Return what a comparison begins with: a picture that an earlier step stored, or one of the page as it is now.

    Raises:
        StepFailed: there is no such picture.
    """
    if step.before is None:
        return await taken(stage)
    if step.before not in stage.pictures:
        raise StepFailed(Code.PICTURE_MISSING, f"no earlier step stored a picture as {step.before!r}")
    return stage.pictures[step.before]


async def compared(stage: Stage, step: ScreenshotDiff, before: bytes) -> dict[str, Any]:
    """Compare the page as it is now with an earlier picture.

    Raises:
        StepFailed: one of them is too large to be compared.
    """
    await stage.pause(step.delay_ms)
    after = await taken(stage)
    figures, drawn = await asyncio.to_thread(_figures, before, after, step)
    figures["threshold"] = step.threshold
    figures["changed"] = figures["changed_share"] > step.threshold
    pictures: dict[str, Kept] = {}
    for kind, data in (("before", before), ("after", after), *drawn):
        pictures[kind] = await stage.keep(data, name=f"step-{stage.path}-{kind}.{_ending(data)}", media_type=_kind(data))
    figures["pictures"] = {kind: kept.sha256 for kind, kept in pictures.items()}
    stage.store(step.store_as, figures)
    return figures


def _figures(before: bytes, after: bytes, step: ScreenshotDiff) -> tuple[dict[str, Any], list[tuple[str, bytes]]]:
    found = difference(decoded(before), decoded(after))
    drawn = [("highlight", _encoded(highlight(found)))] if step.highlight else []
    drawn += [("heatmap", _encoded(heatmap(found)))] if step.heatmap else []
    return found.document(), drawn


def decoded(data: bytes) -> Picture:
    """Return the pixels of a picture.

    Raises:
        StepFailed: it has too many.
    """
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        if image.width * image.height > _PIXELS:
            raise StepFailed(Code.VALUE_TOO_LARGE, f"a picture of {image.width} × {image.height} pixels is not compared")
        return np.asarray(image.convert("RGB"))


def _encoded(picture: Picture) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", compress_level=4)
    return out.getvalue()


def _kind(data: bytes) -> str:
    return PNG if data.startswith(b"\x89PNG") else "image/jpeg"


def _ending(data: bytes) -> str:
    return _kind(data).partition("/")[2]
