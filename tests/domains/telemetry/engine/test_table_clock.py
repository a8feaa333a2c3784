"""What the clock says: rows that are lost, a rate that changed; and nothing where there is no clock."""

from dataclasses import dataclass

import numpy as np
import pytest

from tests.domains.telemetry.engine.tables import Memory, kinds, only, table
from trueup.domains.telemetry.engine.clock import clock_seconds
from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.domains.telemetry.engine.config import MetricRule
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.views import Mapped, Pooled, Source, Watched
from trueup.kernel.words import Verdict

N = 1000


@dataclass(frozen=True, slots=True)
class Timed(Memory):
    """A table in memory with a clock."""

    times: object = None

    def clock(self):
        return self.times


def timed(times, seed=0, **more):
    values = np.random.default_rng(seed).normal(size=len(times))
    return Timed(table(x=values, **more).columns, (), np.asarray(times, dtype=np.float64))


def regular(n=N, every=0.1):
    return np.arange(n) * every


def against(times, baseline=None, **config):
    return compare(timed(regular() if baseline is None else baseline), timed(times, 1), config=CompareConfig(**config))


def without(times, rows):
    return np.delete(times, rows)


def test_rows_lost_here_and_there_are_a_gap():
    lost = np.random.default_rng(3).choice(np.arange(1, N - 1), 300, replace=False)
    comparison = against(without(regular(), lost))
    finding = only(comparison)
    assert (comparison.verdict, finding.metric, finding.kind) == (Verdict.PASS_WITH_DRIFT, "(rows)", Kind.GAP)
    assert finding.effect == pytest.approx(0.3, abs=0.01)
    assert "30 % of the run's rows are missing (300 of 1,000, at one every 0.1 s)" in finding.explanation


def test_one_outage_is_a_gap_with_its_place():
    finding = only(against(without(regular(), range(400, 700))))
    assert (finding.kind, finding.onset_index) == (Kind.GAP, 400)
    assert finding.run["longest_gap_s"] == pytest.approx(30.1)
    assert "the longest gap is 30.1 s, 39.9 s after the first row" in finding.explanation


def test_a_few_lost_rows_pass_and_are_counted():
    comparison = against(without(regular(), [100, 200, 300]))
    assert (comparison.verdict, comparison.clock["run"]["lost_rows"]) == (Verdict.PASS, 3)


def test_as_many_lost_rows_as_in_the_baseline_are_no_gap():
    r = np.random.default_rng(4)
    sides = [without(regular(), r.choice(np.arange(1, N - 1), 300, replace=False)) for _ in range(2)]
    assert against(sides[1], sides[0]).verdict is Verdict.PASS


@pytest.mark.parametrize(("every", "verb"), [(0.2, "rose"), (0.05, "fell")])
def test_another_sample_rate_is_a_rate_and_no_gap(every, verb):
    finding = only(against(regular(every=every)))
    assert (finding.metric, finding.kind, finding.effect) == ("(rows)", Kind.RATE, pytest.approx(every / 0.1))
    assert f"the interval from row to row {verb} from 0.1 to {every:g} s" in finding.explanation


def test_a_jittering_clock_at_the_same_rate_passes():
    r = np.random.default_rng(5)
    sides = [np.cumsum(0.1 + r.uniform(-0.04, 0.04, N)) for _ in range(2)]
    assert against(sides[1], sides[0]).verdict is Verdict.PASS


def test_events_that_come_by_chance_have_no_gaps():
    r = np.random.default_rng(6)
    found = [against(np.cumsum(r.exponential(size=N)), np.cumsum(r.exponential(size=N))) for _ in range(30)]
    assert sum(bool(kinds(one)) for one in found) <= 1


@pytest.mark.parametrize("times", [None, np.r_[regular()[:-1], 3.0], np.zeros(N), np.r_[regular()[:-1], np.nan], regular()[:-1]])
def test_without_a_sound_clock_nothing_is_claimed(times):
    values = np.random.default_rng(1).normal(size=N)
    run = Timed(table(x=values).columns, (), times)
    comparison = compare(timed(regular(every=7.0)), run, config=CompareConfig())
    assert (comparison.verdict, comparison.clock) == (Verdict.PASS, None)


@pytest.mark.requirement("telemetry:S5.1")
def test_a_broken_bound_has_its_times():
    config = CompareConfig(rules={"y": MetricRule(maximum=5.0)})
    y = np.zeros(N)
    bad = y.copy()
    bad[200:204] = 9.0
    comparison = compare(timed(regular(), y=y), timed(regular(), 1, y=bad), config=config)
    finding = next(one for one in comparison.findings if one.kind is Kind.INVARIANT)
    assert finding.time_range == pytest.approx((20.0, 20.3))
    assert "20 to 20.3 s after the first row" in finding.explanation


@pytest.mark.parametrize(
    ("name", "reason", "factor"),
    [
        ("ts", "time column (by value, epoch ms)", 1e3),
        ("ts", "time column (by name, epoch ns)", 1e9),
        ("elapsed_ms", "time column (by name, never falls)", 1e3),
        ("t", "time column (by name, never falls)", 1.0),
    ],
)
def test_a_clock_is_in_seconds_from_its_first_row(name, reason, factor):
    assert clock_seconds(name, reason, (1000.0 + np.arange(4.0)) * factor, 4).tolist() == pytest.approx([0, 1, 2, 3])


@pytest.mark.parametrize("values", [[0.0, 1.0, 2.0], [0.0, 2.0, 1.0, 3.0], [1.0, 1.0, 1.0, 1.0]])
def test_a_column_with_holes_or_that_falls_or_stands_is_no_clock(values):
    assert clock_seconds("t", "time column (by name, never falls)", np.array(values), 4) is None


def test_views_keep_the_clock():
    inner = timed(regular(10))
    views = [Mapped(inner, {"y": Source("x")}), Watched(inner, lambda name: None), Pooled([inner])]
    assert all(view.clock().tolist() == inner.times.tolist() for view in views)


def test_runs_one_after_the_other_have_one_clock_without_a_gap():
    assert np.diff(Pooled([timed(regular(10)), timed(regular(5))]).clock()) == pytest.approx(0.1)


def test_runs_of_which_one_has_no_clock_have_none():
    assert Pooled([timed(regular(10)), table(x=np.zeros(3))]).clock() is None
