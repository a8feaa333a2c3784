"""Sketches: one pass, flat, merged without loss of what is exact, written and read back."""

import base64
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domains.telemetry.engine.tables import Memory, column, table
from trueup.domains.telemetry.engine.sketch import (
    BLOCKS,
    POINTS,
    Builder,
    merge_clocks,
    merge_metrics,
    merge_tables,
    sketch_clock,
    sketch_column,
    sketch_table,
)
from trueup.domains.telemetry.engine.sketchdoc import SketchFile, Window, sketch_document, sketch_file
from trueup.domains.telemetry.engine.sketchwindows import sketch_windows, window_bounds
from trueup.kernel.errors import UnreadableInput, UsageError

SOURCE = {"name": "x.csv", "sha256": "0" * 64}
cells = st.lists(st.sampled_from([1.0, 1.0, 2.0]) | st.floats(-1e6, 1e6), max_size=60).map(
    lambda v: np.array(v, dtype=np.float64)
)


def exact(sketch):
    return sketch.cells, sketch.missing, dict(sketch.quarantined), sketch.n, sketch.low, sketch.high, sketch.streaks


@given(cells, cells, cells)
@settings(max_examples=60)
def test_counts_extremes_and_streaks_merge_exactly_in_any_grouping(a, b, c):
    one, two, three = (sketch_column(column(part, text=1), points=8, blocks=8) for part in (a, b, c))
    left = merge_metrics([merge_metrics([one, two], points=8, blocks=8), three], points=8, blocks=8)
    right = merge_metrics([one, merge_metrics([two, three], points=8, blocks=8)], points=8, blocks=8)
    whole = sketch_column(column(np.concatenate((a, b, c)), text=3))
    assert exact(left) == exact(right) == exact(whole)
    assert left.moments().mean == pytest.approx(whole.moments().mean, rel=1e-9, abs=1e-6)
    assert left.moments().variance == pytest.approx(whole.moments().variance, rel=1e-6, abs=1e-3)


def test_blocks_of_any_size_give_the_same_sketch():
    values = np.random.default_rng(1).normal(size=50_000)
    whole = sketch_column(column(values))
    builder = Builder()
    for part in np.split(values, [1, 7, 20_000, 20_001, 49_000]):
        builder.update(part)
    found = builder.sketch()
    assert exact(found) == exact(whole)
    assert found.grid.values.tolist() == whole.grid.values.tolist()
    assert found.blocks.means.tolist() == whole.blocks.means.tolist()


def test_a_sketch_does_not_grow_with_its_values():
    r, builder = np.random.default_rng(1), Builder()
    for _ in range(80):
        builder.update(r.normal(size=1 << 14))
    found = builder.sketch()
    assert found.n == 80 << 14
    assert (len(found.grid.values) <= POINTS, len(found.blocks.counts) <= BLOCKS) == (True, True)
    assert found.grid.rank_error <= 1 / 900


def test_the_stated_error_holds_for_a_long_series_with_a_heavy_tail():
    values = np.random.default_rng(2).standard_cauchy(300_000)
    found = sketch_column(column(values)).grid
    true = np.searchsorted(np.sort(values), found.values, side="right") / len(values)
    assert float(np.max(np.abs(true - found.upto(found.values)))) <= found.rank_error <= 1 / 900


def test_values_that_are_not_finite_are_set_aside():
    found = sketch_column(column([1.0, np.nan, np.inf, 2.0]))
    assert (found.n, dict(found.quarantined), found.cells) == (2, {"non_finite": 2}, 4)


def test_a_sketch_of_no_values_knows_its_cells():
    found = sketch_column(column([], missing=[]))
    assert (found.n, found.moments().n, found.cells) == (0, 0, 0)


class Timed(Memory):
    def clock(self):
        return self.times


def timed(times, **columns):
    made = Timed(table(**columns).columns)
    object.__setattr__(made, "times", np.asarray(times, dtype=np.float64))
    return made


def test_windows_by_the_clock_merge_to_the_whole():
    r = np.random.default_rng(3)
    made = timed(np.arange(1000) * 0.1, x=r.normal(size=1000), y=column(r.normal(size=1000), missing=[3, 400, 999]))
    whole = sketch_table(made)
    windows = sketch_windows(made, window_bounds(made, seconds=10.0, rows=None))
    assert [(start, stop) for start, stop, _ in windows] == [(at, at + 100) for at in range(0, 1000, 100)]
    merged = merge_tables([one for _, _, one in windows])
    assert {name: exact(one) for name, one in merged.metrics.items()} == {name: exact(one) for name, one in whole.metrics.items()}
    assert (merged.rows, merged.clock.rows, merged.clock.seconds) == (1000, 1000, pytest.approx(whole.clock.seconds))
    assert merged.clock.steps.n == whole.clock.steps.n


def test_a_window_without_rows_is_left_out():
    made = timed([0, 1, 2, 50, 51], x=np.arange(5.0))
    assert window_bounds(made, seconds=10.0, rows=None) == [0, 3, 5]


def test_windows_by_rows_need_no_clock():
    assert window_bounds(table(x=np.arange(5.0)), seconds=None, rows=2) == [0, 2, 4, 5]


def test_windows_by_time_without_a_clock_are_refused():
    with pytest.raises(UsageError, match="no one sound clock"):
        window_bounds(table(x=np.arange(5.0)), seconds=1.0, rows=None)


def test_too_many_windows_are_refused():
    with pytest.raises(UsageError, match="at most 10,000"):
        window_bounds(table(x=np.arange(20_000.0)), seconds=None, rows=1)


def test_a_column_whose_absent_cells_cannot_be_told_apart_has_no_windows():
    mixed = column(np.arange(50.0), missing=[4], text=2)
    ((_, _, found),) = sketch_windows(table(x=mixed, y=np.arange(52.0)), [0, 52])
    assert (list(found.metrics), [item.name for item in found.excluded]) == (["y"], ["x"])


def test_a_clock_that_begins_anew_has_a_seam_and_no_step():
    first, second = sketch_clock(np.arange(5.0)), sketch_clock(np.arange(3.0))
    assert (merge_clocks([first, second]).seconds, merge_clocks([first, second]).steps.n) == (6.0, 6)
    later = sketch_clock(np.arange(10.0, 13.0))
    assert (merge_clocks([first, later]).seconds, merge_clocks([first, later]).longest) == (12.0, 6.0)


def made():
    r = np.random.default_rng(4)
    whole = timed(
        np.arange(300) * 0.5, x=r.normal(size=300), y=column(np.round(r.normal(size=300)), missing=[2]), z=np.full(300, 7.0)
    )
    windows = [Window(*one) for one in sketch_windows(whole, [0, 100, 300])]
    return SketchFile(SOURCE, sketch_table(whole), windows)


def test_the_same_table_gives_the_same_document():
    assert sketch_document(made()) == sketch_document(made())


def test_a_window_of_many_rows_is_known_to_one_rank_in_four_hundred():
    values = np.random.default_rng(1).normal(size=60_000)
    ((_, _, found),) = sketch_windows(table(x=values), [0, 60_000])
    assert found.metrics["x"].grid.rank_error <= 1 / 400


def test_a_document_that_is_read_back_is_the_same_document():
    document = json.loads(json.dumps(sketch_document(made())))
    assert sketch_document(sketch_file(document, named="s")) == document


def test_merged_blocks_are_read_back_too():
    parts = [sketch_column(column(np.arange(float(n)))) for n in (5, 3000, 7)]
    whole = sketch_table(table(x=np.arange(3012.0)))
    merged = SketchFile(SOURCE, type(whole)(3012, {"x": merge_metrics(parts)}))
    document = sketch_document(merged)
    assert sketch_document(sketch_file(document, named="s")) == document


def packed(*values):
    return base64.b64encode(np.array(values, dtype="<f8").tobytes()).decode()


def at(document, *path):
    for key in path:
        document = document[key]
    return document


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("form",), "other", "is no sketch file"),
        (("version",), 2, "of version 2"),
        (("source",), {}, "name and sha256"),
        (("whole",), None, "whole: dict expected"),
        (("whole", "count"), -1, "below 0"),
        (("whole", "metrics", 0, "name"), "y", "a name of its own"),
        (("whole", "metrics", 0, "cells"), 299, "299 cells"),
        (("whole", "metrics", 0, "low"), 1e9, "leaves the range"),
        (("whole", "metrics", 0, "square"), True, "a number is expected"),
        (("whole", "metrics", 0, "grid", "values"), "%%", "base64"),
        (("whole", "metrics", 0, "grid", "values"), packed(1.0, float("nan")), "no number"),
        (("whole", "metrics", 0, "grid", "values"), packed(2.0, 1.0), "must rise"),
        (("whole", "metrics", 0, "grid", "values"), "AAAA", "no whole numbers"),
        (("whole", "metrics", 0, "streaks", "longest"), 301, "longer than the series"),
        (("whole", "metrics", 0, "blocks", "counts"), [300, 0, 1], "number, length and last length"),
        (("whole", "metrics", 0, "blocks", "counts"), [300, 1, 9], "values"),
        (("whole", "metrics", 0, "blocks", "counts"), [1], "number, length and last length"),
        (("whole", "clock", "rows"), "many", "clock"),
        (("whole", "excluded"), [3], "name and reason"),
        (("windows", 0, "rows"), [0, 99], "are not its"),
        (("windows", 0, "rows"), [0], "rows"),
    ],
)
def test_a_malformed_document_is_refused_by_name(path, value, said):
    document = json.loads(json.dumps(sketch_document(made())))
    at(document, *path[:-1])[path[-1]] = value
    with pytest.raises(UnreadableInput, match=said) as refused:
        sketch_file(document, named="s.json")
    assert "s.json" in refused.value.message


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=4), inner),
    )
)
@settings(max_examples=50)
def test_whatever_is_no_sketch_file_is_refused(document):
    with pytest.raises(UnreadableInput):
        sketch_file(document, named="s")


def places(document, path=()):
    """Every place of a document that holds a value."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


WRITTEN = json.loads(json.dumps(sketch_document(made())))
ANYWHERE = st.sampled_from(sorted(places(WRITTEN), key=str))
JUNK = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=3) | st.just([]) | st.just({})


@given(ANYWHERE, JUNK)
@settings(max_examples=150)
def test_a_changed_document_is_refused_or_read_but_never_crashes(path, junk):
    document = json.loads(json.dumps(WRITTEN))
    at(document, *path[:-1])[path[-1]] = junk
    try:
        found = sketch_file(document, named="s")
    except UnreadableInput:
        return
    assert sketch_document(found)["version"] == 1
