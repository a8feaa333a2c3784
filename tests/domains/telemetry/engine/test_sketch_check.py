"""A check by sketches: what it finds, what it leaves alone, and what it does not speak of."""

import numpy as np
import pytest

from tests.domains.telemetry.engine.tables import autoregression, column, kinds, metric, only, table, ten_columns, three_drifts
from tests.domains.telemetry.engine.test_sketch import timed
from trueup.domains.telemetry.engine.config import CompareConfig, MetricRule
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.sketch import merge_tables, sketch_table
from trueup.domains.telemetry.engine.sketchcheck import JUDGED, check
from trueup.domains.telemetry.engine.sketchwindows import sketch_windows
from trueup.kernel.words import Verdict

N = 1000
CLEAN = {
    "normal": lambda r, n: r.normal(size=n),
    "whole numbers": lambda r, n: r.poisson(3.0, n).astype(float),
    "dice": lambda r, n: r.integers(1, 7, n).astype(float),
    "skewed": lambda r, n: r.exponential(size=n),
    "heavy tails": lambda r, n: r.standard_t(2, size=n),
    "autoregression 0.5": autoregression(0.5),
    "autoregression 0.9": autoregression(0.9),
    "constant": lambda _, n: np.full(n, 3.3),
}
FAULTS = {
    "mean + 0.5 sd": (lambda r, n: r.normal(0.5, 1.0, n), "level"),
    "variance x 9": (lambda r, n: r.normal(0.0, 3.0, n), "scale"),
    "two humps": (lambda r, n: np.where(r.random(n) < 0.5, -0.97, 0.97) + np.sqrt(1 - 0.97**2) * r.normal(size=n), "shape"),
    "second half held": (lambda r, n: np.where(np.arange(n) < n // 2, r.normal(size=n), 0.3), "stuck"),
    "a trend": (lambda r, n: r.normal(size=n) + np.linspace(-1.5, 1.5, n), "trend"),
    "a last tenth higher": (lambda r, n: r.normal(size=n) + 2.0 * (np.arange(n) >= 0.9 * n), "level"),
    "a second half wider": (lambda r, n: r.normal(size=n) * np.where(np.arange(n) < n // 2, 1, 4), "scale"),
    "constant": (lambda _, n: np.full(n, 0.2), "constant_changed"),
    "cells lost": (lambda r, n: column(r.normal(size=n), missing=list(np.flatnonzero(r.random(n) < 0.3))), "gap"),
}


def checked(baseline, run, **config):
    return check(sketch_table(baseline), sketch_table(run), config=CompareConfig(**config))


def one(baseline, run, **config):
    return checked(table(x=baseline), table(x=run), **config).comparison


@pytest.mark.parametrize("n", [100, N, 5000])
@pytest.mark.parametrize("series", CLEAN)
def test_runs_that_are_like_their_baseline_do_not_drift(series, n):
    r, generate = np.random.default_rng(20260102), CLEAN[series]
    found = []
    for _ in range(20):
        sides = [table(**{f"x{k}": generate(r, n) * 10.0 ** (3 * k - 3) for k in range(4)}) for _ in range(2)]
        found.append(checked(*sides).comparison.verdict)
    # 480 runs in all, at a rate of 1 % at most: two in one series have a probability of 2 %
    assert found.count(Verdict.PASS_WITH_DRIFT) <= 1
    assert Verdict.FAIL not in found
    if n >= N:
        assert found.count(Verdict.PASS) >= 17


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_in_a_thousand_values_are_found_and_named(fault):
    r, (generate, kind) = np.random.default_rng(3), FAULTS[fault]
    found = [kinds(one(r.normal(size=N), generate(r, N))) for _ in range(20)]
    assert sum(kind in one for one in found) >= 19


def test_of_ten_metrics_exactly_the_three_that_drifted_are_flagged():
    found = checked(table(**ten_columns(20_000, 1)), table(**three_drifts(ten_columns(20_000, 2)))).comparison
    assert sorted({finding.metric for finding in found.findings}) == ["m00", "m01", "m02"]
    onset = next(finding.onset_fraction for finding in found.findings if finding.metric == "m02")
    assert onset == pytest.approx(0.9, abs=0.01)


def test_windows_that_were_merged_serve_as_a_baseline():
    r = np.random.default_rng(5)
    windows = sketch_windows(table(x=r.normal(size=20_000)), list(range(0, 20_001, 500)))
    baseline = merge_tables([part for _, _, part in windows])
    clean, drifted = (sketch_table(table(x=r.normal(shift, 1.0, N))) for shift in (0.0, 0.5))
    assert check(baseline, clean, config=CompareConfig()).comparison.verdict is Verdict.PASS
    assert kinds(check(baseline, drifted, config=CompareConfig()).comparison) == ["level"]


def test_the_answer_names_what_was_judged_and_what_was_not():
    answer = checked(table(x=np.arange(50.0) % 7), table(x=np.arange(50.0) % 7))
    assert set(answer.judged) == set(JUDGED)
    assert set(answer.judged) | set(answer.not_judged) == set(Kind)
    assert {Kind.OSCILLATION, Kind.SPIKE, Kind.RATE} <= set(answer.not_judged)
    assert "not looked at: oscillation, spike" in answer.comparison.notes[0]
    assert answer.document()["not_judged_kinds"] == [str(kind) for kind in answer.not_judged]


def test_values_far_outside_leave_a_metric_open_and_do_not_pass():
    r = np.random.default_rng(6)
    run = r.normal(size=20_000)
    run[[100, 9000, 15_000]] = 40.0
    found = one(r.normal(size=20_000), run)
    assert (found.verdict, found.findings) == (Verdict.INSUFFICIENT_DATA, ())
    assert "compare the runs themselves" in metric(found).reason


def test_a_level_that_moves_but_is_too_small_to_matter_does_not_pass_either():
    r = np.random.default_rng(7)
    run = r.normal(size=N) + 2.0 * (np.arange(N) >= 500)
    found = one(r.normal(size=N), run, rules={"x": MetricRule(min_effect=50.0)})
    assert found.verdict is Verdict.INSUFFICIENT_DATA
    assert "shape apart from that is not judged" in metric(found).reason


def test_a_slow_metric_is_not_judged():
    r = np.random.default_rng(8)
    found = one(np.cumsum(r.normal(size=N)), np.cumsum(r.normal(size=N)))
    assert found.verdict is Verdict.INSUFFICIENT_DATA


def test_a_slow_metric_that_left_its_range_by_far_is_found():
    walk = np.cumsum(np.random.default_rng(9).normal(size=200))
    assert kinds(one(walk, walk + 1e4)) == ["level"]


def test_a_slow_metric_of_the_same_range_passes():
    walk = 1e6 + np.cumsum(np.random.default_rng(9).normal(size=200))
    assert one(walk, walk).verdict is Verdict.PASS


def test_too_few_values_are_not_judged():
    assert one(np.arange(9.0), np.arange(9.0)).verdict is Verdict.INSUFFICIENT_DATA


@pytest.mark.parametrize("size", [1e150, 1e-150])
def test_values_that_a_sketch_cannot_square_are_not_judged(size):
    values = size * np.random.default_rng(1).normal(size=100)
    assert one(values, values).verdict is Verdict.INSUFFICIENT_DATA


def test_a_small_scatter_on_a_large_offset_is_judged():
    r = np.random.default_rng(10)
    assert one(1e9 + r.normal(size=N), 1e9 + r.normal(size=N)).verdict is Verdict.PASS
    assert kinds(one(1e9 + r.normal(size=N), 1e9 + r.normal(1.0, 1.0, N))) == ["level"]


def test_a_baseline_that_never_moved_and_a_run_that_sometimes_does():
    run = np.zeros(N)
    run[[5, 700]] = 1.0
    assert one(np.zeros(N), run).verdict is Verdict.INSUFFICIENT_DATA
    run[100:200] = 1.0
    assert kinds(one(np.zeros(N), run)) == ["constant_changed"]


def test_a_run_that_stands_where_its_baseline_nearly_always_stood_passes():
    baseline = np.zeros(N)
    baseline[500] = 1.0
    assert one(baseline, np.zeros(N)).verdict is Verdict.PASS


def test_another_constant_is_a_finding():
    assert "now constant at 4" in only(one(np.full(N, 3.0), np.full(N, 4.0))).explanation
    assert one(np.full(N, 3.0), np.full(N, 4.0), rules={"x": MetricRule(min_effect=2.0)}).verdict is Verdict.PASS


def test_a_missing_metric_is_a_finding_and_a_critical_one_fails():
    r = np.random.default_rng(11)
    sides = table(x=r.normal(size=N), y=r.normal(size=N)), table(x=r.normal(size=N))
    found = checked(*sides).comparison
    assert (found.verdict, only(found).kind, found.coverage) == (Verdict.PASS_WITH_DRIFT, Kind.MISSING, 0.5)
    assert checked(*sides, critical=frozenset({"y"})).comparison.verdict is Verdict.FAIL


def test_a_critical_metric_that_no_side_has_fails():
    sides = table(x=np.arange(50.0) % 7), table(x=np.arange(50.0) % 7)
    assert checked(*sides, critical=frozenset({"z"})).comparison.verdict is Verdict.FAIL


def test_a_critical_metric_that_the_baseline_lacks_is_not_judged():
    r = np.random.default_rng(12)
    x = r.normal(size=N)
    found = checked(table(x=x), table(x=x, z=x), critical=frozenset({"z"})).comparison
    assert found.verdict is Verdict.INSUFFICIENT_DATA


def test_cells_set_aside_beyond_the_limit_fail():
    r = np.random.default_rng(13)
    assert one(r.normal(size=N), column(r.normal(size=N), text=100)).verdict is Verdict.FAIL
    assert one(column(r.normal(size=N), text=100), r.normal(size=N)).verdict is Verdict.INSUFFICIENT_DATA


def test_a_bound_is_held_to_the_extremes():
    r = np.random.default_rng(14)
    sides = r.normal(size=N), r.normal(size=N)
    far = float(sides[1].max())
    broken = one(*sides, rules={"x": MetricRule(fail_above=far - 0.001)})
    assert (broken.verdict, only(broken).worst) == (Verdict.FAIL, far)
    assert one(*sides, rules={"x": MetricRule(fail_above=far, minimum=float(sides[1].min()))}).verdict is Verdict.PASS
    assert one(*sides, rules={"x": MetricRule(equals=0.0)}).verdict is Verdict.FAIL


def test_a_bound_that_has_to_be_broken_persistently_is_left_open():
    r = np.random.default_rng(15)
    found = one(r.normal(size=N), r.normal(size=N), rules={"x": MetricRule(fail_above=1.0, persistence=(3, 5))})
    assert found.verdict is Verdict.INSUFFICIENT_DATA


def test_a_metric_outside_the_registry_fails_where_that_is_strict():
    x = np.random.default_rng(16).normal(size=N)
    assert one(x, x, registered=frozenset({"y"})).verdict is Verdict.PASS
    assert one(x, x, registered=frozenset({"y"}), strict=True).verdict is Verdict.FAIL


def test_a_run_without_rows_is_no_data_and_nothing_was_judged():
    answer = checked(table(x=np.arange(50.0)), table(x=[]))
    assert (answer.comparison.verdict, answer.judged) == (Verdict.NO_DATA, ())


def test_nothing_in_common_is_not_a_pass():
    x = np.random.default_rng(16).normal(size=N)
    assert checked(table(x=x), table(y=x)).comparison.verdict is Verdict.INSUFFICIENT_DATA
    assert checked(table(), table(y=x)).comparison.verdict is not Verdict.PASS


def clocked(times, seed=17):
    return timed(times, x=np.random.default_rng(seed).normal(size=len(times)))


def test_a_changed_rate_and_lost_rows_are_found_by_the_clocks():
    base = clocked(np.arange(N) * 0.1)
    clean = checked(base, clocked(np.arange(N) * 0.1, 18))
    assert (clean.comparison.verdict, Kind.RATE in clean.judged) == (Verdict.PASS, True)
    assert kinds(checked(base, clocked(np.arange(N) * 0.2, 18)).comparison) == ["rate"]
    holes = np.flatnonzero(np.random.default_rng(1).random(N) > 0.3) * 0.1
    lost = checked(base, clocked(holes, 18)).comparison
    assert kinds(lost) == ["gap"]
    assert "of the run's rows are missing" in only(lost).explanation


def test_one_long_outage_among_uneven_steps_is_found():
    r = np.random.default_rng(2)
    base = clocked(np.cumsum(r.uniform(0.09, 0.11, 5000)))
    steps = r.uniform(0.09, 0.11, 5000)
    steps[2500] = 100.0
    assert kinds(checked(base, clocked(np.cumsum(steps), 18)).comparison) == ["gap"]
