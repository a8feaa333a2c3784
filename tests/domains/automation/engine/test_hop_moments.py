"""Moments are exact while they are few, and joining them never makes the past seem farther than it was."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine import moments
from trueup.domains.automation.engine.hostpolicy import Limits
from trueup.domains.automation.engine.limits import HOUR, MINUTE, Usage, begin
from trueup.domains.automation.engine.moments import Moments

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECONDS = st.lists(st.integers(0, 9_000), max_size=60).map(sorted)


def at(second):
    return NOW + timedelta(seconds=second)


@given(SECONDS, st.integers(0, 9_000))
def test_few_are_what_was_put_in(seconds, cut):
    found = Moments.of(map(at, seconds))
    assert [*found] == [at(second) for second in seconds]
    later = [at(second) for second in seconds if second > cut]
    assert ([*found.after(at(cut))], found.since(at(cut))) == (later, len(later))
    assert [found.newest(n) for n in range(1, len(seconds) + 1)] == [at(second) for second in reversed(seconds)]
    with pytest.raises(IndexError):
        found.newest(len(seconds) + 1)


@given(st.lists(st.integers(0, 40_000), min_size=1, max_size=200).map(sorted))
def test_many_are_joined_into_the_later_ones_and_none_is_lost(tenths):
    known, few = [NOW + timedelta(milliseconds=100 * t) for t in tenths], Moments()
    fine, moments.FINE = moments.FINE, 20
    try:
        for one in known:
            few = few.plus(one)
    finally:
        moments.FINE = fine
    assert len(few) == len(known)
    assert all(seems >= was for seems, was in zip(few, known, strict=True))
    assert all(few.since(one) >= sum(was > one for was in known) for one in known)


@given(st.lists(st.integers(0, 6_000), max_size=150).map(sorted), st.integers(1, 6), st.integers(1, 20))
def test_limits_hold_in_every_window_also_where_moments_are_joined(seconds, minute, hour):
    usage, granted = Usage(), []
    fine, moments.FINE = moments.FINE, 5
    try:
        for second in seconds:
            answer = begin(usage, Limits(minute, hour, 10_000), at(second))
            usage = answer.usage
            granted += [at(second)] if answer.allowed else []
    finally:
        moments.FINE = fine
    for start in granted:
        assert sum(start <= one < start + MINUTE for one in granted) <= minute
        assert sum(start <= one < start + HOUR for one in granted) <= hour


def test_an_hour_of_many_requests_a_second_stays_short():
    found = Moments()
    for tenth in range(0, 36_000, 3):
        found = found.plus(NOW + timedelta(milliseconds=100 * tenth))
    assert len(found) == 12_000
    assert len(found.marks) <= moments.FINE


def test_a_clock_that_was_set_back_adds_to_the_newest():
    assert [*Moments.of([NOW]).plus(NOW - HOUR)] == [NOW, NOW]
