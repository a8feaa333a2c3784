"""What load amounts to: its figures are those of the answers, and faults that were made on purpose are no failures."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.loading import LINES, LOOKED_AT, GiveUp, Load, Tally
from trueup.domains.automation.engine.percentiles import percentile
from trueup.kernel.errors import UsageError

CODES = ["", "HTTP_500", "TIMEOUT"]
answers = st.lists(
    st.tuples(st.floats(0, 5_000, allow_nan=False), st.floats(0, 60_000, allow_nan=False), st.sampled_from(CODES)), max_size=300
)


def tally(told, faults=()):
    found = Tally()
    for at, ms, code in told:
        found.answer(at, ms, code)
    for kind in faults:
        found.fault(kind)
    return found


@given(st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values, share):
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= math.ceil(len(values) * share)
    assert sum(value < found for value in values) < len(values) * share


def test_of_nothing_there_is_no_percentile():
    assert percentile([], 0.95) == 0.0


@given(answers, st.lists(st.sampled_from(["offline", "aborted"]), max_size=50))
def test_figures_are_those_of_the_answers(told, faults):
    found = tally(told, faults).summary(10.0)
    good = [ms for _, ms, code in told if not code]
    assert found["requests"] == len(told) + faults.count("aborted")
    assert (found["answered"], found["failed"]) == (len(good), len(told) - len(good))
    assert found["errors"] == {code: n for code in sorted(CODES[1:]) if (n := sum(one[2] == code for one in told))}
    assert found["faults"] == {kind: faults.count(kind) for kind in sorted(set(faults))}
    assert found["per_second"] == round(found["requests"] / 10.0, 2)
    assert (found["p50_ms"], found["max_ms"]) == (round(percentile(good, 0.5), 2), round(max(good, default=0), 2))
    assert found["p50_ms"] <= found["p95_ms"] <= found["p99_ms"] <= found["max_ms"]


@given(answers)
def test_a_timeline_counts_every_answer_once_in_its_span(told):
    lines = tally(told).summary(1.0)["timeline"]
    assert len(lines) <= LINES
    assert sum(line["requests"] for line in lines) == len(told)
    assert sum(line["failed"] for line in lines) == sum(bool(code) for _, _, code in told)
    starts = [line["second"] for line in lines]
    assert starts == sorted(set(starts))
    span = max((int(at) for at, _, _ in told), default=0) // LINES + 1
    for line in lines:
        inside = [one for one in told if line["second"] <= int(one[0]) < line["second"] + span]
        good = [ms for _, ms, code in inside if not code]
        assert (line["requests"], line["seconds"]) == (len(inside), span)
        expected = (round(percentile(good, 0.5), 2), round(percentile(good, 0.95), 2)) if good else (None, None)
        assert (line["p50_ms"], line["p95_ms"]) == expected


def test_a_run_is_given_up_when_as_many_of_the_last_failed_and_not_before():
    when = GiveUp(error_rate=0.5, after=10)
    found = tally([(0, 1, "HTTP_500")] * 9)
    assert found.given_up(when) == ""
    found.answer(0, 1, "")
    assert found.given_up(when) == "9 of the last 10 requests failed"
    for _ in range(10):
        found.answer(0, 1, "")
    assert found.given_up(when) == ""


def test_what_lies_further_back_is_forgotten():
    found = tally([(0, 1, "HTTP_500")] * 500 + [(0, 1, "")] * LOOKED_AT)
    assert found.given_up(GiveUp(error_rate=0.01)) == ""


def test_a_look_that_comes_late_comes():
    assert tally([(0, 1, "RESET")] * 1_000).given_up(GiveUp(after=1_000)) != ""


def test_a_run_is_given_up_when_answers_take_too_long_and_failures_do_not_count_as_answers():
    when = GiveUp(p95_ms=100, error_rate=1)
    assert tally([(0, 100, "")] * 20).given_up(when) == ""
    assert tally([(0, 101, "")] * 20).given_up(when) == "95 % of the last 20 answers took up to 101 ms"
    assert tally([(0, 1, "")] * 20 + [(0, 60_000, "TIMEOUT")] * 20).given_up(when) == ""


def test_what_was_broken_on_purpose_is_no_failure():
    found = tally([(0, 1, "")], ["aborted", "offline"] * 100)
    assert found.given_up(GiveUp(after=1, error_rate=0.1)) == ""
    assert found.summary(1.0)["failed"] == 0


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"users": 0}, r"payload\.load\.users"),
        ({"requests": 2_000_000}, r"payload\.load\.requests"),
        ({"seconds": 4_000}, r"payload\.load\.seconds"),
        ({"seconds": 1, "ramp_seconds": 2}, "ramp_seconds is longer"),
        ({"body": "x"}, "a GET has no body"),
        ({"method": "DELETE"}, r"payload\.load\.method"),
        ({"faults": {"aborted": 1.5}}, r"payload\.load\.faults\.aborted"),
        ({"more": 1}, r"payload\.load\.more"),
        ("much", r"payload\.load"),
    ],
)
def test_load_that_makes_no_sense_is_refused_with_the_field(said, words):
    with pytest.raises(UsageError, match=words):
        Load.read(said)
