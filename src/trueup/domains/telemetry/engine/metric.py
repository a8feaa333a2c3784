"""One metric from two columns to raw tests, certain findings and the pictures of the report."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.config import CompareConfig, MetricRule
from trueup.domains.telemetry.engine.constants import (
    Departures,
    became_constant,
    became_varying,
    departure_test,
    departures,
    relative_change,
)
from trueup.domains.telemetry.engine.coverage import gap_test, quarantine
from trueup.domains.telemetry.engine.detect import Detected, detect, effective_size
from trueup.domains.telemetry.engine.envelope import envelope, histogram, histogram_edges
from trueup.domains.telemetry.engine.examined import Examined, Pictures, Rows, make_finding
from trueup.domains.telemetry.engine.glitches import REACH, rests_elsewhere, tamed, without_glitches
from trueup.domains.telemetry.engine.limits import broken_bounds
from trueup.domains.telemetry.engine.rawtest import RawTest, sure_below
from trueup.domains.telemetry.engine.result import Finding, Kind
from trueup.domains.telemetry.engine.ruled import is_tested, ruled
from trueup.domains.telemetry.engine.sample import Sample, clean, common_exponent, sample_of, summary, unscaled
from trueup.domains.telemetry.engine.slow import Outcome, judge_slow
from trueup.domains.telemetry.engine.slowmemory import pooled_time, with_time
from trueup.domains.telemetry.engine.spikes import Spikes, spikes
from trueup.domains.telemetry.engine.table import ColumnData


def _pictures(sides: tuple[ColumnData, ColumnData]) -> Pictures:
    """Draw the series, while their order is known."""
    return Pictures(envelope(sides[0].values), envelope(sides[1].values))


def _with_histograms(known: "Examined", samples: tuple[Sample | None, Sample | None]) -> "Examined":
    """Add the pictures for which the order of the values is given up."""
    baseline, run = samples
    there = [sample for sample in samples if sample is not None]
    if not there:
        return known
    edges = histogram_edges(min(s.low for s in there), max(s.high for s in there))
    for sample in there:
        sample.series.give_up_order()
    return replace(
        known,
        pictures=replace(
            known.pictures,
            baseline_histogram=histogram(baseline.ordered, edges) if baseline else None,
            run_histogram=histogram(run.ordered, edges) if run else None,
            histogram_edges=np.array([unscaled(edge, known.exponent) for edge in edges.tolist()]),
        ),
    )


def _beyond(metric: str, baseline: Sample, run: Sample, exponent: int) -> str:
    """Tell of single values far outside: no test of a whole run sees them, and no reader should miss them."""
    width = baseline.high - baseline.low
    if not width or baseline.low - width <= run.low <= run.high <= baseline.high + width:
        return ""
    above = int(np.count_nonzero(run.values > baseline.high + width))
    below = int(np.count_nonzero(run.values < baseline.low - width))
    farthest = run.high if above and (not below or run.high - baseline.high >= baseline.low - run.low) else run.low
    low, high, far = (explain.number(unscaled(x, exponent)) for x in (baseline.low, baseline.high, farthest))
    return (
        f"{metric}: {above + below:,} of {run.n:,} values of the run lie more than a full baseline range outside the "
        f"baseline's range of {low} to {high} (farthest: {far})"
    )


def examine(
    metric: str,
    first: ColumnData,
    second: ColumnData,
    config: CompareConfig,
    times: NDArray[np.float64] | None = None,
    *,
    metrics: int = 1,
) -> Examined:
    """Examine one metric.

    Args:
        metric: its name.
        first: its column in the baseline.
        second: its column in the run.
        config: what counts as a difference, as it holds for this metric.
        times: float64[rows of the run], seconds; None without a clock.
        metrics: how many are compared with it.
    """
    baseline_column, run_column = clean(first), clean(second)
    near = [tamed(column.values) if len(column.values) else column.values for column in (baseline_column, run_column)]
    filled = [values for values in near if len(values)]
    exponent = common_exponent(*filled) if filled else 0
    baseline, run = (
        sample_of(values, exponent=exponent, owned=column.owned or values is not column.values) if len(values) else None
        for column, values in zip((baseline_column, run_column), near, strict=True)
    )
    columns = (_counts_only(baseline_column), _counts_only(run_column))
    known = Examined(
        metric=metric,
        baseline=summary(baseline, baseline_column, exponent),
        run=summary(run, run_column, exponent),
        columns=columns,
        pictures=_pictures((baseline_column, run_column)),
        rows=Rows(run_column.rows, run_column.total),
        gap=gap_test(baseline_column, run_column, config) if is_tested(config.rule(metric), Kind.GAP) else None,
        exponent=exponent,
        present=run is not None,
        unit=config.rule(metric).unit,
    )
    known = bounded(known, run_column.values, config.rule(metric), times)
    judged = _judged(known, (baseline_column, run_column), (baseline, run), config, metrics)
    return _with_histograms(judged, (baseline, run))


def _judged(
    known: Examined,
    columns: tuple[ColumnData, ColumnData],
    samples: tuple[Sample | None, Sample | None],
    config: CompareConfig,
    metrics: int,
) -> Examined:
    """Judge a metric whose numbers are known; the order of its values may be given up."""
    (baseline_column, run_column), (baseline, run) = columns, samples
    metric = known.metric
    aside = quarantine(metric, baseline_column, run_column, config)
    if aside.fails:
        return _found(known, make_finding(known, Kind.QUARANTINE, aside.effect, aside.fails), failing=True)
    if metric in config.critical and run is None:
        finding = make_finding(known, Kind.MISSING, 1.0, "has no value in the run, and the metric is critical")
        return _with(_found(known, finding, failing=True), gap=None)
    if aside.unjudged:
        return _with(known, unjudged=aside.unjudged)
    if baseline is None or run is None or min(baseline.n, run.n) < config.min_n:
        counts = f"{len(baseline_column.values):,} values in the baseline and {len(run_column.values):,} in the run"
        return _with(known, unjudged=f"too few values: {counts}, at least {config.min_n} are needed on either side")
    if baseline.low == baseline.high or run.low == run.high:
        judged = _constant(known, baseline, run, config)
    else:
        judged = _varying(known, baseline, run, config, sure_below(config.alpha, metrics))
    return judged if judged.detected or judged.more else _with(judged, rows=judged.rows.only())


def _counts_only(column: ColumnData) -> ColumnData:
    """Return a column without its values, so that they can be freed."""
    return ColumnData(np.empty(0), column.total, None, column.missing, column.quarantined)


def _with(known: Examined, **changes: Any) -> Examined:
    return replace(known, **changes)


def _found(known: Examined, finding: Finding, *, failing: bool = False) -> Examined:
    """Add a finding that no test decides."""
    return replace(known, certain=(*known.certain, finding), failing=known.failing or failing)


def bounded(known: Examined, values: NDArray[np.float64], rule: MetricRule, times: NDArray[np.float64] | None) -> Examined:
    """Add what a metric's bounds say of the run; a broken one fails it.

    Args:
        known: the metric.
        values: float64[n], the run's, as they stand in the table.
        rule: the bounds.
        times: float64[rows of the run], seconds; None without a clock.
    """
    for item in broken_bounds(values, rule):
        rows = known.rows.span(item.first, item.last)
        span = None if times is None else (float(times[rows[0]]), float(times[rows[1]]))
        when = f", {explain.number(span[0])} to {explain.number(span[1])} s after the first row" if span else ""
        words = f"{item.words}; rows {rows[0]:,} to {rows[1]:,} of {known.rows.total:,}{when}"
        shown = known.showing({"worst": item.worst, "values_beyond": item.count})
        finding = make_finding(shown, item.kind, item.count / len(values), words, index=item.first)
        known = _found(known, replace(finding, index_range=rows, time_range=span, worst=item.worst), failing=True)
    return known


def _constant(known: Examined, baseline: Sample, run: Sample, config: CompareConfig) -> Examined:
    shown = known.baseline["median"], known.run["median"]
    if baseline.low == baseline.high and run.low == run.high:
        if baseline.low == run.low:
            return _with(known, constant=True, reason=f"constant at {explain.number(shown[0])} on both sides")
        effect = relative_change(*shown)
        before, after = explain.two_numbers(*shown)
        text = f"was constant at {before} and is now constant at {after}{explain.percent(*shown)}"
        least = config.rule(known.metric).min_effect
        if least is not None and abs(0.5 * shown[1] - 0.5 * shown[0]) < 0.5 * least:
            return _with(known, constant=True, reason=f"{text}: less than the {explain.number(least)} that matters")
        return _found(known, make_finding(known, Kind.CONSTANT_CHANGED, effect, text, index=0))
    if baseline.low == baseline.high:
        found = departures(run.values, baseline.low, baseline.n)
        count = f"{found.cells:,} of {run.n:,} values ({explain.share(found.share)})"
        text = (
            f"was constant at {explain.number(shown[0])} and now varies: {count} depart from it, {known.rows.place(found.first)}"
        )
        if became_varying(found, config):
            return _found(known, make_finding(known, Kind.CONSTANT_CHANGED, found.share, text, index=found.first))
        reason = f"was constant at {explain.number(shown[0])} in the baseline; {count} depart from it: too few to tell"
        return _with(_asked(known, found, text, found.first), unjudged=reason)
    found = departures(baseline.values, run.low, run.n)
    count = f"{found.cells:,} of {baseline.n:,} baseline values ({explain.share(found.share)})"
    text = f"varied and is now constant at {explain.number(shown[1])}, from which {count} departed"
    if became_constant(found):
        return _found(known, make_finding(known, Kind.CONSTANT_CHANGED, found.share, text, index=0))
    known = _asked(known, found, text, 0)
    return _with(known, reason=f"constant at {explain.number(shown[1])}, from which only {count} departed")


def _asked(known: Examined, found: Departures, text: str, index: int) -> Examined:
    """Let the adjusted test decide whether a constant has changed."""
    kind = Kind.CONSTANT_CHANGED
    return replace(known, more=(departure_test(found),), told={kind: (text, index)}, rows=known.rows.only(0, index))


def _varying(known: Examined, baseline: Sample, run: Sample, config: CompareConfig, sure: float) -> Examined:
    note = _beyond(known.metric, baseline, run, known.exponent)
    if rests_elsewhere(baseline, run):
        before, after = (unscaled(side.median, known.exponent) for side in (baseline, run))
        shown = explain.two_numbers(before, after)
        text = f"rested at {shown[0]} and now rests at {shown[1]}{explain.percent(before, after)}"
        effect = relative_change(before, after)
        return _found(_with(known, note=note), make_finding(known, Kind.CONSTANT_CHANGED, effect, text, index=0))
    known = _with(known, note=note)
    drawn_in = without_glitches(baseline, run)
    lone = spikes(baseline, run, config) if drawn_in is not None else None  # while the order of the values is known
    detected = _detected(baseline, run, config, sure)
    if drawn_in is not None and lone is not None:
        first, second, held = drawn_in
        within = _detected(first, second, config, sure)
        detected, far = _stronger(detected, within, lone)
        if far:
            baseline, run = first, second
        known = _with(known, note="; ".join(filter(None, (note, _held_back(known.metric, held) if held else ""))))
    known = _with(known, deviation=baseline.sd)
    if detected is not None:
        moments = baseline.level.moments
        mean, deviation = (unscaled(x, known.exponent) for x in (moments.mean, moments.sd))
        tests, remark = ruled(detected.tests, config.rule(known.metric), mean, deviation)
        known, detected = _with(known, remark=remark), replace(detected, tests=tests)
        return _with(known, detected=detected, unjudged=detected.unresolved, rows=known.rows.only(*detected.places()))
    effective = effective_size(baseline, run)
    answer = judge_slow(baseline, run, effective, config)
    if answer.outcome is Outcome.UNKNOWN:
        return _with(known, unjudged=answer.reason)
    if answer.outcome is Outcome.EQUAL:
        return _with(known, reason=answer.reason)
    before, after = unscaled(baseline.level.moments.mean, known.exponent), unscaled(answer.level, known.exponent)
    effect = abs(answer.level - baseline.level.moments.mean) / baseline.sd
    text = f"{explain.level(before, after, effect, known.rows.place(answer.onset), known.unit)}; {answer.reason}"
    return _found(known, make_finding(known, Kind.LEVEL, effect, text, index=answer.onset))


def _detected(baseline: Sample, run: Sample, config: CompareConfig, sure: float) -> Detected | None:
    """Carry out the tests of a metric; None where it changes too slowly to be tested at all."""
    found = detect(baseline, run, config, sure) if effective_size(baseline, run) >= config.min_effective else None
    if (found is None or found.unresolved) and (tau := pooled_time(baseline, run)) is not None:
        found = detect(with_time(baseline, tau), with_time(run, tau), config, sure)
    return found


def _stronger(
    whole: Detected | None, within: Detected | None, lone: tuple[RawTest, Spikes | None]
) -> tuple[Detected | None, bool]:
    """Take what speaks more strongly: the values as they are, or those with far ones held; both are paid for.

    Args:
        whole: what was detected on the values as they are.
        within: with far values held.
        lone: the test of spikes, on the values as they are.

    Returns:
        What was detected, and whether with far values held. Of two that say nothing it is that, for the other is blind.
    """

    def least(found: Detected) -> float:
        return min((test.p_value for test in found.tests if test.strength >= 1.0), default=1.0)

    if within is None:
        return None, True
    far = whole is None or least(within) <= least(whole)
    chosen = within if whole is None or far else whole
    others = (test for test in chosen.tests if test.kind is not Kind.SPIKE)
    paid = tuple(replace(test, p_value=min(1.0, 2.0 * test.p_value)) for test in others)
    unresolved = within.unresolved if far else chosen.unresolved
    return replace(chosen, tests=(*paid, lone[0]), spikes=lone[1], unresolved=unresolved), far


def _held_back(metric: str, held: int) -> str:
    far = f"{REACH:g} robust deviations"
    return f"{metric}: {held:,} values of the run farther than {far} from its median were held there to look at the rest"


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
        pictures=_pictures((sides[0], sides[1])),
        rows=Rows(None, sides[1].total),
        failing=failing,
        unjudged=unjudged,
        exponent=exponent,
        present=samples[1] is not None,
    )
    known = _with_histograms(known, (samples[0], samples[1]))
    return known if kind is None else _with(known, certain=(make_finding(known, kind, 1.0, explanation),))


def alone(
    metric: str, column: ColumnData, config: CompareConfig, times: NDArray[np.float64] | None, *, unjudged: str
) -> Examined:
    """Examine a metric of the run that there is nothing to hold against: its bounds, and whether it is clean.

    Args:
        metric: its name.
        column: in the run.
        config: its rules.
        times: float64[rows of the run], seconds; None without a clock.
        unjudged: why it cannot be judged beyond that; empty where nobody asks for more.
    """
    own, side = config.of(metric), clean(column)
    known = unexamined(metric, None, column, unjudged=unjudged)
    known = _with(known, rows=Rows(side.rows, side.total), unit=own.rule(metric).unit)
    known = _with(bounded(known, side.values, own.rule(metric), times), rows=Rows(None, side.total))
    aside = quarantine(metric, ColumnData(np.empty(0), 0), side, own)
    if aside.fails:
        return _found(known, make_finding(known, Kind.QUARANTINE, aside.effect, aside.fails), failing=True)
    if metric in own.critical and not len(side.values):
        text = "has no value in the run, and the metric is critical"
        return _found(known, make_finding(known, Kind.MISSING, 1.0, text), failing=True)
    return known
