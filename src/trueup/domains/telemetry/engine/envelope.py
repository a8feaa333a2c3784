"""What a report draws of a metric: thinned series and histograms over shared edges."""

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.result import Envelope

BUCKETS = 240
BINS = 60


def envelope(values: NDArray[np.float64], *, buckets: int = BUCKETS) -> Envelope | None:
    """Thin a series to the least, mean and greatest value of consecutive buckets; None for no values.

    Args:
        values: float64[n], in row order. Buckets hold equally many values, so rows without a value take no room.
        buckets: greatest number of buckets.
    """
    n = len(values)
    if n == 0:
        return None
    count = min(n, buckets)
    starts = np.arange(count, dtype=np.int64) * n // count
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    # divided before it is summed where the sum itself could overflow
    lengths = np.diff(np.append(starts, n))
    huge = max(abs(float(low.min())), abs(float(high.max()))) > np.finfo(np.float64).max / n
    mean = np.add.reduceat(values / np.repeat(lengths, lengths) if huge else values, starts) / (1 if huge else lengths)
    return Envelope(low=low, mean=np.clip(mean, low, high), high=high)


def histogram_edges(low: float, high: float, *, bins: int = BINS) -> NDArray[np.float64]:
    """Return bin edges that hold every value of both samples; a single bin around a single value.

    Args:
        low: least value of both samples together, |low| ≤ 1e300.
        high: greatest value, |high| ≤ 1e300.
        bins: greatest number of bins; fewer where neighbouring edges are the same number.
    """
    if low == high:
        pad = max(abs(low) * 0.5, 0.5)
        return np.array([low - pad, low + pad])
    edges = np.unique(np.linspace(low, high, bins + 1))
    edges[0], edges[-1] = low, high
    return edges


def histogram(ordered: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of values in each bin [edge, next edge), the last one closed; the shares sum to 1.

    Args:
        ordered: float64[n], ascending, n ≥ 1.
        edges: float64[k + 1], ascending, from the least to the greatest value.
    """
    places = np.searchsorted(ordered, edges, side="left")
    places[-1] = len(ordered)
    shares: NDArray[np.float64] = np.diff(places) / len(ordered)
    return shares
