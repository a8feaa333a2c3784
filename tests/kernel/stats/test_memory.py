import numpy as np
import pytest
from scipy.signal import lfilter

from trueup.kernel.stats import autocorrelation_time, block_means, series_autocorrelation_time

RNG = np.random.default_rng(7)


def autoregression(n, phi):
    return lfilter([1.0], [1.0, -phi], RNG.normal(size=n + 500))[500:]


def centred(values):
    return values - values.mean()


def time_of(values, points=4096):
    return autocorrelation_time(block_means(centred(values), points), len(values), float(values.var(ddof=1)))


def test_block_means_are_the_means_of_consecutive_stretches():
    assert block_means(np.arange(10.0), 5).tolist() == [0.5, 2.5, 4.5, 6.5, 8.5]


def test_block_means_of_a_length_that_does_not_divide_cover_every_value():
    means = block_means(np.arange(11.0), 4)
    assert means.tolist() == [0.5, 3.0, 6.0, 9.0]


def test_a_short_series_is_its_own_block_means():
    values = np.arange(3.0)
    assert block_means(values, 4) is values


@pytest.mark.parametrize("n", [300, 3000, 100_000])
def test_independent_values_are_worth_themselves(n):
    assert np.median([time_of(RNG.normal(size=n)) for _ in range(30)]) < 1.8


@pytest.mark.parametrize("phi", [0.5, 0.9, 0.98])
def test_the_time_of_an_autoregression_is_found_and_not_understated(phi):
    true = (1 + phi) / (1 - phi)
    found = np.median([time_of(autoregression(20_000, phi)) for _ in range(10)])
    assert true <= found < 1.8 * true


@pytest.mark.parametrize("phi", [0.5, 0.9])
def test_the_time_is_not_understated_at_a_hundred_values(phi):
    true = (1 + phi) / (1 - phi)
    assert np.quantile([time_of(autoregression(100, phi)) for _ in range(200)], 0.1) > 0.7 * true


def test_a_slow_wander_under_noise_is_seen():
    values = autoregression(5000, 0.98) / 5 + RNG.normal(size=5000)
    assert time_of(values) > 30


def test_a_random_walk_is_worth_next_to_nothing():
    assert time_of(np.cumsum(RNG.normal(size=1000))) > 200


def test_a_long_series_is_seen_through_its_blocks():
    values = autoregression(200_000, 0.999)
    assert 1000 < time_of(values) < 6000


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0, 3.0], [5.0] * 50])
def test_too_few_or_equal_values_are_worth_one(values):
    assert series_autocorrelation_time(np.array(values)) == len(values)


def test_a_long_constant_is_worth_one():
    assert autocorrelation_time(np.zeros(10), 1000, 0.0) == 1000


def test_blocks_that_all_agree_while_the_values_do_not_are_worth_one():
    assert autocorrelation_time(np.zeros(10), 1000, 1.0) == 10.0


def test_alternating_values_are_not_worth_more_than_themselves():
    assert series_autocorrelation_time(np.tile([1.0, -1.0], 200)) >= 1.0


def test_an_empty_series_is_worth_one():
    assert series_autocorrelation_time(np.empty(0)) == 1.0
