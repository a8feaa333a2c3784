"""What is not found: runs that are like their baseline, in every kind of series a machine gives."""

import numpy as np
import pytest

from tests.domains.telemetry.engine.tables import autoregression, table
from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.kernel.words import Verdict

METRICS = 5
TRIALS = 60

SERIES = {
    "normal": lambda r, n: r.normal(size=n),
    "whole numbers": lambda r, n: r.poisson(3.0, n).astype(float),
    "dice": lambda r, n: r.integers(1, 7, n).astype(float),
    "two values": lambda r, n: (r.random(n) < 0.2).astype(float),
    "skewed": lambda r, n: r.exponential(size=n),
    "heavy tails": lambda r, n: r.standard_t(2, size=n),
    "no mean at all": lambda r, n: r.standard_cauchy(size=n),
    "autoregression 0.5": autoregression(0.5),
    "autoregression 0.9": autoregression(0.9),
    "autoregression 0.95": autoregression(0.95),
    "skewed autoregression": lambda r, n: np.exp(autoregression(0.9)(r, n) / 2.3),
    "random walk": lambda r, n: np.cumsum(r.normal(size=n)),
}
INDEPENDENT = ["normal", "whole numbers", "dice", "two values", "skewed", "heavy tails", "no mean at all"]


def verdicts(generate, n, seed):
    r = np.random.default_rng(seed)
    for _ in range(TRIALS):
        sides = [table(**{f"x{k}": generate(r, n) * 10.0 ** (3 * k - 3) for k in range(METRICS)}) for _ in range(2)]
        yield compare(*sides, config=CompareConfig()).verdict


@pytest.mark.parametrize("n", [100, 1000])
@pytest.mark.parametrize("series", SERIES)
def test_runs_that_are_like_their_baseline_do_not_drift(series, n):
    found = list(verdicts(SERIES[series], n, 20260102))
    # 60 runs of 5 metrics at 1 %: three or more false alarms have a probability of 2 %
    assert found.count(Verdict.PASS_WITH_DRIFT) <= 2
    assert Verdict.FAIL not in found


@pytest.mark.parametrize("series", INDEPENDENT)
def test_independent_values_are_judged_not_put_off(series):
    found = list(verdicts(SERIES[series], 200, 3))
    assert found.count(Verdict.PASS) >= 0.9 * TRIALS


def test_a_thousand_values_of_a_strong_autoregression_are_judged():
    assert list(verdicts(SERIES["autoregression 0.9"], 1000, 4)).count(Verdict.PASS) >= 0.9 * TRIALS


def test_a_hundred_values_of_a_strong_autoregression_are_mostly_put_off():
    found = list(verdicts(SERIES["autoregression 0.9"], 100, 5))
    assert found.count(Verdict.INSUFFICIENT_DATA) >= 0.8 * TRIALS


def resting_machine(r, n):
    """Two hundred samples of a machine at rest: bursts, plateaus, a wander of pages, rare events."""
    steps = r.choice([0.0, 0.0, 0.0, 4096.0, -4096.0], n) * (r.random(n) < 0.2)
    return {
        "cpu_percent": np.clip(5.0 + autoregression(0.4)(r, n), 0.0, 100.0).round(1),
        "memory_bytes": 8e9 + np.cumsum(steps * 64),
        "rss_bytes": 12_345_344.0 + 4096.0 * (np.arange(n) > 0.4 * n),
        "writes_per_s": np.where(r.random(n) < 0.08, r.exponential(300.0, n), 0.0).round(),
        "load": 1.5 + np.cumsum(r.normal(0.0, 0.002, n)),
        "threads": np.full(n, 3.0),
    }


def test_a_resting_machine_compared_with_itself_in_alternating_seconds_shows_no_drift():
    drifts = 0
    for seed in range(60):
        n = 200
        machine = resting_machine(np.random.default_rng(seed), n)
        even = np.arange(n) // 10 % 2 == 0
        sides = [table(**{name: values[side] for name, values in machine.items()}) for side in (even, ~even)]
        drifts += bool(compare(*sides, config=CompareConfig()).findings)
    assert drifts <= 1


def test_a_child_that_burns_a_core_and_holds_memory_is_found_at_its_metrics():
    r = np.random.default_rng(1)
    rest, busy = resting_machine(r, 200), resting_machine(r, 200)
    busy["cpu_percent"] = np.clip(busy["cpu_percent"] + 50.0, 0.0, 100.0)
    busy["memory_bytes"] = busy["memory_bytes"] + 512 * 2.0**20
    comparison = compare(table(**rest), table(**busy), config=CompareConfig())
    found = {(finding.metric, str(finding.kind)) for finding in comparison.findings}
    assert {("cpu_percent", "level"), ("memory_bytes", "level")} <= found
