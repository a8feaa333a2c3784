"""A drawing of load: requests and failures of each second, and how long answers took."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 600, 100
"""Of each of the two drawings, in their own units."""
_LEAST = 0.5


@dataclass(frozen=True, slots=True)
class Line:
    """One span of a timeline.

    Args:
        second: at which it begins, since the run did.
        seconds: that it lasts.
        requests, failed: that began in it.
        p50_ms, p95_ms: of its answers; None where there was none.
    """

    second: int
    seconds: int
    requests: int
    failed: int
    p50_ms: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One span as it is drawn: what was answered stands on what failed."""

    x: float
    width: float
    y: float
    answered: float
    bad_y: float
    bad: float


@dataclass(frozen=True, slots=True)
class LoadChart:
    """Both drawings, and what they are drawn from.

    Args:
        lines: of the timeline, in their order.
        seconds: that both are wide.
        most: requests a second that the first is high.
        slowest_ms: that the second is high; 0 where nothing was answered.
        median, p95: stretches of a line: no stretch goes over a span without answers.
    """

    lines: tuple[Line, ...]
    seconds: int
    most: float
    slowest_ms: float
    bars: tuple[Bar, ...]
    median: tuple[str, ...]
    p95: tuple[str, ...]


def loadchart(timeline: object) -> LoadChart | None:
    """Lay out a timeline; None where there is nothing to draw.

    Args:
        timeline: of a run's summary, as it is stored; what is no line of one is left out.
    """
    rows = timeline if isinstance(timeline, list) else []
    lines = tuple(sorted((line for row in rows if (line := _line(row)) is not None), key=lambda line: line.second))
    if not lines:
        return None
    seconds = max(line.second + line.seconds for line in lines)
    most = ceiling(max(line.requests / line.seconds for line in lines))
    slowest = ceiling(max((line.p95_ms or 0.0 for line in lines), default=0.0))
    return LoadChart(
        lines,
        seconds,
        most,
        slowest,
        tuple(_bar(line, seconds, most) for line in lines),
        *(tuple(_stretches(lines, name, seconds, slowest)) for name in ("p50_ms", "p95_ms")),
    )


def ceiling(value: float) -> float:
    """Return the next round number: 1, 2 or 5 times a power of ten.

    >>> ceiling(0.0), ceiling(1.0), ceiling(3.2), ceiling(640.0)
    (0.0, 1.0, 5.0, 1000.0)
    """
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    return next((power * one for one in (1, 2, 5) if power * one >= value), power * 10)


def _line(row: object) -> Line | None:
    if not isinstance(row, Mapping):
        return None
    second, seconds, requests, failed = (row.get(name, other) for name, other in _COUNTS)
    counts = (second, seconds, requests, failed)
    if any(isinstance(one, bool) or not isinstance(one, int) or one < 0 for one in counts) or seconds < 1 or failed > requests:
        return None
    return Line(second, seconds, requests, failed, _ms(row.get("p50_ms")), _ms(row.get("p95_ms")))


_COUNTS: Sequence[tuple[str, Any]] = (("second", None), ("seconds", 1), ("requests", None), ("failed", None))


def _ms(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def _bar(line: Line, seconds: int, most: float) -> Bar:
    scale = HEIGHT / most / line.seconds if most else 0.0
    bad, whole = line.failed * scale, line.requests * scale
    wide = line.seconds / seconds * WIDTH
    return Bar(
        x=round(line.second / seconds * WIDTH, 2),
        width=round(max(_LEAST, wide * 0.85), 2),
        y=round(HEIGHT - whole, 2),
        answered=round(whole - bad, 2),
        bad_y=round(HEIGHT - bad, 2),
        bad=round(bad, 2),
    )


def _stretches(lines: Iterable[Line], name: str, seconds: int, slowest: float) -> Iterable[str]:
    """Yield the points of each stretch of a line, as ``x,y`` pairs; a single span is as wide as it lasts."""
    points: list[str] = []
    ends = -1
    for line in lines:
        value = getattr(line, name)
        if value is None or line.second != ends:
            yield from _joined(points)
            points = []
        if value is not None:
            y = round(HEIGHT - (value / slowest * HEIGHT if slowest else 0.0), 2)
            points += [f"{round(at / seconds * WIDTH, 2):g},{y:g}" for at in (line.second, line.second + line.seconds)]
            ends = line.second + line.seconds
    yield from _joined(points)


def _joined(points: Sequence[str]) -> Iterable[str]:
    if points:
        yield " ".join(points)
