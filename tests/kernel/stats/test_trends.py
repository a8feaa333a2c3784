"""Lines through series: tested like SciPy, and found where they begin."""

import numpy as np
import pytest
from scipy import stats

from trueup.kernel.stats import best_ramp, ramp, slope_test


def test_the_slope_over_its_error_is_that_of_a_regression():
    series = np.random.default_rng(1).normal(size=300) + np.linspace(0, 1, 300)
    theirs = stats.linregress(np.arange(300.0), series)
    rest = series - theirs.intercept - theirs.slope * np.arange(300)
    deviation = float(np.sqrt(np.sum(rest**2) / 298))
    ours = slope_test(series - series.mean(), deviation, 300)
    assert ours.statistic == pytest.approx(theirs.slope / theirs.stderr)
    assert ours.p_value == pytest.approx(theirs.pvalue)


def test_noise_has_a_slope_as_often_as_its_p_value_says():
    r = np.random.default_rng(2)
    hits = sum(slope_test(r.normal(size=200), 1.0, 200).p_value < 0.05 for _ in range(1000))
    assert 30 <= hits <= 72


def test_nothing_that_deviates_has_no_slope():
    assert slope_test(np.arange(9.0), 0.0, 9).p_value == 1.0


@pytest.mark.parametrize("start", [0.0, 0.4, 0.7])
def test_a_ramp_is_found_where_it_begins(start):
    series = ramp(2000, start * 2000, 4.0) + 0.2 * np.random.default_rng(3).normal(size=2000)
    found, rise, gain = best_ramp(series - series.mean())
    assert found / 2000 == pytest.approx(start, abs=0.04)
    assert rise == pytest.approx(4.0, rel=0.1)
    assert gain > 0.0


def test_a_ramp_ends_at_its_rise():
    assert ramp(11, 5, 3.0).tolist()[4:] == pytest.approx([0, 0, 0.6, 1.2, 1.8, 2.4, 3.0])
