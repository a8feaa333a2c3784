import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trueup.kernel.stats import benjamini_hochberg, benjamini_yekutieli

P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60)


@given(P_VALUES)
def test_benjamini_hochberg_agrees_with_scipy(p_values):
    assert benjamini_hochberg(p_values) == pytest.approx(list(stats.false_discovery_control(p_values, method="bh")))


@given(P_VALUES)
def test_benjamini_yekutieli_agrees_with_scipy(p_values):
    assert benjamini_yekutieli(p_values) == pytest.approx(list(stats.false_discovery_control(p_values, method="by")))


@given(P_VALUES, st.randoms(use_true_random=False))
def test_the_order_of_the_tests_does_not_matter(p_values, random):
    places = list(range(len(p_values)))
    random.shuffle(places)
    shuffled = benjamini_hochberg([p_values[place] for place in places])
    assert shuffled == [benjamini_hochberg(p_values)[place] for place in places]


def test_no_tests_have_no_q_values():
    assert benjamini_hochberg([]) == []
