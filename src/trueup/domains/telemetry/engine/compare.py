"""Compare the tables of a baseline and of a run, metric by metric.

One metric's columns are in memory at a time. The p-values of all tests of all metrics are adjusted together
(Benjamini-Hochberg); a difference is a finding only if its adjusted p-value is below ``alpha`` and its effect reaches
the floor. What cannot be judged is said to be so, and never counts as a pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.duplicates import RowWatch
from trueup.domains.telemetry.engine.examined import Examined
from trueup.domains.telemetry.engine.findings import adjusted_tests, findings_of, raw_tests, score
from trueup.domains.telemetry.engine.gaps import ROWS
from trueup.domains.telemetry.engine.metric import alone, examine, unexamined
from trueup.domains.telemetry.engine.result import Comparison, Finding, Kind, MetricResult, Test
from trueup.domains.telemetry.engine.rows import examine_clocks, with_repeats
from trueup.domains.telemetry.engine.table import Excluded, Table, clock_of
from trueup.domains.telemetry.engine.views import Watched
from trueup.kernel.stats import benjamini_hochberg
from trueup.kernel.words import Verdict

__all__ = ["CompareConfig", "compare", "judge_alone"]

type Times = NDArray[np.float64] | None

# what a source calls a column that holds cells, but none that are numbers
_NOT_NUMBERS = ("text column", "nested values")


@dataclass(frozen=True, slots=True)
class Judged:
    result: MetricResult
    findings: tuple[Finding, ...]
    note: str


def compare(baseline: Table, run: Table, *, config: CompareConfig) -> Comparison:
    """Say whether a run still behaves as its baseline.

    Args:
        baseline: the table of the claim; each column is read once.
        run: the table of what is; each column is read once.
        config: what counts as a difference.

    Returns:
        The verdict: NO_DATA when either side has no rows; FAIL when cells were set aside beyond the limit, a critical
        metric is missing or not clean, or drift was found that is to fail; PASS_WITH_DRIFT when a difference was found;
        INSUFFICIENT_DATA when nothing was found but a metric could not be judged, or no numeric column is on both
        sides; PASS only when every metric was judged and no difference was found.

    References:
        Benjamini & Hochberg (1995), "Controlling the false discovery rate".
    """
    if not baseline.rows or not run.rows:
        empty = [name for name, table in (("the baseline", baseline), ("the run", run)) if not table.rows]
        note = f"{' and '.join(empty)} {'has' if len(empty) == 1 else 'have'} no rows"
        return _answer(Verdict.NO_DATA, (), (), baseline, run, (note,), config)
    rows, clocked = examine_clocks(baseline, run, config)
    if clocked is None:  # no clock tells repeated rows: whole rows do, which are seen as their columns are read
        watch = RowWatch(frozenset(baseline.numeric) & frozenset(run.numeric))
        baseline, run = Watched(baseline, see=watch.baseline), Watched(run, see=watch.run)
    # a clock is as long as a column: it is kept only where a bound could ask for times
    times = clock_of(run) if config.rules else None
    examined = _examine_all(baseline, run, config, times)
    examined.append(rows if clocked else with_repeats(rows, watch, config))
    judged = judge_all(examined, config)
    findings = [finding for item in judged for finding in item.findings]
    failing = {item.metric for item in examined if item.failing}
    findings.sort(key=lambda f: (f.metric not in failing, -score(f, config.of(f.metric)), f.metric, f.kind))
    compared = [name for name in baseline.numeric if name in set(run.numeric)]
    coverage = coverage_of(baseline, examined)
    notes = (
        *column_notes(baseline, run, compared),
        *coverage_note(coverage, baseline, config),
        *registry_notes((*baseline.numeric, *run.numeric), config),
        *unjudged_note(judged),
        *sorted(item.note for item in judged if item.note),
        *(f"{item.metric}: {item.remark}" for item in examined if item.remark),
    )
    verdicts = {item.result.verdict for item in judged}
    if config.strict and any(config.unregistered(name) for name in (*baseline.numeric, *run.numeric)):
        verdicts.add(Verdict.FAIL)
    verdict = run_verdict(verdicts, compared, covered=coverage >= config.min_coverage)
    shown = [item for item in judged if item.result.metric != ROWS or item.findings]
    answer = _answer(verdict, findings, shown, baseline, run, notes, config)
    clock = {"baseline": clocked.baseline, "run": clocked.run} if clocked else None
    return replace(answer, clock=clock, coverage=coverage)


def judge_alone(run: Table, config: CompareConfig) -> Comparison:
    """Judge a run that there is no baseline for: bounds hold without one, and nothing else can be said.

    Args:
        run: the table of what is; each column is read once.
        config: its rules.

    Returns:
        NO_DATA when it has no rows; FAIL when a limit or invariant is broken, a critical metric is missing or not
        clean, or ``strict`` and a metric is not registered; else NO_BASELINE, which is no pass.
    """
    if not run.rows:
        note = "the run has no rows"
        return Comparison(Verdict.NO_DATA, (), (), tuple(run.excluded), (note,), 0, 0, config.as_dict())
    times = clock_of(run) if config.rules else None
    examined = [alone(name, run.column(name), config, times, unjudged="there is no baseline") for name in run.numeric]
    for name in sorted(config.must_have - set(run.numeric)):
        text = "is critical and no numeric column of the run"
        examined.append(unexamined(name, None, None, kind=Kind.MISSING, explanation=text, failing=True))
    judged = judge_all(examined, config)
    findings = sorted((f for item in judged for f in item.findings), key=lambda f: (-score(f, config), f.metric, f.kind))
    results = tuple(
        item.result if item.result.verdict is Verdict.FAIL else replace(item.result, verdict=Verdict.NO_BASELINE)
        for item in judged
    )
    failed = any(result.verdict is Verdict.FAIL for result in results)
    notes = ("there is no baseline: only bounds were judged", *registry_notes(run.numeric, config))
    verdict = Verdict.FAIL if failed else Verdict.NO_BASELINE
    return Comparison(verdict, tuple(findings), results, tuple(run.excluded), notes, 0, run.rows, config.as_dict())


def run_verdict(verdicts: set[Verdict], compared: Sequence[str], *, covered: bool) -> Verdict:
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    if not compared:
        return Verdict.INSUFFICIENT_DATA
    for verdict in (Verdict.PASS_WITH_DRIFT, Verdict.INSUFFICIENT_DATA):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS if covered else Verdict.PASS_WITH_DRIFT


def coverage_of(baseline: Table, examined: Sequence[Examined]) -> float:
    """Return the share of the baseline's metrics that have a value in the run; 1 where it has none."""
    here = {item.metric for item in examined if item.present}
    return sum(name in here for name in baseline.numeric) / max(len(baseline.numeric), 1) if baseline.numeric else 1.0


def coverage_note(coverage: float, baseline: Table, config: CompareConfig) -> list[str]:
    """Say that too few metrics are there."""
    if coverage >= config.min_coverage:
        return []
    there, total = round(coverage * len(baseline.numeric)), len(baseline.numeric)
    least = explain.share(config.min_coverage)
    return [f"coverage: {there} of {total} metrics of the baseline have a value in the run; {least} are asked for"]


def registry_notes(names: Sequence[str], config: CompareConfig) -> list[str]:
    """Name the metrics that the registry does not know."""
    unknown = [name for name in dict.fromkeys(names) if config.unregistered(name)]
    strict = "; strict: that fails the run" if config.strict else ""
    return [f"not in the registry: {', '.join(unknown)}{strict}"] if unknown else []


def _examine_all(baseline: Table, run: Table, config: CompareConfig, times: Times) -> list[Examined]:
    """Examine the baseline's metrics in its order, then the critical ones that it does not have, by name."""
    there, others = set(run.numeric), {item.name: item.reason for item in run.excluded}
    examined = []
    for name in baseline.numeric:
        if name in there:
            examined.append(
                examine(name, baseline.column(name), run.column(name), config.of(name), times, metrics=len(baseline.numeric))
            )
        else:
            examined.append(_missing(name, baseline, others.get(name), config))
    for name in sorted((config.must_have | set(config.rules)) - set(baseline.numeric)):
        critical = name in config.must_have
        if name in there:
            reason = "it is critical, and the baseline has no numeric column of that name to compare it with"
            found = alone(name, run.column(name), config, times, unjudged=reason)
            # of what is not critical only a broken bound is told: there is nothing to hold it against
            examined += [found] if critical or found.certain else []
        elif critical:
            text = "is critical and a numeric column neither in the baseline nor in the run"
            examined.append(unexamined(name, None, None, kind=Kind.MISSING, explanation=text, failing=True))
    return examined


def _missing(name: str, baseline: Table, excluded: str | None, config: CompareConfig) -> Examined:
    """Judge a column of the baseline that is not a numeric column of the run."""
    critical = name in config.must_have
    if excluded is not None and excluded.startswith(_NOT_NUMBERS):
        kind, text = Kind.QUARANTINE, f"holds no numbers in the run ({excluded})"
    else:
        kind, text = Kind.MISSING, f"cannot be compared in the run ({excluded})" if excluded else "is missing in the run"
    text += ", and it is critical" if critical else ""
    failing = critical or kind is Kind.QUARANTINE
    return unexamined(name, baseline.column(name), None, kind=kind, explanation=text, failing=failing)


def judge_all(examined: Sequence[Examined], config: CompareConfig) -> list[Judged]:
    q_values = benjamini_hochberg([test.p_value for item in examined for test in raw_tests(item)])
    judged, start = [], 0
    for item in examined:
        stop = start + len(raw_tests(item))
        judged.append(_judge(item, q_values[start:stop], config.of(item.metric)))
        start = stop
    return judged


def _judge(item: Examined, q_values: list[float], config: CompareConfig) -> Judged:
    tests = adjusted_tests(item, q_values, config)
    findings = findings_of(item, tests, config)
    if findings:
        fails = item.failing or config.drift_is_fail
        verdict = Verdict.FAIL if fails else Verdict.PASS_WITH_DRIFT
        reason = "; ".join(finding.explanation for finding in findings)
    elif item.unjudged:
        verdict, reason = Verdict.INSUFFICIENT_DATA, item.unjudged
    else:
        verdict, reason = Verdict.PASS, _reason(item, tests, config)
    if config.strict and config.unregistered(item.metric) and item.metric != ROWS:
        verdict, reason = Verdict.FAIL, f"it is not in the registry; {reason}"
    pictures = item.pictures
    result = MetricResult(
        metric=item.metric,
        verdict=verdict,
        reason=reason,
        baseline=item.baseline,
        run=item.run,
        tests=tests,
        baseline_envelope=pictures.baseline_envelope,
        run_envelope=pictures.run_envelope,
        baseline_histogram=pictures.baseline_histogram,
        run_histogram=pictures.run_histogram,
        histogram_edges=pictures.histogram_edges,
    )
    return Judged(result, tuple(findings), "" if findings else item.note)


def _reason(item: Examined, tests: tuple[Test, ...], config: CompareConfig) -> str:
    small = sorted({str(test.kind) for test in tests if test.q_value < config.alpha and not test.significant})
    return f"a difference of {' and '.join(small)} was found, too small to matter" if small else item.reason


def column_notes(baseline: Table, run: Table, compared: Sequence[str]) -> list[str]:
    notes = []
    if not compared:
        notes.append("no numeric column is on both sides")
    excluded = {item.name: item.reason for item in baseline.excluded}
    for name in sorted(set(run.numeric) - set(baseline.numeric)):
        why = f"in the baseline it is not compared: {excluded[name]}" if name in excluded else "the baseline has no such column"
        notes.append(f"{name} is in the run only ({why})")
    return notes


def unjudged_note(judged: Sequence[Judged]) -> list[str]:
    names = [item.result.metric for item in judged if item.result.verdict is Verdict.INSUFFICIENT_DATA]
    return [f"not judged, for want of data: {', '.join(names)}"] if names else []


def all_excluded(baseline: Table, run: Table) -> tuple[Excluded, ...]:
    """Return the baseline's excluded columns in its order, then those that only the run excludes."""
    listed = {item.name for item in baseline.excluded}
    return (*baseline.excluded, *(item for item in run.excluded if item.name not in listed))


def _answer(
    verdict: Verdict,
    findings: Sequence[Finding],
    judged: Sequence[Judged],
    baseline: Table,
    run: Table,
    notes: tuple[str, ...],
    config: CompareConfig,
) -> Comparison:
    return Comparison(
        verdict=verdict,
        findings=tuple(findings),
        metrics=tuple(item.result for item in judged),
        excluded=all_excluded(baseline, run),
        notes=notes,
        baseline_rows=baseline.rows,
        run_rows=run.rows,
        config=config.as_dict(),
    )
