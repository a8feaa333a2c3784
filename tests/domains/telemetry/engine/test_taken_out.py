"""What is taken out of a run before its other tests is never lost by the adjustment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domains.telemetry.engine.tables import table
from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.domains.telemetry.engine.rawtest import sure_below
from trueup.kernel.stats import benjamini_hochberg


@given(st.integers(1, 60), st.floats(0.0, 1.0, exclude_max=True), st.data())
def test_a_sure_p_value_is_significant_among_any_others(metrics, share, data):
    alpha = 0.01
    others = data.draw(st.lists(st.floats(0.0, 1.0), max_size=15 * metrics))
    assert benjamini_hochberg([share * sure_below(alpha, metrics), *others])[0] < alpha


@pytest.mark.parametrize("size", [0.4, 0.7, 1.0, 2.0])
def test_a_trend_in_a_wide_table_is_found_or_left_in_and_never_hidden(size):
    r = np.random.default_rng(1)
    names = [f"m{k}" for k in range(60)]
    baseline, run = ({name: r.normal(size=200) for name in names} for _ in range(2))
    run["m7"] = run["m7"] + np.linspace(0.0, size, 200)
    answer = next(
        item for item in compare(table(**baseline), table(**run), config=CompareConfig()).metrics if item.metric == "m7"
    )
    sure = sure_below(0.01, len(names))
    assert all(test.significant for test in answer.tests if test.p_value < sure and test.effect >= test.floor)
