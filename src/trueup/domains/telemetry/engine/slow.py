"""Metrics that change too slowly for their values to be counted as independent.

Memory in use, temperatures, counters at rest: columns that wander or stand on plateaus. A hundred samples of such a
metric are worth a handful of independent values, often one. No test of the mean holds then: the standard error is itself
unknown, and two stretches of one and the same random walk differ "significantly" nearly always. What can still be said
without a model of the process is said by ranges, in the unit of what the baseline itself has been seen to do:

*Different beyond doubt* when at least a fifth of the run, all on one side, lies ``slow_separation`` (5) full baseline
ranges or more outside the baseline's range, and by ``slow_material`` (1 %) or more of the baseline's greatest magnitude.
The first condition asks for a move several times greater than everything the metric did while it was certified; a
stationary process practically never makes it. The second is there because a plateau has nearly no range: a memory
column that stood within one page for the baseline would else be "different" by a few pages.

*Equal as far as can be seen* when both ends of the two ranges differ by less than ``slow_equal`` (0.1 %) of the
magnitude (nothing material can hide there: an equivalence, however few the values), or when the two distribution
functions are nowhere more than a fifth apart and the means agree within half a standard deviation (the run did what the
baseline did). Two stretches of a slow process practically never agree so well by chance unless they are interleaved or
long; no test is claimed, and ranges are not asked for, since one burst more or less is all that moves their ends.

Everything between is not known, and is said so: INSUFFICIENT_DATA, with the remedy to sample longer.

References:
    Schuirmann (1987), "A comparison of the two one-sided tests procedure", for equivalence as something to be shown;
    Granger & Newbold (1974), "Spurious regressions in econometrics", for what tests of means do with random walks.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.sample import POINTS, Sample
from trueup.kernel.stats import ks_distance

# share of the run that must lie far outside
FAR_SHARE = 0.2
# agreement of the distribution functions; of the means, in standard deviations
APART = 0.2
MEAN = 0.5


class Outcome(Enum):
    """What can be said about a slow metric."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SlowAnswer:
    """The answer for a slow metric.

    Args:
        reason: half a sentence for the record.
        onset: index of the run's value from which it stays outside the baseline's range; None if it comes back.
        level: mean of the run from the onset on (of the cells outside, where it comes back).
    """

    outcome: Outcome
    reason: str
    onset: int | None = None
    level: float = 0.0


def _far(baseline: Sample, run: Sample, config: CompareConfig) -> SlowAnswer | None:
    magnitude = max(abs(baseline.low), abs(baseline.high))
    width = baseline.high - baseline.low
    distance = max(config.slow_separation * width, config.slow_material * magnitude)
    values = run.values
    for outside, far in (
        (values > baseline.high, values >= baseline.high + distance),
        (values < baseline.low, values <= baseline.low - distance),
    ):
        if np.count_nonzero(far) >= FAR_SHARE * run.n:
            back = np.flatnonzero(~outside)
            start = int(back[-1]) + 1 if len(back) else 0
            persists = start < run.n
            return SlowAnswer(
                Outcome.DIFFERENT,
                f"it left the baseline's range by more than {config.slow_separation:g} times that range",
                start if persists else None,
                float(np.mean(values[start:] if persists else values[outside])),
            )
    return None


def judge_slow(baseline: Sample, run: Sample, effective: float, config: CompareConfig) -> SlowAnswer:
    """Say what can be said about a metric with too few independent values (see the module's text).

    Args:
        baseline: the claim, not constant.
        run: what is.
        effective: independent values of the weaker side.
        config: what counts as far and as equal.
    """
    if answer := _far(baseline, run, config):
        return answer
    magnitude = max(abs(baseline.low), abs(baseline.high))
    ends = max(abs(run.low - baseline.low), abs(run.high - baseline.high))
    few = f"it changes so slowly that {min(baseline.n, run.n):,} values are worth {effective:.1f} independent ones"
    if ends <= config.slow_equal * magnitude:
        return SlowAnswer(Outcome.EQUAL, f"{few}; its whole range is the baseline's within {config.slow_equal:.2g} of its size")
    apart = abs(run.level.moments.mean - baseline.level.moments.mean)
    if apart <= MEAN * max(baseline.sd, run.sd) and ks_distance(baseline.ordered, run.ordered, points=POINTS) <= APART:
        return SlowAnswer(Outcome.EQUAL, f"{few}; they are distributed as the baseline's")
    return SlowAnswer(Outcome.UNKNOWN, f"{few} ({config.min_effective:g} are needed): sample longer")
