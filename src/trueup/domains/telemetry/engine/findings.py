"""From adjusted p-values to the findings of one metric, and their order."""

import math

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.coverage import explain_gap
from trueup.domains.telemetry.engine.detect import Change, Detected, Lattice, onset_of
from trueup.domains.telemetry.engine.examined import Examined, make_finding
from trueup.domains.telemetry.engine.oscillation import Wave
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Finding, Kind, Test
from trueup.domains.telemetry.engine.sample import finite, unscaled
from trueup.domains.telemetry.engine.spikes import Spikes
from trueup.domains.telemetry.engine.stuck import Held
from trueup.domains.telemetry.engine.trend import Trend

_NOUNS = {
    Kind.LEVEL: "a change of level",
    Kind.SCALE: "a change of scale",
    Kind.TREND: "a trend",
    Kind.OSCILLATION: "an oscillation",
    Kind.STUCK: "held values",
    Kind.SPIKE: "spikes",
}


def raw_tests(examined: Examined) -> tuple[RawTest, ...]:
    """Return every test of a metric that has a p-value, in a fixed order."""
    tests = examined.detected.tests if examined.detected else ()
    return (*tests, *((examined.gap,) if examined.gap else ()), *examined.more)


def adjusted_tests(examined: Examined, q_values: list[float], config: CompareConfig) -> tuple[Test, ...]:
    """Return the tests of a metric with their adjusted p-values.

    On a lattice of a few values, or where a metric mostly rests at one, level, scale and shape cannot move apart: there
    a change of shape is only counted when neither level nor scale changed, and of a metric with two values one change
    only.
    """
    raw = raw_tests(examined)
    found = [q < config.alpha and test.strength >= 1.0 for test, q in zip(raw, q_values, strict=True)]
    kinds = {test.kind for test, yes in zip(raw, found, strict=True) if yes}
    explained: set[Kind] = set()
    lattice = examined.detected.lattice if examined.detected else Lattice.NONE
    if lattice and kinds & {Kind.LEVEL, Kind.SCALE}:
        explained.add(Kind.SHAPE)
    if lattice is Lattice.TWO_VALUES and Kind.LEVEL in kinds:
        explained.add(Kind.SCALE)
    tests = tuple(
        Test(
            name=test.name,
            kind=test.kind,
            statistic=finite(test.statistic),
            p_value=test.p_value,
            q_value=q,
            effect=finite(test.effect),
            floor=test.floor,
            significant=yes and test.kind not in explained,
        )
        for test, q, yes in zip(raw, q_values, found, strict=True)
    )
    if examined.constant:
        return (*tests, Test("constant", Kind.CONSTANT_CHANGED, 0.0, 1.0, 1.0, 0.0, 0.0, significant=False))
    return tests


def _level(known: Examined, change: Change, q_value: float, config: CompareConfig) -> Finding:
    unit = known.deviation * config.level_floor
    index, after = onset_of(change, lambda mean: (mean - change.baseline) / unit)
    effect = abs(after - change.baseline) / known.deviation
    shown = [unscaled(value, known.exponent) for value in (change.baseline, after)]
    text = explain.level(shown[0], shown[1], effect, known.rows.place(index), known.unit)
    return make_finding(_parted(known, change, "mean"), Kind.LEVEL, effect, text, index=index, q_value=q_value)


def _scale(known: Examined, change: Change, q_value: float, config: CompareConfig) -> Finding:
    unit = math.log(config.scale_floor)

    def ratio(value: float) -> float:
        return max(value, 1e-150) / max(change.baseline, 1e-150)

    index, after = onset_of(change, lambda value: math.log(ratio(value)) / unit)
    shown = [unscaled(value, known.exponent) for value in (change.baseline, after)]
    text = explain.scale(shown[0], shown[1], known.rows.place(index), known.unit)
    return make_finding(_parted(known, change, "mean_deviation"), Kind.SCALE, ratio(after), text, index=index, q_value=q_value)


def _parted(known: Examined, change: Change, name: str) -> Examined:
    """Add the numbers before and after the run's own change to what a finding shows of the run."""
    if change.cut is None:
        return known
    parts = {f"{name}_before": change.head, f"{name}_after": change.tail}
    return known.showing({key: unscaled(value, known.exponent) for key, value in parts.items()})


def findings_of(known: Examined, tests: tuple[Test, ...], config: CompareConfig) -> list[Finding]:
    """Return the findings of one metric: the certain ones, and one per kind that a test found."""
    found = list(known.certain)
    least: dict[Kind, Test] = {}
    for test in tests:
        if test.significant and (test.kind not in least or test.q_value < least[test.kind].q_value):
            least[test.kind] = test
    found += [_finding(known, test, config) for test in least.values()]
    return found


def _finding(known: Examined, test: Test, config: CompareConfig) -> Finding:
    """Make the finding of a test, with what was detected beside it."""
    detected, q_value = known.detected, test.q_value
    if test.kind in known.told:
        text, index = known.told[test.kind]
        return make_finding(known, test.kind, test.effect, text, index=index, q_value=q_value)
    match test.kind, detected:
        case Kind.LEVEL, Detected(level=Change() as change):
            found = _level(known, change, q_value, config)
        case Kind.SCALE, Detected(scale=Change() as change):
            found = _scale(known, change, q_value, config)
        case Kind.TREND, Detected(trend=Trend() as trend):
            found = _trend(known, trend, test)
        case Kind.OSCILLATION, Detected(wave=Wave() as wave):
            found = _oscillation(known, wave, test)
        case Kind.STUCK, Detected(held=Held() as held):
            found = _stuck(known, held, test)
        case Kind.SPIKE, Detected(spikes=Spikes() as lone):
            found = _spike(known, lone, test)
        case Kind.GAP, _:
            found = make_finding(known, test.kind, test.effect, explain_gap(*known.columns), q_value=q_value)
        case Kind.SHAPE, _:
            found = make_finding(known, test.kind, test.effect, explain.shape(test.effect), q_value=q_value)
        case _:
            found = _unplaced(known, test)
    return found


def _unplaced(known: Examined, test: Test) -> Finding:
    """Make the finding of what was found, but not so surely that it was taken out: only its size is known."""
    size = f"{explain.number(test.effect)} (floor {explain.number(test.floor)})"
    return make_finding(known, test.kind, test.effect, f"shows {_NOUNS[test.kind]} of size {size}", q_value=test.q_value)


def _trend(known: Examined, trend: Trend, test: Test) -> Finding:
    start, end = (unscaled(value, known.exponent) for value in (trend.start, trend.end))
    text = explain.trend(start, end, test.effect, known.rows.place(trend.onset), known.unit)
    shown = known.showing({"trend_start": start, "trend_end": end})
    return make_finding(shown, Kind.TREND, test.effect, text, index=trend.onset, q_value=test.q_value)


def _oscillation(known: Examined, wave: Wave, test: Test) -> Finding:
    amplitude = unscaled(wave.amplitude, known.exponent)
    text = explain.oscillation(amplitude, wave.period, test.effect, known.rows.place(wave.onset), known.unit)
    shown = known.showing({"amplitude": amplitude, "period": wave.period})
    return make_finding(shown, Kind.OSCILLATION, test.effect, text, index=wave.onset, q_value=test.q_value)


def _stuck(known: Examined, held: Held, test: Test) -> Finding:
    value = unscaled(held.value, known.exponent)
    where = known.rows.place(held.start) if held.persists else f"the longest {known.rows.at(held.start)}"
    text = explain.stuck(value, held.longest, len(held.cells), known.run["n"], where, known.unit)
    shown = known.showing({"held_value": value, "held_longest": held.longest, "held_values": len(held.cells)})
    return make_finding(shown, Kind.STUCK, test.effect, text, index=held.start, q_value=test.q_value)


def _spike(known: Examined, lone: Spikes, test: Test) -> Finding:
    farthest, first = unscaled(lone.farthest, known.exponent), int(lone.cells[0])
    text = explain.spike(lone.events, farthest, lone.largest, f"the first {known.rows.at(first)}", known.unit)
    shown = known.showing({"spikes": lone.events, "spike_values": len(lone.cells), "farthest": farthest})
    return make_finding(shown, Kind.SPIKE, test.effect, text, index=first, q_value=test.q_value)


def score(finding: Finding, config: CompareConfig) -> float:
    """Return the strength of a finding, 0…1, without a unit and comparable between kinds.

    With s the effect in units of its floor (a ratio by its logarithm) it is s / (1 + s), 1/2 at the floor. What has no
    floor is measured as it is: the share of cells, or of its magnitude by which a constant changed.
    """
    match finding.kind:
        case Kind.LEVEL:
            strength = finding.effect / config.level_floor
        case Kind.SCALE:
            strength = abs(math.log(finding.effect)) / math.log(config.scale_floor)
        case Kind.SHAPE:
            strength = finding.effect / config.shape_floor
        case Kind.GAP | Kind.TREND | Kind.OSCILLATION | Kind.STUCK | Kind.SPIKE | Kind.DUPLICATION | Kind.CLOCK:
            strength = finding.effect / getattr(config, f"{finding.kind}_floor")
        case Kind.RATE:
            strength = abs(math.log(finding.effect)) / math.log(config.rate_floor)
        case _:
            return min(1.0, finding.effect)
    return 1.0 - 1.0 / (1.0 + strength)
