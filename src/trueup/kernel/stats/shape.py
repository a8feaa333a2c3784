"""Distance of two distributions after their location and scale have been made equal."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.kernel.stats.moments import quantile_sorted
from trueup.kernel.stats.twosample import ks_distance


@dataclass(frozen=True, slots=True)
class MidDistribution:
    """A distribution function, continuous also for data on a lattice: a polygon through the mid-distribution.

    Args:
        places: float64[k], distinct values, ascending.
        shares: float64[k], P(X < place) + P(X = place) / 2.

    References:
        Parzen (2004), "Quantile probability and statistical data modeling", section on mid-distributions.
    """

    places: NDArray[np.float64]
    shares: NDArray[np.float64]

    @classmethod
    def of(cls, ordered: NDArray[np.float64], *, points: int = 2048) -> "MidDistribution":
        """Build it from an ascending array, through at most ``points`` order statistics."""
        n = len(ordered)
        chosen = ordered if n <= points else ordered[np.linspace(0, n - 1, points).astype(np.int64)]
        places = np.unique(chosen)
        below = np.searchsorted(ordered, places, side="left")
        upto = np.searchsorted(ordered, places, side="right")
        return cls(places, (below + upto) / (2.0 * n))

    def moved(self, *, origin: float, unit: float) -> "MidDistribution":
        """Return the distribution of (X - origin) / unit."""
        return MidDistribution((self.places - origin) / unit, self.shares)

    def distance(self, other: "MidDistribution") -> float:
        """Return the greatest vertical distance of the two polygons."""
        mine = np.interp(other.places, self.places, self.shares, left=0.0, right=1.0)
        theirs = np.interp(self.places, other.places, other.shares, left=0.0, right=1.0)
        return float(max(np.max(np.abs(mine - other.shares)), np.max(np.abs(theirs - self.shares))))


def _serves(unit: float, ordered: NDArray[np.float64]) -> bool:
    """Whether values divided by this unit stay finite (a metric that mostly rests has no quartile distance)."""
    return unit > 1e-200 * max(abs(float(ordered[0])), abs(float(ordered[-1])))


def shape_distance(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    *,
    centres: tuple[float, float],
    deviations: tuple[float, float],
    points: int = 2048,
) -> float:
    """Return the Kolmogorov-Smirnov distance that no change of location and scale explains.

    The least of three distances: of the samples as they are, after aligning mean and standard deviation, and after
    aligning median and quartiles. The least, because a difference of shape is only what every alignment leaves: one
    wild value moves a standard deviation, a lattice of few values does not survive a small change of unit.

    Args:
        first: float64[n], ascending.
        second: float64[m], ascending.
        centres: means of the two samples.
        deviations: standard deviations of the two samples.
        points: accuracy; the answer is exact to about ``1 / points``.

    References:
        Lilliefors (1967), "On the Kolmogorov-Smirnov test for normality with mean and variance unknown": distances
        after alignment are stochastically smaller, so Kolmogorov's p-values are conservative for them.
    """
    distances = [ks_distance(first, second, points=points)]
    curve1, curve2 = MidDistribution.of(first, points=points), MidDistribution.of(second, points=points)
    quartiles = [tuple(quantile_sorted(s, q) for q in (0.25, 0.5, 0.75)) for s in (first, second)]
    spreads = (quartiles[0][2] - quartiles[0][0], quartiles[1][2] - quartiles[1][0])
    for origins, units in ((centres, deviations), ((quartiles[0][1], quartiles[1][1]), spreads)):
        if _serves(units[0], first) and _serves(units[1], second):
            aligned1 = curve1.moved(origin=origins[0], unit=units[0])
            distances.append(aligned1.distance(curve2.moved(origin=origins[1], unit=units[1])))
    return min(distances)
