"""Sketches of a table's windows: stretches of rows, by their number or by the clock."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from trueup.domains.telemetry.engine.sample import clean
from trueup.domains.telemetry.engine.sketch import Builder, MetricSketch, TableSketch, sketch_clock
from trueup.domains.telemetry.engine.table import ColumnData, Excluded, Table, clock_of
from trueup.kernel.errors import UsageError

POINTS, BLOCKS = 256, 128
"""Of a window: coarser than of a whole table, since there are many."""

_MOST = 10_000


def window_bounds(table: Table, *, seconds: float | None, rows: int | None) -> list[int]:
    """Return the rows at which windows begin, and the table's rows; a window without rows is left out.

    Args:
        table: what is cut.
        seconds: length of a window by the clock, counted from the first row; None to count rows.
        rows: length of a window in rows.

    Raises:
        UsageError: there is no sound clock, or there would be too many windows.
    """
    if not table.rows:
        return [0]
    if rows is not None:
        _bounded(-(-table.rows // rows))
        return [*range(0, table.rows, rows), table.rows]
    times = clock_of(table)
    if times is None or seconds is None:
        raise UsageError("there is no one sound clock to cut windows by", remedy="give --window in rows (5000rows)")
    count = int(float(times[-1]) // seconds) + 1
    _bounded(count)
    starts = np.searchsorted(times, np.arange(count) * seconds, side="left")
    return [*np.unique(starts[starts < table.rows]).tolist(), table.rows]


def _bounded(count: int) -> None:
    if count > _MOST:
        raise UsageError(f"that would be {count:,} windows, at most {_MOST:,} are made", remedy="make them longer")


def sketch_windows(table: Table, bounds: Sequence[int]) -> list[tuple[int, int, TableSketch]]:
    """Sketch stretches of rows.

    Args:
        table: each column is read once more.
        bounds: ascending rows, from 0 to the table's rows: window i has the rows from bounds[i] to before bounds[i + 1].

    Returns:
        First row, row after the last, and sketch of each window. Where cells of a column are missing and others set aside,
        or set aside for several reasons, it is not known which of them lie in which window: such a column is left out.
    """
    times = clock_of(table)
    spans = list(pairwise(bounds))
    clocks = [None if times is None else sketch_clock(times[start:stop]) for start, stop in spans]
    metrics: list[dict[str, MetricSketch]] = [{} for _ in spans]
    left = list(table.excluded)
    for name in table.numeric:
        column = clean(table.column(name))
        reasons = [reason for reason, count in column.quarantined.items() if count]
        if len(reasons) + bool(column.missing) > 1:
            left.append(Excluded(name, "not known by window: cells are absent for several reasons"))
            continue
        for place, part in enumerate(_stretches(column, spans)):
            absent = part.total - len(part.values)
            builder = Builder(points=POINTS, blocks=BLOCKS)
            builder.update(part.values)
            aside = {reasons[0]: absent} if reasons and absent else {}
            metrics[place][name] = builder.sketch(cells=part.total, missing=0 if reasons else absent, aside=aside)
    return [
        (start, stop, TableSketch(stop - start, metrics[place], tuple(left), clocks[place]))
        for place, (start, stop) in enumerate(spans)
    ]


def _stretches(column: ColumnData, spans: Sequence[tuple[int, int]]) -> Iterable[ColumnData]:
    for start, stop in spans:
        if column.rows is None:
            yield ColumnData(column.values[start:stop], stop - start)
        else:
            first, last = np.searchsorted(column.rows, [start, stop])
            yield ColumnData(column.values[first:last], stop - start)
