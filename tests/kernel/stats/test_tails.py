"""Tails: fitted to what is there, never lighter than can be known."""

import numpy as np
import pytest
from scipy import stats

from trueup.kernel.stats import poisson_sf, tail_of


@pytest.mark.parametrize("mean", [1e-6, 0.3, 2.0, 40.0])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 60])
def test_the_poisson_tail_is_scipys(count, mean):
    assert poisson_sf(count, mean) == pytest.approx(stats.poisson.sf(count - 1, mean), rel=1e-9, abs=1e-15)


def test_nothing_is_expected_of_a_mean_of_0():
    assert (poisson_sf(1, 0.0), poisson_sf(0, 0.0)) == (0.0, 1.0)


@pytest.mark.parametrize("index", [0.5, 1.0])
def test_the_tail_of_a_power_law_is_found_on_the_safe_side(index):
    values = np.sort(np.random.default_rng(1).pareto(1.0 / index, 20_000) + 1.0)[::-1]
    tail = tail_of(values[:200], len(values))
    assert index <= tail.index <= 1.35 * index
    assert tail.beyond(10.0 * values[0]) >= (10.0 * values[0]) ** (-1.0 / index)


def test_a_light_tail_is_not_taken_for_lighter_than_can_be_known():
    assert tail_of(np.linspace(1.01, 1.0, 50), 1000).index == 0.2


def test_too_few_magnitudes_above_0_tell_nothing():
    assert tail_of(np.array([3.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), 100) is None


def test_the_greatest_and_least_numbers_have_a_tail():
    tail = tail_of(np.array([1e308] * 5 + [5e-324] * 5), 10)
    assert np.isfinite(tail.index)
