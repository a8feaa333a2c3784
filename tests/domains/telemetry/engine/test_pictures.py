import numpy as np
import pytest

from tests.domains.telemetry.engine.tables import column, judged, metric
from trueup.domains.telemetry.engine.envelope import envelope, histogram, histogram_edges


def test_an_envelope_holds_every_value_between_its_lines():
    values = np.random.default_rng(1).normal(size=10_007)
    thin = envelope(values)
    assert len(thin.low) == len(thin.mean) == len(thin.high) == 240
    assert (thin.low.min(), thin.high.max()) == (values.min(), values.max())
    assert (thin.low <= thin.mean).all()
    assert (thin.mean <= thin.high).all()


def test_a_short_series_is_its_own_envelope():
    values = np.array([3.0, 1.0, 2.0])
    assert envelope(values).mean.tolist() == values.tolist()


def test_no_values_have_no_envelope():
    assert envelope(np.empty(0)) is None


def test_the_mean_of_the_greatest_numbers_does_not_overflow():
    assert envelope(np.full(1000, 1.7e308)).mean == pytest.approx(1.7e308)


def test_a_spike_in_a_million_is_not_thinned_away():
    values = np.zeros(1_000_000)
    values[123_456] = 9.0
    assert envelope(values).high.max() == 9.0


def test_a_histogram_agrees_with_numpy():
    values = np.sort(np.random.default_rng(2).normal(size=1000))
    edges = histogram_edges(values[0], values[-1])
    assert histogram(values, edges) * 1000 == pytest.approx(np.histogram(values, edges)[0])


def test_a_single_value_has_a_single_bin_around_it():
    edges = histogram_edges(4.0, 4.0)
    assert edges.tolist() == [2.0, 6.0]
    assert histogram(np.full(5, 4.0), edges).tolist() == [1.0]


def test_neighbouring_numbers_have_as_many_bins_as_there_are_numbers_between():
    edges = histogram_edges(1.0, float(np.nextafter(1.0, 2.0)))
    assert len(edges) == 2


def test_both_sides_share_the_edges_of_both():
    result = metric(judged(np.linspace(0.0, 1.0, 50), np.linspace(5.0, 6.0, 50)))
    assert (result.histogram_edges[0], result.histogram_edges[-1]) == (0.0, 6.0)
    assert result.baseline_histogram.sum() == pytest.approx(1.0)
    assert result.run_histogram[:40].sum() == 0.0


def test_a_side_without_values_has_no_picture():
    result = metric(judged(np.linspace(0.0, 1.0, 50), column(np.zeros(50), missing=range(50))))
    assert (result.run_envelope, result.run_histogram) == (None, None)
    assert result.baseline_histogram is not None


def test_the_edges_of_a_metric_near_the_limits_are_in_its_own_unit():
    result = metric(judged(np.linspace(0.0, 1e308, 50), np.linspace(0.0, 1e308, 50)))
    assert result.histogram_edges[-1] == pytest.approx(1e308)
