"""The median and the outermost values of a long series, without sorting it."""

import numpy as np
import pytest

from trueup.domains.telemetry.engine.sample import ENDS, sample_of
from trueup.kernel.stats import quantile_sorted

SERIES = {
    "normal": lambda r, n: r.normal(size=n),
    "few values": lambda r, n: np.round(r.normal(size=n)),
    "no mean at all": lambda r, n: r.standard_cauchy(n),
    "rising": lambda _, n: np.arange(n, dtype=np.float64),
    "falling": lambda _, n: np.arange(n, dtype=np.float64)[::-1],
    "constant": lambda _, n: np.full(n, 2.0),
    "a walk": lambda r, n: np.cumsum(r.normal(size=n)),
    "what is looked at first misleads": lambda r, n: np.where(np.arange(n) % max(1, n // 16_384) == 0, 1e9, r.normal(size=n)),
}


@pytest.mark.parametrize("n", [1, 2, 400, 401, 800, 801, 802, 5001, 40_000, 100_001])
@pytest.mark.parametrize("series", SERIES)
def test_median_and_ends_are_those_of_the_sorted_series(series, n):
    values = SERIES[series](np.random.default_rng(n), n)
    ordered, found = np.sort(values), sample_of(values)
    assert found.median == quantile_sorted(ordered, 0.5)
    assert np.array_equal(found.ends, ordered if n <= 2 * ENDS else np.concatenate((ordered[:ENDS], ordered[-ENDS:])))
