"""Lines in a spectrum: found where there is one, and not in noise, white or coloured."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.signal import periodogram as scipy_periodogram

from trueup.kernel.stats import amplitude_at, periodogram, strongest_line


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("n", [101, 256, 1000])
def test_the_ordinates_are_scipys(n):
    series = rng(n).normal(size=n)
    theirs = scipy_periodogram(series, detrend="constant", scaling="density")[1]
    # scipy's density counts both halves of the spectrum
    assert periodogram(series)[1:] == pytest.approx(theirs[1 : (n - 1) // 2 + 1] / 2.0)


def test_a_line_is_found_at_its_frequency_and_amplitude():
    n = 1000
    series = 2.0 * np.sin(2 * np.pi * np.arange(n) / 37.3) + rng(1).normal(size=n)
    peak = strongest_line(series, periodogram(rng(2).normal(size=n)))
    assert 1.0 / peak.frequency == pytest.approx(37.3, rel=0.005)
    assert peak.amplitude == pytest.approx(2.0, abs=0.15)
    assert peak.p_value < 1e-12


@pytest.mark.parametrize("memory", [0.0, 0.9])
def test_noise_has_a_line_no_more_often_than_its_p_value_says(memory):
    r, hits = rng(3), 0
    for _ in range(300):
        noise, other = (lfilter([1.0], [1.0, -memory], r.normal(size=700))[200:] for _ in range(2))
        hits += strongest_line(noise, periodogram(other), memory=memory).p_value < 0.01
    assert hits <= 9


def test_a_line_that_the_reference_is_full_of_is_no_line():
    n, r = 1000, rng(4)
    noise = 40.0 * lfilter([1.0], [1.0, -1.9, 0.98], r.normal(size=3 * n))[n:]
    assert strongest_line(noise[:n], periodogram(noise[n:])).p_value > 1e-4


def test_a_short_series_has_no_answer():
    assert strongest_line(np.arange(10.0), periodogram(np.arange(50.0))).p_value == 1.0


def test_the_amplitude_of_a_cosine_is_its_own():
    assert amplitude_at(3.0 * np.cos(2 * np.pi * np.arange(400) / 40), 1 / 40) == pytest.approx(3.0)
