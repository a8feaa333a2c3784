"""Many runs at a glance: how they ended, which metrics drift again and again, and in which order runs should be looked at."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from trueup.kernel.words import Verdict

_WORST_FIRST = (
    Verdict.FAIL,
    Verdict.NO_DATA,
    Verdict.STALE,
    Verdict.UNKNOWN,
    Verdict.NO_BASELINE,
    Verdict.INSUFFICIENT_DATA,
    Verdict.PASS_WITH_DRIFT,
    Verdict.PASS,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A run as it was last found to be.

    Args:
        verdict: empty where it was never analysed, which counts as unknown.
        found: metric and kind of each finding.
    """

    run: str
    at: datetime
    verdict: str
    found: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Recurring:
    """A metric that was found to drift.

    Args:
        runs: in how many of the runs.
        kinds: of its findings, the most frequent first.
        latest: whether it was found in the newest run.
    """

    metric: str
    runs: int
    kinds: tuple[str, ...]
    latest: bool


@dataclass(frozen=True, slots=True)
class Rollup:
    """The answer.

    Args:
        verdict: the worst of all runs; unknown where there is none.
        counts: of runs by verdict, the worst first.
        recurring: metrics by the number of runs they drifted in, at most so many.
        concentration: share of all findings that the most frequent metric has, 0…1.
        streak: how many of the newest runs in a row passed.
    """

    verdict: Verdict
    runs: int
    counts: Mapping[str, int]
    recurring: tuple[Recurring, ...]
    concentration: float
    streak: int
    order: tuple[str, ...] = field(default=())


def rollup(judged: Sequence[Judged], *, top: int = 5) -> Rollup:
    """Sum up runs.

    Args:
        judged: in any order.
        top: how many recurring metrics to name.
    """
    newest_first = sorted(judged, key=lambda one: (one.at, one.run), reverse=True)
    verdicts = [Verdict(one.verdict) if one.verdict else Verdict.UNKNOWN for one in newest_first]
    tally = Counter(verdicts)
    counts = {str(verdict): tally[verdict] for verdict in _WORST_FIRST if tally[verdict]}
    metrics: dict[str, Counter[str]] = {}
    runs_of: Counter[str] = Counter()
    for one in newest_first:
        for metric, kind in one.found:
            metrics.setdefault(metric, Counter())[kind] += 1
        runs_of.update({metric for metric, _ in one.found})
    total = sum(sum(kinds.values()) for kinds in metrics.values())
    latest = {metric for metric, _ in newest_first[0].found} if newest_first else set()
    ranked = sorted(runs_of, key=lambda metric: (-runs_of[metric], metric))
    streak = next((place for place, verdict in enumerate(verdicts) if verdict is not Verdict.PASS), len(verdicts))
    worst = sorted(
        zip(newest_first, verdicts, strict=True),
        key=lambda pair: (_WORST_FIRST.index(pair[1]), -pair[0].at.timestamp(), pair[0].run),
    )
    return Rollup(
        verdict=next((verdict for verdict in _WORST_FIRST if tally[verdict]), Verdict.UNKNOWN),
        runs=len(verdicts),
        counts=counts,
        recurring=tuple(
            Recurring(metric, runs_of[metric], tuple(kind for kind, _ in metrics[metric].most_common()), metric in latest)
            for metric in ranked[:top]
        ),
        concentration=max((sum(kinds.values()) for kinds in metrics.values()), default=0) / total if total else 0.0,
        streak=streak,
        order=tuple(one.run for one, verdict in worst if verdict is not Verdict.PASS),
    )
