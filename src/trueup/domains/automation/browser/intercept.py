"""Recording requests with their responses while something happens: ``api_intercept``."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

from trueup.domains.automation.browser.elements import done
from trueup.domains.automation.browser.errors import StepFailed
from trueup.domains.automation.browser.stage import Stage
from trueup.domains.automation.engine.codes import Code
from trueup.domains.automation.engine.har import BODY, Exchange, archive, matcher, text_of
from trueup.domains.automation.engine.stepkinds import SELECTOR_MS, ApiIntercept

if TYPE_CHECKING:
    from playwright.async_api import Response

_TICK = 0.03
_BODY_SECONDS = 5.0
_BODIES, _AT_ONCE = 16 << 20, 16
HAR = "application/json"
"""There is no media type of its own for archives."""


async def api_intercept(stage: Stage, step: ApiIntercept) -> dict[str, Any]:
    """Record what is asked for, and answered, once something is set off.

    Raises:
        StepFailed: fewer answers came than there have to be.
    """
    before = set(stage.recorder.exchanges)
    fits = matcher(step.match)
    loop = asyncio.get_running_loop()
    ends = loop.time() + stage.within(step.wait_ms) / 1_000
    if step.trigger is not None:
        await done(stage, step.trigger, stage.find(step.trigger).click(timeout=stage.within(SELECTOR_MS)))
    while True:
        found = {
            request: one
            for request, one in stage.recorder.exchanges.items()
            if request not in before and fits.fullmatch(one.url) is not None
        }
        answered = sum(one.over and one.status > 0 for one in found.values())
        is_enough = step.min_responses and answered >= step.min_responses and all(one.over for one in found.values())
        if is_enough or loop.time() >= ends:
            break
        await asyncio.sleep(_TICK)
    await stage.settle()
    if step.bodies:
        await read_bodies(
            {
                stage.recorder.answers[request]: found[request]
                for request in found
                if found[request].over and request in stage.recorder.answers
            }
        )
    kept = await stage.keep(
        json.dumps(log_of(stage, list(found.values())), ensure_ascii=False).encode(),
        name=f"step-{stage.path}.har",
        media_type=HAR,
    )
    summary = [_summed_up(stage, one) for one in found.values()]
    if answered < step.min_responses:
        message = f"{answered} of {step.min_responses} answers came within {step.wait_ms} ms to what is like {step.match!r}"
        raise StepFailed(Code.RESPONSE_MISSING, message, data={"exchanges": summary})
    stage.store(step.store_as, summary)
    return {"responses": answered, "exchanges": summary, "har": kept.sha256}


def log_of(stage: Stage, exchanges: list[Exchange], more: int = 0) -> dict[str, Any]:
    """Return exchanges as an archive."""
    version = stage.context.browser.version if stage.context.browser else ""
    return archive(
        exchanges, list(stage.recorder.pages.values()), browser=f"Chromium {version}", redactor=stage.redactor, more=more
    )


async def read_bodies(answers: "dict[Response, Exchange]") -> None:
    """Put the texts of answers into their exchanges, those that are short enough; a question to the browser for each."""
    waiting, held = list(answers.items()), 0
    while waiting and held < _BODIES:
        some, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
        await asyncio.gather(*(_read(answer, one) for answer, one in some))
        held += sum(len(one.body or "") for _, one in some)


async def _read(answer: "Response", one: Exchange) -> None:
    from playwright.async_api import Error

    kind = one.received.get("content-type", "")
    if one.size > BODY or one.failure or text_of(b"", kind) is None:
        return
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            content = await answer.body()
    except (Error, TimeoutError):
        return  # a redirect's, or gone with its page
    one.size = len(content) if one.size < 0 else one.size
    one.body = text_of(content, kind)


def _summed_up(stage: Stage, one: Exchange) -> dict[str, Any]:
    found: dict[str, Any] = {"method": one.method, "url": stage.redactor.text(one.url), "status": one.status or None}
    found["media_type"] = one.received.get("content-type", "")
    if one.body is not None:
        found["body"] = stage.redactor.text(one.body)
    if one.failure:
        found["failure"] = stage.redactor.text(one.failure)
    return found
