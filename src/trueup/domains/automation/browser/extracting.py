"""Taking texts and attributes from a page: ``extract``."""

import asyncio
from typing import Any

from trueup.domains.automation.browser.errors import StepFailed
from trueup.domains.automation.browser.stage import Stage
from trueup.domains.automation.engine.codes import Code
from trueup.domains.automation.engine.redact import MASK, without_passwords
from trueup.domains.automation.engine.stepkinds import Extract, Taken, patience_of

_TAKE = f"""const take = (e, a) => {{
    if (e.localName === 'input' && e.type === 'password' && (a === 'value' || a === 'text')) return '{MASK}';
    if (a === 'text') return ((e.innerText ?? e.textContent) || '').trim();
    if (a === 'html') return e.innerHTML;
    if (a === 'value') return 'value' in e ? String(e.value) : e.getAttribute('value');
    if ((a === 'href' || a === 'src' || a === 'action') && e.hasAttribute(a)) return String(e[a]);
    return e.getAttribute(a);
}};"""
_EACH = f"""(elements, [attribute, most]) => {{ {_TAKE} return elements.slice(0, most).map((e) => take(e, attribute)); }}"""
_ROWS = f"""(rows, [fields, most]) => {{ {_TAKE}
    return rows.slice(0, most).map((row) => {{
        const found = {{}};
        for (const [name, selector, attribute, multiple] of fields) {{
            const every = [...row.querySelectorAll(selector)].map((e) => take(e, attribute));
            found[name] = multiple ? every : (every.length ? every[0] : null);
        }}
        return found;
    }});
}}"""
_NO_CSS = ("not a valid selector", "SyntaxError")


async def extract(stage: Stage, step: Extract) -> dict[str, Any]:
    """Take fields from the page, or from each of the containers that repeat.

    Raises:
        StepFailed: a field that is required is not there.
    """
    from playwright.async_api import TimeoutError as GaveUp

    fields = {name: Taken(selector=one) if isinstance(one, str) else one for name, one in step.fields.items()}
    first = step.each or next((one.selector for one in fields.values() if one.required), None)
    if first is not None:
        try:
            await stage.page.locator(first).first.wait_for(state="attached", timeout=stage.within(patience_of(step)))
        except GaveUp as exc:
            raise await stage.not_there(first, exc) from exc
    found = await (_rows(stage, step.each, fields, step.limit) if step.each else _once(stage, fields, step.limit))
    found = _checked(found, fields)
    stage.store(step.store_as, found)
    return {"count": len(found), "items": found} if isinstance(found, list) else {"fields": found}


async def _once(stage: Stage, fields: dict[str, Taken], most: int) -> dict[str, Any]:
    async def one(taken: Taken) -> Any:
        every = await stage.page.locator(taken.selector).evaluate_all(_EACH, [taken.attribute, most if taken.multiple else 1])
        return every if taken.multiple else every[0] if every else None

    values = await asyncio.gather(*(one(taken) for taken in fields.values()))
    return dict(zip(fields, values, strict=True))


async def _rows(stage: Stage, each: str, fields: dict[str, Taken], most: int) -> list[dict[str, Any]]:
    """Take fields of each container: at one question to the browser, where all selectors are plain CSS."""
    from playwright.async_api import Error

    rows = stage.page.locator(each)
    asked = [[name, taken.selector, taken.attribute, taken.multiple] for name, taken in fields.items()]
    try:
        found: list[dict[str, Any]] = await rows.evaluate_all(_ROWS, [asked, most])
    except Error as exc:
        if not any(sign in str(exc) for sign in _NO_CSS):
            raise
    else:
        return found
    return [await _row(rows.nth(number), fields) for number in range(min(await rows.count(), most))]


async def _row(row: Any, fields: dict[str, Taken]) -> dict[str, Any]:
    found = {}
    for name, taken in fields.items():
        every = await row.locator(taken.selector).evaluate_all(_EACH, [taken.attribute, 100_000 if taken.multiple else 1])
        found[name] = every if taken.multiple else every[0] if every else None
    return found


def _checked(found: Any, fields: dict[str, Taken]) -> Any:
    """Return what was found, with no password in its HTML; fail where something required is not in it."""
    for number, row in enumerate(found if isinstance(found, list) else [found], 1):
        for name, taken in fields.items():
            if taken.required and row[name] in (None, []):
                where = f" in container {number}" if isinstance(found, list) else ""
                what = "" if taken.attribute in ("text", "html") else f" with {taken.attribute!r}"
                message = f"field {name!r}: nothing{where} is {taken.selector!r}{what}"
                raise StepFailed(Code.SELECTOR_NOT_FOUND, message, selector=taken.selector)
            if taken.attribute == "html":
                row[name] = [without_passwords(one) for one in row[name]] if taken.multiple else _html(row[name])
    return found


def _html(value: str | None) -> str | None:
    return None if value is None else without_passwords(value)
