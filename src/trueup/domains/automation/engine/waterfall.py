"""A waterfall of an HTTP Archive: one bar a request, by when it began and how long it took.

References:
    HTTP Archive (HAR) 1.2, ``entries``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MOST = 200
"""Requests that are drawn."""
ROW, LEFT, WIDTH = 18, 4, 600
"""Height of a row, the left edge of bars, and the width of them all; in the drawing's own units."""
_LEAST = 1.5


@dataclass(frozen=True, slots=True)
class Bar:
    """One request.

    Args:
        x, y, wait, receive: of its bar, in the drawing's units: until the answer began, and until it was whole.
        bad: whether it failed.
    """

    method: str
    url: str
    status: int
    kind: str
    size: int
    begun_ms: float
    total_ms: float
    x: float
    y: float
    wait: float
    receive: float
    bad: bool
    comment: str = ""

    @property
    def end_of_wait(self) -> float:
        """Where the answer began."""
        return round(self.x + self.wait, 2)


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All requests of a page.

    Args:
        total_ms: from the first request to the end of the last answer.
        more: requests that are not drawn.
        ticks: where lines stand, and what they say.
    """

    bars: tuple[Bar, ...]
    total_ms: float
    more: int
    height: int
    ticks: tuple[tuple[float, str], ...]


def waterfall(archive: Mapping[str, Any]) -> Waterfall:
    """Lay out an archive; what is none of it is left out.

    Args:
        archive: ``{"log": {"entries": […]}}``; its values come from pages, and nothing is taken for granted.
    """
    log = archive.get("log")
    entries = log.get("entries", []) if isinstance(log, Mapping) else []
    read = [found for one in (entries if isinstance(entries, list) else []) if (found := _entry(one)) is not None]
    read.sort(key=lambda one: one[0])
    shown, first = read[:MOST], read[0][0] if read else None
    ends = [(at - first).total_seconds() * 1000 + wait + receive for at, wait, receive, _ in shown] if first else []
    total = max(ends, default=0.0)
    scale = WIDTH / total if total else 0.0
    bars = []
    for number, (at, wait, receive, entry) in enumerate(shown):
        begun = (at - shown[0][0]).total_seconds() * 1000
        place = (LEFT + begun * scale, number * ROW, max(_LEAST, wait * scale), receive * scale)
        bars.append(_bar(entry, begun, wait + receive, place))
    ticks = tuple((round(LEFT + WIDTH * part, 2), _words(total * part)) for part in (0.0, 0.25, 0.5, 0.75, 1.0)) if total else ()
    return Waterfall(tuple(bars), round(total, 1), len(read) - len(shown), len(bars) * ROW, ticks)


def _entry(one: object) -> tuple[datetime, float, float, Mapping[str, Any]] | None:
    if not isinstance(one, Mapping):
        return None
    try:
        at = datetime.fromisoformat(str(one.get("startedDateTime")))
    except ValueError:
        return None
    timings = one.get("timings")
    if at.tzinfo is None or not isinstance(timings, Mapping):
        return None
    return at, _number(timings.get("wait")), _number(timings.get("receive")), one


def _number(value: object) -> float:
    """Return milliseconds that are known; 0 for what is not, or is no time at all."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 <= value < 1e9 else 0.0


def _bar(entry: Mapping[str, Any], begun: float, total: float, place: tuple[float, float, float, float]) -> Bar:
    request, response = (value if isinstance(value := entry.get(name), Mapping) else {} for name in ("request", "response"))
    content = response.get("content")
    size = content.get("size") if isinstance(content, Mapping) else None
    status = response.get("status")
    number = status if isinstance(status, int) and not isinstance(status, bool) and 0 <= status < 1000 else 0
    x, y, wait, receive = place
    return Bar(
        method=str(request.get("method", ""))[:10],
        url=str(request.get("url", ""))[:2_000],
        status=number,
        kind=str(entry.get("_resourceType", ""))[:20],
        size=int(_number(size)),
        begun_ms=round(begun, 1),
        total_ms=round(total, 1),
        x=round(x, 2),
        y=round(y, 2),
        wait=round(wait, 2),
        receive=round(receive, 2),
        bad=number == 0 or number >= 400,
        comment=str(entry.get("comment", ""))[:200],
    )


def _words(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= 1_000 else f"{milliseconds:.0f} ms"
