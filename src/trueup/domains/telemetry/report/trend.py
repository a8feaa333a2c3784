"""A metric over the runs of one test: mean and one standard deviation to either side, as SVG without script."""

from collections.abc import Mapping, Sequence
from typing import Any

from trueup.domains.telemetry.report.markup import Safe, figure, join, short, tag

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640.0, 200.0, 52.0, 24.0, 12.0


def trend(points: Sequence[Mapping[str, Any]], *, metric: str) -> Safe:
    """Draw a trend.

    Args:
        points: ``queries.trend``: run, verdict, mean, sd, unit, this; at least one.
        metric: its name.

    Returns:
        The picture; every number of it also stands in its description, for who cannot see it.
    """
    low = min(point["mean"] - point["sd"] for point in points)
    high = max(point["mean"] + point["sd"] for point in points)
    margin = (high - low) * 0.08 or abs(low) * 0.05 or 1.0
    low, high = low - margin, high + margin

    def x(place: int) -> float:
        return _LEFT + (place + 0.5) / len(points) * (_WIDTH - _LEFT - 8.0)

    def y(value: float) -> float:
        return float(_HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM))

    line = " ".join(f"{'L' if n else 'M'}{x(n):.1f} {y(point['mean']):.1f}" for n, point in enumerate(points))
    marks = [
        _mark(point, x(n), y(point["mean"]), y(point["mean"] - point["sd"]), y(point["mean"] + point["sd"]))
        for n, point in enumerate(points)
    ]
    axis = [
        tag("text", short(value), x=_LEFT - 6, y=y(value) + 4, class_="axis", text_anchor="end")
        for value in (points[0]["mean"], low, high)
    ]
    first, last = points[0]["run"], points[-1]["run"]
    ends = [
        tag("text", first, x=_LEFT, y=_HEIGHT - 6, class_="axis"),
        tag("text", last, x=_WIDTH - 8, y=_HEIGHT - 6, class_="axis", text_anchor="end"),
    ]
    words = "; ".join(
        f"{p['run']}: {figure(p['mean'])}, deviation {figure(p['sd'])}, {p['verdict'] or 'not analysed'}" for p in points
    )
    return tag(
        "svg",
        tag("title", f"{metric} over {len(points)} runs"),
        tag("desc", words),
        tag("path", d=line, class_="line"),
        join(marks),
        join(axis),
        join(ends if len(points) > 1 else ends[:1]),
        class_="trend",
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
    )


def _mark(point: Mapping[str, Any], x: float, mean: float, low: float, high: float) -> Safe:
    tone = {"PASS": "good", "PASS_WITH_DRIFT": "warn", "FAIL": "bad"}.get(point["verdict"], "dim")
    return tag(
        "g",
        tag("title", f"{point['run']}: {figure(point['mean'])} ± {figure(point['sd'])}"),
        tag("line", x1=x, x2=x, y1=low, y2=high, class_="spread"),
        tag("circle", cx=x, cy=mean, r=6.0 if point["this"] else 4.0, class_=f"point {tone}{' this' if point['this'] else ''}"),
    )
