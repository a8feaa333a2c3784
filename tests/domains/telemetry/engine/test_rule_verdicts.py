"""What findings amount to: verdicts, and the order in which findings are told."""

import dataclasses

import numpy as np
import pytest

from tests.domains.telemetry.engine.tables import autoregression, column, judged, metric, table
from tests.domains.telemetry.engine.test_rules import N, noise, two
from trueup.domains.telemetry.engine.compare import compare
from trueup.kernel.words import Verdict


def test_drift_fails_only_when_asked_to():
    assert judged(noise(1), 3 + noise(2)).verdict is Verdict.PASS_WITH_DRIFT
    comparison = judged(noise(1), 3 + noise(2), drift_is_fail=True)
    assert (comparison.verdict, metric(comparison).verdict) == (Verdict.FAIL, Verdict.FAIL)


def test_insufficient_data_does_not_fail_where_drift_would():
    assert judged(noise(1, 5), noise(2, 5), drift_is_fail=True).verdict is Verdict.INSUFFICIENT_DATA


def test_single_values_far_outside_are_told():
    run = noise(2)
    run[77] = 60.0
    comparison = judged(noise(1), run)
    assert comparison.verdict is Verdict.PASS
    assert any("1 of 500 values of the run lie more than a full baseline range outside" in note for note in comparison.notes)


def test_nothing_is_told_of_values_within_the_baselines_range():
    assert judged(noise(1), noise(2)).notes == ()


# ── form ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def wide_tables():
    r = np.random.default_rng(9)
    first = {f"c{k}": r.normal(size=300) for k in range(6)} | {"slow": autoregression(0.9)(r, 300), "still": np.full(300, 2.0)}
    second = {name: values + (0.9 if name in {"c1", "c4"} else 0.0) for name, values in first.items()}
    second["c2"], second["still"] = second["c2"] * 4, np.full(300, 2.5)
    return first, second


def findings_as_data(comparison):
    return [dataclasses.asdict(finding) for finding in comparison.findings]


def test_the_same_input_gives_the_same_output():
    first, second = wide_tables()
    answers = [findings_as_data(compare(table(**first), table(**second), config=two())) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2] != []


def test_the_order_of_columns_changes_nothing_but_the_order_of_metrics():
    first, second = wide_tables()
    names = list(first)[::-1]
    forward = compare(table(**first), table(**second), config=two())
    backward = compare(table(**{n: first[n] for n in names}), table(**{n: second[n] for n in names}), config=two())
    assert findings_as_data(forward) == findings_as_data(backward)
    assert [item.metric for item in backward.metrics] == names


@pytest.mark.requirement("telemetry:W8.1.8")
def test_the_strongest_finding_comes_first_whatever_its_unit():
    first, second = {k: noise(s) for k, s in (("a", 1), ("b", 2))}, {"a": noise(3) + 1.0, "b": 1e-6 * (noise(4) + 9.0)}
    first["b"] = first["b"] * 1e-6
    assert [finding.metric for finding in compare(table(**first), table(**second), config=two()).findings] == ["b", "a"]


def test_what_fails_the_run_comes_first():
    comparison = compare(table(a=noise(1), b=noise(2)), table(a=noise(3) + 99, b=column(noise(4), text=50)), config=two())
    assert [str(finding.kind) for finding in comparison.findings] == ["quarantine", "level"]


def test_every_number_that_decided_is_in_the_answer():
    config = two(alpha=0.02, critical=frozenset({"b", "a"}))
    answer = compare(table(), table(), config=config).config
    assert answer["critical"] == ["a", "b"]
    assert set(answer) == {field.name for field in dataclasses.fields(config)}
    assert answer["alpha"] == 0.02


def test_the_inputs_are_not_changed():
    first, second = noise(1), noise(2) + 4.0 * (np.arange(N) > 250)
    kept = first.copy(), second.copy()
    for values in (first, second):
        values.setflags(write=False)
    judged(first, second)
    assert np.array_equal(first, kept[0])
    assert np.array_equal(second, kept[1])
