"""Reading robots.txt through the gate, keeping it for a while, and obeying it.

Nothing switches this off. A file that is not there allows everything; one that cannot be read, for whatever reason, allows
nothing.

References:
    RFC 9309, section 2.3 (access, redirects, unavailable and unreachable files, caching, limits).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from trueup.domains.automation.egress.gate import HopRefused
from trueup.domains.automation.egress.http import Bounds, Fetcher, FetchFailed, Request
from trueup.domains.automation.engine.hostpolicy import ROBOTS
from trueup.domains.automation.engine.robots import MAX_BYTES, is_allowed
from trueup.domains.automation.engine.urls import Target

KEPT = timedelta(hours=24)
"""How long a file is kept at most (RFC 9309, 2.4)."""
KEPT_UNREAD = timedelta(minutes=10)
"""How long it is remembered that one could not be read."""
BOUNDS = Bounds(wire=5 << 20, unpacked=5 << 20, seconds=30.0, redirects=5)
"""Five redirects are followed; a longer file than this is none (500 KiB of it are looked at)."""
DISALLOWED, UNREADABLE = "robots.disallowed", "robots.unreachable"
_NOT_NOW = ("limit.", "ceiling.", "breaker.", "kill_switch", "agent.")


class Answer(StrEnum):
    """What came of asking for a file."""

    FILE = "file"  # it was read
    NONE = "none"  # there is none: all is allowed
    UNREACHABLE = "unreachable"  # it cannot be read: nothing is allowed


@dataclass(frozen=True, slots=True)
class Copy:
    """A file as it was read.

    Args:
        body: its octets, as far as they are looked at.
        until: when it has to be read again.
    """

    answer: Answer
    body: bytes
    until: datetime


class Copies(Protocol):
    """Where files are kept, by origin."""

    async def get(self, origin: str) -> Copy | None:
        """Return a copy, however old; None where there is none."""

    async def put(self, origin: str, copy: Copy) -> None:
        """Keep a copy instead of the one before."""


class KeptInMemory:
    """Files of one process."""

    def __init__(self) -> None:
        self._copies: dict[str, Copy] = {}

    async def get(self, origin: str) -> Copy | None:
        """Return a copy."""
        return self._copies.get(origin)

    async def put(self, origin: str, copy: Copy) -> None:
        """Keep a copy."""
        self._copies[origin] = copy


@dataclass(frozen=True, slots=True)
class May:
    """Whether a URL may be fetched as far as its site's file is concerned, and the rule that says no."""

    allowed: bool
    rule: str = ""
    reason: str = ""


class Robots:
    """What sites ask of robots.

    Args:
        fetcher: through a gate that does not ask for robots itself, with ``BOUNDS``.
        token: the product token that groups of the file name.
    """

    def __init__(self, fetcher: Fetcher, copies: Copies, clock: Callable[[], datetime], *, token: str) -> None:
        self._fetcher = fetcher
        self._copies = copies
        self._clock = clock
        self._token = token

    async def may_fetch(self, target: Target) -> May:
        """Say whether a URL may be fetched, reading its site's file where no fresh copy is kept.

        Raises:
            HopRefused: the file may be read, but not now (a limit, a breaker, a switch).
        """
        origin = origin_of(target)
        if target.path == ROBOTS:
            return May(allowed=True)
        copy = await self._copies.get(origin)
        if copy is None or self._clock() >= copy.until:
            copy = await self._read(origin)
            await self._copies.put(origin, copy)
        if copy.answer is Answer.NONE:
            return May(allowed=True)
        if copy.answer is Answer.UNREACHABLE:
            return May(False, UNREADABLE, f"{origin}{ROBOTS} cannot be read, so nothing there is fetched")  # noqa: FBT003
        if is_allowed(copy.body, self._token, target.url):
            return May(allowed=True)
        return May(False, DISALLOWED, f"{origin}{ROBOTS} asks robots not to fetch {target.path}")  # noqa: FBT003

    async def _read(self, origin: str) -> Copy:
        now = self._clock()
        unreachable = Copy(Answer.UNREACHABLE, b"", now + KEPT_UNREAD)
        try:
            found = await self._fetcher.fetch(Request(f"{origin}{ROBOTS}"))
        except HopRefused as refused:
            if refused.rules[0].startswith(_NOT_NOW):
                raise
            return unreachable
        except FetchFailed:
            return unreachable
        if 200 <= found.status < 300:
            return Copy(Answer.FILE, found.body[:MAX_BYTES], now + KEPT)
        if 400 <= found.status < 500 and found.status != 429:
            return Copy(Answer.NONE, b"", now + KEPT)
        return unreachable


def origin_of(target: Target) -> str:
    """Return what a file speaks for: scheme, host and port."""
    scheme = {"ws": "http", "wss": "https"}.get(target.scheme, target.scheme)
    return f"{scheme}://{target.authority}"
