"""Early warning over runs: what grows is told with its interval, what stays is not, and too few runs tell nothing."""

import numpy as np
import pytest

from trueup.domains.telemetry.engine.outlook import Limit
from trueup.domains.telemetry.engine.series import MIN_RUNS, Point, Sign, series, verdict_of
from trueup.kernel.words import Verdict

TOP = Limit(20.0, above=True)


def points(means, sds):
    return [
        Point(f"r{place}", 500, float(sd), float(mean - 3.0 * sd), float(mean + 3.0 * sd))
        for place, (mean, sd) in enumerate(zip(means, sds, strict=True))
    ]


def looked(means, sds, *limits):
    return series({"x": points(means, sds)}, {"x": limits}, units={"x": "V"})


def jitter(seed, n, size):
    return np.random.default_rng(seed).normal(0.0, size, n)


def test_a_deviation_that_grows_from_run_to_run_is_warned_of():
    (one,) = looked(np.full(10, 10.0), 0.2 * 1.1 ** np.arange(10))
    (trend,) = one.trends
    assert (trend.sign, trend.significant) == (Sign.VARIANCE, True)
    assert (trend.first, trend.last) == (pytest.approx(0.2), pytest.approx(0.2 * 1.1**9))
    assert one.signs == ("the deviation grew from 0.2 to 0.472 V over 10 runs",)


def test_a_deviation_that_shrinks_is_no_warning():
    (one,) = looked(np.full(10, 10.0), 0.2 * 0.9 ** np.arange(10))
    assert (one.signs, one.reason) == ((), "")


def test_a_level_that_creeps_towards_its_limit_says_in_how_many_runs():
    (one,) = looked(10.0 + 0.5 * np.arange(12) + jitter(1, 12, 0.1), np.full(12, 0.5) + jitter(2, 12, 0.01), TOP)
    # the greatest values rise by 0.5 a run and are at 17 in the twelfth
    assert one.reach.low < 6.0 < one.reach.high
    assert one.reach.high - one.reach.low < 2.0
    assert [trend.significant for trend in one.trends] == [False, True]


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    hits = 0
    for seed in range(100):
        (one,) = looked(10.0 + 0.5 * np.arange(12) + jitter(seed, 12, 0.2), np.full(12, 0.5), TOP)
        hits += one.reach.known and one.reach.low <= 6.0 <= one.reach.high
    assert hits >= 88


def test_a_limit_below_is_counted_downwards():
    (one,) = looked(10.0 - 0.5 * np.arange(12), np.full(12, 0.1), Limit(2.0, above=False))
    assert one.reach.runs == pytest.approx((10.0 - 5.5 - 0.3 - 2.0) / 0.5)


def test_a_metric_beyond_its_limit_has_no_run_left():
    (one,) = looked(np.full(8, 25.0), np.full(8, 0.1), TOP)
    assert (one.reach.runs, one.signs) == (0.0, ("the newest run is at the limit or beyond it",))


def test_a_level_that_creeps_away_from_its_limit_is_no_warning():
    (one,) = looked(10.0 - 0.5 * np.arange(12), np.full(12, 0.5), TOP)
    assert (one.signs, one.reach.known) == ((), False)


@pytest.mark.parametrize("n", [0, 1, MIN_RUNS - 1])
def test_too_few_runs_tell_nothing_and_are_no_pass(n):
    found = looked(np.arange(n) + 10.0, np.full(n, 1.0), TOP)
    assert (found[0].trends, found[0].signs, verdict_of(found)) == ((), (), Verdict.INSUFFICIENT_DATA)
    assert f"{n} runs" in found[0].reason


def test_steady_series_raise_no_alarm():
    alarms = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        some = {f"m{k}": points(rng.normal(10.0, 0.1, 12), np.exp(rng.normal(0.0, 0.1, 12))) for k in range(4)}
        alarms += verdict_of(series(some, dict.fromkeys(some, (TOP,)), units={})) is not Verdict.PASS
    # 1.5 are expected at 1 %
    assert alarms <= 5


def test_a_deviation_is_asked_for_once_however_many_limits_there_are():
    found = looked(np.full(8, 10.0), np.full(8, 1.0), TOP, Limit(0.0, above=False))
    assert [[trend.sign for trend in one.trends] for one in found] == [[Sign.VARIANCE, Sign.MARGIN], [Sign.MARGIN]]


def test_constant_metrics_are_looked_at_without_a_fault():
    (one,) = looked(np.full(8, 10.0), np.zeros(8), TOP)
    assert (one.signs, verdict_of((one,))) == ((), Verdict.PASS)


def test_what_was_found_is_plain_data():
    (one,) = looked(10.0 + 0.5 * np.arange(12), np.full(12, 0.1), TOP)
    body = one.as_dict()
    assert (body["limit"], body["runs"], body["runs_to_limit"]["known"]) == ({"value": 20.0, "above": True}, 12, True)


def test_no_metric_at_all_is_no_pass():
    assert verdict_of(()) is Verdict.INSUFFICIENT_DATA
