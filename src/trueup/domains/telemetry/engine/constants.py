"""Metrics that are constant on one side or on both.

A constant has no deviation to measure a change in, so there is no test and no floor: a constant that stands at another
value has changed, and that is certain. Where only one side is constant, the cells that depart from it are counted:

* *the baseline was constant, the run is not:* a finding when more than half of the run departs, when it departs in so
  many of twenty equal stretches that chance would not have left them all on the run's side (a test among the others,
  and adjusted with them), or when at least forty cells depart. A few isolated cells are neither a drift nor a pass: new, and too few to tell.
* *the run is constant, the baseline was not:* a finding when more than half of the baseline stood elsewhere, or when
  it departed in so many stretches that their absence is no chance. A run that stands where the baseline nearly always
  stood is no difference.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Kind

_STRETCHES = 20
# so many departing cells, in units of the least sample, are a behaviour and not an event
_MANY = 2


@dataclass(frozen=True, slots=True)
class Departures:
    """How the varying side departs from the constant one.

    Args:
        cells, share: departing cells, and their share of the varying side.
        first: index of the first departing value.
        chance: probability that all stretches with a departure fall on one side if both sides are alike.
    """

    cells: int
    share: float
    first: int
    chance: float


def departures(varying: NDArray[np.float64], constant: float, others: int) -> Departures:
    """Count how a side departs from the other side's constant.

    Args:
        varying: float64[n], with at least one value that is not ``constant``.
        constant: the value of the other side.
        others: number of values of the other side.

    References:
        Fisher's exact test for a table with an empty cell: the tail is the product of the shares.
    """
    n = len(varying)
    away = np.flatnonzero(varying != constant)
    touched = len(np.unique(away * min(_STRETCHES, n) // n))
    return Departures(len(away), len(away) / n, int(away[0]), float((n / (n + others)) ** touched))


def departure_test(found: Departures) -> RawTest:
    """Return the test that the departing stretches all fell on one side by chance; it has no floor."""
    return RawTest("departures", Kind.CONSTANT_CHANGED, float(found.cells), found.chance, found.share, 0.0, 1.0)


def became_varying(found: Departures, config: CompareConfig) -> bool:
    """Decide whether a run surely departs from the baseline's constant; if not, the test decides, or it is not known."""
    return found.share > 0.5 or found.cells >= _MANY * config.min_n


def became_constant(found: Departures) -> bool:
    """Decide whether a run surely stands still where the baseline varied; if not, the test decides."""
    return found.share > 0.5


def relative_change(before: float, after: float) -> float:
    """Return |after - before| over the greater magnitude, 0…2: 1 when one of them is 0, 2 when only the sign changed."""
    magnitude = max(abs(before), abs(after))
    return abs(after / magnitude - before / magnitude) if magnitude else 0.0
