import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trueup.kernel.stats import mad, moments, quantile_sorted


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("offset", [0.0, 1.0, -1e6, 1e9])
def test_the_variance_survives_any_scale_and_offset(scale, offset):
    # steps of a power of two are exact at any of these offsets, so the true variance is known
    steps = np.arange(1000, dtype=np.float64) % 7
    unit = 2.0 ** np.round(np.log2(scale))
    if offset and unit * 2**40 < abs(offset):
        offset = offset * unit
    found = moments(offset + steps * unit)
    assert found.variance == pytest.approx(np.var(steps, ddof=1) * unit**2, rel=1e-9)
    assert found.sd == pytest.approx(np.std(steps, ddof=1) * unit, rel=1e-9)
    assert found.mean == pytest.approx(offset + steps.mean() * unit, rel=1e-12)


def test_a_single_value_has_no_variance():
    assert moments(np.array([3.0])).variance == 0.0


def test_a_constant_has_no_variance_at_all():
    assert moments(np.full(1000, 0.1)).variance == 0.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.floats(0.0, 1.0))
def test_quantiles_agree_with_numpy(values, share):
    ordered = np.sort(np.array(values))
    assert quantile_sorted(ordered, share) == pytest.approx(np.quantile(ordered, share), rel=1e-9, abs=1e-9)


def test_quantiles_of_the_greatest_numbers_do_not_overflow():
    assert quantile_sorted(np.array([-1.7e308, 1.7e308]), 0.5) == 0.0


def test_the_median_absolute_deviation_agrees_with_scipy():
    values = np.sort(np.random.default_rng(1).standard_t(2, size=501))
    assert mad(values) == pytest.approx(stats.median_abs_deviation(values, scale="normal"), rel=1e-9)
