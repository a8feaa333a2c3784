"""What a report says in words."""

from typing import Any

from trueup.domains.telemetry.engine.result import Comparison, Finding, Kind
from trueup.domains.telemetry.report.markup import figure
from trueup.kernel.words import Verdict

VERDICT_WORDS = {
    Verdict.PASS: "Pass",
    Verdict.PASS_WITH_DRIFT: "Pass with drift",
    Verdict.FAIL: "Fail",
    Verdict.INSUFFICIENT_DATA: "Insufficient data",
    Verdict.NO_DATA: "No data",
    Verdict.NO_BASELINE: "No baseline",
    Verdict.STALE: "Stale",
    Verdict.UNKNOWN: "Unknown",
}
TONES = {
    Verdict.PASS: "pass",
    Verdict.PASS_WITH_DRIFT: "drift",
    Verdict.FAIL: "fail",
    Verdict.INSUFFICIENT_DATA: "unknown",
    Verdict.NO_DATA: "unknown",
    Verdict.NO_BASELINE: "unknown",
    Verdict.STALE: "unknown",
    Verdict.UNKNOWN: "unknown",
}
ICONS = {
    "pass": "M5 13 L10 18 L19 7",
    "drift": "M3 14 L8 14 L12 7 L21 7",
    "fail": "M6 6 L18 18 M18 6 L6 18",
    "unknown": "M8.5 9 A3.5 3.5 0 1 1 12 13 L12 14.5 M12 18.4 L12 18.5",
}
KIND_WORDS = {
    Kind.LEVEL: "level",
    Kind.SCALE: "spread",
    Kind.SHAPE: "shape",
    Kind.CONSTANT_CHANGED: "constant changed",
    Kind.MISSING: "missing",
    Kind.QUARANTINE: "unreadable cells",
    Kind.GAP: "gaps",
    Kind.TREND: "trend",
    Kind.OSCILLATION: "oscillation",
    Kind.STUCK: "stuck",
    Kind.SPIKE: "spikes",
    Kind.RATE: "sample rate",
    Kind.LIMIT: "limit broken",
    Kind.INVARIANT: "invariant broken",
    Kind.DUPLICATION: "repeated rows",
    Kind.CLOCK: "clock",
    Kind.ASSERT: "assert",
}
_NUMBERS = {
    Kind.LEVEL: ("mean", "median"),
    Kind.SCALE: ("mean_deviation", "sd", "mad"),
    Kind.SHAPE: ("median", "mean"),
    Kind.CONSTANT_CHANGED: ("value", "mean", "median"),
    Kind.MISSING: ("n", "total"),
    Kind.QUARANTINE: ("quarantined", "quarantined_share", "n"),
    Kind.GAP: ("missing", "missing_share", "lost_share", "n"),
    Kind.TREND: ("trend_end", "mean"),
    Kind.OSCILLATION: ("amplitude", "sd"),
    Kind.STUCK: ("held_value", "median"),
    Kind.SPIKE: ("farthest", "high", "n"),
    Kind.RATE: ("step", "n"),
    Kind.LIMIT: ("worst", "high", "n"),
    Kind.INVARIANT: ("worst", "high", "n"),
    Kind.DUPLICATION: ("repeated_share", "n"),
    Kind.CLOCK: ("longest_gap_s", "clock_step_s", "n"),
    Kind.ASSERT: ("breaking", "n"),
}


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def meaning(comparison: Comparison) -> str:
    """Say in one sentence what the verdict means here."""
    changed = len({finding.metric for finding in comparison.findings})
    found = f"{_count(len(comparison.findings), 'significant difference')} in {_count(changed, 'metric')}"
    compared = _count(len(comparison.metrics), "metric")
    if comparison.asserts and not comparison.metrics and not comparison.baseline_rows:
        return _asserts_meaning(comparison)
    match comparison.verdict:
        case Verdict.PASS:
            return f"The run behaves like its baseline: no significant difference in {compared}."
        case Verdict.PASS_WITH_DRIFT:
            return f"The run no longer behaves like its baseline: {found}."
        case Verdict.FAIL:
            # an assert that is broken is no promise of the baseline
            held = comparison.baseline_rows and any(finding.kind is not Kind.ASSERT for finding in comparison.findings)
            promised = (
                "its baseline promises" if held or (comparison.baseline_rows and not comparison.asserts) else "is asked of it"
            )
            return f"The run does not hold what {promised}: {found}."
        case Verdict.INSUFFICIENT_DATA:
            return "There is too little data to say whether the run behaves like its baseline. This is not a pass."
        case Verdict.NO_DATA:
            return "There are no rows to compare. This is not a pass."
        case Verdict.NO_BASELINE:
            return "There is nothing to compare the run with. This is not a pass."
        case Verdict.STALE:
            return "The newest data is too old to speak for the present. This is not a pass."
        case _:
            return "It is not known whether the run behaves like its baseline. This is not a pass."


def _asserts_meaning(comparison: Comparison) -> str:
    """Say what the verdict of asserts alone means."""
    asked = _count(len(comparison.asserts), "assert")
    broken = _count(sum(one.result == "fail" for one in comparison.asserts), "assert")
    match comparison.verdict:
        case Verdict.PASS:
            return f"Every sample of the run is what {asked} ask for. Nothing was compared with a baseline."
        case Verdict.PASS_WITH_DRIFT:
            return f"{broken} of {len(comparison.asserts):,} do not hold; they were asked as warnings."
        case Verdict.FAIL:
            return f"The run is not what is asked of it: {broken} of {len(comparison.asserts):,} do not hold."
        case Verdict.NO_DATA:
            return "The run has no rows. This is not a pass."
        case _:
            return "Not every assert can be answered. This is not a pass."


def effect_words(finding: Finding) -> str:
    """Write an effect with what it is measured in."""
    match finding.kind:
        case Kind.LEVEL | Kind.TREND | Kind.OSCILLATION | Kind.SPIKE:
            return f"{figure(finding.effect)} baseline sd"
        case Kind.SCALE:
            return f"{figure(finding.effect)} × the spread"
        case Kind.SHAPE:
            return f"KS distance {figure(finding.effect)}"
        case Kind.CONSTANT_CHANGED:
            return figure(finding.effect)
        case Kind.RATE:
            return f"{figure(finding.effect)} × the sample interval"
        case Kind.STUCK | Kind.LIMIT | Kind.INVARIANT | Kind.ASSERT:
            return f"{finding.effect:.1%} of values"
        case Kind.DUPLICATION:
            return f"{finding.effect:.1%} of rows"
        case Kind.CLOCK:
            return f"{figure(finding.effect)} × the sample interval"
        case _:
            return f"{finding.effect:.1%} of cells"


def kind_numbers(finding: Finding) -> tuple[str, Any, Any] | None:
    """Return the name and both values of the number that a finding is about, where it has one."""
    for name in _NUMBERS[finding.kind]:
        if name in finding.baseline or name in finding.run:
            return name.replace("_", " "), finding.baseline.get(name), finding.run.get(name)
    return None
