import math

import numpy as np
import pytest
from scipy import special

from trueup.kernel.stats import cusum_p_value, cusum_statistic, locate_change, segment_bounds

RNG = np.random.default_rng(11)


def test_the_cusum_statistic_is_the_scaled_greatest_partial_sum():
    values = np.array([0.0, 0.0, 1.0, 1.0])
    assert cusum_statistic(values, 0.5) == pytest.approx(1.0 / (0.5 * math.sqrt(4)))


def test_the_cusum_p_value_has_kolmogorovs_law():
    assert cusum_p_value(1.2) == pytest.approx(special.kolmogorov(1.2), rel=1e-9)


def test_steady_noise_is_seldom_called_a_change():
    p_values = np.array([cusum_p_value(cusum_statistic(RNG.normal(size=400), 1.0)) for _ in range(800)])
    assert np.mean(p_values < 0.05) < 0.07
    assert np.mean(p_values < 0.5) > 0.35


@pytest.mark.parametrize("place", [30, 200, 380])
def test_a_step_is_located(place):
    values = RNG.normal(size=400)
    values[place:] += 5.0
    cut, gain = locate_change(values)
    assert abs(cut - place) <= 1
    assert gain > 0


def test_the_location_agrees_with_an_exhaustive_search():
    values = RNG.normal(size=60)
    costs = {k: values[:k].var() * k + values[k:].var() * (60 - k) for k in range(3, 58)}
    assert locate_change(values, margin=3)[0] == min(costs, key=costs.__getitem__)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_series_too_short_to_be_split_has_no_location(n):
    assert locate_change(np.arange(float(n)), margin=3) == (0, 0.0)


def significant(stretch):
    return cusum_p_value(cusum_statistic(stretch, 1.0)) < 0.01


def test_two_steps_make_three_stretches():
    values = RNG.normal(size=600)
    values[200:400] += 6.0
    bounds = segment_bounds(values, significant=significant, margin=5)
    assert len(bounds) == 4
    assert np.allclose(bounds, [0, 200, 400, 600], atol=2)


def test_noise_is_one_stretch():
    assert segment_bounds(np.random.default_rng(3).normal(size=300), significant=significant, margin=5) == [0, 300]


def test_no_more_stretches_are_made_than_asked_for():
    values = np.repeat(np.arange(40.0) * 50, 20) + RNG.normal(size=800)
    assert len(segment_bounds(values, significant=significant, margin=5, most=6)) == 7


def test_a_constant_is_not_cut_even_if_called_significant():
    assert segment_bounds(np.zeros(50), significant=lambda _: True, margin=3) == [0, 50]
