"""One metric from two columns to raw tests, certain findings and the pictures of the report."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.constants import became_constant, became_varying, departures, relative_change
from trueup.domains.telemetry.engine.coverage import gap_test, quarantine
from trueup.domains.telemetry.engine.detect import Detected, RawTest, detect, effective_size
from trueup.domains.telemetry.engine.envelope import envelope, histogram, histogram_edges
from trueup.domains.telemetry.engine.result import Envelope, Finding, Kind
from trueup.domains.telemetry.engine.sample import Sample, clean, common_exponent, finite, sample_of, summary, unscaled
from trueup.domains.telemetry.engine.slow import Outcome, judge_slow
from trueup.domains.telemetry.engine.table import ColumnData

STEADY = "no difference was found"

# explanations that begin with a verb of the metric; the others begin with a count
_NAMED = frozenset({Kind.LEVEL, Kind.SCALE, Kind.CONSTANT_CHANGED, Kind.MISSING})


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of the run a metric's values stand in; None when value and row are the same."""

    rows: NDArray[np.int64] | Mapping[int, int] | None
    total: int

    def only(self, *indices: int | None) -> "Rows":
        """Return the rows of these values alone, so that the array can be freed."""
        rows = self.rows
        return self if rows is None else Rows({i: int(rows[i]) for i in indices if i is not None}, self.total)

    def of(self, index: int | None) -> int | None:
        """Return the row of a value."""
        return index if index is None or self.rows is None else int(self.rows[index])

    def fraction(self, row: int | None) -> float | None:
        """Return a row as a fraction of all rows."""
        return None if row is None else row / max(self.total, 1)

    def place(self, index: int | None) -> str:
        """Write from which row on."""
        # the first value is where a metric starts, whatever rows before it are empty
        return explain.place(0 if index == 0 else self.of(index), self.total)


@dataclass(frozen=True, slots=True)
class Pictures:
    """What the report draws."""

    baseline_envelope: Envelope | None = None
    run_envelope: Envelope | None = None
    baseline_histogram: NDArray[np.float64] | None = None
    run_histogram: NDArray[np.float64] | None = None
    histogram_edges: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """Everything about one metric that is known before the tests of all metrics are adjusted together.

    Args:
        certain: findings that no test decides (constants, cells set aside, slow metrics beyond doubt).
        failing: whether one of them fails the run by itself.
        detected: raw tests of level, scale and shape; None when none could be carried out.
        unjudged: why the metric cannot be judged; empty when it was.
        reason: what there is to say when nothing was found.
        note: a sentence for the reader, found or not.
        exponent: the power of two that the comparison's unit stands for.
    """

    metric: str
    baseline: Mapping[str, Any]
    run: Mapping[str, Any]
    columns: tuple[ColumnData, ColumnData]
    pictures: Pictures
    rows: Rows
    certain: tuple[Finding, ...] = ()
    failing: bool = False
    gap: RawTest | None = None
    detected: Detected | None = None
    constant: bool = False
    unjudged: str = ""
    reason: str = STEADY
    note: str = ""
    exponent: int = 0
    deviation: float = 0.0

    def showing(self, numbers: Mapping[str, Any]) -> "Examined":
        """Return it with further numbers about the run."""
        return replace(self, run={**self.run, **numbers})


def _pictures(sides: tuple[ColumnData, ColumnData], samples: tuple[Sample | None, Sample | None], exponent: int) -> Pictures:
    baseline, run = samples
    drawn = Pictures(envelope(sides[0].values), envelope(sides[1].values))
    there = [sample for sample in samples if sample is not None]
    if not there:
        return drawn
    edges = histogram_edges(min(s.low for s in there), max(s.high for s in there))
    return Pictures(
        drawn.baseline_envelope,
        drawn.run_envelope,
        histogram(baseline.ordered, edges) if baseline else None,
        histogram(run.ordered, edges) if run else None,
        np.array([unscaled(edge, exponent) for edge in edges.tolist()]),
    )


def _beyond(metric: str, baseline: Sample, run: Sample, exponent: int) -> str:
    """Tell of single values far outside: no test of a whole run sees them, and no reader should miss them."""
    width = baseline.high - baseline.low
    above = run.n - int(np.searchsorted(run.ordered, baseline.high + width, side="right"))
    below = int(np.searchsorted(run.ordered, baseline.low - width, side="left"))
    if not width or not above + below:
        return ""
    farthest = run.high if above and (not below or run.high - baseline.high >= baseline.low - run.low) else run.low
    low, high, far = (explain.number(unscaled(x, exponent)) for x in (baseline.low, baseline.high, farthest))
    return (
        f"{metric}: {above + below:,} of {run.n:,} values of the run lie more than a full baseline range outside the "
        f"baseline's range of {low} to {high} (farthest: {far})"
    )


def examine(metric: str, first: ColumnData, second: ColumnData, config: CompareConfig) -> Examined:
    """Examine one metric.

    Args:
        metric: its name.
        first: its column in the baseline.
        second: its column in the run.
        config: what counts as a difference.
    """
    baseline_column, run_column = clean(first), clean(second)
    filled = [column.values for column in (baseline_column, run_column) if len(column.values)]
    exponent = common_exponent(*filled) if filled else 0
    baseline = sample_of(baseline_column.values, exponent=exponent) if len(baseline_column.values) else None
    run = sample_of(run_column.values, exponent=exponent) if len(run_column.values) else None
    columns = (_counts_only(baseline_column), _counts_only(run_column))
    known = Examined(
        metric=metric,
        baseline=summary(baseline, baseline_column, exponent),
        run=summary(run, run_column, exponent),
        columns=columns,
        pictures=_pictures((baseline_column, run_column), (baseline, run), exponent),
        rows=Rows(run_column.rows, run_column.total),
        gap=gap_test(baseline_column, run_column, config),
        exponent=exponent,
    )
    aside = quarantine(metric, baseline_column, run_column, config)
    if aside.fails:
        finding = make_finding(known, Kind.QUARANTINE, aside.effect, aside.fails)
        return _with(known, certain=(finding,), failing=True, reason=aside.fails)
    if metric in config.critical and run is None:
        finding = make_finding(known, Kind.MISSING, 1.0, "has no value in the run, and the metric is critical")
        return _with(known, certain=(finding,), failing=True, gap=None, reason=finding.explanation)
    if aside.unjudged:
        return _with(known, unjudged=aside.unjudged)
    if baseline is None or run is None or min(baseline.n, run.n) < config.min_n:
        counts = f"{len(baseline_column.values):,} values in the baseline and {len(run_column.values):,} in the run"
        return _with(known, unjudged=f"too few values: {counts}, at least {config.min_n} are needed on either side")
    if baseline.low == baseline.high or run.low == run.high:
        judged = _constant(known, baseline, run, config)
    else:
        judged = _varying(known, baseline, run, config)
    return judged if judged.detected else _with(judged, rows=judged.rows.only())


def _counts_only(column: ColumnData) -> ColumnData:
    """Return a column without its values, so that they can be freed."""
    return ColumnData(np.empty(0), column.total, None, column.missing, column.quarantined)


def _with(known: Examined, **changes: Any) -> Examined:
    return replace(known, **changes)


def make_finding(
    known: Examined, kind: Kind, effect: float, explanation: str, *, index: int | None = None, q_value: float | None = None
) -> Finding:
    """Make a finding about a metric.

    Args:
        known: the metric.
        kind: what is different.
        effect: unit-free size.
        explanation: from the verb on; the metric's name is put before it.
        index: the run's value from which on the difference persists.
        q_value: adjusted p-value; None where nothing was tested.
    """
    row = known.rows.of(index)
    return Finding(
        metric=known.metric,
        kind=kind,
        effect=finite(effect),
        q_value=q_value,
        onset_index=row,
        onset_fraction=known.rows.fraction(row),
        baseline=known.baseline,
        run=known.run,
        explanation=f"{known.metric} {explanation}" if kind in _NAMED else f"{known.metric}: {explanation}",
    )


def _constant(known: Examined, baseline: Sample, run: Sample, config: CompareConfig) -> Examined:
    shown = known.baseline["median"], known.run["median"]
    if baseline.low == baseline.high and run.low == run.high:
        if baseline.low == run.low:
            return _with(known, constant=True, reason=f"constant at {explain.number(shown[0])} on both sides")
        effect = relative_change(*shown)
        before, after = explain.two_numbers(*shown)
        text = f"was constant at {before} and is now constant at {after}{explain.percent(*shown)}"
        return _with(known, certain=(make_finding(known, Kind.CONSTANT_CHANGED, effect, text, index=0),))
    if baseline.low == baseline.high:
        found = departures(run.values, baseline.low, baseline.n)
        count = f"{found.cells:,} of {run.n:,} values ({explain.share(found.share)})"
        if became_varying(found, config):
            where = known.rows.place(found.first)
            text = f"was constant at {explain.number(shown[0])} and now varies: {count} depart from it, {where}"
            return _with(known, certain=(make_finding(known, Kind.CONSTANT_CHANGED, found.share, text, index=found.first),))
        reason = f"was constant at {explain.number(shown[0])} in the baseline; {count} depart from it: too few to tell"
        return _with(known, unjudged=reason)
    found = departures(baseline.values, run.low, run.n)
    count = f"{found.cells:,} of {baseline.n:,} baseline values ({explain.share(found.share)})"
    if became_constant(found, config):
        text = f"varied and is now constant at {explain.number(shown[1])}, from which {count} departed"
        return _with(known, certain=(make_finding(known, Kind.CONSTANT_CHANGED, found.share, text, index=0),))
    return _with(known, reason=f"constant at {explain.number(shown[1])}, from which only {count} departed")


def _varying(known: Examined, baseline: Sample, run: Sample, config: CompareConfig) -> Examined:
    effective = effective_size(baseline, run)
    note = _beyond(known.metric, baseline, run, known.exponent)
    known = _with(known, note=note, deviation=baseline.sd)
    if effective >= config.min_effective:
        detected = detect(baseline, run, config)
        cuts = (change.cut for change in (detected.level, detected.scale) if change)
        return _with(known, detected=detected, unjudged=detected.unresolved, rows=known.rows.only(0, *cuts))
    answer = judge_slow(baseline, run, effective, config)
    if answer.outcome is Outcome.UNKNOWN:
        return _with(known, unjudged=answer.reason)
    if answer.outcome is Outcome.EQUAL:
        return _with(known, reason=answer.reason)
    before, after = known.baseline["mean"], unscaled(answer.level, known.exponent)
    effect = abs(answer.level - baseline.level.moments.mean) / baseline.sd
    text = f"{explain.level(before, after, effect, known.rows.place(answer.onset))}; {answer.reason}"
    return _with(known, certain=(make_finding(known, Kind.LEVEL, effect, text, index=answer.onset),))


def unexamined(
    metric: str,
    first: ColumnData | None,
    second: ColumnData | None,
    *,
    kind: Kind | None = None,
    explanation: str = "",
    failing: bool = False,
    unjudged: str = "",
) -> Examined:
    """Describe a metric that is a numeric column of at most one side.

    Args:
        metric: its name.
        first: its column in the baseline, if it is one there.
        second: its column in the run, if it is one there.
        kind: of the finding, if it is one; its effect is the whole metric, 1.
        explanation: of the finding.
        failing: whether the finding fails the run by itself.
        unjudged: why the metric cannot be judged.
    """
    sides = [clean(column) if column else ColumnData(np.empty(0), 0) for column in (first, second)]
    filled = [side.values for side in sides if len(side.values)]
    exponent = common_exponent(*filled) if filled else 0
    samples = [sample_of(side.values, exponent=exponent) if len(side.values) else None for side in sides]
    known = Examined(
        metric=metric,
        baseline=summary(samples[0], sides[0], exponent) if first else {},
        run=summary(samples[1], sides[1], exponent) if second else {},
        columns=(_counts_only(sides[0]), _counts_only(sides[1])),
        pictures=_pictures((sides[0], sides[1]), (samples[0], samples[1]), exponent),
        rows=Rows(None, sides[1].total),
        failing=failing,
        unjudged=unjudged,
        exponent=exponent,
    )
    return known if kind is None else _with(known, certain=(make_finding(known, kind, 1.0, explanation),))
