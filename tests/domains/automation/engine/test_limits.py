"""Limits hold in every window, and breakers let one probe through."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.breaker import Breaker, BreakerRule, Phase, enter, failed, force_open, succeeded
from trueup.domains.automation.engine.hostpolicy import Limits
from trueup.domains.automation.engine.limits import HOUR, MINUTE, Usage, asked_to_wait, begin, end

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FREE = Limits(5, 30, 1_000)


def test_as_many_as_the_limit_begin_and_no_more():
    usage, answers = Usage(), []
    for _ in range(200):
        answer = begin(usage, FREE, NOW)
        usage, answers = answer.usage, [*answers, answer]
    assert sum(answer.allowed for answer in answers) == 5
    assert (answers[5].rule, answers[5].again) == ("limit.minute", NOW + MINUTE)


@pytest.mark.requirement("automation:W14")
@given(st.lists(st.integers(0, 4000), max_size=120).map(sorted), st.integers(1, 6), st.integers(1, 20))
def test_no_window_of_a_minute_or_an_hour_holds_more(seconds, minute, hour):
    usage, granted = Usage(), []
    for second in seconds:
        answer = begin(usage, Limits(minute, hour, 10_000), NOW + timedelta(seconds=second))
        usage = answer.usage
        granted += [NOW + timedelta(seconds=second)] if answer.allowed else []
    for start in granted:
        assert sum(start <= at < start + MINUTE for at in granted) <= minute
        assert sum(start <= at < start + HOUR for at in granted) <= hour


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60).map(sorted))
def test_what_is_told_to_come_again_is_let_through_then(seconds):
    usage = Usage()
    for second in seconds:
        answer = begin(usage, Limits(2, 1000, 10_000), NOW + timedelta(seconds=second))
        usage = answer.usage
        if not answer.allowed:
            assert begin(usage, Limits(2, 1000, 10_000), answer.again).allowed
            assert not begin(usage, Limits(2, 1000, 10_000), answer.again - timedelta(microseconds=1)).allowed


def test_no_more_run_at_once_than_the_limit():
    first = begin(Usage(), Limits(100, 100, 1), NOW)
    assert begin(first.usage, Limits(100, 100, 1), NOW).rule == "limit.concurrent"
    assert begin(end(first.usage), Limits(100, 100, 1), NOW).allowed
    assert end(Usage()).running == 0


def test_a_target_that_asked_to_be_left_alone_is():
    usage = asked_to_wait(asked_to_wait(Usage(), NOW + HOUR), NOW + MINUTE)
    answer = begin(usage, FREE, NOW + MINUTE)
    assert (answer.allowed, answer.rule, answer.again) == (False, "limit.retry_after", NOW + HOUR)


def test_a_clock_that_was_set_back_opens_nothing():
    usage = begin(Usage(), Limits(1, 30, 10), NOW).usage
    assert begin(usage, Limits(1, 30, 10), NOW - HOUR).allowed is False


@pytest.mark.parametrize("limits", [Limits(0, 30, 1), Limits(5, 0, 1), Limits(5, 30, 0)])
def test_a_limit_of_nothing_allows_nothing(limits):
    assert begin(Usage(), limits, NOW).allowed is False


RULE = BreakerRule()


def opened(times=1):
    breaker, at = Breaker(), NOW
    for trip in range(times):
        for _ in range(3 if not trip else 1):
            breaker = failed(breaker, RULE, at)
        if trip < times - 1:
            at = breaker.until
            _, breaker = enter(breaker, RULE, at)
    return breaker, at


def test_it_opens_after_failures_in_a_row_and_not_before():
    two = failed(failed(Breaker(), RULE, NOW), RULE, NOW)
    assert two.phase is Phase.CLOSED
    assert failed(succeeded(two), RULE, NOW).phase is Phase.CLOSED
    assert failed(two, RULE, NOW).phase is Phase.OPEN


@pytest.mark.parametrize(("times", "hours"), [(1, 1), (2, 6), (3, 24), (4, 24)])
def test_it_is_left_alone_longer_each_time(times, hours):
    breaker, at = opened(times)
    assert breaker.until == at + timedelta(hours=hours)
    assert enter(breaker, RULE, breaker.until - timedelta(seconds=1))[0] is False


def test_one_probe_alone_is_let_through_and_its_success_closes_it():
    breaker, _ = opened()
    may, probing = enter(breaker, RULE, breaker.until)
    assert (may, probing.phase) == (True, Phase.HALF_OPEN)
    assert enter(probing, RULE, breaker.until)[0] is False
    assert succeeded(probing) == Breaker()


def test_a_probe_that_never_reported_counts_as_lost():
    breaker, _ = opened()
    _, probing = enter(breaker, RULE, breaker.until)
    assert enter(probing, RULE, breaker.until + RULE.probe_within)[0]


def test_one_that_somebody_opened_stays_open():
    forced = force_open(Breaker())
    assert enter(forced, RULE, NOW + timedelta(days=365))[0] is False
    assert succeeded(forced) == failed(forced, RULE, NOW) == forced


@given(st.lists(st.sampled_from(["ok", "bad", "enter"]), max_size=40))
def test_while_it_is_open_nothing_closes_it_but_a_probe(steps):
    breaker, at = Breaker(), NOW
    for step in steps:
        at += timedelta(minutes=5)
        before = breaker
        if step == "enter":
            _, breaker = enter(breaker, RULE, at)
        else:
            breaker = succeeded(breaker) if step == "ok" else failed(breaker, RULE, at)
        if before.phase is Phase.OPEN and breaker.phase is Phase.CLOSED:
            raise AssertionError(step)
