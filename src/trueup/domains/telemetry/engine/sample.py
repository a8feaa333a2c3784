"""One side of one metric: its values, and everything about them that the tests need, computed once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.table import ColumnData
from trueup.kernel.stats import Moments, autocorrelation_time, block_means, quantile_sorted

POINTS = 4096
"""Block means that stand for a long series where its memory and its changes are looked for."""

ENDS = 200
"""Least and greatest values that are kept apart."""

# values that tell where to look for the others
_SAMPLE = 1 << 14
# squares and sums of values within 2^±400 stay finite and do not vanish
_SAFE_EXPONENT = 400
# deviations that differ by no more than this share of their mean differ by rounding only
_STILL = 1e-9
_GREATEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class Track:
    """A series with its moments, its block means (centred) and its autocorrelation time.

    Args:
        is_known: whether the time is known from more than this series.
    """

    moments: Moments
    blocks: NDArray[np.float64]
    tau: float
    is_known: bool = False

    @property
    def effective(self) -> float:
        """Number of independent values that the series is worth."""
        return self.moments.n / self.tau


class Series:
    """The values of a sample, in row order or in ascending order; both only where there is room for both.

    Args:
        values: float64[n].
        owned: nobody else holds them, so that they may be sorted where they lie.
    """

    __slots__ = ("_ordered", "_owned", "_values", "n")

    def __init__(self, values: NDArray[np.float64], *, owned: bool) -> None:
        self._values: NDArray[np.float64] | None = values
        self._ordered: NDArray[np.float64] | None = None
        self._owned = owned
        self.n = len(values)

    @property
    def values(self) -> NDArray[np.float64]:
        """Return the values in row order.

        Raises:
            RuntimeError: their order was given up.
        """
        if self._values is None:
            raise RuntimeError("the order of these values was given up")
        return self._values

    @property
    def ordered(self) -> NDArray[np.float64]:
        """Return the values in ascending order; they are sorted once."""
        if self._ordered is None:
            self._ordered = np.sort(self.values)
        return self._ordered

    def give_up_order(self) -> None:
        """Sort the values where they lie, if that is allowed and worth it: from then on only ``ordered`` is known."""
        if self._owned and self._ordered is None and self.n > POINTS:
            self._ordered, self._values = self.values, None
            self._ordered.sort()


@dataclass(frozen=True, slots=True)
class Sample:
    """The values of one metric on one side, in the comparison's unit (a power of two times the file's).

    Args:
        series: the values, n ≥ 1.
        ends: float64[k], the least and the greatest ``ENDS`` values, ascending; all of them where there are no more.
        level: the values as a series.
        spread: their absolute deviations from the median as a series.
        median: of the values.
    """

    series: Series
    ends: NDArray[np.float64]
    level: Track
    spread: Track
    median: float

    @property
    def values(self) -> NDArray[np.float64]:
        """The values, in row order."""
        return self.series.values

    @property
    def ordered(self) -> NDArray[np.float64]:
        """The values, ascending."""
        return self.series.ordered

    @property
    def n(self) -> int:
        """Number of values."""
        return self.series.n

    @property
    def low(self) -> float:
        """Least value."""
        return float(self.ends[0])

    @property
    def high(self) -> float:
        """Greatest value."""
        return float(self.ends[-1])

    @property
    def sd(self) -> float:
        """Standard deviation, never 0: a deviation too small to be squared still is one."""
        return max(self.level.moments.sd, 1e-150)


def clean(column: ColumnData) -> ColumnData:
    """Return the column with values that are not finite set aside, as a source should have done."""
    values = column.values
    # the sum is finite only if every value is, or if it overflowed: then the values are looked at one by one
    if not len(values) or math.isfinite(float(np.min(values)) - float(np.max(values))):
        return column
    finite = np.isfinite(values)
    aside = int(len(values) - np.count_nonzero(finite))
    if not aside:
        return column
    rows = np.arange(len(values), dtype=np.int64) if column.rows is None else column.rows
    reasons = dict(column.quarantined)
    reasons["non_finite"] = reasons.get("non_finite", 0) + aside
    return ColumnData(values[finite], column.total, rows[finite], column.missing, reasons)


def common_exponent(*columns: NDArray[np.float64]) -> int:
    """Return the power of two by which both sides are divided; 0 unless their squares would leave float64."""
    peak = max(max(abs(float(values.min())), abs(float(values.max()))) for values in columns)
    exponent = math.frexp(peak)[1]
    return exponent if abs(exponent) > _SAFE_EXPONENT else 0


def _series_moments(series: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean and unbiased variance of values whose mean is no greater than their deviation.

    Sums of squares about such an origin cancel at most one bit, so one pass is as good as two.
    """
    n = len(series)
    mean = float(np.mean(series))
    square = float(np.einsum("i,i->", series, series))
    return mean, max(0.0, square - n * mean * mean) / (n - 1) if n > 1 else 0.0


def _track(series: NDArray[np.float64], origin: float) -> Track:
    mean, variance = _series_moments(series)
    blocks = block_means(series, POINTS) - mean
    return Track(Moments(len(series), origin + mean, variance), blocks, autocorrelation_time(blocks, len(series), variance))


def spread_track(residual: NDArray[np.float64], tau: float) -> Track:
    """Return the absolute deviations of values whose stretches have the median 0 as a series; the array is used up.

    Args:
        residual: float64[n].
        tau: of the values. Two values at equal distances from their median deviate by a constant, which has no memory
            of its own: theirs is taken.
    """
    np.abs(residual, out=residual)
    track = _track(residual, 0.0)
    still = track.moments.sd <= _STILL * track.moments.mean
    return replace(track, moments=replace(track.moments, variance=0.0), tau=tau) if still else track


def sample_of(values: NDArray[np.float64], *, exponent: int = 0, owned: bool = False) -> Sample:
    """Compute everything about one side of a metric.

    Args:
        values: float64[n], finite, n ≥ 1, in row order.
        exponent: from ``common_exponent``.
        owned: nobody else holds the values: they may be sorted where they lie once their order is no longer needed.
    """
    if exponent:
        values, owned = np.ldexp(values, -exponent), True
    median, ends = _middle_and_ends(values)
    # one array serves both series: at a million values each further one costs more than its arithmetic
    work = values - median
    level = _track(work, median)
    return Sample(Series(values, owned=owned), ends, level, spread_track(work, level.tau), median)


def _middle_and_ends(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Return the median and the outermost values, exactly.

    References:
        Floyd & Rivest (1975), "Expected time bounds for selection": a sample tells between which values to look.
    """
    n = len(values)
    if n <= 4 * ENDS:
        ordered = np.sort(values)
        return quantile_sorted(ordered, 0.5), ordered if n <= 2 * ENDS else np.concatenate((ordered[:ENDS], ordered[-ENDS:]))
    sample = np.sort(values[:: max(1, n // _SAMPLE)])
    reach = min(len(sample) - 1, 3 * ENDS * len(sample) // n + 8)
    low, high = values[values <= sample[reach]], values[values >= sample[-1 - reach]]
    below = int(0.5 * (n - 1))
    middle, spread = len(sample) // 2, 2 * math.isqrt(len(sample))
    least, most = sample[max(0, middle - spread)], sample[min(len(sample) - 1, middle + spread)]
    place = below - int(np.count_nonzero(values < least))
    inside = values[(values >= least) & (values <= most)]
    if min(len(low), len(high)) < ENDS or not 0 <= place < len(inside) - 1:
        inside = low = high = np.sort(values)
        place = below
    else:
        inside.partition([place, place + 1])
        low.sort()
        high.sort()
    # between the two in the middle, as between all values in their order
    median = quantile_sorted(inside[place : place + 2], 0.5 * (n - 1) - below)
    return median, np.concatenate((low[:ENDS], high[-ENDS:]))


def finite(value: float) -> float:
    """Return the value, held within what JSON and a report can show."""
    return max(-_GREATEST, min(_GREATEST, value))


def unscaled(value: float, exponent: int) -> float:
    """Return a number of the comparison's unit in the file's unit."""
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(_GREATEST, value)


def summary(sample: Sample | None, column: ColumnData, exponent: int) -> Mapping[str, Any]:
    """Return the numbers about one side that a finding or a report shows, in the file's unit."""
    counts: dict[str, Any] = {
        "n": len(column.values),
        "rows": column.total,
        "missing": column.missing,
        "quarantined": sum(column.quarantined.values()),
    }
    if sample is None:
        return counts
    numbers = {
        "mean": sample.level.moments.mean,
        "sd": sample.level.moments.sd,
        "median": sample.median,
        "low": sample.low,
        "high": sample.high,
        "mean_deviation": sample.spread.moments.mean,
    }
    shown = {name: unscaled(value, exponent) for name, value in numbers.items()}
    return counts | shown | {"effective_n": sample.level.effective}
