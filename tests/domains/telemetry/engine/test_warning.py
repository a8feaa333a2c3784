"""Early warning: scatter that grows, room that shrinks, and when a limit is reached."""

import numpy as np
import pytest

from tests.domains.telemetry.engine.tables import autoregression
from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.warning import margin, time_to_limit, variance_growth

CONFIG = CompareConfig()
N = 1000


def noise(seed=0, n=N):
    return np.random.default_rng(seed).normal(size=n)


def seconds(n=N):
    return 0.1 * np.arange(n)


def test_a_scatter_that_doubles_is_growth():
    found = variance_growth(noise(3) * np.linspace(1.0, 3.0, N), CONFIG)
    assert found.significant
    assert found.ratio == pytest.approx(1.67, abs=0.2)


def test_a_scatter_that_stays_is_none():
    assert sum(variance_growth(noise(seed), CONFIG).significant for seed in range(100)) <= 3


def test_a_scatter_that_shrinks_is_no_growth():
    assert not variance_growth(noise(1) * np.linspace(3.0, 1.0, N), CONFIG).significant


@pytest.mark.parametrize("values", [noise(1, 30), np.full(N, 3.0), np.cumsum(noise(1, 100))])
def test_a_scatter_that_cannot_be_told_is_not(values):
    found = variance_growth(values, CONFIG)
    assert (found.ratio, found.significant) == (None, False)


def test_half_the_room_gone_is_half_eroded():
    found = margin(np.full(50, 5.0), np.full(50, 7.5), 10.0)
    assert (found.baseline, found.run, found.erosion) == (5.0, 2.5, 0.5)


def test_room_below_is_counted_downwards():
    assert margin(np.full(50, 5.0), np.full(50, 4.0), 3.0, above=False).erosion == 0.5


def test_a_baseline_beyond_the_limit_had_no_room():
    assert margin(np.full(50, 11.0), np.full(50, 12.0), 10.0).erosion is None


def test_a_side_without_values_has_no_margin():
    assert margin(np.empty(0), np.full(50, 12.0), 10.0) is None


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_trend_reaches_its_limit_when_it_does(sign):
    values = sign * (10.0 + 0.05 * seconds() + 0.5 * noise(1))
    found = time_to_limit(values, seconds(), sign * 20.0, CONFIG, above=sign > 0)
    # 15 after 100 s, 5 to go at 0.05 a second
    assert found.known
    assert found.low < 100.0 < found.high
    assert found.seconds == pytest.approx(100.0, rel=0.06)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    hits = 0
    for seed in range(100):
        found = time_to_limit(10.0 + 0.05 * seconds() + 0.5 * noise(seed), seconds(), 20.0, CONFIG)
        hits += found.low <= 100.0 <= found.high
    assert hits >= 90


def test_without_a_trend_the_time_is_unknown():
    found = [time_to_limit(noise(seed), seconds(), 5.0, CONFIG) for seed in range(60)]
    assert sum(one.known for one in found) <= 2
    assert "no significant trend" in found[0].reason


def test_a_wander_is_no_trend():
    found = [time_to_limit(autoregression(0.9)(np.random.default_rng(s), N), seconds(), 20.0, CONFIG) for s in range(60)]
    assert sum(one.known for one in found) <= 3


def test_a_trend_away_from_the_limit_never_reaches_it():
    assert "away" in time_to_limit(noise(1) - 0.1 * seconds(), seconds(), 20.0, CONFIG).reason


def test_a_limit_that_is_reached_is_0_seconds_away():
    assert time_to_limit(noise(1) + 0.3 * seconds(), seconds(), 20.0, CONFIG).seconds == 0.0


@pytest.mark.parametrize(("n", "step"), [(10, 0.1), (100, 0.0)])
def test_too_few_values_or_no_time_are_unknown(n, step):
    assert not time_to_limit(noise(1, n), step * np.arange(n), 5.0, CONFIG).known
