"""What a job does on a page: one vocabulary of steps, with all parameters, validated before anything runs.

Texts may hold ``{{name}}`` of something that an earlier step stored; nothing is evaluated. Credentials are named, never written.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from trueup.domains.automation.engine.stepkinds import (
    ApiIntercept,
    Assert,
    Authenticate,
    Capture,
    Check,
    Click,
    Condition,
    Evaluate,
    Extract,
    FileDownload,
    Fill,
    FormSubmit,
    Hover,
    Milliseconds,
    Name,
    Navigate,
    Part,
    Press,
    Screenshot,
    Scroll,
    Select,
    Selector,
    Step,
    Upload,
    Wait,
)

MAX_STEPS = 500
"""Steps of a job, those inside others counted."""
MAX_DEPTH = 6
"""Steps inside steps."""


class ScreenshotDiff(Step):
    """Compare the page before and after something, or with a stored picture."""

    action: Literal["screenshot_diff"]
    before: Name | None = Field(default=None, description="a picture that an earlier step stored")
    steps: tuple["AnyStep", ...] = Field(default=(), max_length=20, description="what happens between the pictures")
    delay_ms: Milliseconds = 0
    threshold: float = Field(default=0.0, ge=0, le=1, description="share of pixels that may differ")
    highlight: bool = True
    heatmap: bool = False
    store_as: Name | None = None

    @model_validator(mode="after")
    def _something(self) -> "ScreenshotDiff":
        if self.before is None and not self.steps:
            raise ValueError("give before, or steps that happen between the pictures")
        return self


class If(Step):
    """Do one thing or another."""

    action: Literal["if"]
    condition: Condition
    then: tuple["AnyStep", ...] = Field(max_length=MAX_STEPS)
    otherwise: tuple["AnyStep", ...] = Field(default=(), max_length=MAX_STEPS, alias="else")


class ForEach(Step):
    """Do steps for each of something: stored values, or elements of the page."""

    action: Literal["for_each"]
    items: Name | tuple[str, ...] | None = None
    selector: Selector | None = None
    as_: Name = Field(default="item", alias="as")
    steps: tuple["AnyStep", ...] = Field(min_length=1, max_length=MAX_STEPS)
    limit: int = Field(default=100, ge=1, le=10_000)

    @model_validator(mode="after")
    def _one(self) -> "ForEach":
        if (self.items is None) == (self.selector is None):
            raise ValueError("give either items or selector")
        return self


AnyStep = Annotated[
    Navigate
    | Extract
    | Click
    | Fill
    | Select
    | Check
    | Press
    | Hover
    | Scroll
    | Upload
    | FormSubmit
    | Authenticate
    | Screenshot
    | ScreenshotDiff
    | FileDownload
    | ApiIntercept
    | Wait
    | If
    | ForEach
    | Evaluate
    | Assert
    | Capture,
    Field(discriminator="action"),
]
for _model in (ScreenshotDiff, If, ForEach):
    _model.model_rebuild()


class Script(Part):
    """The steps of a job, in order."""

    steps: tuple[AnyStep, ...] = Field(min_length=1, max_length=MAX_STEPS)

    @model_validator(mode="after")
    def _bounded(self) -> "Script":
        count, names = 0, set()
        for step, depth in walk(self.steps):
            count += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"steps lie more than {MAX_DEPTH} deep in each other")
            if step.name and step.name in names:
                raise ValueError(f"two steps are called {step.name!r}")
            names.add(step.name)
        if count > MAX_STEPS:
            raise ValueError(f"{count} steps; {MAX_STEPS} are allowed")
        return self


def walk(steps: tuple[Any, ...], depth: int = 1) -> Iterator[tuple[Step, int]]:
    """Yield each step with its depth, those inside others after them."""
    for step in steps:
        yield step, depth
        for inner in ("steps", "then", "otherwise"):
            yield from walk(getattr(step, inner, ()), depth + 1)


def secrets_of(script: Script) -> frozenset[str]:
    """Return the names of all secrets that the steps ask for."""
    found = set()
    for step, _ in walk(script.steps):
        parts = [step, *(step.fields if isinstance(step, FormSubmit) else ())]
        found |= {name for part in parts for key in ("secret", "credential") if (name := getattr(part, key, None))}
    return frozenset(found)
