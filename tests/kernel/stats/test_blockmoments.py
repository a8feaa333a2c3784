"""Moments of blocks: those of the whole, however it is cut and joined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.kernel.stats import NO_BLOCKS, block_moments, followed, moments

series = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=200).map(np.array)


@given(series, st.integers(1, 40), st.integers(1, 6))
def test_blocks_have_the_moments_of_the_whole(cells, length, most):
    found, whole = block_moments(cells, length, 0.0).within(most).moments(), moments(cells)
    assert found.n == whole.n
    assert found.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-6)
    assert found.variance == pytest.approx(whole.variance, rel=1e-9, abs=1e-6 * max(1.0, float(np.max(np.abs(cells)))))


@given(series, series, st.integers(1, 9))
def test_joining_keeps_counts_and_mean_distances(a, b, length):
    found = followed([block_moments(a, length, 1.0), block_moments(b, length, 1.0)]).joined(64)
    assert found.n == len(a) + len(b)
    assert float(np.sum(found.counts * found.away)) == pytest.approx(
        float(np.sum(np.abs(np.concatenate((a, b)) - 1.0))), rel=1e-9
    )


def test_a_small_scatter_on_a_large_offset_is_kept():
    found = block_moments(1e12 + np.array([0.0, 1.0, 2.0, 0.0, 1.0, 2.0]), 4, 1e12)
    assert found.moments().variance == pytest.approx(0.8)
    assert found.joined(8).moments().variance == pytest.approx(0.8)


def test_a_series_that_is_short_is_its_own_blocks():
    found = block_moments(np.array([3.0, 1.0]), 1, 2.0)
    assert (found.means.tolist(), found.squares.tolist(), found.length) == ([3.0, 1.0], [0.0, 0.0], 1)


def test_no_blocks_have_no_moments():
    assert NO_BLOCKS.moments().n == 0
