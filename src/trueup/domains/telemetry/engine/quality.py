"""Whether runs are fit to be a baseline, computed from their data, and whether a baseline has grown old."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean, median

from trueup.domains.telemetry.engine.circumstances import CONTEXT

_WEIGHTS = {"samples": 0.2, "span": 0.3, "stability": 0.3, "environment": 0.2}


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is known of one metric of one run: values, their mean and standard deviation (nan-free; sd 0 for n < 2)."""

    n: int
    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class RunNumbers:
    """What is known of one run.

    Args:
        seconds: that it lasted; None where nobody said.
        metrics: name to numbers, of metrics that have values.
    """

    name: str
    context: Mapping[str, str]
    seconds: float | None
    metrics: Mapping[str, Numbers]


@dataclass(frozen=True, slots=True)
class QualityRule:
    """What a baseline has to fulfil.

    Args:
        min_n: values of each metric, over all runs.
        min_seconds: that the runs last together; 0 asks for nothing.
        max_spread: greatest distance of a run's mean from the middle of all runs' means, in standard deviations.
        min_environment: least share of stated circumstances that all runs share.
    """

    min_n: int = 100
    min_seconds: float = 0.0
    max_spread: float = 0.5
    min_environment: float = 0.7


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was looked at: ``score`` 0…1, whether it suffices, and why in words."""

    name: str
    score: float
    passed: bool
    words: str


@dataclass(frozen=True, slots=True)
class Quality:
    """The answer: passed only if every part did; ``score`` 0…1 weighs the parts."""

    passed: bool
    score: float
    parts: tuple[Part, ...]


def quality(runs: Sequence[RunNumbers], rule: QualityRule) -> Quality:
    """Judge runs as a baseline.

    Args:
        runs: at least one.
        rule: what they have to fulfil.
    """
    parts = (_samples(runs, rule), _span(runs, rule), _stability(runs, rule), _environment(runs, rule))
    score = sum(_WEIGHTS[part.name] * part.score for part in parts)
    return Quality(all(part.passed for part in parts), round(score, 4), parts)


def _common(runs: Sequence[RunNumbers]) -> list[str]:
    return [name for name in runs[0].metrics if all(name in run.metrics for run in runs)]


def _samples(runs: Sequence[RunNumbers], rule: QualityRule) -> Part:
    common = _common(runs)
    if not common:
        return Part("samples", 0.0, passed=False, words="no metric has values in every run")
    counts = {name: sum(run.metrics[name].n for run in runs) for name in common}
    least = min(counts, key=lambda name: counts[name])
    score = min(1.0, counts[least] / rule.min_n)
    return Part("samples", score, passed=score >= 1.0, words=f"{least} has {counts[least]:,} values, {rule.min_n:,} are needed")


def _span(runs: Sequence[RunNumbers], rule: QualityRule) -> Part:
    if not rule.min_seconds:
        return Part("span", 1.0, passed=True, words="no length is asked for")
    unknown = [run.name for run in runs if run.seconds is None]
    if unknown:
        return Part("span", 0.0, passed=False, words=f"how long {', '.join(unknown)} lasted is not known")
    seconds = sum(run.seconds or 0.0 for run in runs)
    score = min(1.0, seconds / rule.min_seconds)
    return Part("span", score, passed=score >= 1.0, words=f"{seconds:,.0f} s in all, {rule.min_seconds:,.0f} s are needed")


def _stability(runs: Sequence[RunNumbers], rule: QualityRule) -> Part:
    if len(runs) == 1:
        return Part("stability", 1.0, passed=True, words="one run: nothing to differ from")
    common, worst, least = _common(runs), "", 1.0
    far = 0.0
    for name in common:
        middle = median(run.metrics[name].mean for run in runs)
        deviation = fmean(run.metrics[name].sd for run in runs)
        farthest = max(abs(run.metrics[name].mean - middle) for run in runs)
        if not farthest:
            continue
        distance = farthest / deviation if deviation else float("inf")
        score = min(1.0, rule.max_spread / distance)
        if score < least or not worst:
            worst, least, far = name, score, distance
    if not common:
        return Part("stability", 0.0, passed=False, words="no metric has values in every run")
    words = f"the runs' means of {worst} lie {far:.2g} standard deviations apart" if worst else "the runs' means are equal"
    return Part("stability", least, passed=least >= 1.0, words=f"{words}; {rule.max_spread:g} may be")


def _environment(runs: Sequence[RunNumbers], rule: QualityRule) -> Part:
    stated = [name for name in CONTEXT if any(run.context.get(name) for run in runs)]
    if not stated:
        return Part("environment", 1.0, passed=True, words="no run states its circumstances")
    shared = [name for name in stated if len({run.context.get(name) for run in runs}) == 1]
    score = len(shared) / len(stated)
    differing = [name for name in stated if name not in shared]
    words = f"the runs differ in {', '.join(differing)}" if differing else "all stated circumstances are shared"
    return Part("environment", score, score >= rule.min_environment, words)


@dataclass(frozen=True, slots=True)
class DecayRule:
    """When a baseline has grown old: by age, or when half of its metrics have moved by more than half."""

    max_age: timedelta = timedelta(days=7)
    moved_by: float = 0.5
    moved_share: float = 0.5
    min_metrics: int = 3


def decay(
    made: datetime, now: datetime, means: Mapping[str, float], present: Mapping[str, float], rule: DecayRule
) -> tuple[str, ...]:
    """Say in what way a baseline has grown old; nothing when it has not.

    Args:
        made: when the baseline was made.
        now: the present.
        means: the baseline's mean of each metric.
        present: the run's.
        rule: what counts.
    """
    found = []
    if now - made > rule.max_age:
        found.append(f"the baseline is {(now - made).days} days old, at most {rule.max_age.days} may be")
    common = [name for name in means if name in present]
    moved = [name for name in common if abs(present[name] - means[name]) > rule.moved_by * abs(means[name])]
    if len(common) >= rule.min_metrics and len(moved) >= rule.moved_share * len(common):
        found.append(f"{len(moved)} of {len(common)} metrics moved by more than {rule.moved_by:.0%} since the baseline was made")
    return tuple(found)
