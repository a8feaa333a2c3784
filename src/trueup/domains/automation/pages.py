"""What came of fetching pages: known without the libraries that fetch."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trueup.domains.automation.egress.http import Response
    from trueup.domains.automation.egress.record import Record


class Ended(StrEnum):
    """How fetching a page ended."""

    FETCHED = "fetched"  # with a status of 200 to 299
    REFUSED = "refused"  # by a rule: nothing more was sent
    BLOCKED = "blocked"  # the target asks to be left alone
    FAILED = "failed"  # nothing whole came, or another status


@dataclass(frozen=True, slots=True)
class Page:
    """What came of one URL.

    Args:
        code: of the error; empty where it was fetched.
        rules: that refused it.
        answer: the last one; None where there is none.
    """

    url: str
    ended: Ended
    code: str = ""
    reason: str = ""
    rules: tuple[str, ...] = ()
    answer: "Response | None" = None


@dataclass(slots=True)
class Visit:
    """One run over some pages.

    Args:
        record: of every hop.
        left_alone: authorities that asked for it: nothing more is sent there by this run.
    """

    record: "Record"
    pages: list[Page] = field(default_factory=list)
    left_alone: set[str] = field(default_factory=set)
