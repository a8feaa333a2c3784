"""Stretches of equal values: counted exactly, and how long chance makes them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.kernel.stats import repeats, run_p_value, upper_share


@given(st.lists(st.integers(0, 2), max_size=60))
def test_the_stretches_are_those_of_itertools(values):
    found = repeats(np.array(values, dtype=np.float64))
    lengths = [len(list(group)) for _, group in itertools.groupby(values)]
    assert found.lengths.tolist() == [length for length in lengths if length > 1]
    assert found.longest == max(lengths, default=0)
    assert found.equal == sum(length - 1 for length in lengths)


def test_the_probability_of_a_long_stretch_is_that_of_a_simulation():
    r, hits = np.random.default_rng(1), 0
    for _ in range(2000):
        hits += repeats(r.integers(0, 2, 400).astype(float)).longest >= 12
    assert run_p_value(12, 400, 0.5) == pytest.approx(hits / 2000, abs=0.03)


@pytest.mark.parametrize(("length", "share", "expected"), [(1, 0.1, 1.0), (9, 1.0, 1.0), (9, 0.0, 0.0)])
def test_the_ends_of_the_probability(length, share, expected):
    assert run_p_value(length, 100, share) == expected


def test_no_hits_leave_room_for_some():
    assert upper_share(0, 1000) == pytest.approx(3 / 1003)
    assert upper_share(10, 10) == 1.0
