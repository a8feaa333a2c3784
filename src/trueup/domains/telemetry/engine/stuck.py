"""A metric that holds one value: a sensor that hangs repeats its last reading.

How long a sound metric may hold a value is told by the baseline: by how often a value there equals the one before it
(as often as this very value did, where the baseline knows it), and by its own longest stretch. A continuous metric
never repeats; a metric of few values, or one that mostly rests, repeats for long, and is excused for it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.sample import Sample
from trueup.kernel.stats import Repeats, repeats, run_p_value, upper_share

LEAST_STRETCH = 5
# a stretch is held when it is several times the longest that the baseline has
TIMES = 3
# expected number of stretches, by chance, of what still counts as held
RARE = 1e-3
_KNOWN = 20


@dataclass(frozen=True, slots=True)
class Held:
    """What a metric held.

    Args:
        start: index of the first value of the longest stretch.
        longest: values in it.
        value: what was held there, in the comparison's unit.
        cells: int64[k], indices of all values in held stretches.
        persists: whether the longest stretch lasts until the end.
    """

    start: int
    longest: int
    value: float
    cells: NDArray[np.int64]
    persists: bool


def _share(baseline: Sample, found: Repeats, value: float) -> float:
    """Return how often, at most, a value of the baseline equals the one before it."""
    share = upper_share(found.equal, baseline.n)
    here = baseline.values == value
    times = int(np.count_nonzero(here))
    if times < _KNOWN:
        return share
    return max(share, upper_share(int(np.count_nonzero(here[1:] & here[:-1])), times))


def stuck(baseline: Sample, run: Sample, config: CompareConfig) -> tuple[RawTest, Held | None]:
    """Test whether the run holds values for longer than its baseline ever did.

    Returns:
        The test (its effect is the share of the run's values in held stretches) and what was held, if anything.
    """
    seen = repeats(run.values)
    nothing = RawTest("longest_repeat", Kind.STUCK, float(seen.longest), 1.0, 0.0, config.stuck_floor, 0.0)
    if seen.longest < LEAST_STRETCH:
        return nothing, None
    known = repeats(baseline.values)
    place = int(np.argmax(seen.lengths))
    start = int(seen.starts[place])
    share = _share(baseline, known, float(run.values[start]))
    least = max(LEAST_STRETCH, TIMES * known.longest)
    while least < seen.longest and run_p_value(least, run.n, share) > RARE:
        least += max(1, least // 8)
    held = seen.lengths >= least
    if seen.longest < least or not held.any():
        return nothing, None
    cells = np.concatenate([np.arange(s, s + k) for s, k in zip(seen.starts[held], seen.lengths[held], strict=True)])
    effect = len(cells) / run.n
    test = RawTest(
        "longest_repeat",
        Kind.STUCK,
        float(seen.longest),
        run_p_value(seen.longest, run.n, share),
        effect,
        config.stuck_floor,
        effect / config.stuck_floor,
    )
    persists = start + seen.longest == run.n
    return test, Held(start, seen.longest, float(run.values[start]), cells, persists)
