"""What conditions ask: of elements, of what was stored, of the page's address."""

import asyncio

from trueup.domains.automation.browser.stage import Stage
from trueup.domains.automation.engine.stepkinds import Condition

_TICK = 0.1
_TEXT = "elements => elements.slice(0, 1000).map((e) => e.value !== undefined && e.localName !== 'li' ? String(e.value) : e.innerText ?? e.textContent ?? '')"


async def holds(stage: Stage, condition: Condition) -> bool:
    """Say whether a condition holds now: all that it asks has to be so.

    Raises:
        Error: of the driver, where a selector is none.
    """
    return await _all(stage, condition) != condition.negate


async def comes_to_hold(stage: Stage, condition: Condition, milliseconds: float) -> bool:
    """Say whether a condition holds, now or within a time that the step still has."""
    from playwright.async_api import Error

    loop = asyncio.get_running_loop()
    ends = loop.time() + stage.within(milliseconds) / 1_000
    while True:
        try:
            if await holds(stage, condition):
                return True
        except Error as exc:
            if not passing(exc):
                raise
        if loop.time() + _TICK >= ends:
            return False
        await asyncio.sleep(_TICK)


def passing(exc: Exception) -> bool:
    """Whether the driver only says that the page is just being replaced by another."""
    words = str(exc).lower()
    return "context was destroyed" in words or "navigat" in words or "frame was detached" in words


def words_of(condition: Condition) -> str:
    """Return a condition in words, for those who read results."""
    said = []
    if condition.selector is not None:
        said.append(f"{condition.selector!r} is {condition.state}")
    if condition.value is not None:
        said.append(f"{condition.value[:80]!r}")
    if condition.text is not None:
        said.append(f"holds {condition.text[:80]!r}")
    if condition.equals is not None:
        said.append(f"equals {condition.equals[:80]!r}")
    if condition.url is not None:
        said.append(f"the address holds {condition.url[:80]!r}")
    return f"{'not: ' if condition.negate else ''}{', '.join(said)}"


async def _all(stage: Stage, asked: Condition) -> bool:
    if asked.url is not None and asked.url not in stage.page.url:
        return False
    if asked.value is not None and not _fits(asked.value, asked):
        return False
    if asked.selector is None:
        return True
    found = stage.page.locator(asked.selector)
    seen = found.filter(visible=True) if asked.state in ("visible", "hidden") else found
    if asked.state in ("hidden", "detached"):
        return await seen.count() == 0
    if asked.value is not None or (asked.text is None and asked.equals is None):
        return await seen.count() > 0
    return any(_fits(text, asked) for text in await seen.evaluate_all(_TEXT))


def _fits(text: str, asked: Condition) -> bool:
    if asked.text is not None and asked.text not in text:
        return False
    return asked.equals is None or asked.equals == text.strip()
