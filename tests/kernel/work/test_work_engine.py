from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.kernel.errors import UsageError
from trueup.kernel.work.engine import lease, order
from trueup.kernel.work.engine.backoff import Backoff, chance
from trueup.kernel.work.engine.digest import Ending, batch_digest
from trueup.kernel.work.engine.schedule import CATCH_UP, GRACE, Missed, Timing, checked, due
from trueup.kernel.work.engine.states import ENDED, Move, State, after, failed

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def cron(line, zone="UTC", jitter=0):
    return Timing(line, 0, jitter, zone, AT)


def every(seconds, jitter=0):
    return Timing("", seconds, jitter, "UTC", AT)


@given(st.lists(st.sampled_from(list(Move)), max_size=30))
def test_nothing_but_a_replay_leaves_an_ended_state_and_done_is_left_by_nothing(moves):
    state = State.QUEUED
    for move in moves:
        new = after(state, move)
        if new is None:
            continue
        assert state not in ENDED or (move is Move.REPLAY and state is not State.DONE)
        assert new is not State.DONE or (state, move) == (State.RUNNING, Move.SUCCEED)
        state = new


@pytest.mark.parametrize(
    ("permanent", "attempts", "move"),
    [(True, 1, Move.REFUSE), (False, 1, Move.RETRY), (False, 2, Move.RETRY), (False, 3, Move.GIVE_UP), (True, 3, Move.REFUSE)],
)
def test_a_failure_is_tried_again_while_attempts_are_left_and_a_retry_can_mend_it(permanent, attempts, move):
    assert failed(permanent=permanent, attempts=attempts, max_attempts=3) is move


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 3600), st.integers(0, 3600))
def test_the_stored_rank_sorts_like_priority_less_waiting_time(one, two, since_one, since_two):
    now = AT + timedelta(hours=2)
    a, b = AT + timedelta(seconds=since_one), AT + timedelta(seconds=since_two)
    effective = [p - (now - t) / order.STEP for p, t in ((one, a), (two, b))]
    if abs(effective[0] - effective[1]) > 1e-6:
        assert (order.rank(one, a) < order.rank(two, b)) == (effective[0] < effective[1])


def test_a_job_of_the_least_priority_overtakes_urgent_ones_that_come_nine_minutes_later():
    assert order.rank(9, AT) < order.rank(0, AT + 9 * MINUTE + timedelta(seconds=1))


@given(st.integers(1, 200), st.text(max_size=20))
def test_a_wait_is_within_its_bound_and_the_same_for_the_same_seed(attempt, seed):
    backoff = Backoff(base=2.0, cap=60.0)
    wait = backoff.wait(attempt, seed=seed)
    assert timedelta(0) <= wait <= timedelta(seconds=min(60.0, 2.0 * 2 ** (attempt - 1)))
    assert wait == backoff.wait(attempt, seed=seed)


def test_chance_is_spread_over_its_whole_range():
    values = sorted(chance(str(n)) for n in range(1000))
    assert values[0] < 0.01
    assert values[-1] > 0.99
    assert 0.45 < values[500] < 0.55


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10**9)), max_size=20))
def test_the_work_time_of_a_process_never_falls_whatever_it_reads_in_the_store(steps):
    reading, monotonic, last = lease.Reading(0, 0.0), 0.0, 0
    for passed, stored in steps:
        monotonic += passed
        reading = reading.merged(stored, monotonic)
        assert reading.now(monotonic) >= max(last, stored)
        last = reading.now(monotonic)


def test_a_lease_ends_after_its_seconds_of_work_time():
    end = lease.until(5 * lease.SECOND, 30.0)
    assert not lease.expired(end, 34_999_999)
    assert lease.expired(end, 35_000_000)


def test_the_digest_of_a_batch_does_not_depend_on_the_order_and_changes_with_every_part():
    one, two = Ending(UUID(int=1), 1, "done", "aa"), Ending(UUID(int=2), 1, "done", "bb")
    assert batch_digest([one, two]) == batch_digest([two, one])
    others = [Ending(UUID(int=2), 2, "done", "bb"), Ending(UUID(int=2), 1, "dead", "bb"), Ending(UUID(int=2), 1, "done", "bc")]
    assert len({batch_digest([one, other]) for other in [two, *others]}) == 4


@pytest.mark.parametrize(
    ("timing", "words"),
    [
        (Timing("", 0, 0, "UTC", AT), "cron line or an interval"),
        (Timing("* * * * *", 60, 0, "UTC", AT), "cron line or an interval"),
        (Timing("", 60, 61, "UTC", AT), "longer than the interval"),
        (Timing("* * * * *", 0, 0, "Mars/Olympus", AT), "time zone"),
        (Timing("* * * * *", 0, 0, "../etc/passwd", AT), "time zone"),
        (Timing("61 * * * *", 0, 0, "UTC", AT), "no cron line"),
        (Timing("hello", 0, 0, "UTC", AT), "no cron line"),
        (Timing("0 0 31 2 *", 0, 0, "UTC", AT), "cron line"),
    ],
)
def test_a_timing_that_can_never_be_right_is_refused(timing, words):
    with pytest.raises(UsageError, match=words):
        checked(timing)


def test_a_sound_timing_is_kept():
    assert checked(cron("*/5 * * * *", "Europe/Berlin")).cron == "*/5 * * * *"
    assert checked(every(60, 60)).every == 60


def test_a_cron_line_is_read_in_its_zone():
    assert cron("30 8 * * *", "Europe/Berlin").next(AT) == datetime(2026, 3, 3, 7, 30, tzinfo=UTC)


def test_a_run_in_the_hour_that_is_left_out_fires_right_after_the_gap():
    timing = cron("30 2 * * *", "Europe/Berlin")  # 29 March 2026: 02:00 becomes 03:00
    fired = timing.next(datetime(2026, 3, 28, 12, 0, tzinfo=UTC))
    assert fired.astimezone(ZoneInfo("Europe/Berlin")).strftime("%d %H:%M") == "29 03:00"


def test_a_run_in_the_hour_that_comes_twice_fires_once():
    timing = cron("30 2 * * *", "Europe/Berlin")  # 25 October 2026: 03:00 becomes 02:00
    first = timing.next(datetime(2026, 10, 24, 12, 0, tzinfo=UTC))
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    for minutes in range(0, 600, 10):
        assert timing.next(first + timedelta(minutes=minutes)) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_a_run_of_every_hour_fires_in_both_of_the_hours_that_read_the_same():
    timing = cron("0 * * * *", "Europe/Berlin")
    at = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    found = []
    for _ in range(4):
        at = timing.next(at)
        found.append(at)
    assert [moment.hour for moment in found] == [0, 1, 2, 3]


@given(st.integers(0, 2 * 365 * 24 * 60), st.sampled_from(["*/15 * * * *", "30 2 * * *", "0 3 1 * *"]))
def test_the_next_moment_is_later_whatever_the_zone_does(at, line):
    at = datetime(2026, 1, 1, tzinfo=UTC) + at * MINUTE
    for zone in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"):
        assert cron(line, zone).next(at) > at


def test_before_its_moment_nothing_fires():
    planned = AT + MINUTE
    assert due(cron("* * * * *"), planned, AT, missed=Missed.ALL, seed="s").occurrences == ()
    assert due(cron("* * * * *"), planned, AT, missed=Missed.ALL, seed="s").planned == planned


def test_at_its_moment_it_fires_once_and_plans_the_next():
    firing = due(cron("* * * * *"), AT, AT, missed=Missed.SKIP, seed="s")
    assert firing.occurrences == (AT,)
    assert firing.planned == firing.next_at == AT + MINUTE


@pytest.mark.parametrize(("missed", "count"), [(Missed.SKIP, 0), (Missed.ONCE, 1), (Missed.ALL, CATCH_UP)])
def test_what_becomes_of_missed_runs_is_the_policy_s(missed, count):
    now = AT + timedelta(days=30, minutes=30)
    firing = due(cron("0 * * * *"), AT, now, missed=missed, seed="s")
    assert len(firing.occurrences) == count
    assert firing.planned == AT + timedelta(days=30, hours=1)


def test_a_run_that_is_a_little_late_was_not_missed():
    planned = AT + timedelta(hours=1)
    assert due(every(3600), planned, planned + GRACE, missed=Missed.SKIP, seed="s").occurrences == (planned,)
    assert due(every(3600), planned, planned + 2 * GRACE, missed=Missed.SKIP, seed="s").occurrences == ()


def test_three_missed_runs_are_all_made_up_for_the_oldest_first():
    now = AT + timedelta(minutes=3, seconds=5)
    expected = (AT + MINUTE, AT + 2 * MINUTE, AT + 3 * MINUTE)
    assert due(every(60), AT + MINUTE, now, missed=Missed.ALL, seed="s").occurrences == expected


@given(
    st.lists(st.integers(-600, 3000), min_size=1, max_size=40),
    st.sampled_from([every(60), every(60, 60), every(7, 3), cron("* * * * *"), cron("*/7 * * * *", "Europe/Berlin", 50)]),
    st.sampled_from(list(Missed)),
)
def test_no_occurrence_fires_twice_and_none_goes_back_whatever_the_clock_does(steps, timing, missed):
    now, planned, fired = AT, timing.next(AT), []
    for step in steps:
        now += timedelta(seconds=step)
        firing = due(timing, planned, now, missed=missed, seed="s")
        fired += firing.occurrences
        assert firing.planned >= planned
        assert all(timing.fires_at(moment, seed="s") <= now for moment in firing.occurrences)
        assert firing.next_at > now or not firing.occurrences
        planned = firing.planned
    assert fired == sorted(set(fired))


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.sampled_from([every(60, 60), every(45), cron("* * * * *")]))
def test_with_all_no_occurrence_is_lost_while_the_clock_goes_on(steps, timing):
    now, planned, fired = AT, timing.next(AT), []
    for step in steps:
        now += timedelta(seconds=step)
        firing = due(timing, planned, now, missed=Missed.ALL, seed="s")
        fired += firing.occurrences
        planned = firing.planned
    expected, moment = [], timing.next(AT)
    while timing.fires_at(moment, seed="s") <= now:
        expected.append(moment)
        moment = timing.next(moment)
    assert fired == expected
