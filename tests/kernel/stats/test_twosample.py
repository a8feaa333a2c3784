import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from trueup.kernel.stats import (
    MidDistribution,
    brown_forsythe,
    ks_distance,
    ks_p_value,
    moments,
    shape_distance,
    share_test,
    welch_t,
)

RNG = np.random.default_rng(20260102)
WHOLE = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40)
ANY = st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=40)


def scipys_ks_distance(a, b):
    places = np.concatenate((a, b))
    return np.max(np.abs(stats.ecdf(a).cdf.evaluate(places) - stats.ecdf(b).cdf.evaluate(places)))


def welch_of(first, second):
    one, two = moments(first), moments(second)
    return welch_t(one.mean, one.variance, one.n, two.mean, two.variance, two.n)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 1e12])
@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 50), (200, 7), (1000, 1000)])
def test_welchs_test_agrees_with_scipy(scale, n, m):
    first, second = RNG.normal(0.0, scale, n), RNG.normal(scale, 3 * scale, m)
    expected = stats.ttest_ind(second, first, equal_var=False)
    found = welch_of(first, second)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-7)


def test_welchs_test_of_two_equal_constants_finds_nothing():
    assert welch_t(3.0, 0.0, 10, 3.0, 0.0, 10).p_value == 1.0


def test_welchs_test_of_two_different_constants_is_certain():
    found = welch_t(3.0, 0.0, 10, 2.0, 0.0, 10)
    assert (found.statistic, found.p_value) == (-math.inf, 0.0)


@pytest.mark.parametrize("n", [5, 30, 400])
def test_brown_and_forsythes_statistic_squared_is_scipys_for_equal_sizes(n):
    first, second = RNG.normal(size=n), RNG.normal(0.0, 2.0, size=n)
    expected = stats.levene(first, second, center="median")
    assert brown_forsythe(first, second).statistic ** 2 == pytest.approx(expected.statistic, rel=1e-9)


def test_brown_and_forsythes_p_value_is_that_of_welchs_test_on_the_deviations():
    first, second = RNG.laplace(size=300), RNG.laplace(0.0, 1.2, size=80)
    deviations = [np.abs(sample - np.median(sample)) for sample in (first, second)]
    expected = stats.ttest_ind(deviations[1], deviations[0], equal_var=False)
    assert brown_forsythe(first, second).p_value == pytest.approx(expected.pvalue, rel=1e-7)


def test_fewer_effective_values_make_the_scale_test_weaker():
    first, second = RNG.normal(size=300), RNG.normal(0.0, 1.5, size=300)
    weak = brown_forsythe(first, second, effective1=30.0, effective2=30.0)
    assert weak.p_value > brown_forsythe(first, second).p_value


@given(WHOLE, WHOLE)
def test_the_ks_distance_of_tied_samples_agrees_with_scipy(first, second):
    a, b = np.sort(np.array(first)), np.sort(np.array(second))
    assert ks_distance(a, b) == pytest.approx(scipys_ks_distance(a, b), abs=1e-12)


@given(ANY, ANY)
def test_the_ks_distance_of_any_samples_agrees_with_scipy(first, second):
    a, b = np.sort(np.array(first)), np.sort(np.array(second))
    assert ks_distance(a, b) == pytest.approx(scipys_ks_distance(a, b), abs=1e-12)


def test_identical_constants_are_no_distance_apart():
    assert ks_distance(np.full(50, 7.0), np.full(9, 7.0)) == 0.0


def test_different_constants_are_wholly_apart():
    assert ks_distance(np.full(50, 7.0), np.full(9, 7.1)) == 1.0


def test_a_thinned_ks_distance_is_short_by_no_more_than_promised():
    a, b = np.sort(RNG.normal(size=20_000)), np.sort(RNG.normal(0.1, 1.0, size=30_000))
    whole, thinned = ks_distance(a, b), ks_distance(a, b, points=500)
    assert whole - 1 / 499 <= thinned <= whole


def test_the_ks_p_value_is_kolmogorovs_limit():
    assert ks_p_value(0.1, 400, 900) == pytest.approx(special.kolmogorov(0.1 * math.sqrt(400 * 900 / 1300)), rel=1e-9)


@pytest.mark.parametrize("n", [20, 60])
def test_the_ks_p_value_is_conservative_for_small_samples(n):
    a, b = np.sort(RNG.normal(size=n)), np.sort(RNG.normal(1.0, 1.0, size=n))
    assert ks_p_value(ks_distance(a, b), n, n) >= stats.ks_2samp(a, b, method="exact").pvalue


def test_the_share_test_agrees_with_scipys_corrected_chi_square():
    table = [[30, 970], [61, 939]]
    assert share_test(30, 1000, 61, 1000).p_value == pytest.approx(stats.chi2_contingency(table, correction=True).pvalue)


@pytest.mark.parametrize("hits", [(0, 0), (10, 10)])
def test_equal_shares_of_none_or_all_are_no_difference(hits):
    assert share_test(hits[0], 10, hits[1], 10).p_value == 1.0


def aligned(first, second):
    a, b = np.sort(first), np.sort(second)
    return shape_distance(a, b, centres=(a.mean(), b.mean()), deviations=(a.std(), b.std()))


@pytest.mark.parametrize("move", [lambda x: x + 40.0, lambda x: 9.0 * x, lambda x: 1e-6 * x - 3.0])
def test_location_and_scale_leave_no_shape_distance(move):
    values = RNG.gamma(2.0, size=3000)
    assert aligned(values, move(values)) < 0.002


def test_a_lattice_that_moved_by_less_than_its_step_has_no_new_shape():
    assert aligned(RNG.poisson(10.0, 5000).astype(float), RNG.poisson(12.0, 5000).astype(float)) < 0.04


def test_two_humps_of_equal_mean_and_deviation_are_another_shape():
    humps = np.where(RNG.random(5000) < 0.5, -0.95, 0.95) + 0.3122 * RNG.normal(size=5000)
    assert aligned(RNG.normal(size=5000), humps) > 0.1


def test_a_metric_that_mostly_rests_can_be_compared():
    resting = np.zeros(100)
    resting[3] = 5.0
    assert aligned(resting, resting) == 0.0


def test_the_mid_distribution_of_a_constant_is_one_half_at_its_value():
    assert MidDistribution.of(np.full(5, 2.0)).shares.tolist() == [0.5]
