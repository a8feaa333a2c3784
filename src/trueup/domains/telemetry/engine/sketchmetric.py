"""One metric from two sketches to raw tests and certain findings."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.config import CompareConfig, MetricRule
from trueup.domains.telemetry.engine.constants import relative_change
from trueup.domains.telemetry.engine.coverage import gap_test, quarantine
from trueup.domains.telemetry.engine.detect import pair
from trueup.domains.telemetry.engine.examined import STEADY, Examined, Pictures, Rows, make_finding
from trueup.domains.telemetry.engine.rawtest import RawTest, sure_below
from trueup.domains.telemetry.engine.result import Finding, Kind
from trueup.domains.telemetry.engine.ruled import is_tested, ruled
from trueup.domains.telemetry.engine.sketch import MetricSketch
from trueup.domains.telemetry.engine.sketchtests import Side, departure_result, detect_sketched, far_out, grid_distance, side_of
from trueup.domains.telemetry.engine.slow import APART, FAR_SHARE, MEAN

# squares and sums of values within 2^±400 stay finite and do not vanish
_GREATEST, _LEAST = 2.0**400, 2.0**-400
_MANY = 2


def sketch_summary(sketch: MetricSketch | None, side: Side | None = None) -> Mapping[str, Any]:
    """Return the numbers about one side that a finding or a report shows."""
    if sketch is None:
        return {}
    counts = {"n": sketch.n, "rows": sketch.cells, "missing": sketch.missing, "quarantined": sum(sketch.quarantined.values())}
    if not sketch.n:
        return counts
    found = side or side_of(sketch)
    return counts | {
        "mean": found.level.moments.mean,
        "sd": found.level.moments.sd,
        "median": sketch.grid.quantile(0.5),
        "low": sketch.low,
        "high": sketch.high,
        "mean_deviation": found.spread.moments.mean,
        "effective_n": found.level.effective,
        "rank_error": sketch.grid.rank_error,
    }


def known_of(
    metric: str, baseline: MetricSketch | None, run: MetricSketch | None, config: CompareConfig, **more: Any
) -> Examined:
    """Describe a metric by its sketches, before anything is tested."""
    first, second = baseline or MetricSketch(), run or MetricSketch()
    return Examined(
        metric=metric,
        baseline=sketch_summary(baseline),
        run=sketch_summary(run),
        columns=(first.counts(), second.counts()),
        pictures=Pictures(),
        rows=Rows(None, second.cells),
        present=bool(second.n),
        unit=config.rule(metric).unit,
        **more,
    )


def examine_sketches(metric: str, first: MetricSketch, second: MetricSketch, config: CompareConfig, *, metrics: int) -> Examined:
    """Examine one metric.

    Args:
        metric: its name.
        first: its sketch in the baseline.
        second: its sketch in the run.
        config: what counts as a difference, as it holds for this metric.
        metrics: how many are compared with it.
    """
    rule = config.rule(metric)
    known = known_of(metric, first, second, config)
    known = bounded_by_extremes(known, second, rule)
    if is_tested(rule, Kind.GAP):
        known = replace(known, gap=gap_test(first.counts(), second.counts(), config))
    aside = quarantine(metric, first.counts(), second.counts(), config)
    if aside.fails:
        return _found(known, make_finding(known, Kind.QUARANTINE, aside.effect, aside.fails), failing=True)
    if metric in config.critical and not second.n:
        finding = make_finding(known, Kind.MISSING, 1.0, "has no value in the run, and the metric is critical")
        return replace(_found(known, finding, failing=True), gap=None)
    if unjudged := aside.unjudged or _too_little(first, second, config):
        return replace(known, unjudged=unjudged)
    if first.low == first.high or second.low == second.high:
        return _constant(known, first, second, config)
    return _varying(known, side_of(first), side_of(second), config, sure_below(config.alpha, metrics))


def _found(known: Examined, finding: Finding, *, failing: bool = False) -> Examined:
    return replace(known, certain=(*known.certain, finding), failing=known.failing or failing)


def _too_little(first: MetricSketch, second: MetricSketch, config: CompareConfig) -> str:
    if min(first.n, second.n) < config.min_n:
        counts = f"{first.n:,} values in the baseline and {second.n:,} in the run"
        return f"too few values: {counts}, at least {config.min_n} are needed on either side"
    peaks = [max(abs(side.low), abs(side.high)) for side in (first, second)]
    if max(peaks) > _GREATEST or any(0.0 < peak < _LEAST for peak in peaks):
        return "its values are too great or too small for a sketch (2^±400): compare the runs themselves"
    return ""


def bounded_by_extremes(known: Examined, run: MetricSketch, rule: MetricRule) -> Examined:
    """Add what a metric's bounds say of the run's extremes; a broken one fails it, one that has to persist leaves it open."""
    broken = []
    for kind, words, bound, is_broken, worst in (
        (Kind.LIMIT, "above its limit of", rule.fail_above, lambda b: run.high > b, run.high),
        (Kind.INVARIANT, "below its minimum of", rule.minimum, lambda b: run.low < b, run.low),
        (Kind.INVARIANT, "above its maximum of", rule.maximum, lambda b: run.high > b, run.high),
        (Kind.INVARIANT, "not", rule.equals, lambda b: not run.low == b == run.high, run.low),
    ):
        if bound is not None and run.n and is_broken(bound):
            far = run.high if kind is Kind.INVARIANT and words == "not" and run.low == bound else worst
            broken.append((kind, words, bound, far))
    if broken and rule.persistence != (1, 1):
        return replace(
            known, unjudged=f"values are beyond a bound, and a sketch does not say for how many in a row ({broken[0][1]})"
        )
    for kind, words, bound, worst in broken:
        shown, limit = explain.two_numbers(worst, bound)
        unit = explain.of_unit(rule.unit)
        finding = make_finding(
            known, kind, 1.0 / run.n, f"at least one of {run.n:,} values is {words} {limit}{unit}, the worst {shown}{unit}"
        )
        known = _found(known, replace(finding, worst=worst), failing=True)
    return known


def _constant(known: Examined, first: MetricSketch, second: MetricSketch, config: CompareConfig) -> Examined:
    before, after = first.low, second.low
    if first.low == first.high and second.low == second.high:
        if before == after:
            return replace(known, constant=True, reason=f"constant at {explain.number(before)} on both sides")
        shown = explain.two_numbers(before, after)
        text = f"was constant at {shown[0]} and is now constant at {shown[1]}{explain.percent(before, after)}"
        least = config.rule(known.metric).min_effect
        if least is not None and abs(0.5 * after - 0.5 * before) < 0.5 * least:
            return replace(known, constant=True, reason=f"{text}: less than the {explain.number(least)} that matters")
        return _found(known, make_finding(known, Kind.CONSTANT_CHANGED, relative_change(before, after), text, index=0))
    was_constant = first.low == first.high
    varying, still = (second, first) if was_constant else (first, second)
    place = varying.grid.values == still.low
    departing = varying.n - int(varying.grid.weights[place].sum())
    share = departing / varying.n
    count = f"{departing:,} of {varying.n:,} values ({explain.share(share)})"
    at = explain.number(still.low)
    text = (
        f"was constant at {at} and now varies: {count} depart from it"
        if was_constant
        else (f"varied and is now constant at {at}, from which {count} of the baseline departed")
    )
    if share > 0.5 or (was_constant and departing >= _MANY * config.min_n):
        return _found(known, make_finding(known, Kind.CONSTANT_CHANGED, share, text, index=None))
    result = departure_result(departing, varying.n, still.n, side_of(varying).level.tau)
    test = RawTest("departures", Kind.CONSTANT_CHANGED, result.statistic, result.p_value, share, 0.0, 1.0)
    known = replace(known, more=(test,), told={Kind.CONSTANT_CHANGED: (text, 0)})
    if was_constant:
        return replace(known, unjudged=f"was constant at {at} in the baseline; {count} depart from it: too few to tell")
    return replace(known, reason=f"constant at {at}, from which only {count} of the baseline departed")


def _beyond(metric: str, first: MetricSketch, second: MetricSketch) -> str:
    width = first.high - first.low
    far = [x for x, out in ((second.high, second.high > first.high + width), (second.low, second.low < first.low - width)) if out]
    if not far:
        return ""
    low, high, worst = (explain.number(x) for x in (first.low, first.high, max(far, key=abs)))
    return f"{metric}: values of the run lie more than a full baseline range outside the baseline's range of {low} to {high} (farthest: {worst})"


def _varying(known: Examined, baseline: Side, run: Side, config: CompareConfig, sure: float) -> Examined:
    note = _beyond(known.metric, baseline.sketch, run.sketch)
    known = replace(known, note=note, deviation=baseline.sd)
    joint = pair(baseline.level, run.level)
    if joint.effective < config.min_effective:
        return _slow(known, baseline, run, joint.effective, config)
    detected = detect_sketched(baseline, run, config, sure)
    tests, remark = ruled(detected.tests, config.rule(known.metric), known.baseline["mean"], known.baseline["sd"])
    detected = replace(detected, tests=tests, unresolved=detected.unresolved or far_out(baseline, run, config))
    return replace(known, remark=remark, detected=detected, unjudged=known.unjudged or detected.unresolved, reason=STEADY)


def _slow(known: Examined, baseline: Side, run: Side, effective: float, config: CompareConfig) -> Examined:
    """Say what can be said of a metric too slow to be tested (see ``slow``), by extremes and grids."""
    first, second = baseline.sketch, run.sketch
    magnitude, width = max(abs(first.low), abs(first.high)), first.high - first.low
    distance = max(config.slow_separation * width, config.slow_material * magnitude)
    shares = second.grid.upto(np.array([math.nextafter(first.high + distance, -math.inf), first.low - distance]))
    if max(1.0 - float(shares[0]), float(shares[1])) - second.grid.rank_error >= FAR_SHARE:
        mean = run.level.moments.mean
        effect = abs(mean - baseline.level.moments.mean) / baseline.sd
        where = "and at least a fifth of the run lies there"
        text = explain.level(baseline.level.moments.mean, mean, effect, where, known.unit)
        far = f"it left the baseline's range by more than {config.slow_separation:g} times that range"
        return _found(known, make_finding(known, Kind.LEVEL, effect, f"{text}; {far}"))
    few = f"it changes so slowly that {min(first.n, second.n):,} values are worth {effective:.1f} independent ones"
    ends = max(abs(second.low - first.low), abs(second.high - first.high))
    if ends <= config.slow_equal * magnitude:
        return replace(known, reason=f"{few}; its whole range is the baseline's within {config.slow_equal:.2g} of its size")
    apart = abs(run.level.moments.mean - baseline.level.moments.mean)
    errors = first.grid.rank_error + second.grid.rank_error
    if apart <= MEAN * max(baseline.sd, run.sd) and grid_distance(first.grid, second.grid) + 2.0 * errors <= APART:
        return replace(known, reason=f"{few}; they are distributed as the baseline's")
    return replace(known, unjudged=f"{few} ({config.min_effective:g} are needed): sample longer")
