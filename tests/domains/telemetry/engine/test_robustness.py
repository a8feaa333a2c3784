"""Never a crash, never a silent pass: any finite numbers, any lengths."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.domains.telemetry.engine.tables import column, judged, metric, table
from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.domains.telemetry.engine.document import document
from trueup.domains.telemetry.engine.result import Comparison
from trueup.kernel.words import Verdict

FINITE = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=True)
SERIES = arrays(np.float64, st.integers(0, 200), elements=FINITE)
NEAR = arrays(np.float64, st.integers(20, 200), elements=st.sampled_from([0.0, 5e-324, 1.0, 1e308, -1e308, 1e-308, 1.7e308]))


def is_sound(comparison: Comparison) -> None:
    for finding in comparison.findings:
        assert math.isfinite(finding.effect)
        assert finding.q_value is None or 0.0 <= finding.q_value <= 1.0
        assert finding.onset_index is None or 0 <= finding.onset_index < comparison.run_rows
        assert finding.explanation.startswith(finding.metric)
    for item in comparison.metrics:
        assert all(math.isfinite(test.statistic) and math.isfinite(test.effect) for test in item.tests)
        for side in (item.baseline, item.run):
            assert all(math.isfinite(value) for value in side.values())
        for envelope in (item.baseline_envelope, item.run_envelope):
            assert envelope is None or (np.isfinite(envelope.mean).all() and len(envelope.mean) <= 240)
        for shares in (item.baseline_histogram, item.run_histogram):
            assert shares is None or (abs(shares.sum() - 1.0) < 1e-9 and len(shares) <= 60)
    json.dumps(document(comparison), allow_nan=False)


@settings(max_examples=150)
@given(SERIES, SERIES)
def test_any_finite_numbers_have_an_answer(first, second):
    is_sound(judged(first, second))


@settings(max_examples=150)
@given(NEAR, NEAR)
def test_the_greatest_and_the_least_numbers_have_an_answer(first, second):
    is_sound(judged(first, second))


@settings(max_examples=60)
@given(SERIES)
def test_a_series_compared_with_itself_never_drifts(values):
    comparison = judged(values, values)
    assert comparison.findings == ()
    assert (comparison.verdict is Verdict.NO_DATA) == (len(values) == 0)


@settings(max_examples=60)
@given(st.integers(20, 200), st.integers(-1000, 1000), st.data())
def test_missing_cells_never_break_the_count_of_rows(n, power, data):
    missing = data.draw(st.lists(st.integers(0, n - 1), unique=True, max_size=n))
    r = np.random.default_rng(n)
    with np.errstate(over="ignore", under="ignore"):
        values = np.clip(np.ldexp(r.normal(size=n), power), -1e308, 1e308)
    is_sound(judged(column(values), column(values * 0.5, missing=missing)))


@settings(max_examples=40)
@given(st.integers(-990, 990))
def test_a_unit_near_the_limits_of_the_numbers_makes_no_difference(power):
    r = np.random.default_rng(1)
    first, second = r.normal(size=200), r.normal(2.0, 1.0, 200)
    plain, scaled = (judged(np.ldexp(first, p), np.ldexp(second, p)) for p in (0, power))
    assert [str(f.kind) for f in scaled.findings] == [str(f.kind) for f in plain.findings] == ["level"]
    assert scaled.findings[0].effect == pytest.approx(plain.findings[0].effect, rel=1e-9)


@pytest.mark.parametrize("offset", [1e9, -1e12])
def test_a_large_offset_does_not_hide_a_change(offset):
    r = np.random.default_rng(2)
    comparison = judged(offset + r.normal(size=1000), offset + r.normal(0.6, 1.0, 1000))
    assert [str(finding.kind) for finding in comparison.findings] == ["level"]
    assert metric(comparison).run["sd"] == pytest.approx(1.0, abs=0.1)


def test_a_change_from_the_least_to_the_greatest_numbers_is_found():
    r = np.random.default_rng(3)
    comparison = judged(5e-324 * r.integers(0, 9, 100), 1e308 * r.random(100))
    is_sound(comparison)
    assert comparison.verdict is Verdict.PASS_WITH_DRIFT


CHANGES = {
    "nothing": lambda values: values,
    "a level": lambda values: values + 1.0,
    "a scale": lambda values: 3.0 * values,
    "a trend": lambda values: values + np.linspace(0.0, 4.0, len(values)),
    "an oscillation": lambda values: values + 3.0 * np.sin(np.arange(len(values)) / 5.0),
    "held": lambda values: np.where(np.arange(len(values)) < len(values) // 2, values, values[0]),
}


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(CHANGES)), st.integers(0, 50), st.floats(1e-6, 1e6), st.integers(-1000, 1000), st.booleans())
def test_scale_sign_and_offset_of_a_metric_make_no_difference(change, seed, scale, offset, mirrored):
    r = np.random.default_rng(seed)
    first, second = r.normal(size=400), CHANGES[change](r.normal(size=400))
    factor = -scale if mirrored else scale
    plain, moved = judged(first, second), judged(factor * (first + offset), factor * (second + offset))
    assert [str(f.kind) for f in moved.findings] == [str(f.kind) for f in plain.findings]
    assert [f.effect for f in moved.findings] == pytest.approx([f.effect for f in plain.findings], rel=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.permutations(sorted(CHANGES)))
def test_the_order_of_metrics_makes_no_difference_to_what_is_found(names):
    def side(changed):
        found = {}
        for name in names:
            values = np.random.default_rng([sorted(CHANGES).index(name), changed]).normal(size=300)
            found[name] = CHANGES[name](values) if changed else values
        return table(**found)

    comparison = compare(side(0), side(1), config=CompareConfig())
    found = [(f.metric, str(f.kind)) for f in comparison.findings]
    assert sorted(found) == [
        ("a level", "level"),
        ("a scale", "scale"),
        ("a trend", "trend"),
        ("an oscillation", "oscillation"),
        ("held", "stuck"),
    ]
