"""A job as it was asked for and frozen: what its row holds, known without what does it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from trueup.kernel.actions.base import Input

KIND = "automation.job"
LONGEST = 3_600
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$"


class JobRequestIn(Input):
    """What somebody asks for.

    Args:
        domain: of the URL, where the caller wants to say it; another one is refused.
        profile: declared device; empty for the tier's own.
        seed: of what a quiet run waits, so that it can be repeated.
        session: name of a kept session to begin with, and to keep a sign-in under.
        light: that pictures, sounds and fonts are left out, to spare the target; for the quiet tiers.
        repeatable: that requests which change something may be sent again after a crash.
    """

    url: str = Field(min_length=1, max_length=8_192)
    domain: str = Field(default="", max_length=255)
    job_type: str = Field(default="navigate_extract", max_length=40)
    strategy: str = Field(default="vanilla", max_length=40)
    payload: dict[str, Any] = Field(default_factory=dict)
    timeout_seconds: int = Field(default=300, ge=1, le=LONGEST)
    profile: str = Field(default="", max_length=60, pattern=r"^[a-z0-9-]*$")
    seed: int = Field(default=0, ge=0, le=2**31)
    session: str = Field(default="", pattern=rf"{_NAME}|^$")
    light: bool = False
    repeatable: bool = False


class Frozen(Input):
    """What was decided when the job was asked for: by which policies, on whose word.

    Args:
        snapshot: digest of the compiled policies.
        authorization: id and version of what opened it; empty where nothing had to.
        policy: pattern and version.
    """

    snapshot: str
    host: str
    authority: str
    mode: str
    authorization: str = ""
    authorization_version: int = 0
    policy: str = ""
    policy_version: int = 0


class JobArgs(Input):
    """What a job's row holds."""

    request: JobRequestIn
    frozen: Frozen


@dataclass(frozen=True, slots=True)
class Watch:
    """What a run asks of the job that it is an attempt at.

    Args:
        gone: why it must stop; empty while it may go on.
        tell: how far it is, in words.
        lease: of the turn that was taken for it at its first authority.
    """

    gone: Callable[[], str]
    tell: Callable[[float, str], None]
    lease: str = ""


_watch: ContextVar[Watch | None] = ContextVar("automation_watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Let what runs inside the block, in this thread, ask a job."""
    before = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(before)


def watching() -> Watch:
    """Return what a run asks; one that nobody watches may go on."""
    return _watch.get() or Watch(lambda: "", lambda _fraction, _words: None)
