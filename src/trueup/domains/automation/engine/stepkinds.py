"""What a single step does on a page: the kinds of steps that hold no others.

Where a step gives no ``timeout_ms``, ``patience_of`` and ``timeout_of`` say how long it takes.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from trueup.domains.automation.engine.urls import UrlRefused, read

NAVIGATION_MS = 30_000
SELECTOR_MS = 5_000
DOWNLOAD_MS = 120_000
MAX_DOWNLOAD = 100 << 20

Selector = Annotated[str, Field(min_length=1, max_length=2_000)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,59}$")]
Text = Annotated[str, Field(max_length=100_000)]
Milliseconds = Annotated[int, Field(ge=0, le=600_000)]


class Part(BaseModel):
    """Something written by a person: no field that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Retry(Part):
    """How often a step is tried, and how long it waits between; each wait is twice the one before."""

    attempts: int = Field(default=1, ge=1, le=5)
    wait_ms: Milliseconds = 500


class Step(Part):
    """What every step has.

    Args:
        name: by which results and screens call it; unique within the job.
        on_error: whether a failure ends the job, or the job goes on; a step that policy refused always ends it.
    """

    name: str = Field(default="", max_length=80)
    timeout_ms: Milliseconds | None = None
    retry: Retry = Field(default_factory=Retry)
    on_error: Literal["fail", "continue"] = "fail"


class Navigate(Step):
    """Go to a page."""

    action: Literal["navigate"]
    url: str = Field(min_length=1, max_length=8_192)
    wait_until: Literal["load", "domcontentloaded", "networkidle", "commit"] = "load"
    referer: str = Field(default="", max_length=8_192)

    @field_validator("url", "referer")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if value and "{{" not in value:
            try:
                read(value)
            except UrlRefused as refused:
                raise ValueError(f"{refused.reason} ({refused.rule})") from None
        return value


class Taken(Part):
    """What to take of an element."""

    selector: Selector
    attribute: str = Field(default="text", max_length=100, description="text, html, value, or any attribute")
    multiple: bool = False
    required: bool = True


class Extract(Step):
    """Take texts or attributes from the page."""

    action: Literal["extract"]
    fields: dict[Name, Taken | Selector] = Field(min_length=1, max_length=200)
    each: Selector | None = Field(default=None, description="container that repeats; fields are looked for inside each")
    limit: int = Field(default=1_000, ge=1, le=100_000)
    store_as: Name | None = None


class OnElement(Step):
    """A step on one element."""

    selector: Selector
    wait_for: Literal["visible", "attached", "enabled"] = "visible"


class Click(OnElement):
    """Click an element."""

    action: Literal["click"]
    button: Literal["left", "right", "middle"] = "left"
    count: int = Field(default=1, ge=1, le=3)
    modifiers: tuple[Literal["Alt", "Control", "Meta", "Shift"], ...] = ()


class Fill(OnElement):
    """Put a text, or a secret by its name, into a field."""

    action: Literal["fill"]
    value: Text | None = None
    secret: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> "Fill":
        if (self.value is None) == (self.secret is None):
            raise ValueError("give either value or secret")
        return self


class Select(OnElement):
    """Choose options of a list."""

    action: Literal["select"]
    values: tuple[str, ...] = Field(min_length=1, max_length=100)
    by: Literal["value", "label"] = "value"


class Check(OnElement):
    """Tick a box, or clear it."""

    action: Literal["check"]
    checked: bool = True


class Press(Step):
    """Press a key or chord."""

    action: Literal["press"]
    key: str = Field(pattern=r"^[A-Za-z0-9+ ]{1,40}$")
    selector: Selector | None = None


class Hover(OnElement):
    """Move the pointer over an element."""

    action: Literal["hover"]


class Scroll(Step):
    """Scroll to an element, or by a distance in pixels."""

    action: Literal["scroll"]
    selector: Selector | None = None
    by: int | None = Field(default=None, ge=-100_000, le=100_000)

    @model_validator(mode="after")
    def _one(self) -> "Scroll":
        if (self.selector is None) == (self.by is None):
            raise ValueError("give either selector or by")
        return self


class Upload(OnElement):
    """Give a file field an artifact; such fields are often hidden behind a button."""

    action: Literal["upload"]
    wait_for: Literal["visible", "attached", "enabled"] = "attached"
    artifact: str = Field(pattern=r"^[0-9a-f]{64}$")
    file_name: str = Field(default="upload", pattern=r"^[^/\\\x00-\x1f]{1,200}$")


class FormField(Part):
    """One field of a form."""

    selector: Selector
    value: Text | bool | None = None
    secret: Name | None = None
    type: Literal["text", "select", "checkbox"] = "text"

    @model_validator(mode="after")
    def _one(self) -> "FormField":
        if (self.value is None) == (self.secret is None):
            raise ValueError("give either value or secret")
        if (self.type == "checkbox") != isinstance(self.value, bool):
            raise ValueError("a checkbox takes true or false, and nothing else does")
        return self


class FormSubmit(Step):
    """Fill a form, send it, and say whether it was taken."""

    action: Literal["form_submit"]
    form: Selector
    fields: tuple[FormField, ...] = Field(default=(), max_length=200)
    submit: Selector
    success: Selector | None = None
    error: Selector | None = None
    expected_text: str = Field(default="", max_length=2_000)
    max_wait_ms: Milliseconds = SELECTOR_MS


class Authenticate(Step):
    """Sign in with a named credential; the session is kept, sealed, for a day at most."""

    action: Literal["authenticate"]
    credential: Name = Field(description="name of the secret that holds user and password")
    user: Selector
    password: Selector
    submit: Selector
    success: Selector
    max_wait_ms: Milliseconds = SELECTOR_MS
    keep_session: bool = True
    session_hours: int = Field(default=24, ge=1, le=24)


class Screenshot(Step):
    """Take a picture, before or after an action, when elements are there."""

    action: Literal["screenshot"]
    full_page: bool = True
    selector: Selector | None = None
    format: Literal["png", "jpeg"] = "png"
    when: tuple[Selector, ...] = Field(default=(), max_length=20)
    max_wait_ms: Milliseconds = SELECTOR_MS
    store_as: Name | None = None


class FileDownload(Step):
    """Fetch a file and hold it against what is expected."""

    action: Literal["file_download"]
    method: Literal["click", "link", "fetch"] = "click"
    selector: Selector | None = None
    url: str = Field(default="", max_length=8_192)
    min_bytes: int = Field(default=0, ge=0)
    max_bytes: int = Field(default=MAX_DOWNLOAD, ge=1, le=1 << 30)
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    media_types: tuple[str, ...] = Field(default=(), max_length=20)
    store_as: Name | None = None

    @model_validator(mode="after")
    def _place(self) -> "FileDownload":
        if self.method == "fetch":
            if not self.url:
                raise ValueError("method fetch needs url")
        elif self.selector is None:
            raise ValueError(f"method {self.method} needs selector")
        if self.min_bytes > self.max_bytes:
            raise ValueError("min_bytes is greater than max_bytes")
        return self


class ApiIntercept(Step):
    """Record requests with their responses (HAR 1.2) while something happens."""

    action: Literal["api_intercept"]
    trigger: Selector | None = None
    match: str = Field(default="*", max_length=2_000, description="of URLs; * stands for any characters")
    wait_ms: Milliseconds = SELECTOR_MS
    min_responses: int = Field(default=1, ge=0, le=1_000)
    bodies: bool = Field(default=False, description="texts of the answers too, at most 64 KiB each")
    store_as: Name | None = None


class Condition(Part):
    """What is asked of the page, or of something stored."""

    selector: Selector | None = None
    state: Literal["visible", "hidden", "attached", "detached"] = "visible"
    value: str | None = Field(default=None, max_length=2_000, description="a text with {{name}} of something stored")
    text: str | None = Field(default=None, max_length=2_000, description="that the element or value has to hold")
    equals: str | None = Field(default=None, max_length=2_000)
    url: str | None = Field(default=None, max_length=2_000, description="that the page's address has to hold")
    negate: bool = False

    @model_validator(mode="after")
    def _asks(self) -> "Condition":
        if self.selector is None and self.value is None and self.url is None:
            raise ValueError("give selector, value or url")
        if self.value is not None and self.text is None and self.equals is None:
            raise ValueError("value needs text or equals")
        return self


class Wait(Step):
    """Wait for a time or a condition."""

    action: Literal["wait"]
    ms: Milliseconds | None = None
    until: Condition | None = None

    @model_validator(mode="after")
    def _one(self) -> "Wait":
        if (self.ms is None) == (self.until is None):
            raise ValueError("give either ms or until")
        return self


class Evaluate(Step):
    """Run a script of the page's own tongue; gated: the tier custom alone opens it, by the digest of the script."""

    action: Literal["evaluate"]
    script: str = Field(min_length=1, max_length=50_000)
    store_as: Name | None = None


class Assert(Step):
    """Fail the job unless something is so."""

    action: Literal["assert"]
    condition: Condition
    message: str = Field(default="", max_length=500)


class Capture(Step):
    """Keep what the page is now: its HTML, its text, a picture."""

    action: Literal["capture"]
    html: bool = True
    text: bool = True
    screenshot: bool = True


def patience_of(step: Step) -> int:
    """Return for how many milliseconds a step waits for what it needs to be there."""
    return SELECTOR_MS if step.timeout_ms is None else step.timeout_ms


def timeout_of(step: Step) -> int:
    """Return how many milliseconds one try of a step may take: what it says, or what its kind needs at most."""
    if step.timeout_ms is not None:
        return step.timeout_ms
    match step:
        case Navigate():
            return NAVIGATION_MS
        case FileDownload():
            return DOWNLOAD_MS
        case FormSubmit() | Authenticate() | Screenshot():
            return step.max_wait_ms + NAVIGATION_MS
        case ApiIntercept():
            return step.wait_ms + NAVIGATION_MS
        case Wait(ms=int(ms)):
            return ms + SELECTOR_MS
        case Evaluate():
            return SELECTOR_MS
        case _:
            return SELECTOR_MS + NAVIGATION_MS
