"""From adjusted p-values to the findings of one metric, and their order."""

import math

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.coverage import explain_gap
from trueup.domains.telemetry.engine.detect import Change, Lattice, RawTest, onset_of
from trueup.domains.telemetry.engine.metric import Examined, make_finding
from trueup.domains.telemetry.engine.result import Finding, Kind, Test
from trueup.domains.telemetry.engine.sample import finite, unscaled


def raw_tests(examined: Examined) -> tuple[RawTest, ...]:
    """Return every test of a metric that has a p-value, in a fixed order."""
    tests = examined.detected.tests if examined.detected else ()
    return tests if examined.gap is None else (*tests, examined.gap)


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
    text = explain.level(shown[0], shown[1], effect, known.rows.place(index))
    return make_finding(_parted(known, change, "mean"), Kind.LEVEL, effect, text, index=index, q_value=q_value)


def _scale(known: Examined, change: Change, q_value: float, config: CompareConfig) -> Finding:
    unit = math.log(config.scale_floor)

    def ratio(value: float) -> float:
        return max(value, 1e-150) / max(change.baseline, 1e-150)

    index, after = onset_of(change, lambda value: math.log(ratio(value)) / unit)
    shown = [unscaled(value, known.exponent) for value in (change.baseline, after)]
    text = explain.scale(shown[0], shown[1], known.rows.place(index))
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
    detected = known.detected
    for kind, test in least.items():
        if kind is Kind.LEVEL and detected and detected.level:
            found.append(_level(known, detected.level, test.q_value, config))
        elif kind is Kind.SCALE and detected and detected.scale:
            found.append(_scale(known, detected.scale, test.q_value, config))
        elif kind is Kind.SHAPE:
            found.append(make_finding(known, kind, test.effect, explain.shape(test.effect), q_value=test.q_value))
        elif kind is Kind.GAP:
            text = explain_gap(*known.columns)
            found.append(make_finding(known, kind, test.effect, text, q_value=test.q_value))
    return found


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
        case Kind.GAP:
            strength = finding.effect / config.gap_floor
        case _:
            return min(1.0, finding.effect)
    return 1.0 - 1.0 / (1.0 + strength)
