"""Check a run against a stored baseline by sketches: what is judged is named, and so is what is not.

The tests are those of ``compare``, adjusted together in the same way and held to the same floors; they are asked of sketches
(``sketchtests``). Kinds that only the rows themselves show are not judged, and a PASS does not speak of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.compare import (
    column_notes,
    coverage_note,
    coverage_of,
    judge_all,
    registry_notes,
    run_verdict,
    unjudged_note,
)
from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.document import document
from trueup.domains.telemetry.engine.examined import Examined, Pictures, Rows, make_finding
from trueup.domains.telemetry.engine.findings import score
from trueup.domains.telemetry.engine.gaps import ROWS
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Comparison, Kind
from trueup.domains.telemetry.engine.sketch import ClockSketch, MetricSketch, TableSketch
from trueup.domains.telemetry.engine.sketchmetric import bounded_by_extremes, examine_sketches, known_of
from trueup.domains.telemetry.engine.table import ColumnData, Excluded
from trueup.kernel.stats import share_test
from trueup.kernel.words import Verdict

JUDGED = (
    Kind.LEVEL,
    Kind.SCALE,
    Kind.SHAPE,
    Kind.TREND,
    Kind.STUCK,
    Kind.CONSTANT_CHANGED,
    Kind.MISSING,
    Kind.QUARANTINE,
    Kind.GAP,
    Kind.LIMIT,
    Kind.INVARIANT,
)
"""Kinds of difference that sketches show; ``RATE`` and lost rows too, where both sides have a clock."""

_LOW, _HOLE = 0.1, 1.5
_NONE = np.empty(0)


@dataclass(frozen=True, slots=True)
class Checked:
    """The answer of a check.

    Args:
        comparison: verdict, findings and tests, as a comparison gives them.
        judged: kinds that were looked for.
        not_judged: kinds that were not; whatever the verdict, it does not speak of them.
    """

    comparison: Comparison
    judged: tuple[Kind, ...]
    not_judged: tuple[Kind, ...]

    def document(self, **more: Any) -> dict[str, Any]:
        """Return the verdict document."""
        return document(
            self.comparison,
            judged_kinds=[str(kind) for kind in self.judged],
            not_judged_kinds=[str(kind) for kind in self.not_judged],
            **more,
        )


@dataclass(frozen=True, slots=True)
class _Sketched:
    """A table of sketches where the engine asks for a table: its columns are counts without values."""

    sketch: TableSketch

    @property
    def rows(self) -> int:
        return self.sketch.rows

    @property
    def numeric(self) -> Sequence[str]:
        return tuple(self.sketch.metrics)

    @property
    def excluded(self) -> Sequence[Excluded]:
        return self.sketch.excluded

    def column(self, name: str) -> ColumnData:
        return self.sketch.metrics[name].counts()


def check(baseline: TableSketch, run: TableSketch, *, config: CompareConfig) -> Checked:
    """Say whether a run still behaves as its baseline, as far as sketches can know.

    Args:
        baseline: the sketches of the claim.
        run: the sketches of what is.
        config: what counts as a difference.

    Returns:
        The verdicts of ``compare``, for the kinds that ``judged`` names.
    """
    clocked = baseline.clock is not None and run.clock is not None
    judged = (*JUDGED, Kind.RATE) if clocked else JUDGED
    left = tuple(kind for kind in Kind if kind not in judged)
    first, second = _Sketched(baseline), _Sketched(run)
    spoken = f"judged from sketches: {', '.join(judged)}; not looked at: {', '.join(left)}"
    excluded = (*baseline.excluded, *(item for item in run.excluded if item.name not in {one.name for one in baseline.excluded}))
    if not baseline.rows or not run.rows:
        empty = [name for name, side in (("the baseline", baseline), ("the run", run)) if not side.rows]
        note = f"{' and '.join(empty)} {'has' if len(empty) == 1 else 'have'} no rows"
        nothing = Comparison(Verdict.NO_DATA, (), (), excluded, (note,), baseline.rows, run.rows, config.as_dict())
        return Checked(nothing, (), tuple(Kind))
    clock = _clocks(baseline.clock, run.clock, run.rows, config) if baseline.clock and run.clock else None
    examined = [*_examine_all(baseline, run, config), *([clock] if clock else [])]
    items = judge_all(examined, config)
    findings = [finding for item in items for finding in item.findings]
    failing = {item.metric for item in examined if item.failing}
    findings.sort(key=lambda f: (f.metric not in failing, -score(f, config.of(f.metric)), f.metric, f.kind))
    compared = [name for name in baseline.metrics if name in run.metrics]
    coverage = coverage_of(first, examined)
    names = (*baseline.metrics, *run.metrics)
    verdicts = {item.result.verdict for item in items}
    if config.strict and any(config.unregistered(name) for name in names):
        verdicts.add(Verdict.FAIL)
    verdict = run_verdict(verdicts, compared, covered=coverage >= config.min_coverage)
    placed = any(finding.onset_index for finding in findings)
    notes = (
        spoken,
        *(["rows that findings name are known to within one block of a sketch"] if placed else []),
        *column_notes(first, second, compared),
        *coverage_note(coverage, first, config),
        *registry_notes(names, config),
        *unjudged_note(items),
        *sorted(item.note for item in items if item.note),
        *(f"{item.metric}: {item.remark}" for item in examined if item.remark),
    )
    comparison = Comparison(
        verdict=verdict,
        findings=tuple(findings),
        metrics=tuple(item.result for item in items if item.result.metric != ROWS or item.findings),
        excluded=excluded,
        notes=notes,
        baseline_rows=baseline.rows,
        run_rows=run.rows,
        config=config.as_dict(),
        clock={"baseline": clock.baseline, "run": clock.run} if clock else None,
        coverage=coverage,
    )
    return Checked(comparison, judged, left)


def _examine_all(baseline: TableSketch, run: TableSketch, config: CompareConfig) -> list[Examined]:
    """Examine the baseline's metrics in its order, then those that something is asked of and that it does not have."""
    others = {item.name: item.reason for item in run.excluded}
    examined = []
    for name, sketch in baseline.metrics.items():
        own = config.of(name)
        if name in run.metrics:
            examined.append(examine_sketches(name, sketch, run.metrics[name], own, metrics=len(baseline.metrics)))
            continue
        reason, critical = others.get(name), name in config.must_have
        text = "is missing in the run" if reason is None else f"cannot be compared in the run ({reason})"
        known = known_of(name, sketch, None, own, failing=critical)
        told = make_finding(known, Kind.MISSING, 1.0, text + (", and it is critical" if critical else ""))
        examined.append(replace(known, certain=(told,)))
    for name in sorted((config.must_have | set(config.rules)) - set(baseline.metrics)):
        examined += _without_baseline(name, run.metrics.get(name), config)
    return examined


def _without_baseline(name: str, sketch: MetricSketch | None, config: CompareConfig) -> list[Examined]:
    own, critical = config.of(name), name in config.must_have
    if sketch is None:
        if not critical:
            return []
        known = known_of(name, None, None, own, failing=True)
        text = "is critical and a numeric column neither in the baseline nor in the run"
        return [replace(known, certain=(make_finding(known, Kind.MISSING, 1.0, text),))]
    reason = "it is critical, and the baseline has no numeric column of that name to compare it with"
    known = bounded_by_extremes(known_of(name, None, sketch, own, unjudged=reason), sketch, own.rule(name))
    return [known] if critical or known.certain else []


def _clocks(first: ClockSketch, second: ClockSketch, rows: int, config: CompareConfig) -> Examined | None:
    """Compare two clocks (see ``gaps``): the rate from the low end and the middle of the steps, lost rows from their sum."""
    if min(first.rows, second.rows) < 2 or not (first.seconds > 0.0 and second.seconds > 0.0):
        return None
    lows, middles = ([side.steps.quantile(share) for side in (first, second)] for share in (_LOW, 0.5))
    if min(*lows, *middles) <= 0.0:
        return None
    low, middle = lows[1] / lows[0], middles[1] / middles[0]
    ratio = (min(low, middle) if low > 1.0 else max(low, middle)) if (low > 1.0) == (middle > 1.0) else 1.0
    strength = abs(math.log(ratio)) / math.log(config.rate_floor)
    interval = middles[0] * (ratio if strength >= 1.0 else 1.0)
    lost = [_lost(side, step) for side, step in ((first, middles[0]), (second, interval))]
    numbers = [
        {"n": side.rows, "step": step, "lost_rows": gone, "lost_share": gone / (side.rows + gone), "longest_gap_s": side.longest}
        for side, step, gone in zip((first, second), (middles[0], interval), lost, strict=True)
    ]
    known = Examined(
        ROWS, numbers[0], numbers[1], (ColumnData(_NONE, first.rows), ColumnData(_NONE, rows)), Pictures(), Rows(None, rows)
    )
    if min(first.rows, second.rows) < config.min_n:
        return known
    between = middles[0] * math.sqrt(ratio)
    slower = [side.steps.n - round(float(side.steps.upto(np.array([between]))[0]) * side.steps.n) for side in (first, second)]
    rate = share_test(slower[0], first.steps.n, slower[1], second.steps.n)
    gap = share_test(lost[0], first.rows + lost[0], lost[1], second.rows + lost[1])
    more = max(0.0, numbers[1]["lost_share"] - numbers[0]["lost_share"])
    tests = (
        RawTest(
            "sample_interval",
            Kind.RATE,
            rate.statistic,
            rate.p_value if strength >= 1.0 else 1.0,
            ratio,
            config.rate_floor,
            strength,
        ),
        RawTest(
            "missing_rows",
            Kind.GAP,
            gap.statistic,
            gap.p_value if more > 0.0 else 1.0,
            more,
            config.gap_floor,
            more / config.gap_floor,
        ),
    )
    before, after = explain.two_numbers(middles[0], interval)
    shares = [explain.share(one["lost_share"]) for one in numbers]
    gap_words = (
        f"{shares[1]} of the run's rows are missing ({lost[1]:,} of {second.rows + lost[1]:,}, at one every {after} s), against "
        f"{shares[0]} of the baseline's; the longest gap is {explain.number(second.longest)} s, "
        f"{explain.number(second.longest_at)} s after the first row"
    )
    rate_words = f"the interval from row to row went from {before} to {after} s{explain.percent(middles[0], interval)}"
    told = {Kind.GAP: (gap_words, 0), Kind.RATE: (rate_words, 0)}
    return replace(known, more=tests, told=told)


def _lost(clock: ClockSketch, interval: float) -> int:
    """Return the rows that are missing: the time of steps that are holes, in rows, less the holes themselves."""
    usual = clock.steps.values <= _HOLE * interval
    holes = clock.steps.n - int(clock.steps.weights[usual].sum())
    inside = float((clock.steps.values[usual] * clock.steps.weights[usual]).sum())
    return max(0, round((clock.seconds - inside) / interval) - holes) if holes or clock.longest > _HOLE * interval else 0
