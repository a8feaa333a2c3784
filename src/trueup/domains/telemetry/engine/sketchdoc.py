"""Sketches as a document: what is written into a sketch file, and what is accepted from one."""

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.sketch import ClockSketch, MetricSketch, TableSketch
from trueup.domains.telemetry.engine.table import Excluded
from trueup.kernel.errors import UnreadableInput
from trueup.kernel.stats import BlockMoments, RankGrid, Streaks

VERSION = 1
FORM = "trueup-sketches"

_REMEDY = "make the sketch file again with 'trueup telemetry sketch'"
_FLOAT, _COUNT = "<f8", "<i8"
# no count is greater: sums of counts stay exact
_MOST = 1 << 52


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of rows and its sketches: rows ``first`` to before ``stop``, and its seconds where there is a clock."""

    first: int
    stop: int
    sketch: TableSketch


@dataclass(frozen=True, slots=True)
class SketchFile:
    """What a sketch file holds.

    Args:
        source: of what: ``name`` and ``sha256``.
        whole: the sketches of the whole table.
        windows: of its windows, in order; none where nobody asked for them.
    """

    source: Mapping[str, str]
    whole: TableSketch
    windows: Sequence[Window] = ()


class _Malformed(Exception):
    """A part of a document is not of its form; the text says which."""


def sketch_document(file: SketchFile) -> dict[str, Any]:
    """Return the document of a sketch file; equal sketches give equal documents."""
    windows = [{"rows": [one.first, one.stop], **_table(one.sketch)} for one in file.windows]
    return {"form": FORM, "version": VERSION, "source": dict(file.source), "whole": _table(file.whole), "windows": windows}


def sketch_file(document: Any, *, named: str) -> SketchFile:
    """Read a document.

    Args:
        document: as it was parsed from JSON.
        named: how errors call it.

    Raises:
        UnreadableInput: it is none, or of another version, or a part of it contradicts another.
    """
    try:
        if not isinstance(document, dict) or document.get("form") != FORM:
            raise _Malformed("is no sketch file")
        if document.get("version") != VERSION:
            raise _Malformed(f"is of version {document.get('version')!r}, known is {VERSION}")
        source = _part(document, "source", dict)
        if not all(isinstance(source.get(key), str) for key in ("name", "sha256")):
            raise _Malformed("source: name and sha256 are needed")
        windows = [_window(item, f"windows[{place}]") for place, item in enumerate(_part(document, "windows", list))]
        whole = _table_of(_part(document, "whole", dict), "whole")
        return SketchFile({key: source[key] for key in ("name", "sha256")}, whole, windows)
    except _Malformed as error:
        raise UnreadableInput(f"{named}: {error}", remedy=_REMEDY) from None


def _packed(values: NDArray[Any], form: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=form).tobytes()).decode()


def _table(sketch: TableSketch) -> dict[str, Any]:
    clock = sketch.clock
    return {
        "count": sketch.rows,
        "metrics": [{"name": name, **_metric(item)} for name, item in sketch.metrics.items()],
        "excluded": [{"name": item.name, "reason": item.reason} for item in sketch.excluded],
        "clock": None
        if clock is None
        else {
            "rows": clock.rows,
            **{key: getattr(clock, key) for key in ("first", "last", "seconds", "longest", "longest_at")},
            "steps": _grid(clock.steps),
        },
    }


def _grid(grid: RankGrid) -> dict[str, Any]:
    return {"error": grid.error, "values": _packed(grid.values, _FLOAT), "weights": _packed(grid.weights, _COUNT)}


def _metric(item: MetricSketch) -> dict[str, Any]:
    blocks, found = item.blocks, item.streaks
    even = len(blocks.counts) > 0 and bool((blocks.counts[:-1] == blocks.counts[0]).all())
    return {
        "cells": item.cells,
        "missing": item.missing,
        "quarantined": dict(sorted(item.quarantined.items())),
        "low": item.low,
        "high": item.high,
        "grid": _grid(item.grid),
        "streaks": {
            key: getattr(found, key) for key in ("n", "first", "last", "head", "tail", "longest", "start", "value", "equal")
        },
        "blocks": {
            # blocks are of one length but for the last, unless parts were merged
            "counts": [len(blocks.counts), int(blocks.counts[0]), int(blocks.counts[-1])]
            if even
            else _packed(blocks.counts, _COUNT),
            "means": _packed(blocks.means, _FLOAT),
            "squares": _packed(blocks.squares, _FLOAT) if blocks.squares.any() else "",
            "away": _packed(blocks.away, _FLOAT),
        },
        "square": item.square,
    }


def _part(document: Mapping[str, Any], key: str, kind: type) -> Any:
    value = document.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _Malformed(f"{key}: {kind.__name__} expected, got {type(value).__name__}")
    return value


def _count(document: Mapping[str, Any], key: str) -> int:
    value: int = _part(document, key, int)
    if not 0 <= value <= _MOST:
        raise _Malformed(f"{key}: {value} is {'below 0' if value < 0 else 'no count'}")
    return value


def _number(document: Mapping[str, Any], key: str) -> float:
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _Malformed(f"{key}: a number is expected, got {value!r}")
    return float(value)


def _unpacked(text: object, form: str, what: str) -> NDArray[Any]:
    if not isinstance(text, str):
        raise _Malformed(f"{what}: numbers in base64 are expected")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _Malformed(f"{what}: is not base64") from None
    if len(raw) % 8:
        raise _Malformed(f"{what}: {len(raw)} bytes are no whole numbers")
    found = np.frombuffer(raw, dtype=form).astype(form[1:])
    if form == _FLOAT and not np.isfinite(found).all():
        raise _Malformed(f"{what}: holds what is no number")
    return found


def _grid_of(document: Mapping[str, Any]) -> RankGrid:
    values, weights = (_unpacked(document.get(key), form, key) for key, form in (("values", _FLOAT), ("weights", _COUNT)))
    if len(values) != len(weights) or not bool((np.diff(values) > 0.0).all()) or not bool((weights >= 1).all()):
        raise _Malformed("a grid's values must rise, each with a weight of at least 1")
    return RankGrid(values, weights, _count(document, "error"))


def _blocks_of(document: Mapping[str, Any]) -> BlockMoments:
    means, away = (_unpacked(document.get(key), _FLOAT, key) for key in ("means", "away"))
    given = document.get("counts")
    if isinstance(given, list):
        sound = len(given) == 3 and all(isinstance(one, int) and 0 < one <= _MOST for one in given)
        if not sound or given[0] != len(means):
            raise _Malformed("counts: number, length and last length of the blocks are expected")
        counts = np.full(given[0], given[1], dtype=np.int64)
        counts[-1:] = given[2]
    else:
        counts = _unpacked(given, _COUNT, "counts")
    squares = _unpacked(document.get("squares"), _FLOAT, "squares") if document.get("squares") else np.zeros(len(means))
    if not len(means) == len(away) == len(counts) == len(squares) or bool((counts < 1).any()):
        raise _Malformed("every block must have a count of at least 1, a mean, a square and a distance")
    if bool((squares < 0.0).any()) or bool((away < 0.0).any()):
        raise _Malformed("squares and distances are not below 0")
    return BlockMoments(counts, means, squares, away)


def _streaks_of(document: Mapping[str, Any]) -> Streaks:
    whole = {key: _count(document, key) for key in ("n", "head", "tail", "longest", "start", "equal")}
    n = whole["n"]
    if (
        not max(whole["head"], whole["tail"]) <= whole["longest"] <= n
        or whole["start"] + whole["longest"] > n
        or whole["equal"] > n
    ):
        raise _Malformed("the stretches are longer than the series")
    first, last, value = (_number(document, key) for key in ("first", "last", "value"))
    return Streaks(n, first, last, whole["head"], whole["tail"], whole["longest"], whole["start"], value, whole["equal"])


def _metric_of(document: Mapping[str, Any]) -> MetricSketch:
    aside = _part(document, "quarantined", dict)
    found = MetricSketch(
        cells=_count(document, "cells"),
        missing=_count(document, "missing"),
        quarantined={key: _count(aside, key) for key in aside},
        low=_number(document, "low"),
        high=_number(document, "high"),
        grid=_grid_of(_part(document, "grid", dict)),
        streaks=_streaks_of(_part(document, "streaks", dict)),
        blocks=_blocks_of(_part(document, "blocks", dict)),
        square=_number(document, "square"),
    )
    if not found.n == found.grid.n == found.blocks.n:
        raise _Malformed(f"{found.n} values, {found.grid.n} in its grid and {found.blocks.n} in its blocks")
    if found.cells != found.n + found.missing + sum(found.quarantined.values()):
        raise _Malformed(f"{found.cells} cells are not its values and those that are missing or set aside")
    if found.n and not found.low <= float(found.grid.values[0]) <= float(found.grid.values[-1]) <= found.high:
        raise _Malformed("its grid leaves the range of its values")
    if found.square < 0.0 or found.grid.error > found.n:
        raise _Malformed("its errors are out of range")
    return found


def _table_of(document: Mapping[str, Any], where: str) -> TableSketch:
    rows, metrics = _count(document, "count"), {}
    for place, item in enumerate(_part(document, "metrics", list)):
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or name in metrics:
            raise _Malformed(f"{where}.metrics[{place}]: a name of its own is needed")
        try:
            metrics[name] = _metric_of(item)
        except _Malformed as error:
            raise _Malformed(f"{where}.metrics[{place}] ({name}): {error}") from None
        if metrics[name].cells != rows:
            raise _Malformed(f"{where}.metrics[{place}] ({name}): {metrics[name].cells} cells of {rows} rows")
    excluded = []
    for item in _part(document, "excluded", list):
        if not isinstance(item, dict) or not all(isinstance(item.get(key), str) for key in ("name", "reason")):
            raise _Malformed(f"{where}.excluded: name and reason are needed")
        excluded.append(Excluded(item["name"], item["reason"]))
    clock = None if document.get("clock") is None else _clock_of(_part(document, "clock", dict), f"{where}.clock")
    return TableSketch(rows, metrics, tuple(excluded), clock)


def _clock_of(document: Mapping[str, Any], where: str) -> ClockSketch:
    try:
        numbers = {key: _number(document, key) for key in ("first", "last", "seconds", "longest", "longest_at")}
        found = ClockSketch(rows=_count(document, "rows"), **numbers, steps=_grid_of(_part(document, "steps", dict)))
    except _Malformed as error:
        raise _Malformed(f"{where}: {error}") from None
    if found.steps.n and float(found.steps.values[0]) < 0.0:
        raise _Malformed(f"{where}: a clock does not fall")
    return found


def _window(document: Any, where: str) -> Window:
    rows = document.get("rows") if isinstance(document, dict) else None
    if not isinstance(rows, list) or len(rows) != 2 or not all(isinstance(one, int) for one in rows):
        raise _Malformed(f"{where}: rows [first, stop] are needed")
    found = _table_of(document, where)
    if rows[1] - rows[0] != found.rows:
        raise _Malformed(f"{where}: rows {rows} are not its {found.rows} rows")
    return Window(rows[0], rows[1], found)
