"""Stretches of equal values, followed over the borders of parts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trueup.kernel.stats import NO_STREAKS, repeats, streaks

series = st.lists(st.sampled_from([0.0, 1.0, 2.0]), max_size=30).map(lambda cells: np.array(cells, dtype=np.float64))


@given(series, series)
def test_streaks_of_parts_are_those_of_the_whole(a, b):
    assert streaks(a).then(streaks(b)) == streaks(np.concatenate((a, b)))


@given(series, series, series)
def test_joining_is_associative(a, b, c):
    one, two, three = streaks(a), streaks(b), streaks(c)
    assert one.then(two).then(three) == one.then(two.then(three))


@given(series)
def test_nothing_changes_nothing(a):
    assert NO_STREAKS.then(streaks(a)) == streaks(a) == streaks(a).then(NO_STREAKS)


@given(series.filter(len))
def test_the_longest_stretch_is_the_one_that_is_there(cells):
    found = streaks(cells)
    there = cells[found.start : found.start + found.longest]
    assert found.longest == max(1, repeats(cells).longest)
    assert set(there.tolist()) == {found.value}
    assert found.equal == int(np.sum(cells[1:] == cells[:-1]))
