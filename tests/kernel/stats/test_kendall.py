"""Mann and Kendall's test and the line of Theil and Sen, held against SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, theilslopes

from trueup.kernel.stats.kendall import mann_kendall, theil_sen


@pytest.mark.parametrize("n", [3, 6, 9, 17, 30])
def test_without_ties_the_p_value_is_exact(n):
    for seed in range(5):
        series = np.random.default_rng([n, seed]).normal(size=n)
        exact = kendalltau(np.arange(n), series, method="exact").pvalue
        assert mann_kendall(series).p_value == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("n", [31, 80])
def test_of_many_values_the_p_value_is_near_the_exact_one(n):
    series = np.random.default_rng(n).normal(size=n) + 0.01 * np.arange(n)
    exact = kendalltau(np.arange(n), series, method="exact").pvalue
    assert mann_kendall(series).p_value == pytest.approx(exact, rel=0.05)


def test_ties_make_it_less_sure():
    rising = np.repeat(np.arange(4.0), 2)
    assert mann_kendall(np.arange(8.0)).p_value < mann_kendall(rising).p_value < 0.01


@given(st.lists(st.integers(-5, 5), max_size=40))
def test_the_mirror_of_a_series_is_as_sure(values):
    series = np.array(values, dtype=np.float64)
    one, other = mann_kendall(series), mann_kendall(-series)
    assert (one.statistic, one.p_value) == (-other.statistic, other.p_value)
    assert 0.0 <= one.p_value <= 1.0


def test_a_series_that_never_moves_has_no_trend():
    assert mann_kendall(np.ones(20)).p_value == 1.0


@pytest.mark.parametrize("n", [10, 25, 60])
def test_slope_and_interval_are_those_of_scipy(n):
    rng = np.random.default_rng(n)
    x, y = np.arange(n, dtype=np.float64), rng.normal(size=n) + 0.1 * np.arange(n)
    found, theirs = theil_sen(x, y), theilslopes(y, x, alpha=0.95)
    assert found.slope == pytest.approx(theirs.slope)
    # ranks are rounded away from the middle, so that the interval is never narrower
    reach = 0.25 * (theirs.high_slope - theirs.low_slope)
    assert theirs.low_slope - reach <= found.low <= theirs.low_slope + 1e-12
    assert theirs.high_slope - 1e-12 <= found.high <= theirs.high_slope + reach


def test_two_points_have_a_slope_and_no_interval():
    found = theil_sen(np.array([0.0, 2.0]), np.array([1.0, 5.0]))
    assert (found.level, found.slope, found.low, found.high) == (1.0, 2.0, -np.inf, np.inf)
