import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from trueup.kernel.stats import beta_regularised, kolmogorov_sf, normal_cdf, normal_sf, t_sf


@pytest.mark.parametrize("t", [-40.0, -3.0, -1e-9, 0.0, 1e-9, 0.5, 2.0, 6.0, 30.0, 1e4, 1e160])
@pytest.mark.parametrize("df", [0.5, 1.0, 2.0, 3.7, 10.0, 99.5, 1e3, 5e4, 2e5, 1e7, 1e9])
def test_students_tail_agrees_with_scipy(t, df):
    assert t_sf(t, df) == pytest.approx(stats.t.sf(t, df), rel=2e-7, abs=1e-300)


def test_students_tail_with_infinite_degrees_of_freedom_is_the_normal_tail():
    assert t_sf(1.96, math.inf) == pytest.approx(stats.norm.sf(1.96), rel=1e-12)


@pytest.mark.parametrize("z", [-40.0, -8.0, -1.0, 0.0, 0.3, 5.0, 30.0])
def test_the_normal_functions_agree_with_scipy(z):
    assert normal_cdf(z) == pytest.approx(stats.norm.cdf(z), rel=1e-12)
    assert normal_sf(z) == pytest.approx(stats.norm.sf(z), rel=1e-12)


@given(st.floats(0.05, 1e4), st.floats(0.05, 1e4), st.floats(0.0, 1.0))
def test_the_incomplete_beta_function_agrees_with_scipy(a, b, x):
    assert beta_regularised(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-7, abs=1e-12)


@given(st.floats(0.0, 12.0))
def test_kolmogorovs_tail_agrees_with_scipy(x):
    assert kolmogorov_sf(x) == pytest.approx(special.kolmogorov(x), rel=1e-9, abs=1e-12)


def test_kolmogorovs_tail_is_one_at_and_below_zero():
    assert kolmogorov_sf(0.0) == kolmogorov_sf(-1.0) == 1.0
