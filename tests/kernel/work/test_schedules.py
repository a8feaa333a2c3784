"""Schedules: put, fire once, paused, resumed, replaced, removed."""

import threading

import pytest

from trueup.kernel.errors import NotFound, Refused, UsageError


@pytest.fixture
def put(run, clock, submit):
    from trueup.kernel.work.actions_schedules import PutSchedule

    def call(name="nightly", **more):
        return run(PutSchedule, **{"name": name, "kind": "testing.note", "every": 60, **more})

    return call


@pytest.fixture
def fire(session, clock):
    from trueup.kernel.work import scheduler

    return lambda: scheduler.fire(clock.at)


def jobs(session):
    from trueup.kernel.work.models import Job

    return Job.objects.filter(tenant=session.tenant, key__startswith="schedule:")


def test_a_schedule_fires_at_its_moment_and_once(put, fire, clock, session):
    put(args={"x": 1}, priority=3)
    assert fire() == 0
    clock.step(seconds=60)
    assert fire() == 1
    assert fire() == 0
    (job,) = jobs(session)
    assert (job.kind, job.args, job.priority, job.principal) == ("testing.note", '{"x":1}', 3, session.context().principal.id)
    assert job.entry > 0


def test_its_job_is_done_by_the_worker(put, clock, session, drain):
    from tests.kernel.work import kinds

    put()
    clock.step(seconds=60)
    drain()
    assert [kind for kind, _ in kinds.SEEN] == ["testing.note"]


@pytest.mark.requirement("kernel:work.clock-stepped-back")
def test_a_clock_that_is_stepped_back_and_on_again_fires_nothing_twice(put, fire, clock, session):
    put(missed="all")
    fired = 0
    for step in (60, 60, -100, 50, 50, 60, -3600, 3600, 60):
        clock.step(seconds=step)
        fired += fire()
    keys = list(jobs(session).values_list("key", flat=True))
    assert fired == len(keys) == len(set(keys)) == 4


@pytest.mark.requirement("kernel:work.two-schedulers")
def test_two_schedulers_never_fire_the_same_occurrence(put, clock, session):
    from django.db import connection

    from trueup.kernel import tenancy
    from trueup.kernel.work import scheduler

    for n in range(10):
        put(f"s{n}")
    clock.step(seconds=60)
    counts, start = [], threading.Barrier(4)

    def look():
        tenancy.reach_every()
        start.wait()
        counts.append(scheduler.fire(clock.at))
        connection.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == jobs(session).count() == 10


def test_a_firing_that_was_read_before_another_scheduler_fired_does_nothing(put, clock, session):
    from trueup.kernel.work import scheduler
    from trueup.kernel.work.engine.schedule import Missed, due
    from trueup.kernel.work.models import Schedule

    put()
    clock.step(seconds=60)
    row = Schedule.objects.get(tenant=session.tenant)
    firing = due(scheduler.timing(row), row.planned_at, clock.at, missed=Missed.ONCE, seed=str(row.id))
    assert scheduler._fired(row, firing, clock.at) == 1
    assert scheduler._fired(row, firing, clock.at) == 0


def test_a_paused_schedule_misses_its_runs_and_a_resumed_one_goes_on_from_now(put, fire, clock, run):
    from trueup.kernel.work.actions_schedules import PauseSchedule, ResumeSchedule

    put(missed="all")
    run(PauseSchedule, name="nightly")
    clock.step(hours=1)
    assert fire() == 0
    run(ResumeSchedule, name="nightly")
    assert fire() == 0
    clock.step(seconds=60)
    assert fire() == 1


def test_a_schedule_that_ran_ahead_with_a_wrong_clock_is_put_right_by_resuming(put, fire, clock, run):
    from trueup.kernel.work.actions_schedules import ResumeSchedule

    put()
    clock.step(days=365)
    assert fire() == 1
    clock.step(days=-365)
    clock.step(seconds=120)
    assert fire() == 0
    run(ResumeSchedule, name="nightly")
    clock.step(seconds=60)
    assert fire() == 1


def test_a_schedule_can_be_replaced_and_removed(put, fire, clock, run, session):
    from trueup.kernel.work import queries
    from trueup.kernel.work.actions_schedules import RemoveSchedule

    put()
    put(every=0, cron="0 3 * * *", timezone="Europe/Berlin", jitter=30)
    (row,) = queries.schedules(session.tenant)
    assert (row["cron"], row["every"], row["timezone"]) == ("0 3 * * *", 0, "Europe/Berlin")
    run(RemoveSchedule, name="nightly")
    clock.step(days=2)
    assert fire() == 0
    assert queries.schedules(session.tenant) == []
    with pytest.raises(NotFound):
        run(RemoveSchedule, name="nightly")


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"cron": "* * * * *"}, UsageError),
        ({"every": 0}, UsageError),
        ({"every": 0, "cron": "99 * * * *"}, UsageError),
        ({"timezone": "Nowhere/Town"}, UsageError),
        ({"kind": "no.such"}, NotFound),
        ({"kind": "work.sleep", "args": {"seconds": -1}}, UsageError),
        ({"name": "Not A Name"}, UsageError),
        ({"kind": "testing.private"}, Refused),
    ],
)
def test_a_schedule_that_could_never_work_is_not_made(put, session, more, error):
    from trueup.kernel.work import queries
    from trueup.kernel.work.handlers import handler

    handler("testing.private")(private)
    with pytest.raises(error):
        put(**more)
    assert queries.schedules(session.tenant) == []


def private(job):
    return {}


def test_the_runs_of_a_schedule_that_put_up_with_a_long_outage_are_bounded(put, fire, clock, session):
    put(missed="all")
    clock.step(days=3)
    assert fire() == 100
    assert fire() == 0
