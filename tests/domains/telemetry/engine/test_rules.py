"""The verdict contract, rule by rule, each with the case in which the rule must not apply."""

import numpy as np
import pytest

from tests.domains.telemetry.engine.tables import column, judged, kinds, metric, only, table
from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.table import ColumnData, Excluded
from trueup.kernel.words import Verdict

N = 500


def noise(seed=0, n=N):
    return np.random.default_rng(seed).normal(size=n)


def two(**config):
    return CompareConfig(**config)


# ── nothing to compare ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("first", "second"), [([], []), ([], noise()), (noise(), [])])
def test_a_side_without_rows_is_no_data(first, second):
    comparison = compare(table(x=first), table(x=second), config=two(critical=frozenset({"x"})))
    assert (comparison.verdict, comparison.findings, comparison.metrics) == (Verdict.NO_DATA, (), ())


def test_no_data_says_which_side_is_empty():
    assert compare(table(x=noise()), table(), config=two()).notes == ("the run has no rows",)
    assert compare(table(), table(), config=two()).notes == ("the baseline and the run have no rows",)


def test_no_common_numeric_column_is_insufficient_data():
    comparison = compare(table(x=noise()), table(y=noise()), config=two())
    assert comparison.verdict is Verdict.INSUFFICIENT_DATA
    assert kinds(comparison) == ["missing"]
    assert "no numeric column is on both sides" in comparison.notes


def test_no_common_numeric_column_fails_when_the_missing_one_is_critical():
    assert compare(table(x=noise()), table(y=noise()), config=two(critical=frozenset({"x"}))).verdict is Verdict.FAIL


# ── columns ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_column_missing_in_the_run_is_drift():
    comparison = compare(table(x=noise(1), y=noise(2)), table(x=noise(3)), config=two())
    assert comparison.verdict is Verdict.PASS_WITH_DRIFT
    finding = only(comparison)
    assert (finding.metric, finding.kind, finding.q_value, finding.onset_index) == ("y", Kind.MISSING, None, None)
    assert finding.explanation == "y is missing in the run"


def test_a_critical_column_missing_in_the_run_fails():
    comparison = compare(table(x=noise(1), y=noise(2)), table(x=noise(3)), config=two(critical=frozenset({"y"})))
    assert comparison.verdict is Verdict.FAIL


def test_a_column_that_is_there_is_not_missing():
    assert compare(table(x=noise(1), y=noise(2)), table(x=noise(3), y=noise(4)), config=two()).verdict is Verdict.PASS


def test_a_column_that_the_run_excludes_is_missing_with_the_reason():
    run = table((Excluded("y", "time column (by value, epoch ms)"),), x=noise(3))
    finding = only(compare(table(x=noise(1), y=noise(2)), run, config=two()))
    assert finding.explanation == "y cannot be compared in the run (time column (by value, epoch ms))"


@pytest.mark.parametrize("reason", ["text column", "nested values"])
def test_a_column_of_numbers_that_has_become_text_fails(reason):
    run = table((Excluded("y", reason),), x=noise(3))
    comparison = compare(table(x=noise(1), y=noise(2)), run, config=two())
    assert (comparison.verdict, only(comparison).kind) == (Verdict.FAIL, Kind.QUARANTINE)


def test_an_extra_column_is_noted_and_passes():
    comparison = compare(table(x=noise(1)), table(x=noise(2), new=noise(3)), config=two())
    assert comparison.verdict is Verdict.PASS
    assert comparison.notes == ("new is in the run only (the baseline has no such column)",)


def test_an_extra_column_that_the_baseline_excludes_is_noted_with_the_reason():
    baseline = table((Excluded("y", "text column"),), x=noise(1))
    comparison = compare(baseline, table(x=noise(2), y=noise(3)), config=two())
    assert comparison.notes == ("y is in the run only (in the baseline it is not compared: text column)",)


def test_excluded_columns_of_both_sides_are_listed_once():
    baseline, run = (
        table((Excluded("t", "time column"),), x=noise(1)),
        table((Excluded("t", "time column"), Excluded("s", "text")), x=noise(2)),
    )
    assert [item.name for item in compare(baseline, run, config=two()).excluded] == ["t", "s"]


def test_a_critical_metric_that_is_nowhere_fails():
    comparison = compare(table(x=noise(1)), table(x=noise(2)), config=two(critical=frozenset({"gone"})))
    assert (comparison.verdict, only(comparison).metric) == (Verdict.FAIL, "gone")


def test_a_critical_metric_without_a_baseline_is_never_a_pass():
    comparison = compare(table(x=noise(1)), table(x=noise(2), y=noise(3)), config=two(critical=frozenset({"y"})))
    assert comparison.verdict is Verdict.INSUFFICIENT_DATA
    assert metric(comparison, "y").verdict is Verdict.INSUFFICIENT_DATA


# ── constants ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.requirement("telemetry:W8.1.6")
@pytest.mark.parametrize("value", [0.0, 0.1, -7.0, 1e12, 5e-324, 1.7e308])
def test_the_same_constant_passes_with_statistic_zero(value):
    comparison = judged(np.full(50, value), np.full(90, value))
    (test,) = metric(comparison).tests
    assert (comparison.verdict, test.statistic, test.p_value) == (Verdict.PASS, 0.0, 1.0)


@pytest.mark.parametrize(("before", "after"), [(0.0, 1e-9), (5.0, 5.000001), (1.0, -1.0), (0.0, 1.7e308), (5e-324, 0.0)])
def test_another_constant_has_changed_from_the_first_row(before, after):
    comparison = judged(np.full(50, before), np.full(50, after))
    assert (comparison.verdict, only(comparison).kind, only(comparison).onset_index) == (
        Verdict.PASS_WITH_DRIFT,
        Kind.CONSTANT_CHANGED,
        0,
    )


def test_a_constant_that_begins_to_vary_has_changed():
    comparison = judged(np.full(100, 5.0), 5.0 + noise(1, 100))
    assert (comparison.verdict, kinds(comparison)) == (Verdict.PASS_WITH_DRIFT, ["constant_changed"])


def test_a_constant_that_steps_in_its_second_half_has_changed_from_there():
    finding = only(judged(np.full(100, 5.0), np.repeat([5.0, 7.0], 50)))
    assert (finding.kind, finding.onset_index) == (Kind.CONSTANT_CHANGED, 50)


def test_many_departing_cells_are_a_change_however_small_their_share():
    run = np.full(100_000, 5.0)
    run[-60:] = 6.0
    assert kinds(judged(np.full(100_000, 5.0), run)) == ["constant_changed"]


def test_one_departing_cell_is_neither_drift_nor_pass():
    run = np.full(100, 5.0)
    run[40] = 6.0
    comparison = judged(np.full(100, 5.0), run)
    assert (comparison.verdict, comparison.findings) == (Verdict.INSUFFICIENT_DATA, ())
    assert "1 of 100 values (1 %)" in metric(comparison).reason


def test_a_metric_that_stops_varying_has_changed():
    comparison = judged(noise(1), np.full(N, 0.3))
    assert (comparison.verdict, kinds(comparison)) == (Verdict.PASS_WITH_DRIFT, ["constant_changed"])


def test_bursts_that_cease_have_changed():
    baseline = np.where(np.random.default_rng(1).random(N) < 0.2, 9.0, 0.0)
    assert kinds(judged(baseline, np.zeros(N))) == ["constant_changed"]


def test_a_metric_that_rests_where_the_baseline_nearly_always_rested_passes():
    baseline = np.zeros(N)
    baseline[30] = 4.0
    assert judged(baseline, np.zeros(N)).verdict is Verdict.PASS


# ── cells set aside ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_more_than_one_percent_of_text_fails_the_run():
    comparison = judged(noise(1), column(noise(2), text=6))
    finding = only(comparison)
    assert (comparison.verdict, finding.kind) == (Verdict.FAIL, Kind.QUARANTINE)
    assert finding.explanation == "x: 6 of 506 cells (1.19 %) were set aside (6 text); at most 1 % may be"


def test_one_percent_of_text_does_not_fail():
    assert judged(noise(1), column(noise(2, 495), text=5)).verdict is Verdict.PASS


def test_one_cell_of_text_fails_a_critical_metric():
    comparison = judged(noise(1), column(noise(2), text=1), critical=frozenset({"x"}))
    assert (comparison.verdict, only(comparison).kind) == (Verdict.FAIL, Kind.QUARANTINE)


def test_one_cell_that_is_not_finite_in_the_baseline_fails_a_critical_metric():
    comparison = judged(column(noise(1), non_finite=1), noise(2), critical=frozenset({"x"}))
    assert comparison.verdict is Verdict.FAIL
    assert "in the baseline" in only(comparison).explanation


def test_a_clean_critical_metric_passes():
    assert judged(noise(1), noise(2), critical=frozenset({"x"})).verdict is Verdict.PASS


def test_a_baseline_with_more_than_one_percent_set_aside_cannot_be_compared_with():
    comparison = judged(column(noise(1), text=6), noise(2))
    assert (comparison.verdict, comparison.findings) == (Verdict.INSUFFICIENT_DATA, ())


def test_values_that_are_not_finite_are_set_aside_by_the_engine_too():
    values = noise(2)
    values[:10] = np.nan
    values[10:20] = np.inf
    run = ColumnData(values, N)
    comparison = judged(noise(1), run)
    assert (comparison.verdict, only(comparison).kind) == (Verdict.FAIL, Kind.QUARANTINE)
    assert metric(comparison).run["quarantined"] == 20


# ── gaps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_third_of_cells_missing_is_a_gap():
    comparison = judged(noise(1), column(noise(2), missing=range(0, N, 3)))
    finding = only(comparison)
    assert (comparison.verdict, finding.kind) == (Verdict.PASS_WITH_DRIFT, Kind.GAP)
    assert finding.effect == pytest.approx(1 / 3, abs=0.01)
    assert "33.4 % of the run's cells are missing (167 of 500), against 0 % of the baseline's" in finding.explanation


def test_as_many_missing_cells_as_in_the_baseline_are_no_gap():
    comparison = judged(column(noise(1), missing=range(0, N, 3)), column(noise(2), missing=range(1, N, 3)))
    assert comparison.verdict is Verdict.PASS


def test_fewer_missing_cells_than_in_the_baseline_are_no_gap():
    comparison = judged(column(noise(1), missing=range(0, N, 3)), column(noise(2), missing=[4]))
    assert comparison.verdict is Verdict.PASS


def test_a_few_missing_cells_are_no_gap():
    assert judged(noise(1), column(noise(2), missing=range(10))).verdict is Verdict.PASS


def test_a_run_without_a_single_value_is_a_gap_and_not_a_pass():
    comparison = judged(noise(1), column(noise(2), missing=range(N)))
    assert (comparison.verdict, kinds(comparison)) == (Verdict.PASS_WITH_DRIFT, ["gap"])


def test_a_critical_metric_without_a_single_value_fails():
    comparison = judged(noise(1), column(noise(2), missing=range(N)), critical=frozenset({"x"}))
    assert (comparison.verdict, kinds(comparison)) == (Verdict.FAIL, ["missing"])


def test_a_metric_without_a_value_on_either_side_is_insufficient_data():
    empty = column(noise(1), missing=range(N))
    assert judged(empty, empty).verdict is Verdict.INSUFFICIENT_DATA


# ── too little to tell ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("n", "m"), [(19, N), (N, 19), (1, 1)])
def test_too_few_values_are_insufficient_data_even_if_they_differ(n, m):
    assert judged(noise(1, n), 50.0 + noise(2, m)).verdict is Verdict.INSUFFICIENT_DATA


def test_the_least_number_of_values_is_enough():
    assert judged(noise(1, 20), 50.0 + noise(2, 20)).verdict is Verdict.PASS_WITH_DRIFT


def test_a_metric_that_cannot_be_judged_keeps_the_run_from_passing():
    short = column(noise(3), missing=range(10, N))
    comparison = compare(table(x=noise(1), y=short), table(x=noise(2), y=short), config=two())
    assert comparison.verdict is Verdict.INSUFFICIENT_DATA
    assert metric(comparison, "x").verdict is Verdict.PASS
    assert comparison.notes == ("not judged, for want of data: y",)


def test_drift_that_was_found_is_not_hidden_by_a_metric_that_cannot_be_judged():
    short = column(noise(3), missing=range(10, N))
    comparison = compare(table(x=noise(1), y=short), table(x=9 + noise(2), y=short), config=two())
    assert comparison.verdict is Verdict.PASS_WITH_DRIFT


def walk(seed, n=200, start=0.0, step=1.0):
    return start + step * np.cumsum(np.random.default_rng(seed).normal(size=n))


def test_two_random_walks_that_part_are_neither_drift_nor_pass():
    comparison = judged(walk(1), 15.0 + walk(2))
    assert (comparison.verdict, comparison.findings) == (Verdict.INSUFFICIENT_DATA, ())
    assert "sample longer" in metric(comparison).reason


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_slow_metric_far_outside_all_it_ever_did_is_drift(sign):
    comparison = judged(walk(1), walk(2) + sign * 500.0)
    finding = only(comparison)
    assert (finding.kind, finding.q_value, finding.onset_index) == (Kind.LEVEL, None, 0)
    assert ("rose" if sign > 0 else "fell") in finding.explanation


def test_a_slow_metric_that_leaves_in_the_middle_has_its_onset_there():
    run = walk(1) + 500.0 * (np.arange(200) >= 120)
    assert only(judged(walk(2), run)).onset_index == 120


def test_a_slow_metric_that_leaves_and_returns_has_no_onset():
    run = walk(1) + 500.0 * ((np.arange(200) >= 60) & (np.arange(200) < 150))
    finding = only(judged(walk(2), run))
    assert finding.onset_index is None
    assert "came back" in finding.explanation


def test_a_plateau_that_moved_by_a_hair_of_its_size_is_equal():
    comparison = judged(8e9 + walk(1, step=4096.0), 8e9 + 2e6 + walk(2, step=4096.0))
    assert comparison.verdict is Verdict.PASS
    assert "0.001 of its size" in metric(comparison).reason


def test_a_plateau_that_moved_by_less_than_is_material_is_not_called_drift():
    comparison = judged(8e9 + walk(1, step=4096.0), 8e9 + 4e7 + walk(2, step=4096.0))
    assert (comparison.verdict, comparison.findings) == (Verdict.INSUFFICIENT_DATA, ())


def test_a_slow_metric_compared_with_its_own_other_half_is_equal():
    values = walk(3, n=400)
    assert judged(values[::2], values[1::2]).verdict is Verdict.PASS


def test_deviations_that_change_too_slowly_to_be_tested_are_not_passed_over():
    r = np.random.default_rng(4)
    wide = np.exp(2.0 * np.cumsum(r.normal(size=300)) / 17)
    comparison = judged(r.normal(size=300) * wide, r.normal(size=300) * wide * 3.0)
    assert comparison.verdict is not Verdict.PASS


def test_few_slow_deviations_with_an_equal_ratio_pass():
    r = np.random.default_rng(4)
    wide = np.repeat([1.0, 6.0], 150)
    assert judged(r.normal(size=300) * wide, r.normal(size=300) * wide).verdict is Verdict.PASS


# ── verdicts ────────────────────────────────────────────────────────────────────────────────────────────────────────
