"""Types of jobs: what each payload may say, and the steps that it stands for.

A type is a short way to write steps; ``steps`` takes them as they are, and ``fetch`` needs no browser.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from trueup.domains.automation.engine.stepkinds import FormField, Name, Part, Selector, Taken
from trueup.domains.automation.engine.steps import AnyStep, Script
from trueup.kernel.errors import UsageError

ALIASES = {
    "navigate": "navigate_extract",
    "data_scraping": "navigate_extract",
    "login": "authenticate",
    "fill_form": "form_submit",
    "form_fill": "form_submit",
    "download": "file_download",
    "screenshot": "screenshot_capture",
    "custom": "custom_script",
}
"""Older names of types."""
FETCH = "fetch"

type Steps = list[dict[str, Any]]


class Payload(Part):
    """What every type may say."""

    wait_until: Literal["load", "domcontentloaded", "networkidle", "commit"] = "load"
    referer: str = Field(default="", max_length=8_192)

    def go(self, url: str) -> dict[str, Any]:
        """Return the step that opens the page."""
        return {"action": "navigate", "url": url, "wait_until": self.wait_until, "referer": self.referer}


class ExtractPayload(Payload):
    """Fields to take from the page; without any, the page itself is kept."""

    fields: dict[Name, Taken | Selector] = Field(default_factory=dict, max_length=200)
    selectors: tuple[Selector, ...] = Field(default=(), max_length=200, description="shorter: texts of these, by number")
    each: Selector | None = None
    limit: int = Field(default=1_000, ge=1, le=100_000)
    store_as: Name | None = None


class SignInPayload(Payload):
    """A named credential, and where it goes."""

    credential: Name
    user: Selector
    password: Selector
    submit: Selector
    success: Selector
    keep_session: bool = True
    session_hours: int = Field(default=24, ge=1, le=24)


class FormPayload(Payload):
    """A form, its fields and how it says that it was taken."""

    form: Selector
    fields: tuple[FormField, ...] = Field(default=(), max_length=200)
    submit: Selector
    success: Selector | None = None
    error: Selector | None = None
    expected_text: str = Field(default="", max_length=2_000)


class DownloadPayload(Payload):
    """A file, and what is expected of it."""

    method: Literal["click", "link", "fetch"] = "fetch"
    selector: Selector | None = None
    min_bytes: int = Field(default=0, ge=0)
    max_bytes: int | None = Field(default=None, ge=1, le=1 << 30)
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    media_types: tuple[str, ...] = Field(default=(), max_length=20)


class PicturePayload(Payload):
    """A picture of the page."""

    full_page: bool = True
    selector: Selector | None = None
    format: Literal["png", "jpeg"] = "png"
    when: tuple[Selector, ...] = Field(default=(), max_length=20)


class DiffPayload(Payload):
    """What happens between two pictures."""

    steps: tuple[AnyStep, ...] = Field(min_length=1, max_length=20)
    delay_ms: int = Field(default=0, ge=0, le=600_000)
    threshold: float = Field(default=0.0, ge=0, le=1)
    highlight: bool = True
    heatmap: bool = False


class InterceptPayload(Payload):
    """What is recorded, and what sets it off."""

    trigger: Selector | None = None
    match: str = Field(default="*", max_length=2_000)
    wait_ms: int = Field(default=5_000, ge=0, le=600_000)
    min_responses: int = Field(default=1, ge=0, le=1_000)


class ScriptPayload(Payload):
    """A reviewed script."""

    script: str = Field(min_length=1, max_length=50_000)
    store_as: Name | None = None


class StepsPayload(Payload):
    """Steps as they are; without a ``navigate`` at their beginning the job's URL is opened first."""

    steps: tuple[AnyStep, ...] = Field(min_length=1, max_length=500)


def _written(part: Part, *left_out: str) -> dict[str, Any]:
    return part.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"wait_until", "referer", *left_out})


def _extract(url: str, said: ExtractPayload) -> Steps:
    fields: dict[str, Any] = dict(_written(said)["fields"])
    fields |= {f"field_{number}": {"selector": one} for number, one in enumerate(said.selectors, 1)}
    taken = {"action": "extract", **_written(said, "fields", "selectors"), "fields": fields}
    return [said.go(url), *([taken] if fields else []), {"action": "capture"}]


def _download(url: str, said: DownloadPayload) -> Steps:
    place = {"url": url} if said.method == "fetch" else {}
    first = [] if said.method == "fetch" else [said.go(url)]
    return [*first, {"action": "file_download", **_written(said), **place}]


def _steps(url: str, said: StepsPayload) -> Steps:
    steps = [step.model_dump(mode="json", by_alias=True, exclude_none=True) for step in said.steps]
    opens = steps[0]["action"] == "navigate" or (steps[0]["action"] == "file_download" and steps[0].get("method") == "fetch")
    return steps if opens else [said.go(url), *steps]


def _one(action: str) -> Callable[[str, Any], Steps]:
    return lambda url, said: [said.go(url), {"action": action, **_written(said)}]


TYPES: Mapping[str, tuple[type[Payload], Callable[[str, Any], Steps]]] = {
    "navigate_extract": (ExtractPayload, _extract),
    "price_extraction": (ExtractPayload, _extract),
    "authenticate": (SignInPayload, _one("authenticate")),
    "form_submit": (FormPayload, _one("form_submit")),
    "file_download": (DownloadPayload, _download),
    "screenshot_capture": (PicturePayload, _one("screenshot")),
    "screenshot_diff": (DiffPayload, _one("screenshot_diff")),
    "api_intercept": (InterceptPayload, _one("api_intercept")),
    "custom_script": (ScriptPayload, _one("evaluate")),
    "steps": (StepsPayload, _steps),
}
"""Types that need a browser, each with its payload and the steps that it stands for."""


def type_of(name: str) -> str:
    """Return a type's own name.

    Raises:
        UsageError: there is none.
    """
    found = ALIASES.get(name, name)
    if found != FETCH and found not in TYPES:
        known = ", ".join((FETCH, *TYPES))
        raise UsageError(f"there is no type of job {name!r}", remedy=f"use one of {known}")
    return found


def script_of(job_type: str, url: str, payload: Mapping[str, Any]) -> Script | None:
    """Return the steps of a job; None for one that needs no browser.

    Args:
        job_type: its own name.
        url: where it begins.
        payload: as it was written.

    Raises:
        UsageError: the payload does not fit the type; names the first field that is wrong.
    """
    if job_type == FETCH:
        if payload:
            raise UsageError("payload: a fetch takes none", remedy="leave it out, or use the type navigate_extract")
        return None
    form, steps = TYPES[job_type]
    try:
        return Script.model_validate({"steps": steps(url, form.model_validate(dict(payload)))})
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        where = ".".join(("payload", *(str(part) for part in first["loc"])))
        raise UsageError(f"{where}: {first['msg'].removeprefix('Value error, ')}", details={"field": where}) from None
