"""Early warning of one run: only where there is a bound, and never a verdict."""

import numpy as np
import pytest

from tests.domains.telemetry.engine.tables import Memory, table
from trueup.domains.telemetry.engine.config import CompareConfig, MetricRule
from trueup.domains.telemetry.engine.document import document
from trueup.domains.telemetry.engine.outlook import Limit, limits_of, outlook
from trueup.domains.telemetry.engine.whole import examine_run
from trueup.kernel.words import Verdict

N = 1000
CONFIG = CompareConfig(rules={"x": MetricRule(maximum=20.0, unit="V")})


class Timed(Memory):
    """A table with ten rows a second."""

    def clock(self):
        return 0.1 * np.arange(self.rows)


def timed(**columns):
    return Timed(table(**columns).columns)


def noise(seed, sd=1.0):
    return np.random.default_rng(seed).normal(10.0, sd, N)


def test_a_metric_without_a_bound_has_no_outlook():
    assert outlook(timed(x=noise(1)), timed(x=noise(2)), CompareConfig()) == ()


def test_a_steady_run_warns_of_nothing():
    (one,) = outlook(timed(x=noise(1)), timed(x=noise(2)), CONFIG)
    assert (one.signs, one.reach.known, one.margin.run > 5.0) == ((), False, True)


def test_a_trend_says_when_the_bound_is_reached_with_an_interval():
    run = 10.0 + 0.05 * 0.1 * np.arange(N) + noise(2, 0.3) - 10.0
    (one,) = outlook(timed(x=noise(1)), timed(x=run), CONFIG)
    assert one.reach.low < 100.0 < one.reach.high  # at 15 after 100 s, five to go at 0.05 a second
    assert any("the limit is reached in" in sign for sign in one.signs)


def test_room_that_is_gone_is_a_sign_with_its_unit():
    (one,) = outlook(timed(x=noise(1)), timed(x=noise(2) + 4.0), CONFIG)
    assert one.signs[0].startswith("the room to the limit shrank from 7.8")
    assert one.signs[0].endswith("V")


def test_scatter_that_grows_is_a_sign():
    (one,) = outlook(None, timed(x=10.0 + (noise(3) - 10.0) * np.linspace(1.0, 3.0, N)), CONFIG)
    assert "times as widely" in one.signs[0]
    assert one.margin is None


def test_without_a_clock_the_time_is_unknown():
    (one,) = outlook(table(x=noise(1)), table(x=noise(2)), CONFIG)
    assert one.reach.reason == "unknown: the run has no one sound clock"


def test_the_nearest_bound_on_either_side_counts():
    rule = MetricRule(minimum=1.0, maximum=30.0, fail_above=20.0)
    assert limits_of(rule) == (Limit(20.0, above=True), Limit(1.0, above=False))
    assert [limit.words for limit in limits_of(rule)] == ["at most 20", "at least 1"]


def test_signs_change_no_verdict():
    run = timed(x=noise(2) + np.linspace(0.0, 0.2, N))
    found = examine_run(timed(x=noise(1)), run, config=CONFIG)
    assert (found.verdict, len(found.outlook)) == (Verdict.PASS, 1)
    (body,) = document(found)["outlook"]
    assert (body["metric"], body["limit"], body["above"]) == ("x", 20.0, True)


@pytest.mark.parametrize("run", [table(x=[]), table(x=[1.0]), timed(x=[1.0, 2.0])])
def test_a_run_of_a_few_values_is_looked_at_without_a_fault(run):
    assert all(not one.reach.known for one in outlook(table(x=noise(1)), run, CONFIG))
