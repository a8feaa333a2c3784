"""What asserts make of a comparison: of its verdict, its findings and its metrics.

A failed assert of severity ``fail`` fails the run, one of severity ``warning`` is drift, one of ``info`` is told and decides
nothing. An assert that nobody can answer is never a pass: what it stands for may be broken, so the run is
``INSUFFICIENT_DATA``, even where the comparison found only drift. Asserts need no baseline, and none of them makes up for one.
"""

from collections.abc import Sequence
from dataclasses import replace

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.asserts import Assert, Asserted, Outcome, check_all
from trueup.domains.telemetry.engine.result import Comparison, Finding, Kind, MetricResult
from trueup.domains.telemetry.engine.table import Table
from trueup.kernel.words import Verdict

# of two verdicts the earlier one stays
_ORDER = (
    Verdict.FAIL,
    Verdict.NO_DATA,
    Verdict.STALE,
    Verdict.UNKNOWN,
    Verdict.NO_BASELINE,
    Verdict.INSUFFICIENT_DATA,
    Verdict.PASS_WITH_DRIFT,
    Verdict.PASS,
)
_FAILED = {"fail": Verdict.FAIL, "warning": Verdict.PASS_WITH_DRIFT, "info": Verdict.PASS}


def meaning_of(answer: Asserted) -> Verdict:
    """Return what the answer of one assert means for the run."""
    if answer.result is Outcome.PASS or answer.check.severity == "info":
        return Verdict.PASS
    return _FAILED[answer.check.severity] if answer.result is Outcome.FAIL else Verdict.INSUFFICIENT_DATA


def verdict_of(answers: Sequence[Asserted]) -> Verdict | None:
    """Return what asserts say by themselves; None where there is none."""
    return _worst([meaning_of(answer) for answer in answers]) if answers else None


def _worst(verdicts: Sequence[Verdict]) -> Verdict:
    return min(verdicts, key=_ORDER.index)


def assert_alone(run: Table, checks: Sequence[Assert]) -> Comparison:
    """Hold a run against asserts and nothing else.

    Args:
        run: the table; the columns that the asserts name are read once.
        checks: at least one.

    Returns:
        NO_DATA when it has no rows; FAIL, PASS_WITH_DRIFT or INSUFFICIENT_DATA as its asserts say (see the module); PASS only
        when every assert that decides was answered and holds.
    """
    notes = () if run.rows else ("the run has no rows",)
    verdict = Verdict.PASS if run.rows else Verdict.NO_DATA
    config = {"asserts": [check.as_dict() for check in checks]}
    bare = Comparison(verdict, (), (), tuple(run.excluded), notes, 0, run.rows, config)
    return with_asserts(bare, check_all(checks, run) if run.rows else _unanswered(checks))


def _unanswered(checks: Sequence[Assert]) -> tuple[Asserted, ...]:
    return tuple(Asserted(check, Outcome.UNKNOWN, "has no sample: the run has no rows") for check in checks)


def asserted(comparison: Comparison, run: Table, checks: Sequence[Assert]) -> Comparison:
    """Hold the run of a comparison against asserts too.

    Args:
        comparison: what was found without them.
        run: its run; the columns that the asserts name are read once more.
        checks: the conditions; without any, nothing changes.
    """
    if not checks:
        return comparison
    config = {**comparison.config, "asserts": [check.as_dict() for check in checks]}
    return with_asserts(replace(comparison, config=config), check_all(checks, run) if run.rows else _unanswered(checks))


def with_asserts(comparison: Comparison, answers: Sequence[Asserted]) -> Comparison:
    """Join a comparison with the answers of its asserts.

    Args:
        comparison: what was found without them.
        answers: one for each assert, in their order; without any there is nothing to pass by.
    """
    if not answers:
        return replace(comparison, verdict=_worst((comparison.verdict, Verdict.INSUFFICIENT_DATA)))
    failed = [answer for answer in answers if answer.result is Outcome.FAIL and answer.check.severity != "info"]
    found = {severity: [_finding(one, comparison) for one in failed if one.check.severity == severity] for severity in _FAILED}
    strongest = {severity: sorted(some, key=lambda f: (-f.effect, f.metric)) for severity, some in found.items()}
    unknown = [answer for answer in answers if answer.result is Outcome.UNKNOWN]
    notes = [f"assert {one.check.id}: {one.check.metric} {one.reason}" for one in unknown]
    told = [one for one in answers if one.result is Outcome.FAIL and one.check.severity == "info"]
    notes += [f"assert {one.check.id} (info): {one.check.condition} {one.reason}" for one in told]
    return replace(
        comparison,
        verdict=_worst((comparison.verdict, *(meaning_of(answer) for answer in answers))),
        findings=(*strongest["fail"], *comparison.findings, *strongest["warning"]),
        metrics=tuple(_metric(result, answers) for result in comparison.metrics),
        notes=(*comparison.notes, *notes),
        asserts=tuple(answers),
    )


def _finding(answer: Asserted, comparison: Comparison) -> Finding:
    check, first = answer.check, answer.rows[0]
    numbers = {"n": answer.samples, "breaking": answer.count, "first_values": answer.values, "first_rows": answer.rows}
    if answer.times is not None:
        numbers["first_times_s"] = answer.times
    when = ""
    if answer.time_range is not None:
        start, end = (explain.number(at) for at in answer.time_range)
        when = f", {start} to {end} s after the first row"
    values = ", ".join(_shown(value, check) for value in answer.values[:3])
    return Finding(
        metric=check.metric,
        kind=Kind.ASSERT,
        effect=answer.count / answer.samples,
        q_value=None,
        onset_index=first,
        onset_fraction=first / max(comparison.run_rows, 1),
        baseline={},
        run={"assert": check.id, "condition": check.condition, **numbers},
        explanation=f"{check.metric}: assert {check.id} ({check.condition}) {answer.reason}{when}; first values {values}",
        index_range=answer.index_range,
        time_range=answer.time_range,
    )


def _shown(value: float, check: Assert) -> str:
    """Write an offending value with as many digits as it takes to tell it from what was asked."""
    bounds = check.value if isinstance(check.value, tuple) else (check.value,)
    return explain.two_numbers(value, min(bounds, key=lambda bound: abs(0.5 * bound - 0.5 * value)))[0]


def _metric(result: MetricResult, answers: Sequence[Asserted]) -> MetricResult:
    """Let the verdict of a metric say what its asserts say, where that is worse."""
    mine = [answer for answer in answers if answer.check.metric == result.metric and meaning_of(answer) is not Verdict.PASS]
    if not mine:
        return result
    verdict = _worst((result.verdict, *(meaning_of(answer) for answer in mine)))
    said = "; ".join(f"assert {answer.check.id} {answer.reason}" for answer in mine)
    return replace(result, verdict=verdict, reason=f"{said}; {result.reason}" if result.reason else said)
