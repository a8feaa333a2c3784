"""Grids of a distribution: the stated error holds, whatever is merged in whatever order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueup.kernel.stats import NOTHING, merged_grids, rank_grid

values = st.lists(st.sampled_from([0.0, 1.0, 1.5, -2.0]) | st.floats(-1e9, 1e9), min_size=1, max_size=120).map(np.array)
parts = st.lists(values, min_size=1, max_size=6)


def grid(cells, points=8):
    return rank_grid(np.sort(cells), points)


def off(found, cells):
    """The greatest true error of a grid, in ranks, at and between its points and the values."""
    places = np.unique(np.concatenate((cells, found.values, found.values - 1e-3, cells + 1e-3)))
    true = np.searchsorted(np.sort(cells), places, side="right")
    return float(np.max(np.abs(true - found.upto(places) * found.n)))


@given(values)
def test_no_rank_is_farther_off_than_is_stated(cells):
    found = grid(cells)
    assert off(found, cells) <= found.error + 1e-6


@given(parts)
def test_the_stated_error_of_merged_grids_holds(sides):
    found = merged_grids([grid(cells) for cells in sides], 8)
    together = np.concatenate(sides)
    assert (found.n, len(found.values) <= 8) == (len(together), True)
    assert off(found, together) <= found.error + 1e-6


@given(values, values, values)
@settings(max_examples=50)
def test_merges_in_any_grouping_agree_within_their_errors(a, b, c):
    one, two, three = grid(a), grid(b), grid(c)
    left = merged_grids([merged_grids([one, two], 8), three], 8)
    right = merged_grids([one, merged_grids([two, three], 8)], 8)
    places = np.concatenate((a, b, c))
    apart = float(np.max(np.abs(left.upto(places) - right.upto(places)))) * left.n
    assert left.n == right.n
    assert apart <= left.error + right.error + 1e-6


@given(parts)
def test_few_different_values_are_kept_exactly_and_in_any_order(sides):
    rounded = [np.round(np.clip(cells, -3, 3)) for cells in sides]
    grids = [grid(cells) for cells in rounded]
    found, back = merged_grids(grids, 8), merged_grids(grids[::-1], 8)
    distinct, counts = np.unique(np.concatenate(rounded), return_counts=True)
    assert found.error == back.error == 0
    assert found.values.tolist() == back.values.tolist() == distinct.tolist()
    assert found.weights.tolist() == back.weights.tolist() == counts.tolist()


def test_a_long_sample_is_known_to_one_rank_in_two_thousand():
    cells = np.random.default_rng(1).standard_cauchy(200_000)
    found = grid(cells, 1024)
    assert found.rank_error <= 1 / 2000
    assert found.quantile(0.5) == pytest.approx(float(np.median(cells)), abs=0.01)


def test_nothing_merged_is_nothing():
    assert merged_grids([NOTHING, NOTHING], 8) is NOTHING


def test_the_median_of_an_even_number_lies_between_the_two_in_the_middle():
    assert grid(np.array([1.0, 2.0, 4.0, 9.0])).quantile(0.5) == 3.0
