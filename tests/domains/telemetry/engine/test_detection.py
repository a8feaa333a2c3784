"""What is found: each kind of difference, alone, where it begins, and nothing else."""

import numpy as np
import pytest

from tests.domains.telemetry.engine.tables import (
    autoregression,
    column,
    judged,
    kinds,
    metric,
    only,
    table,
    ten_columns,
    three_drifts,
)
from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.domains.telemetry.engine.result import Kind
from trueup.kernel.words import Verdict

N = 1000


def rng(seed=0):
    return np.random.default_rng(seed)


def humps(r, n):
    return np.where(r.random(n) < 0.5, -0.97, 0.97) + np.sqrt(1 - 0.97**2) * r.normal(size=n)


def test_of_ten_metrics_exactly_the_three_that_drifted_are_flagged():
    n = 20_000
    comparison = compare(
        table(**ten_columns(n, 20260102)), table(**three_drifts(ten_columns(n, 20260103))), config=CompareConfig()
    )
    assert comparison.verdict is Verdict.PASS_WITH_DRIFT
    found = {finding.metric: finding for finding in comparison.findings}
    assert {name: finding.kind for name, finding in found.items()} == {"m00": Kind.LEVEL, "m01": Kind.SCALE, "m02": Kind.LEVEL}
    assert len(comparison.findings) == 3
    assert found["m00"].onset_index == found["m01"].onset_index == 0
    assert found["m02"].onset_fraction == pytest.approx(0.9, abs=0.01)
    assert found["m00"].effect == pytest.approx(7.5, rel=0.02)
    assert found["m01"].effect == pytest.approx(4.0, rel=0.05)


def test_a_last_tenth_that_is_half_as_high_again_is_flagged_in_its_own_unit():
    columns = ten_columns(5000, 3)
    columns["m02"][4500:] *= 1.5
    comparison = compare(table(**ten_columns(5000, 2)), table(**columns), config=CompareConfig())
    assert {finding.metric for finding in comparison.findings} == {"m02"}
    level = next(finding for finding in comparison.findings if finding.kind is Kind.LEVEL)
    assert level.onset_index == pytest.approx(4500, abs=5)


def test_ten_metrics_without_drift_pass():
    comparison = compare(table(**ten_columns(20_000, 20260102)), table(**ten_columns(20_000, 7)), config=CompareConfig())
    assert (comparison.verdict, comparison.findings) == (Verdict.PASS, ())


CHANGES = {
    "half a deviation higher": (lambda r, n: r.normal(0.5, 1.0, n), ["level"]),
    "half a deviation lower": (lambda r, n: r.normal(-0.5, 1.0, n), ["level"]),
    "nine times the variance": (lambda r, n: r.normal(0.0, 3.0, n), ["scale"]),
    "a ninth of the variance": (lambda r, n: r.normal(0.0, 1 / 3, n), ["scale"]),
    "two humps": (humps, ["shape"]),
    "a trend": (lambda r, n: r.normal(size=n) + np.linspace(-1.5, 1.5, n), ["trend"]),
    "an oscillation": (lambda r, n: r.normal(size=n) + 2 * np.sin(np.arange(n) / 8), ["oscillation"]),
    "a last tenth two deviations higher": (lambda r, n: r.normal(size=n) + 2.0 * (np.arange(n) >= 0.9 * n), ["level"]),
    "a second half four times as wide": (lambda r, n: r.normal(size=n) * np.where(np.arange(n) < n // 2, 1, 4), ["scale"]),
    "higher and wider": (lambda r, n: r.normal(2.0, 3.0, n), ["level", "scale"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_and_called_by_its_name_alone(change):
    generate, expected = CHANGES[change]
    named = 0
    for seed in range(40):
        r = rng(seed)
        comparison = judged(r.normal(size=N), generate(r, N))
        named += kinds(comparison) == expected
    assert named >= 38


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("offset", [0.0, -1e4])
def test_the_unit_of_a_metric_makes_no_difference(scale, offset):
    r = rng(1)
    baseline, run = r.normal(size=N), r.normal(0.6, 1.0, N)
    plain, scaled = judged(baseline, run), judged(scale * (baseline + offset), scale * (run + offset))
    assert only(scaled).effect == pytest.approx(only(plain).effect, rel=1e-6)
    assert only(scaled).q_value == pytest.approx(only(plain).q_value, rel=1e-4)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_the_onset_of_a_step_is_located(share):
    r = rng(5)
    run = r.normal(size=20_000)
    run[int(share * 20_000) :] += 3.0
    assert only(judged(r.normal(size=20_000), run)).onset_index == pytest.approx(share * 20_000, abs=4)


def test_the_onset_of_a_wider_scatter_is_located():
    r = rng(6)
    run = r.normal(size=4000)
    run[3000:] *= 5.0
    finding = only(judged(r.normal(size=4000), run))
    assert (finding.kind, finding.onset_index) == (Kind.SCALE, pytest.approx(3000, abs=15))


def test_a_run_that_differs_from_its_start_has_its_onset_at_its_first_row():
    r = rng(7)
    assert only(judged(r.normal(size=N), r.normal(2.0, 1.0, N))).onset_index == 0


def test_a_run_that_differs_from_its_start_and_then_more_has_its_onset_at_its_first_row():
    r = rng(7)
    run = r.normal(2.0, 1.0, N) + 1.0 * (np.arange(N) > 500)
    assert only(judged(r.normal(size=N), run)).onset_index == 0


def test_a_run_that_starts_different_and_returns_has_no_onset():
    r = rng(8)
    finding = only(judged(r.normal(size=N), r.normal(size=N) + 3.0 * (np.arange(N) < 300)))
    assert finding.onset_index is None
    assert "came back" in finding.explanation


def test_the_onset_is_counted_in_rows_where_cells_are_missing():
    r = rng(9)
    run = r.normal(size=2000)
    run[1500:] += 5.0
    finding = only(judged(column(r.normal(size=2000)), column(run, missing=range(40)), gap_floor=0.5))
    assert finding.onset_index == pytest.approx(1500, abs=2)
    assert finding.onset_fraction == pytest.approx(0.75, abs=0.01)


def test_half_a_run_that_sticks_is_found():
    r = rng(10)
    run = r.normal(size=N)
    run[500:] = run[499]
    assert judged(r.normal(size=N), run).verdict is Verdict.PASS_WITH_DRIFT


def test_a_difference_below_the_floor_passes_and_says_so():
    r = rng(11)
    comparison = judged(r.normal(size=50_000), r.normal(0.1, 1.0, 50_000))
    assert comparison.verdict is Verdict.PASS
    assert metric(comparison).reason == "a difference of level was found, too small to matter"
    welch = metric(comparison).tests[0]
    assert (welch.name, welch.significant) == ("welch", False)
    assert welch.q_value < 1e-9


def test_the_same_difference_is_found_with_a_lower_floor():
    r = rng(11)
    assert kinds(judged(r.normal(size=50_000), r.normal(0.1, 1.0, 50_000), level_floor=0.05)) == ["level"]


def test_a_metric_with_two_values_has_one_finding_for_one_change():
    r = rng(12)
    comparison = judged((r.random(3000) < 0.1).astype(float), (r.random(3000) < 0.4).astype(float))
    assert kinds(comparison) == ["level"]


def test_a_lattice_of_few_values_that_moves_is_no_new_shape():
    r = rng(13)
    assert "shape" not in kinds(judged(r.poisson(2.0, 5000), r.poisson(3.0, 5000)))


def test_whole_numbers_that_keep_mean_and_deviation_but_not_their_shape_are_found():
    r = rng(14)
    run = r.choice([-2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0], 3000)
    assert kinds(judged(r.permutation(np.repeat([-1.0, 1.0], 1500)), run)) == ["shape"]


def test_two_values_that_move_apart_scatter_more_widely():
    finding = only(judged(np.tile([-1.0, 1.0], 500), np.tile([-3.0, 3.0], 500)))
    assert (finding.kind, finding.effect) == (Kind.SCALE, pytest.approx(3.0))


def test_two_values_that_stay_pass():
    assert judged(np.tile([-1.0, 1.0], 500), np.tile([-1.0, 1.0], 400)).verdict is Verdict.PASS


def test_an_autocorrelated_metric_that_moves_far_enough_is_found():
    r, generate = rng(15), autoregression(0.9)
    assert kinds(judged(generate(r, 3000), generate(r, 3000) + 5.0)) == ["level"]


def test_a_run_that_begins_to_wander_is_not_excused_by_its_own_memory():
    r = rng(16)
    assert kinds(judged(r.normal(size=2000), r.normal(size=2000) + np.linspace(0.0, 3.0, 2000))) == ["trend"]
