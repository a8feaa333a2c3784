"""Lines in a spectrum: one frequency that stands out from its neighbours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# fewer cycles than this in a series are a trend or a change of level, not an oscillation
_LEAST_CYCLES = 3
# ordinates left and right of a frequency that tell what noise there is; the nearest hold what leaks from a line
_REACH = 9
_LEAK = 2
_FINE = 33


@dataclass(frozen=True, slots=True)
class Peak:
    """The strongest line of a series.

    Args:
        frequency: cycles per value; 0 where the series is too short to have any.
        amplitude: half of peak to peak, in the unit of the values.
        ratio: its ordinate over the noise around it.
        p_value: of so high an ordinate anywhere in the spectrum, by noise alone.
    """

    frequency: float
    amplitude: float
    ratio: float
    p_value: float


NO_PEAK = Peak(0.0, 0.0, 0.0, 1.0)


def periodogram(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return |X(f)|² / n at the Fourier frequencies j / n, j = 0 … (n-1)//2; the mean is taken out.

    White noise of variance v has ordinates of mean v; a cosine of amplitude a on one of them has a² n / 4.
    """
    n = len(series)
    spectrum = np.fft.rfft(series - float(np.mean(series)))[: (n - 1) // 2 + 1]
    power: NDArray[np.float64] = (spectrum.real**2 + spectrum.imag**2) / n
    return power


def _sums(power: NDArray[np.float64], low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sums over [low, high), held within the ordinates 1 …."""
    total = np.concatenate(([0.0], np.cumsum(power)))
    found: NDArray[np.float64] = total[np.clip(high, 1, len(power))] - total[np.clip(low, 1, len(power))]
    return found


def _noise(
    power: NDArray[np.float64], places: NDArray[np.int64], *, leak: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of the ordinates around each place, and how many they are, less the place and ``leak`` neighbours."""
    ones = np.ones_like(power)
    low, high = places - _REACH, places + _REACH + 1
    total, count = _sums(power, low, high), _sums(ones, low, high)
    if leak >= 0:
        total = total - _sums(power, places - leak, places + leak + 1)
        count = count - _sums(ones, places - leak, places + leak + 1)
    return np.maximum(total, 0.0) / np.maximum(count, 1.0), count


def strongest_line(series: NDArray[np.float64], power: NDArray[np.float64], *, memory: float = 0.0) -> Peak:
    """Find the frequency at which a series oscillates most beyond the noise around it and beyond a reference.

    Under the null hypothesis an ordinate over the mean of k others is distributed as F(2, 2k); the greater of both
    sides' noise is taken, so a reference with the same line, or more noise, excuses it.

    Args:
        series: float64[n]; below 16 values there is no answer.
        power: periodogram of the reference, in the same unit per value; of any length.
        memory: first-order autocorrelation by which both spectra are made flat before neighbours are compared.

    References:
        Fisher (1929), "Tests of significance in harmonic analysis"; Percival & Walden (1993), "Spectral analysis for
        physical applications", section 10.
    """
    n = len(series)
    own = periodogram(series)
    places = np.arange(_LEAST_CYCLES, len(own), dtype=np.int64)
    if n < 16 or len(power) < 8 or not len(places):
        return NO_PEAK
    flat = [side / _shape(np.arange(len(side)) / size, memory) for side, size in ((own, n), (power, 2.0 * len(power) - 1.0))]
    there = np.clip(np.rint(places * ((2.0 * len(power) - 1.0) / n)).astype(np.int64), 1, len(power) - 1)
    mine, count = _noise(flat[0], places, leak=_LEAK)
    theirs, others = _noise(flat[1], there, leak=-1)
    level = np.maximum(mine, theirs)
    level = np.maximum(level, np.finfo(np.float64).tiny)
    ratio = flat[0][places] / level
    freedom = np.maximum(np.minimum(count, others), 1.0)
    tail = -freedom * np.log1p(ratio / freedom)
    best = int(np.argmin(tail))
    p_value = float(min(1.0, len(places) * np.exp(tail[best])))
    if p_value >= 1.0:
        return Peak(float(places[best]) / n, 2.0 * float(np.sqrt(own[places[best]] / n)), float(ratio[best]), 1.0)
    frequency = _refined(series, float(places[best]))
    return Peak(frequency, amplitude_at(series, frequency), float(ratio[best]), p_value)


def _shape(frequencies: NDArray[np.float64], memory: float) -> NDArray[np.float64]:
    """Return the spectrum of a first-order autoregression, up to a factor."""
    found: NDArray[np.float64] = 1.0 / (1.0 - 2.0 * memory * np.cos(2.0 * np.pi * frequencies) + memory * memory)
    return found


def _refined(series: NDArray[np.float64], place: float) -> float:
    """Return the frequency between two Fourier frequencies at which the series oscillates most."""
    n = len(series)
    grid = (place + np.linspace(-0.75, 0.75, _FINE)) / n
    return float(grid[int(np.argmax([amplitude_at(series, float(frequency)) for frequency in grid]))])


def amplitude_at(series: NDArray[np.float64], frequency: float) -> float:
    """Return the amplitude with which a centred series oscillates at a frequency, in cycles per value."""
    turns = 2.0 * np.pi * frequency * np.arange(len(series))
    return float(2.0 * np.hypot(np.mean(series * np.cos(turns)), np.mean(series * np.sin(turns))))
