"""Bounds that every value of a metric has to keep: invariants, and the limit above which it fails.

Values are judged as they stand in the table, in the metric's unit; no baseline is needed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.config import MetricRule
from trueup.domains.telemetry.engine.result import Kind


@dataclass(frozen=True, slots=True)
class Broken:
    """A bound that was broken.

    Args:
        kind: limit or invariant.
        first, last: indices of the first and the last value that broke it.
        count: values that broke it, those that did not persist not counted.
        worst: the value farthest beyond it.
        words: what is wrong, from the verb on.
    """

    kind: Kind
    first: int
    last: int
    count: int
    worst: float
    words: str


def persistent(broken: NDArray[np.bool_], k: int, n: int) -> NDArray[np.bool_]:
    """Keep what is broken in a window of n values in a row with at least k broken ones.

    >>> persistent(np.array([True, False, False, True, True]), 2, 3).tolist()
    [False, False, False, True, True]
    """
    if k <= 1 or not broken.any():
        return broken
    size = min(n, len(broken))
    sums = np.concatenate(([0], np.cumsum(broken)))
    starts = np.flatnonzero(sums[size:] - sums[:-size] >= k)
    edges = np.zeros(len(broken) + 1, dtype=np.int64)
    np.add.at(edges, starts, 1)
    np.add.at(edges, starts + size, -1)
    kept: NDArray[np.bool_] = broken & (np.cumsum(edges[:-1]) > 0)
    return kept


def _bounds(rule: MetricRule) -> list[tuple[Kind, str, float, int]]:
    """Return the rule's bounds as (kind, words, bound, side): side 1 is broken above, -1 below, 0 by any other value."""
    found = (
        (Kind.LIMIT, "above its limit of", rule.fail_above, 1),
        (Kind.INVARIANT, "not", rule.equals, 0),
        (Kind.INVARIANT, "below its minimum of", rule.minimum, -1),
        (Kind.INVARIANT, "above its maximum of", rule.maximum, 1),
    )
    return [(kind, words, bound, side) for kind, words, bound, side in found if bound is not None]


def _one(values: NDArray[np.float64], rule: MetricRule, kind: Kind, words: str, bound: float, side: int) -> Broken | None:
    low, high = float(values.min()), float(values.max())
    if (side >= 0 and high > bound) or (side <= 0 and low < bound):
        over = values > bound if side > 0 else values < bound if side < 0 else values != bound
        cells = np.flatnonzero(persistent(over, *rule.persistence))
        if not len(cells):
            return None
        there = values[cells]
        # halves, so that the distance of the greatest numbers stays finite
        worst = float(there[np.argmax(np.abs(0.5 * there - 0.5 * bound))])
        shown, limit = explain.two_numbers(worst, bound)
        unit = explain.of_unit(rule.unit)
        share = explain.share(len(cells) / len(values))
        text = f"{len(cells):,} of {len(values):,} values ({share}) are {words} {limit}{unit}, the worst {shown}{unit}"
        return Broken(kind, int(cells[0]), int(cells[-1]), len(cells), worst, text)
    return None


def broken_bounds(values: NDArray[np.float64], rule: MetricRule) -> list[Broken]:
    """Return what is broken, at most once for a kind: several bounds of one kind are told in one.

    Args:
        values: float64[n], finite, in the metric's unit.
        rule: its bounds, and how long they must be broken.
    """
    found: dict[Kind, Broken] = {}
    for kind, words, bound, side in _bounds(rule) if len(values) else ():
        new = _one(values, rule, kind, words, bound, side)
        if new is None:
            continue
        old = found.get(kind)
        if old is None:
            found[kind] = new
            continue
        found[kind] = Broken(
            kind,
            min(old.first, new.first),
            max(old.last, new.last),
            max(old.count, new.count),
            old.worst if old.count >= new.count else new.worst,
            f"{old.words}; {new.words}",
        )
    return list(found.values())
