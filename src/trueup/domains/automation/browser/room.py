"""What performing a job's steps needs of whoever lets them be performed, and what it may use up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import SecretStr

from trueup.domains.automation.browser.performed import Kept, StepResult
from trueup.domains.automation.engine.pacing import Pacing
from trueup.domains.automation.engine.stepkinds import MAX_DOWNLOAD, Step

type State = Literal["running", "retrying", "completed", "failed"]

EVERYTHING = frozenset({"html", "text", "screenshot", "har", "console", "trace"})
"""What is kept of a run at its end."""


@dataclass(frozen=True, slots=True)
class Left:
    """How the last request for a URL left, as the egress record has it.

    Args:
        status: that the target answered with; None where it did not, or was not asked.
        rules: that refused it; empty where it was allowed.
        reason: in words.
    """

    status: int | None
    rules: tuple[str, ...] = ()
    reason: str = ""


class Room(Protocol):
    """The caller of ``perform``.

    What it raises ends the run there and then, past every ``on_error`` and every retry, except for ``HopRefused`` of ``visit``
    (the run ends with its rules) and ``NotFound`` of ``secret`` and ``fetch_artifact`` (the step fails).
    """

    async def keep(self, data: bytes | Path, *, name: str, media_type: str) -> Kept:
        """Keep bytes, or a file's content, by their digest."""

    async def fetch_artifact(self, sha256: str) -> bytes:
        """Return what was kept.

        Raises:
            NotFound: it is not there.
        """

    async def secret(self, name: str, at: str) -> SecretStr:
        """Return a secret.

        Args:
            name: of the secret.
            at: URL of the document that it is about to be typed into.

        Raises:
            NotFound: there is none of that name, or it is not meant for that place.
        """

    async def session(self, name: str) -> Mapping[str, Any] | None:
        """Return the session that was kept under a credential's name; None where there is none, or it is too old."""

    async def keep_session(self, name: str, state: Mapping[str, Any], hours: int) -> None:
        """Seal and keep a session (Playwright's storage state) for some hours."""

    async def go_on(self) -> None:
        """Raise where the run has to end now: a kill switch, a cancelled job, a lost lease. Asked again and again."""

    async def visit(self, url: str) -> None:
        """Wait for the turn of a navigation that a step asks for.

        Raises:
            HopRefused: it is not allowed, or its turn does not come.
        """

    async def left(self, url: str) -> Left | None:
        """Return how the last request for a URL left; None where there was none."""

    async def told(self, path: str, step: Step, state: State, result: StepResult | None = None) -> None:
        """Hear how a step goes; ``result`` once it is over."""

    async def may_evaluate(self, script_sha256: str) -> bool:
        """Whether a script of the page's own tongue may run, by the digest of its UTF-8 text."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use up, and how it goes about it.

    Args:
        seconds: that all steps may take together.
        recheck: seconds after which a step that goes on asks the room whether it may.
        performed: steps that may be performed, those of loops counted each time.
        download_bytes: of one file, whatever its step allows.
        stored_bytes: of all that steps store, as JSON.
        text_bytes: of one text that is kept: HTML, DOM text, each log.
        picture_height: pixels of a full-page picture; what lies below is left out.
        exchanges: requests that the HAR names.
        bodies: whether the HAR of the run holds texts of answers (at most 64 KiB each); each costs a question to the browser.
        pacing: pauses between steps, and retries; those of the tier.
        evidence: what is kept at the end, of ``EVERYTHING``.
    """

    seconds: float = 300.0
    recheck: float = 1.0
    performed: int = 10_000
    download_bytes: int = MAX_DOWNLOAD
    stored_bytes: int = 8 << 20
    text_bytes: int = 4 << 20
    picture_height: int = 20_000
    exchanges: int = 2_000
    bodies: bool = False
    pacing: Pacing = field(default_factory=Pacing)
    evidence: frozenset[str] = EVERYTHING
