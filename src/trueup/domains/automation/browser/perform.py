"""Performing a job's steps in a browser, one after the other, and saying of each what came of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from trueup.domains.automation.browser import elements, evidence, extracting, forms, moves, pictures
from trueup.domains.automation.browser.conditions import comes_to_hold, passing
from trueup.domains.automation.browser.downloads import file_download
from trueup.domains.automation.browser.errors import StepFailed
from trueup.domains.automation.browser.intercept import api_intercept
from trueup.domains.automation.browser.performed import Ended, Kept, Performed, StepError, StepResult
from trueup.domains.automation.browser.room import Limits, Room
from trueup.domains.automation.browser.stage import Stage
from trueup.domains.automation.engine import hints
from trueup.domains.automation.engine.codes import FINAL, Code, code_of, first_line
from trueup.domains.automation.engine.stepkinds import Step, timeout_of
from trueup.domains.automation.engine.steps import ForEach, If, ScreenshotDiff, Script
from trueup.domains.automation.engine.templates import TemplateUnknown, filled

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

GRACE = 1.0
"""Seconds that the driver has to give up by itself, before a step is given up."""
LAST = 5.0
"""Seconds for a document that the last step led to."""
_LITTLE = 0.01
_LOOKING = frozenset({"extract", "capture", "screenshot", "scroll"})

_LEAVES: Mapping[str, Callable[[Stage, Any], Awaitable[Any]]] = {
    "navigate": moves.navigate,
    "wait": moves.wait,
    "assert": moves.assert_,
    "scroll": moves.scroll,
    "press": moves.press,
    "evaluate": moves.evaluate,
    "click": elements.click,
    "fill": elements.fill,
    "select": elements.select,
    "check": elements.check,
    "hover": elements.hover,
    "upload": elements.upload,
    "extract": extracting.extract,
    "form_submit": forms.form_submit,
    "authenticate": forms.authenticate,
    "screenshot": pictures.screenshot,
    "file_download": file_download,
    "api_intercept": api_intercept,
    "capture": evidence.capture,
}


async def perform(
    context: "BrowserContext", script: Script, room: Room, *, limits: Limits | None = None, performed: Performed | None = None
) -> Performed:
    """Perform a job's steps.

    Args:
        context: one run's own, opened by ``Launched.context``; it is left open.
        script: the steps.
        room: what is needed of the caller.
        limits: what may be used up.
        performed: filled as it goes; given by a caller who needs what was done of a run that it ends from outside.

    Returns:
        What came of it, with evidence, however the run ended by itself.

    Raises:
        Error: of the driver, where the browser is gone before a page is open.
        Exception: whatever ``room`` raises; nothing is kept then.
    """
    done = Performed() if performed is None else performed
    page = context.pages[0] if context.pages else await context.new_page()
    stage = Stage(context, room, limits or Limits(), done, page)
    run = _Run(stage)
    try:
        try:
            await run.all_of(script.steps)
            await run.settled()
            done.ended = Ended.COMPLETED
        except StepFailed as failed:
            _over(stage, failed)
        await _witnessed(stage)
    finally:
        await stage.close()
    return done


def _over(stage: Stage, failed: StepFailed) -> None:
    done = stage.performed
    done.ended = Ended.BLOCKED if failed.reason is Code.TARGET_BLOCKED else Ended.FAILED
    done.code, done.reason = failed.reason, stage.redactor.text(failed.message)
    done.rules, done.retry_after = failed.rules, failed.retry_after


async def _witnessed(stage: Stage) -> None:
    """Keep evidence; a document that came with the last step, or after it, still ends the run where it has to."""
    done = stage.performed
    await evidence.gather(stage)
    if done.ended is Ended.COMPLETED:
        try:
            await stage.documents.judge()
        except StepFailed as failed:
            _over(stage, failed)
    last = stage.documents.last
    done.url, done.status = stage.redactor.text(last.url if last else ""), last.status if last else None
    if stage.redactor.knows:
        # what was learnt later was secret before
        done.steps[:] = [replace(one, data=stage.redactor.data(one.data)) for one in done.steps]
        done.stored = stage.redactor.data(stage.stored)


@dataclass(frozen=True, slots=True)
class _Tried:
    """What came of all tries of a step."""

    attempts: int
    data: Any = None
    failed: StepFailed | None = None


class _Run:
    """The steps of one run, and how far it is."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._turns = 0
        self._ends = asyncio.get_running_loop().time() + stage.limits.seconds
        self._bound = self._ends

    async def all_of(self, steps: Sequence[Step], inside: str = "") -> None:
        """Perform steps in their order.

        Args:
            steps: one after the other.
            inside: path of the step that holds them, with a dot at its end.

        Raises:
            StepFailed: of a step that ends what it is in.
        """
        for number, step in enumerate(steps, 1):
            await self._one(step, f"{inside}{number}")

    async def settled(self) -> None:
        """Wait for a document that the last step led to.

        Raises:
            StepFailed: it ends the run.
        """
        self._stage.until = asyncio.get_running_loop().time() + LAST
        await self._guarded(self._stage.settle())

    async def _one(self, step: Step, path: str) -> None:
        """Perform one step, and write down what came of it."""
        stage = self._stage
        await stage.room.go_on()
        self._count()
        is_leaf = str(getattr(step, "action", "")) in _LEAVES
        if is_leaf and (pause := stage.limits.pacing.pause(self._turns)):
            await stage.pause(min(pause, max(self._ends - asyncio.get_running_loop().time(), 0) * 1_000))
        await stage.room.told(path, step, "running")
        at, began = datetime.now(UTC), time.monotonic()
        outer, stage.kept = stage.kept, []
        tried = await self._tries(step, path)
        kept, stage.kept = stage.kept, outer
        elapsed = round((time.monotonic() - began) * 1_000)
        error = await self._error(tried.failed) if tried.failed else None
        result = _result(stage, step, path, tried, error, at, elapsed, tuple(kept))
        stage.performed.steps.append(result)
        await stage.room.told(path, step, "failed" if tried.failed else "completed", result)
        if tried.failed and (step.on_error == "fail" or tried.failed.reason in FINAL):
            raise tried.failed

    def _count(self) -> None:
        self._turns += 1
        if self._turns > self._stage.limits.performed:
            raise StepFailed(Code.STEPS_TOO_MANY, f"more than {self._stage.limits.performed} steps were to be performed")
        if asyncio.get_running_loop().time() >= self._ends:
            raise self._too_long()

    async def _tries(self, step: Step, path: str) -> _Tried:
        """Try a step as often as it, and its tier, allow."""
        stage, pacing = self._stage, self._stage.limits.pacing
        for attempt in range(1, 100):
            stage.path = path
            try:
                return _Tried(attempt, await self._try(step, path))
            except StepFailed as failed:
                action = str(getattr(step, "action", ""))
                is_last = attempt >= pacing.attempts(action, step.retry.attempts, failed.reason) or stage.crashed
                if is_last or asyncio.get_running_loop().time() >= self._ends:
                    return _Tried(attempt, failed.data, failed)
                await stage.room.told(path, step, "retrying")
                own = step.retry.wait_ms if step.retry.attempts > 1 else pacing.wait_ms
                await stage.pause(pacing.backoff(path, attempt, own))
                stage.kept = []
        raise AssertionError("a step allows five tries at most")

    async def _try(self, step: Step, path: str) -> Any:
        """Try a step once.

        Raises:
            StepFailed: it did not do what it is for, or did not in time.
        """
        stage, loop = self._stage, asyncio.get_running_loop()
        try:
            whole = filled(step, stage.values)
        except TemplateUnknown as exc:
            raise StepFailed(Code.TEMPLATE_UNKNOWN, str(exc)) from None
        outer = self._bound
        if isinstance(whole, If | ForEach | ScreenshotDiff):
            if whole.timeout_ms is not None:
                self._bound = min(outer, loop.time() + whole.timeout_ms / 1_000)
            stage.until = self._bound
            try:
                return await self._guarded(self._holding(whole, path))
            finally:
                self._bound = outer
        stage.until = min(outer, loop.time() + timeout_of(whole) / 1_000)
        return await self._guarded(self._watched(_leaf(stage, whole)))

    async def _guarded[T](self, work: Awaitable[T]) -> T:
        """Return what work gives, its failures as those of a step; what a page answered counts before what a step missed.

        Raises:
            StepFailed: it did not do what it is for.
        """
        from playwright.async_api import Error
        from playwright.async_api import TimeoutError as GaveUp

        try:
            return await work
        except StepFailed as failed:
            found = failed
        except Error as exc:
            found = StepFailed(code_of(str(exc), timed_out=isinstance(exc, GaveUp)), first_line(str(exc)))
        except _Overdue:
            found = StepFailed(Code.STEP_TIMEOUT, "it was not over in time")
        if found.reason not in FINAL:
            await self._stage.documents.judge()
            if self._stage.crashed:
                raise StepFailed(Code.PAGE_CRASHED, "the page crashed") from found
            if asyncio.get_running_loop().time() >= self._ends:
                raise self._too_long() from found
        raise found

    def _too_long(self) -> StepFailed:
        return StepFailed(Code.JOB_TIMEOUT, f"its steps took longer than {self._stage.limits.seconds:g} seconds")

    async def _watched[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a step gives, asking on the way whether the run may go on.

        Raises:
            _Overdue: it took longer than it may.
        """
        stage, loop = self._stage, asyncio.get_running_loop()
        task = asyncio.create_task(work)
        try:
            while True:
                rest = stage.until + GRACE - loop.time()
                done, _ = await asyncio.wait({task}, timeout=max(min(stage.limits.recheck, rest), 0))
                if done:
                    return task.result()
                if rest <= 0:
                    raise _Overdue
                await stage.room.go_on()
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    # steps that hold others

    async def _holding(self, step: If | ForEach | ScreenshotDiff, path: str) -> Any:
        if isinstance(step, If):
            return await self._if(step, path)
        if isinstance(step, ForEach):
            return await self._for_each(step, path)

        return await self._diff(step, path)

    async def _diff(self, step: ScreenshotDiff, path: str) -> dict[str, Any]:
        stage = self._stage
        before = await self._watched(pictures.earlier(stage, step))
        await self.all_of(step.steps, f"{path}.steps.")
        stage.path, stage.until = path, self._bound
        return await self._watched(pictures.compared(stage, step, before))

    async def _if(self, step: If, path: str) -> dict[str, Any]:
        """Perform one of two; without ``timeout_ms`` the condition is asked once, as the page is now."""
        found = await self._watched(comes_to_hold(self._stage, step.condition, step.timeout_ms or 0))
        branch = "then" if found else "else"
        await self.all_of(step.then if found else step.otherwise, f"{path}.{branch}.")
        return {"condition": found}

    async def _for_each(self, step: ForEach, path: str) -> dict[str, Any]:
        stage = self._stage
        items = await self._watched(self._items(step))
        outer = dict(stage.scope)
        try:
            for number, item in enumerate(items[: step.limit], 1):
                stage.scope = {**outer, step.as_: item}
                await self.all_of(step.steps, f"{path}[{number}].")
        finally:
            stage.scope = outer
        return {"count": len(items), "turns": min(len(items), step.limit)}

    async def _items(self, step: ForEach) -> list[Any]:
        """Return what a loop goes through.

        Raises:
            StepFailed: nothing of that name is stored, or it is no list.
        """
        stage = self._stage
        if step.selector is not None:
            texts = await stage.page.locator(step.selector).all_inner_texts()
            rows = enumerate(texts)
            return [{"index": n, "text": text.strip(), "selector": f"{step.selector} >> nth={n}"} for n, text in rows]
        if not isinstance(step.items, str):
            return list(step.items or ())
        if step.items not in stage.values:
            raise StepFailed(Code.TEMPLATE_UNKNOWN, f"nothing is stored as {step.items!r}")
        found = stage.values[step.items]
        if not isinstance(found, list):
            raise StepFailed(Code.TEMPLATE_UNKNOWN, f"what is stored as {step.items!r} is no list")
        return found

    async def _error(self, failed: StepFailed) -> StepError:
        """Return a failure as results say it, with selectors that resemble the one that found nothing."""
        from playwright.async_api import Error

        stage = self._stage
        near: list[hints.Hint] = []
        if failed.selector and failed.reason is Code.SELECTOR_NOT_FOUND and not stage.crashed:
            with suppress(Error, TimeoutError):
                async with asyncio.timeout(2):
                    candidates = await stage.page.evaluate(hints.SCRIPT, hints.CANDIDATES)
                    near = hints.hints(failed.selector, candidates)
        offered = tuple(stage.redactor.data(one.document()) for one in near)
        return StepError(failed.reason, stage.redactor.text(failed.message), offered, failed.rules)


class _Overdue(Exception):
    """A step took longer than it may, and the driver did not give up by itself."""


async def _leaf(stage: Stage, step: Step) -> Any:
    """Perform a step that holds no others; one that only looks does so again where another page came in between."""
    from playwright.async_api import Error

    action = str(getattr(step, "action", ""))
    while True:
        try:
            found = await _LEAVES[action](stage, step)
        except Error as exc:
            if action not in _LOOKING or not passing(exc) or stage.left < _LITTLE:
                raise
        else:
            await stage.documents.judge()
            return found
        await stage.settle()


def _result(
    stage: Stage,
    step: Step,
    path: str,
    tried: _Tried,
    error: StepError | None,
    at: datetime,
    elapsed: int,
    kept: tuple[Kept, ...],
) -> StepResult:
    return StepResult(
        path=path,
        action=str(getattr(step, "action", "")),
        name=step.name,
        success=error is None,
        at=at,
        elapsed_ms=elapsed,
        attempts=tried.attempts,
        data=stage.redactor.data(tried.data),
        error=error,
        artifacts=kept,
    )
