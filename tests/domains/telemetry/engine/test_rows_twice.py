"""Rows that are there twice, and clocks that were set: found with their place, and not where nothing happened."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.telemetry.faults import Memory
from tests.domains.telemetry.engine.tables import column, kinds, only, table
from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.domains.telemetry.engine.duplicates import Repeated, repeated
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.table import Excluded
from trueup.domains.telemetry.engine.views import Mapped, Source, Watched
from trueup.domains.telemetry.sources.tabular import open_table
from trueup.kernel.words import Verdict

N = 1000
T = 0.1 * np.arange(N)


def noise(seed, n=N):
    return np.random.default_rng(seed).normal(10.0, 1.0, n)


def timed(times, seed=1, **more):
    return Memory(table(x=noise(seed, len(times)), **more).columns, np.asarray(times))


def against(times, first=T):
    return compare(timed(first), timed(times, 2), config=CompareConfig())


def twice(values, share=20, seed=3):
    hit = np.random.default_rng(seed).choice(len(values), len(values) // share, replace=False)
    return np.repeat(values, 1 + np.isin(np.arange(len(values)), hit))


@pytest.mark.requirement("telemetry:Q5")
def test_repeated_times_are_duplication_from_the_first_on():
    times = np.r_[T[:600], np.repeat(T[600:], 2)]
    finding = only(against(times))
    assert (finding.metric, finding.kind, finding.onset_index) == ("(rows)", Kind.DUPLICATION, 601)
    assert finding.effect == pytest.approx(400 / 1400)
    assert "400 of 1,400, in 400 places" in finding.explanation


def test_times_that_repeat_as_often_in_the_baseline_are_none():
    coarse = np.floor(T)
    assert against(coarse, coarse).verdict is Verdict.PASS


def test_a_handful_of_repeats_is_below_the_floor():
    assert against(np.sort(np.r_[T, T[10:15]])).verdict is Verdict.PASS


@pytest.mark.parametrize("metrics", [1, 3])
def test_whole_rows_that_repeat_are_duplication_where_there_is_no_clock(metrics):
    first = table(**{f"m{k}": noise(k) for k in range(metrics)})
    run = table(**{f"m{k}": twice(noise(10 + k)) for k in range(metrics)})
    finding = only(compare(first, run, config=CompareConfig()))
    assert (finding.kind, finding.effect) == (Kind.DUPLICATION, pytest.approx(50 / 1050))
    assert "in every metric that can tell" in finding.explanation


def test_rows_are_no_repeats_where_one_metric_moves_on():
    first, run = table(a=noise(1), b=noise(2)), table(a=twice(noise(3)), b=noise(4, 1050))
    assert "duplication" not in kinds(compare(first, run, config=CompareConfig()))


def test_metrics_that_often_repeat_by_themselves_tell_nothing():
    rng = np.random.default_rng(5)
    first, run = (table(a=rng.poisson(1.0, N).astype(float), b=rng.poisson(2.0, N).astype(float)) for _ in range(2))
    assert compare(first, run, config=CompareConfig()).verdict is Verdict.PASS


def test_a_sensor_that_hangs_is_stuck_and_no_repeated_row():
    run = noise(2)
    run[400:] = run[400]
    assert kinds(compare(table(x=noise(1)), table(x=run), config=CompareConfig())) == ["stuck"]


def test_repeats_are_seen_through_empty_cells():
    cells = twice(noise(2))
    run = table(x=column(cells, missing=[3, 4, 5]), y=twice(noise(4)))
    assert "duplication" in kinds(compare(table(x=noise(1), y=noise(3)), run, config=CompareConfig()))


def test_metrics_that_have_rows_of_their_own_have_no_whole_rows():
    run = table(a=noise(1), b=twice(noise(2)))
    assert "duplication" not in kinds(compare(table(a=noise(3), b=noise(4)), run, config=CompareConfig()))


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_repeats_are_counted_as_they_stand(same):
    found = repeated(np.array(same))
    text = "".join("x" if one else " " for one in same)
    assert found == Repeated(sum(same), len(text.split()), len(same) + 1, same.index(True) + 1 if any(same) else None)


def leaping(seconds, at=700):
    return np.where(np.arange(N) < at, T, T + seconds)


def test_a_clock_that_leaps_is_a_clock_that_was_set():
    finding = only(against(leaping(5.0)))
    assert (finding.kind, finding.onset_index, finding.effect) == (Kind.CLOCK, 700, pytest.approx(51.0))
    assert "the clock was set, or rows are lost" in finding.explanation


def test_a_leap_that_takes_more_rows_than_the_floor_is_a_gap_alone():
    assert kinds(against(leaping(50.0))) == ["gap"]


@pytest.mark.parametrize("seconds", [-0.5, -5.0])
def test_a_clock_that_goes_back_is_a_clock_that_was_set(seconds):
    found = against(np.where(np.arange(N) < 700, T, T + seconds))
    finding = only(found)
    assert (finding.kind, finding.onset_index, found.clock) == (Kind.CLOCK, 700, None)
    assert "goes back once" in finding.explanation


def test_rows_that_overtake_each_other_by_less_than_an_interval_are_noted_and_no_finding():
    found = against(np.where(np.arange(N) == 500, T - 0.15, T))
    assert (found.verdict, found.findings) == (Verdict.PASS, ())
    assert any("no sound one" in note for note in found.notes)


def test_a_clock_that_is_late_as_often_in_the_baseline_is_none():
    stalls = T + 5.0 * (np.arange(N) >= 300)
    assert against(T + 5.0 * (np.arange(N) >= 600), stalls).verdict is Verdict.PASS


def test_steps_without_a_natural_end_raise_no_alarm():
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        alarms += "clock" in kinds(against(*(np.cumsum(1.0 + rng.pareto(2.0, N)) for _ in range(2))))
    assert alarms <= 2


def test_a_clock_that_counts_from_0_and_falls_is_known_by_its_baseline():
    first = Memory(table(x=noise(1)).columns, T, (Excluded("t", "time column (by name, never falls)"),))
    run = table(x=noise(2), t=np.where(np.arange(N) < 700, T, T - 5.0))
    assert (only(compare(first, run, config=CompareConfig())).kind) is Kind.CLOCK


def test_a_lost_clock_is_said():
    first = Memory(table(x=noise(1)).columns, T)
    found = compare(first, table(x=noise(2)), config=CompareConfig())
    assert (found.verdict, sum("no sound one" in note for note in found.notes)) == (Verdict.PASS, 1)


@pytest.mark.parametrize("form", ["1700000000.0", "2026-01-01T00:00:00Z"])
def test_a_file_whose_clock_goes_back_says_so_through_every_view(tmp_path, form):
    from trueup.domains.telemetry.engine.inject import shifted_time

    for name, back in (("a", 0), ("b", -30)):
        cells = [shifted_time(form, row + (back if row >= 150 else 0)) for row in range(300)]
        values = noise(ord(name), 300)
        lines = [f"{cell},{value:.6f}" for cell, value in zip(cells, values, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["ts,x", *lines]) + "\n")
    with open_table(tmp_path / "a.csv", workdir=tmp_path) as first, open_table(tmp_path / "b.csv", workdir=tmp_path) as run:
        views = [Watched(Mapped(side, {"x": Source("x")}), lambda _: None) for side in (first, run)]
        assert [str(f.kind) for f in compare(*views, config=CompareConfig()).findings] == ["clock"]
