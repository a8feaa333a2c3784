"""Where a change begins, and a run with its changes of level or spread taken out."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.sample import Track
from trueup.kernel.stats import cusum_p_value, cusum_statistic, segment_bounds

# a stretch shorter than this share of the series is an event, not a level
_LEAST_SHARE = 200
_LEAST_BLOCKS = 3


def margin(blocks: int) -> int:
    """Return the least number of blocks that a stretch of one level has."""
    return max(_LEAST_BLOCKS, blocks // _LEAST_SHARE)


def refine_cut(values: NDArray[np.float64], cut: int, *, reach: int) -> int:
    """Move a cut that was found among block means to the very value where the level changes.

    Args:
        values: float64[n].
        cut: where the change was found, 0 < cut < n.
        reach: how far, in values, the true place may lie; 0 keeps the cut.

    Returns:
        The place, within reach, that splits the neighbourhood best into the level before and the level after.
    """
    start, stop = max(0, cut - reach), min(len(values), cut + reach)
    if reach == 0 or cut - start < 1 or stop - cut < 1:
        return cut
    before = float(np.mean(values[max(0, cut - 4 * reach) : start])) if start > 0 else float(values[0])
    after = float(np.mean(values[stop : stop + 4 * reach])) if stop < len(values) else float(values[-1])
    # least squares with known levels: the sum of (x - midpoint) up to the cut is extreme there
    sums = np.concatenate(([0.0], np.cumsum(values[start:stop] - 0.5 * (before + after))))
    best = int(np.argmin(sums) if after > before else np.argmax(sums))
    return min(max(start + best, 1), len(values) - 1)


def value_bounds(values: NDArray[np.float64], blocks: int, bounds: Sequence[int]) -> list[int]:
    """Translate bounds among blocks to bounds among values, each inner one refined."""
    n = len(values)
    reach = 0 if blocks == n else 2 * (n // blocks + 1)
    inner = [refine_cut(values, bound * n // blocks, reach=reach) for bound in bounds[1:-1]]
    return sorted({0, n, *inner})


def level_bounds(track: Track, deviation: float, *, alpha: float) -> list[int]:
    """Cut a track's blocks into stretches of one level.

    Args:
        track: the series.
        deviation: long-run standard deviation of one of its blocks.
        alpha: significance at which a stretch is cut again.
    """
    return segment_bounds(
        track.blocks,
        significant=lambda stretch: cusum_p_value(cusum_statistic(stretch, deviation)) < alpha,
        margin=margin(len(track.blocks)),
    )


def without_levels(values: NDArray[np.float64], bounds: Sequence[int]) -> NDArray[np.float64]:
    """Return the values less the median of their stretch.

    The median, because it leaves values of a lattice on the lattice, and a metric that mostly rests at rest.
    """
    residual = values.copy()
    for start, stop in pairwise(bounds):
        if start == stop:
            continue
        part = residual[start:stop]
        # the copy is put in disorder for its median, and filled again
        np.subtract(values[start:stop], float(np.median(part, overwrite_input=True)), out=part)
    return residual
