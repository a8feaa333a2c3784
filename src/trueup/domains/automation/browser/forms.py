"""Forms that are filled, sent, and seen to be taken: ``form_submit`` and ``authenticate``."""

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from trueup.domains.automation.browser.conditions import passing
from trueup.domains.automation.browser.elements import done, hide, put, put_secret, secret
from trueup.domains.automation.browser.errors import StepFailed
from trueup.domains.automation.browser.moves import turn
from trueup.domains.automation.browser.stage import Stage
from trueup.domains.automation.engine.codes import Code
from trueup.domains.automation.engine.stepkinds import SELECTOR_MS, Authenticate, FormField, FormSubmit
from trueup.domains.automation.engine.urls import UrlRefused, read

if TYPE_CHECKING:
    from playwright.async_api import ElementHandle, Locator

_TICK = 0.05
_HOLDS = "text => document.body !== null && document.body.innerText.includes(text)"
_LOCAL = "items => { for (const one of items) localStorage.setItem(one.name, one.value); }"


class Credential(BaseModel):
    """What a secret holds that somebody signs in with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: SecretStr
    password: SecretStr


async def form_submit(stage: Stage, step: FormSubmit) -> dict[str, Any]:
    """Fill a form, send it, and say whether it was taken.

    Raises:
        StepFailed: a part of it is not there, or it was not taken.
    """
    from playwright.async_api import TimeoutError as GaveUp

    patience = SELECTOR_MS if step.timeout_ms is None else step.timeout_ms
    form = stage.find(step.form, "attached")
    try:
        await form.wait_for(state="attached", timeout=stage.within(patience))
    except GaveUp as exc:
        raise await stage.not_there(step.form, exc) from exc
    for field in step.fields:
        await _field(stage, await _within(stage, form, field.selector), field, patience)
    begun = len(stage.documents.seen)
    button = await _within(stage, form, step.submit)
    await done(stage, step.submit, button.click(timeout=stage.within(patience)))
    await stage.settle(adopts=True)
    found = await _taken(stage, step)
    answers = [one.status for one in stage.documents.seen[begun:] if not 300 <= one.status < 400]
    if answers and answers[-1] >= 400:
        raise StepFailed(Code.FORM_REFUSED, f"it was answered with {answers[-1]}", data={"status": answers[-1]})
    return {**found, "status": answers[-1] if answers else None, "url": stage.redactor.text(stage.page.url)}


async def _field(stage: Stage, found: "Locator", field: FormField, patience: float) -> None:
    if field.secret is not None:
        await put_secret(stage, found, field.selector, field.secret, patience)
    elif isinstance(field.value, bool):
        await done(stage, field.selector, found.set_checked(field.value, timeout=stage.within(patience)))
    elif field.type == "select":
        await done(stage, field.selector, found.select_option(str(field.value), timeout=stage.within(patience)))
    else:
        await put(stage, found, field.selector, str(field.value), patience)


async def _within(stage: Stage, form: "Locator", selector: str) -> "Locator":
    """Return a part of a form; one of the page where the form has none, since a field may name its form from elsewhere."""
    inside = form.locator(selector)
    return inside.first if await inside.count() else stage.page.locator(selector).first


async def _taken(stage: Stage, step: FormSubmit) -> dict[str, Any]:
    """Wait for the signs that a form was taken, or was not.

    Raises:
        StepFailed: there is the sign that it was not, or none of those that it was.
    """
    from playwright.async_api import Error

    asks = step.success is not None or bool(step.expected_text)
    if not asks and step.error is None:
        return {"sent": True, "taken": None}
    loop = asyncio.get_running_loop()
    ends = loop.time() + stage.within(step.max_wait_ms) / 1_000
    while True:
        try:
            if step.error is not None and (words := await _visible_text(stage, step.error)) is not None:
                raise StepFailed(Code.FORM_REFUSED, f"the page says: {stage.redactor.text(words)[:300]}")
            if asks and await _all_signs(stage, step):
                return {"sent": True, "taken": True}
        except Error as exc:
            if not passing(exc):
                raise
        if loop.time() >= ends:
            break
        await asyncio.sleep(_TICK)
        await stage.documents.judge()
    if asks:
        raise StepFailed(Code.FORM_REFUSED, f"no sign that it was taken, for {step.max_wait_ms} ms")
    return {"sent": True, "taken": True}


async def _all_signs(stage: Stage, step: FormSubmit) -> bool:
    if step.success is not None and not await stage.page.locator(step.success).filter(visible=True).count():
        return False
    return not step.expected_text or bool(await stage.page.evaluate(_HOLDS, step.expected_text))


async def _visible_text(stage: Stage, selector: str) -> str | None:
    found = await stage.page.locator(selector).filter(visible=True).all_inner_texts()
    return found[0].strip() if found else None


async def authenticate(stage: Stage, step: Authenticate) -> dict[str, Any]:
    """Sign in with a kept session, or else with a named credential.

    Raises:
        StepFailed: there is no such credential, it is malformed, or signing in did not work.
    """
    if step.keep_session and await _still_signed_in(stage, step):
        return {"signed_in": True, "session": "kept"}
    user, password = await _handle(stage, step.user), await _handle(stage, step.password)
    place = await _place(user)
    if place != await _place(password):
        raise StepFailed(Code.SIGN_IN_FAILED, "its two fields lie in different documents")
    held = _read(await secret(stage, step.credential, place))
    for handle, selector, value in ((user, step.user, held.user), (password, step.password, held.password)):
        hide(stage, selector, value.get_secret_value())
        await done(stage, selector, handle.fill(value.get_secret_value(), timeout=stage.within(SELECTOR_MS)))
    await done(stage, step.submit, stage.find(step.submit).click(timeout=stage.within(SELECTOR_MS)))
    await stage.settle(adopts=True)
    if not await _shows(stage, step.success, step.max_wait_ms):
        await stage.documents.judge()
        raise StepFailed(Code.SIGN_IN_FAILED, f"nothing showed for {step.max_wait_ms} ms that it worked: {step.success!r}")
    await stage.settle()
    if step.keep_session:
        await stage.room.keep_session(step.credential, dict(await stage.context.storage_state()), step.session_hours)
    return {"signed_in": True, "session": "new"}


async def _handle(stage: Stage, selector: str) -> "ElementHandle":
    return await done(stage, selector, stage.find(selector).element_handle(timeout=stage.within(SELECTOR_MS)))


async def _place(handle: "ElementHandle") -> str:
    frame = await handle.owner_frame()
    return frame.url if frame else ""


def _read(text: str) -> Credential:
    """Read a credential.

    Raises:
        StepFailed: it is none; what it is instead is not said.
    """
    try:
        return Credential.model_validate(json.loads(text))
    except (ValueError, ValidationError, RecursionError):
        # what they say may hold a part of it
        message = 'the credential is not JSON of the form {"user": …, "password": …}'
        raise StepFailed(Code.CREDENTIAL_MALFORMED, message) from None


async def _still_signed_in(stage: Stage, step: Authenticate) -> bool:
    """Say whether a session that was kept is still good; its local storage is put back for the page's own origin."""
    from playwright.async_api import Error

    kept: Mapping[str, Any] | None = await stage.room.session(step.credential)
    if not kept:
        return False
    try:
        origin = read(stage.page.url.partition("#")[0]).origin
    except UrlRefused:
        return False  # no page is open yet
    await stage.context.add_cookies(list(kept.get("cookies", ())))
    for one in kept.get("origins", ()):
        if _origin(str(one.get("origin", ""))) == origin:
            await stage.page.evaluate(_LOCAL, list(one.get("localStorage", ())))
    await turn(stage, stage.page.url)
    try:
        await stage.page.reload(wait_until="load", timeout=stage.within(stage.left * 1_000))
    except Error:
        await stage.documents.judge()
        raise
    await stage.settle()
    either = stage.page.locator(step.success).or_(stage.page.locator(step.user)).filter(visible=True).first
    try:
        await either.wait_for(state="visible", timeout=stage.within(step.max_wait_ms))
    except Error:
        await stage.documents.judge()
    return await stage.page.locator(step.success).filter(visible=True).count() > 0


def _origin(text: str) -> tuple[str, str, int] | None:
    try:
        return read(text).origin
    except UrlRefused:
        return None


async def _shows(stage: Stage, selector: str, milliseconds: float) -> bool:
    from playwright.async_api import TimeoutError as GaveUp

    try:
        await stage.find(selector).wait_for(state="visible", timeout=stage.within(milliseconds))
    except GaveUp:
        return False
    return True
