"""The pictures of a report, as SVG without script: series envelopes and histograms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.result import Envelope
from trueup.domains.telemetry.report.markup import Safe, number, short, tag

_WIDTH, _HEIGHT = 360.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 8.0, 18.0, 26.0
_MARGIN = 0.06
_LABEL_SIDE = 0.6


@dataclass(frozen=True, slots=True)
class Scale:
    """A value axis: the same for both series, so that they can be compared by eye."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where a value lies, 0 at the low end and 1 at the high end; halves keep the largest doubles finite."""
        width = self.high / 2 - self.low / 2
        return (value / 2 - self.low / 2) / width if width > 0 else 0.5

    @property
    def ticks(self) -> tuple[float, ...]:
        """Three to six round numbers on the axis."""
        rough = self.high / 4 - self.low / 4
        if not (np.isfinite(rough) and rough > 0):
            return (self.low,)
        power = 10.0 ** np.floor(np.log10(rough))
        if not (np.isfinite(power) and power > 0):
            return (self.low, self.high)
        step = next((power * one for one in (1, 2, 5, 10) if power * one >= rough), power * 10)
        first, last = np.ceil(self.low / step), np.floor(self.high / step)
        if not np.isfinite(first) or last - first > 10:
            return (self.low, self.high)
        ticks = tuple(float(one * step) + 0.0 for one in np.arange(first, last + 1))
        labels = [short(tick) for tick in ticks]
        return ticks if ticks and len(set(labels)) == len(labels) else (self.low, self.high)


def scale_of(*envelopes: Envelope | None) -> Scale | None:
    """Return the axis that holds all envelopes, or None where there is nothing to draw."""
    drawn = [values[np.isfinite(values)] for one in envelopes if one is not None for values in (one.low, one.high)]
    drawn = [values for values in drawn if len(values)]
    if not drawn:
        return None
    low, high = min(float(values.min()) for values in drawn), max(float(values.max()) for values in drawn)
    margin = (high / 2 - low / 2) * 2 * _MARGIN if high > low else (abs(low) * 0.05 or 1.0)
    bottom, top = low - margin, high + margin
    return Scale(bottom if np.isfinite(bottom) else low, top if np.isfinite(top) else high)


def _x(fraction: float) -> float:
    return _LEFT + fraction * (_WIDTH - _LEFT - _RIGHT)


def _y(place: float) -> float:
    return _HEIGHT - _BOTTOM - place * (_HEIGHT - _TOP - _BOTTOM)


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the stretches [start, end) over which the mask holds: a gap in the data is a gap in the line."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _outline(xs: NDArray[np.float64], ys: list[float]) -> str:
    return " ".join(f"{'M' if not i else 'L'}{number(x)} {number(y)}" for i, (x, y) in enumerate(zip(xs, ys, strict=True)))


def _series(envelope: Envelope, scale: Scale, kind: str) -> list[Safe]:
    count = len(envelope.mean)
    xs = np.array([_x((i + 0.5) / count) for i in range(count)])
    shapes: list[Safe] = []
    whole = np.isfinite(envelope.low) & np.isfinite(envelope.mean) & np.isfinite(envelope.high)
    for start, end in _runs(whole):
        low, mean, high = (
            [_y(scale.place(float(value))) for value in values[start:end]]
            for values in (envelope.low, envelope.mean, envelope.high)
        )
        part = xs[start:end]
        if end - start == 1:
            shapes.append(tag("circle", cx=float(part[0]), cy=mean[0], r=2.0, class_=f"dot {kind}"))
            continue
        band = _outline(np.concatenate((part, part[::-1])), high + low[::-1]) + "Z"
        shapes += [tag("path", d=band, class_=f"band {kind}"), tag("path", d=_outline(part, mean), class_=f"mean {kind}")]
    return shapes


def _frame(scale: Scale) -> list[Safe]:
    shapes: list[Safe] = []
    for tick in scale.ticks:
        y = _y(scale.place(tick))
        shapes.append(tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        shapes.append(tag("text", short(tick), x=_LEFT - 6, y=y + 4, class_="label end"))
    return shapes


def _rows_axis(rows: int) -> list[Safe]:
    y = _HEIGHT - 8
    return [
        tag("text", "row 1", x=_LEFT, y=y, class_="label"),
        tag("text", f"row {rows:,}", x=_WIDTH - _RIGHT, y=y, class_="label end"),
    ]


def _picture(*shapes: Safe, title: str, description: str, name: str) -> Safe:
    return tag(
        "svg",
        tag("title", title, id=f"{name}-t"),
        tag("desc", description, id=f"{name}-d"),
        *shapes,
        viewBox=f"0 0 {number(_WIDTH)} {number(_HEIGHT)}",
        role="img",
        aria_labelledby=f"{name}-t {name}-d",
        class_="plot",
    )


def series_plot(
    envelope: Envelope, scale: Scale, *, kind: str, rows: int, title: str, name: str, onset: float | None = None
) -> Safe:
    """Draw one series over its rows: the band from least to greatest, the mean, and where the change sets in.

    Args:
        envelope: what to draw.
        scale: the value axis, shared with the other series.
        kind: ``baseline`` or ``run``; gives the colour.
        rows: data rows of the table.
        title: what the picture shows, for those who do not see it.
        name: unique on the page.
        onset: fraction of the rows from which the change persists.
    """
    shapes = [*_frame(scale), *_series(envelope, scale, kind), *_rows_axis(rows)]
    words = f"Values lie between {short(float(np.nanmin(envelope.low)))} and {short(float(np.nanmax(envelope.high)))}."
    if onset is not None:
        x = _x(min(max(onset, 0.0), 1.0))
        where = f"onset {onset:.0%}" if onset > 0 else "from the start"
        words += f" The change sets in at {onset:.0%} of the rows." if onset > 0 else " It differs from the first row on."
        side = "end" if onset > _LABEL_SIDE else "start"
        shapes.append(tag("rect", x=x, y=_TOP, width=_WIDTH - _RIGHT - x, height=_HEIGHT - _TOP - _BOTTOM, class_="after"))
        shapes.append(tag("line", x1=x, x2=x, y1=_TOP, y2=_HEIGHT - _BOTTOM, class_="onset"))
        shapes.append(tag("text", where, x=x + (3 if side == "end" else -3), y=_TOP - 5, class_=f"label mark {side}"))
    return _picture(*shapes, title=title, description=words, name=name)


def histogram_plot(
    baseline: NDArray[np.float64], run: NDArray[np.float64], edges: NDArray[np.float64], *, title: str, name: str
) -> Safe:
    """Draw both distributions over the same bins, each as a share of its own rows."""
    low, high = float(edges[0]), float(edges[-1])
    axis = Scale(low, high)
    shares = [counts / total if (total := float(counts.sum())) > 0 else counts * 0.0 for counts in (baseline, run)]
    top = max(float(shares[0].max()), float(shares[1].max())) or 1.0
    shapes: list[Safe] = [tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=_y(0), y2=_y(0), class_="axis")]
    for mark in (top, top / 2):
        shapes.append(tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=_y(mark / top), y2=_y(mark / top), class_="grid"))
        shapes.append(
            tag("text", f"{mark:.0%}" if mark >= 0.01 else f"{mark:.1%}", x=_LEFT - 6, y=_y(mark / top) + 4, class_="label end")
        )
    for share, kind in zip(shares, ("baseline", "run"), strict=True):
        path = f"M{number(_x(0))} {number(_y(0))}"
        for bin_, value in enumerate(share):
            left, right = (_x(axis.place(float(edges[bin_ + side]))) for side in (0, 1))
            y = _y(float(value) / top)
            path += f" L{number(left)} {number(y)} L{number(right)} {number(y)}"
        shapes.append(tag("path", d=f"{path} L{number(_x(1))} {number(_y(0))}Z", class_=f"bars {kind}"))
    shapes.append(tag("text", short(low), x=_LEFT, y=_HEIGHT - 8, class_="label"))
    shapes.append(tag("text", short(high), x=_WIDTH - _RIGHT, y=_HEIGHT - 8, class_="label end"))
    peaks = [short(float(edges[int(share.argmax())])) for share in shares]
    words = f"The fullest bin begins at {peaks[0]} in the baseline and at {peaks[1]} in the run."
    return _picture(*shapes, title=title, description=words, name=name)


def sparkline(baseline: Envelope | None, run: Envelope | None, *, title: str) -> Safe | None:
    """Draw both means side by side in the height of a table row."""
    scale = scale_of(baseline, run)
    if scale is None:
        return None
    shapes: list[Safe] = []
    for envelope, kind, left in ((baseline, "baseline", 0.0), (run, "run", 62.0)):
        if envelope is None:
            continue
        step = max(1, len(envelope.mean) // 58)
        mean = envelope.mean[::step]
        for start, end in _runs(np.isfinite(mean)):
            xs = np.array([left + 58.0 * (i + 0.5) / len(mean) for i in range(start, end)])
            ys = [24.0 - 22.0 * scale.place(float(value)) for value in mean[start:end]]
            shapes.append(tag("path", d=_outline(xs, ys), class_=f"mean {kind}"))
    return tag("svg", tag("title", title), *shapes, viewBox="0 0 120 26", role="img", class_="spark")
