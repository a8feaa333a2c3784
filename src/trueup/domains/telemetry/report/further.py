"""What a report says beside the comparison: asserts, and early warning."""

from collections.abc import Mapping, Sequence
from typing import Any

from trueup.domains.telemetry.engine.asserts import Asserted, Outcome
from trueup.domains.telemetry.engine.outlook import Outlook
from trueup.domains.telemetry.engine.result import Comparison
from trueup.domains.telemetry.report.markup import Node, Safe, compact, figure, join, tag
from trueup.domains.telemetry.report.parts import breakable, pill, section, table

OUTCOME_WORDS = {Outcome.PASS: "holds", Outcome.FAIL: "does not hold", Outcome.UNKNOWN: "cannot be told"}
_TONES = {Outcome.PASS: "pass", Outcome.FAIL: "fail", Outcome.UNKNOWN: "unknown"}


def is_alone(comparison: Comparison) -> bool:
    """Return whether asserts are all that the run was held against."""
    return bool(comparison.asserts) and not comparison.metrics and not comparison.baseline_rows


def limits(comparison: Comparison) -> Mapping[str, Any]:
    """Return the numbers that decided, but for the asserts: those have a section of their own."""
    return {name: value for name, value in comparison.config.items() if name != "asserts"}


def counts(comparison: Comparison) -> tuple[tuple[str, int], ...]:
    """Count the asserts by their answers."""
    answers = [one.result for one in comparison.asserts]
    return (
        ("Asserts", len(answers)),
        ("Hold", answers.count(Outcome.PASS)),
        ("Do not hold", answers.count(Outcome.FAIL)),
        ("Cannot be told", answers.count(Outcome.UNKNOWN)),
    )


def where(answer: Asserted) -> str:
    """Say which rows break an assert, and when; empty where none does."""
    if answer.index_range is None:
        return ""
    first, last = answer.index_range
    rows = f"row {first:,}" if first == last else f"rows {first:,} to {last:,}"
    if answer.time_range is None:
        return rows
    start, end = (figure(at) for at in answer.time_range)
    return f"{rows}, {start} s" if first == last else f"{rows}, {start} to {end} s"


def samples(answer: Asserted) -> Sequence[str]:
    """List the first values that break an assert, each with its row and, where there is a clock, its time."""
    times = answer.times or (None,) * len(answer.values)
    return [
        f"{value:.6g} at row {row:,}" + ("" if at is None else f" ({figure(at)} s)")
        for value, row, at in zip(answer.values, answer.rows, times, strict=True)
    ]


def assert_section(comparison: Comparison) -> Safe | None:
    """Build the section of the asserts; None where nothing was asked."""
    if not comparison.asserts:
        return None
    rows = [_row(answer) for answer in comparison.asserts]
    heads = ("Assert", "Condition", "Result", "Severity", "Samples", "Where", "First values")
    words = "Conditions that every sample of the run has to meet, whatever its baseline says."
    return section("asserts", "Asserts", table("Asserts and their answers", heads, rows, class_="stack compact"), lead=words)


def _row(answer: Asserted) -> Sequence[Node]:
    check = answer.check
    shown = samples(answer)
    result = answer.result
    tone = "drift" if result is Outcome.FAIL and check.severity != "fail" else _TONES[result]
    return (
        breakable(check.id),
        check.condition,
        pill(OUTCOME_WORDS[result], tone),
        check.severity,
        f"{answer.count:,} of {answer.samples:,} break it" if answer.count else f"{answer.samples:,}",
        where(answer) or (answer.reason if result is Outcome.UNKNOWN else "–"),
        join(*(tag("span", one, class_="line") for one in shown)) if shown else "–",
    )


def outlook_rows(comparison: Comparison) -> list[tuple[str, str, str, str, str]]:
    """Return for each bound: metric, bound, room left, time to it, and what warns of trouble."""
    return [(one.metric, one.limit.words, _room(one), _time(one), "; ".join(one.signs)) for one in comparison.outlook]


def _room(one: Outlook) -> str:
    if one.margin is None:
        return "unknown"
    unit = f" {one.unit}" if one.unit else ""
    return f"{compact(one.margin.run)}{unit}, {compact(one.margin.baseline)}{unit} in the baseline"


def _time(one: Outlook) -> str:
    reach = one.reach
    if not reach.known or reach.seconds is None:
        return reach.reason
    if not reach.seconds:
        return "reached"
    return f"{figure(reach.seconds)} s (95 %: {figure(reach.low)} to {figure(reach.high)} s)"


def outlook_section(comparison: Comparison) -> Safe | None:
    """Build the section of early warning; None where no metric has a bound."""
    if not comparison.outlook:
        return None
    rows: list[Sequence[Node]] = [
        (breakable(metric), bound, room, time, tag("strong", signs) if signs else "none")
        for metric, bound, room, time, signs in outlook_rows(comparison)
    ]
    heads = ("Metric", "Bound", "Room left", "Time to the bound", "Signs")
    words = "How much room is left to each bound of the registry. Early warning is no part of the verdict."
    lines = table("Room and time to each bound", heads, rows, class_="stack compact")
    return section("outlook", "Early warning", lines, lead=words)
