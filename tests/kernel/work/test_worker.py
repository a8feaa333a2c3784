"""Doing jobs: outcomes, retries, limits, principals, processes of their own, stopping."""

import os
import subprocess
import time

import pytest

from tests.kernel.work.conftest import until


def facts(session, subject):
    from trueup.kernel.evidence.models import Fact

    return Fact.objects.filter(tenant=session.tenant, subject=subject).count()


def whats(row):
    return [event["what"] for event in row["events"]]


def test_a_job_is_done_and_says_what_came_of_it(submit, job, drain):
    from tests.kernel.work import kinds

    (id,) = submit("testing.note", args={"a": 1})
    assert drain().ended == 1
    row = job(id)
    assert (row["state"], row["result"], row["progress"], row["attempts"]) == ("done", {"noted": True}, 1.0, 1)
    assert whats(row) == ["claim", "log", "done"]
    assert kinds.SEEN == [("testing.note", {"a": 1})]


@pytest.mark.requirement("automation:W9")
def test_five_hundred_jobs_are_each_done_once(submit, session, drain):
    from trueup.kernel.work import queries
    from trueup.kernel.work.models import JobEvent

    submit("work.noop", *[{}] * 500)
    assert drain().ended == 500
    assert queries.counts(session.tenant)["done"] == 500
    assert JobEvent.objects.filter(tenant=session.tenant, what="done").count() == 500


@pytest.mark.requirement("automation:AR-2")
@pytest.mark.parametrize(
    ("how", "state", "attempts", "error"),
    [
        ("later", "dead", 3, "INTERNAL: not now"),
        ("usage", "failed", 1, "BAD_REQUEST: never right"),
        ("bug", "dead", 3, "INTERNAL: ZeroDivisionError"),
        ("twice", "done", 3, ""),
    ],
)
def test_what_a_retry_mends_is_tried_again_and_its_recorded_effect_stays_one(
    submit, job, drain, session, how, state, attempts, error
):
    (id,) = submit("testing.fail", args={"how": how})
    drain()
    assert (job(id)["state"], job(id)["attempts"]) == (state, attempts)
    assert job(id)["error"] == error or state == "done"
    assert whats(job(id)).count("retry") == attempts - 1
    assert facts(session, "failing") == 1


@pytest.mark.parametrize(("args", "error"), [({}, "BAD_REQUEST"), ({"big": True}, "RESULT_TOO_LARGE")])
def test_a_result_that_cannot_be_stored_fails_the_job_for_good(submit, job, drain, args, error):
    (id,) = submit("testing.odd", args=args)
    drain()
    assert (job(id)["state"], job(id)["error"].split(":")[0], job(id)["attempts"]) == ("failed", error, 1)


def test_a_retry_waits_for_its_backoff(submit, job, drain, clock):
    from datetime import timedelta

    from trueup.kernel.work.engine.backoff import Backoff

    (id,) = submit("testing.again")
    drain()
    wait = Backoff(base=100.0).wait(1, seed=str(id))
    assert (job(id)["state"], job(id)["attempts"]) == ("queued", 1)
    clock.at += wait - timedelta(milliseconds=1)
    drain()
    assert job(id)["attempts"] == 1
    clock.at += timedelta(milliseconds=1)
    drain()
    assert job(id)["attempts"] == 2


def test_what_waits_for_people_is_not_asked_for_twice(submit, job, drain, session):
    from trueup.kernel.actions.models import Attempt

    (id,) = submit("testing.hold")
    drain()
    assert (job(id)["state"], job(id)["error"].split(":")[0]) == ("failed", "HELD_FOR_APPROVAL")
    assert Attempt.objects.filter(tenant=session.tenant, action="testing.thing.remove").count() == 1


def test_a_job_whose_asker_is_gone_is_refused_with_an_entry(submit, job, drain, session):
    from trueup.kernel.evidence import queries
    from trueup.kernel.work.models import Job

    (id,) = submit("testing.effect", args={"n": 1})
    gone = "user:00000000-0000-0000-0000-00000000dead"
    Job.objects.filter(tenant=session.tenant, id=id).update(principal=gone)
    drain()
    assert (job(id)["state"], job(id)["error"].split(":")[0]) == ("failed", "PRINCIPAL_GONE")
    assert facts(session, "effect/1/a") == 0
    found = [e for e in queries.entries(session.tenant, limit=20) if e["outcome"] == "refused"]
    assert [(e["principal"], e["error"], e["note"]["job"]) for e in found] == [(gone, "PRINCIPAL_GONE", str(id))]


@pytest.mark.requirement("kernel:work.present-rights")
def test_a_job_acts_with_what_its_asker_may_do_now(submit, job, drain, session, monkeypatch):
    from trueup.kernel.actions.base import Principal

    (id,) = submit("testing.effect", args={"n": 2})
    installation = session.installation
    monkeypatch.setattr(installation, "principal", lambda name, tenant: Principal(name, frozenset({"viewer"})))
    drain()
    assert (job(id)["state"], job(id)["error"].split(":")[0]) == ("failed", "POLICY_REFUSED")


def test_a_handler_that_takes_too_long_is_given_up_and_can_write_nothing_any_more(submit, job, drain, session):
    (id,) = submit("testing.slow")
    drain()
    assert (job(id)["state"], job(id)["error"].split(":")[0]) == ("dead", "TIMEOUT")
    time.sleep(0.2)
    assert facts(session, "too-late") == 0


def test_a_heavy_job_works_in_a_process_of_its_own(submit, job, drain, session):
    (id,) = submit("testing.heavy")
    drain()
    assert job(id)["state"] == "done", job(id)["error"]
    assert job(id)["result"]["pid"] != os.getpid()
    assert facts(session, "from-a-child") == 1
    assert "log" in whats(job(id))


@pytest.mark.parametrize(("how", "state", "error"), [("usage", "failed", "BAD_REQUEST"), ("crash", "dead", "CRASHED")])
def test_how_a_process_failed_is_recorded(submit, job, drain, how, state, error):
    (id,) = submit("testing.heavy", args={"how": how})
    drain()
    assert (job(id)["state"], job(id)["error"].split(":")[0]) == (state, error)


@pytest.mark.requirement("kernel:work.hard-limits")
def test_a_process_that_takes_too_long_is_killed_with_all_that_it_started(submit, job, drain):
    (id,) = submit("testing.long")
    drain()
    assert (job(id)["state"], job(id)["error"].split(":")[0]) == ("dead", "TIMEOUT")
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 333.25" not in left


def test_a_process_that_needs_too_much_memory_ends_and_says_so(submit, job, drain):
    (id,) = submit("testing.greedy")
    drain()
    assert (job(id)["state"], job(id)["error"].split(":")[0]) == ("dead", "MEMORY")


def test_a_cancelled_process_is_killed(submit, job, run, worker):
    from trueup.kernel.work.actions import CancelJob

    (id,) = submit("testing.long")
    worker()
    until(lambda: job(id)["state"] == "running")
    run(CancelJob, id=id)
    until(lambda: job(id)["state"] == "cancelled", seconds=3)


@pytest.mark.requirement("automation:FR-O6")
def test_a_worker_that_stops_gives_its_jobs_back(submit, job, worker):
    (id,) = submit("work.sleep", args={"seconds": 60})
    made = worker()
    until(lambda: job(id)["state"] == "running")
    made.stop(grace=0.2)
    assert (job(id)["state"], job(id)["attempts"]) == ("queued", 0)
    assert whats(job(id)) == ["claim", "return"]


@pytest.mark.requirement("automation:FR-O6")
def test_a_worker_that_stops_lets_jobs_end_that_are_about_to(submit, job, worker):
    (id,) = submit("work.sleep", args={"seconds": 0.5})
    made = worker()
    until(lambda: job(id)["state"] == "running")
    made.stop(grace=10)
    assert job(id)["state"] == "done"


def test_quick_jobs_claimed_behind_a_slow_one_are_given_back_to_others(submit, job, worker):
    made = worker(concurrency=1)
    made._slots.mean = 0.0
    ids = submit("work.sleep", {"args": {"seconds": 3}, "priority": 0}, *[{"args": {"seconds": 0}}] * 3)
    until(lambda: "return" in whats(job(ids[1])))
    other = worker(concurrency=1)
    until(lambda: all(job(id)["state"] == "done" for id in ids[1:]), seconds=2.5)
    assert other.ended + made.ended >= 3


def test_a_worker_keeps_up_its_leases(submit, job, worker):
    (id,) = submit("work.sleep", args={"seconds": 2.5})
    worker(lease=1.0)
    worker(lease=1.0)
    until(lambda: job(id)["state"] == "done")
    assert job(id)["attempts"] == 1


@pytest.mark.requirement("automation:W7")
def test_the_jobs_of_a_worker_that_died_are_freed_without_waiting_for_their_leases(submit, job, session, drain):
    from trueup.kernel.work import claims
    from trueup.kernel.work.models import WorkerRow

    (id,) = submit("work.noop")
    made = drain()  # leaves a row; another worker of this home is made to have died from it
    row = WorkerRow.objects.get(id=made.id)
    (id,) = submit("work.noop")
    for place in ("another machine", row.place):
        row.id, row.owner, row.state, row.place = made.id, "4194999-dead", "working", place
        row.save()
        if place == "another machine":
            assert claims.turn(claims.Hand(str(row.id), 3600.0, ("work.noop",)), (), 1, now=session.now(), scale=0)
        drain()
        assert job(id)["state"] == ("done" if place == row.place != "another machine" else "running")
    assert WorkerRow.objects.get(id=made.id).state == "lost"
    assert job(id)["attempts"] == 2


def test_once_does_one_batch(submit, session):
    from trueup.kernel.work import queries
    from trueup.kernel.work.worker import Until, Worker

    submit("work.noop", *[{}] * 20)
    assert Worker(session.installation, concurrency=3).run(Until.ONCE) == 3
    assert queries.counts(session.tenant)["queued"] == 17


def test_workers_are_listed_as_they_last_said_of_themselves(session, worker, drain):
    from trueup.kernel.work import queries

    made = worker(concurrency=2)
    until(queries.workers)
    (row,) = queries.workers()
    assert (row["id"], row["pid"], row["slots"], row["busy"], row["state"]) == (str(made.id), os.getpid(), 2, 0, "working")
    made.stop()
    assert queries.workers()[0]["state"] == "stopped"


@pytest.mark.requirement("automation:W9")
def test_a_job_starts_soon_after_it_was_submitted(submit, job, worker, run):
    worker()
    time.sleep(0.5)
    waits = []
    for _ in range(9):
        (id,) = submit("work.noop")
        until(lambda made=id: job(made)["state"] == "done")
        row = job(id)
        waits.append(moment(row["started_at"]) - moment(row["created_at"]))
    assert sorted(waits)[4] <= 0.05


def moment(text):
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def test_an_idle_worker_uses_next_to_no_processor_time(session, worker):
    worker()
    time.sleep(0.5)
    before = time.process_time()
    time.sleep(2.0)
    assert time.process_time() - before < 0.2


def test_a_kind_that_two_functions_would_do_is_no_kind():
    from trueup.kernel.errors import ConfigurationError, NotFound
    from trueup.kernel.work import handlers

    with pytest.raises(ConfigurationError, match="two handlers"):
        handlers.handler("work.noop")(lambda job: {})
    with pytest.raises(ConfigurationError, match="memory"):
        handlers.handler("testing.thread", memory=1)(lambda job: {})
    with pytest.raises(NotFound):
        handlers.named("no.such")


def test_a_job_logs_at_most_a_thousand_lines(submit, session, job):
    from trueup.kernel.work import claims, handlers
    from trueup.kernel.work.context import LINES, JobContext
    from trueup.kernel.work.models import JobEvent

    (id,) = submit("testing.note")
    hand = claims.Hand("w", 30.0, ("testing.note",))
    (claimed,) = claims.turn(hand, (), 1, now=session.now(), scale=0)
    context = JobContext(session.installation, claimed, handlers.named("testing.note"), gone=lambda: "")
    for n in range(LINES + 5):
        context.log(f"line {n}")
    lines = JobEvent.objects.filter(tenant=session.tenant, job=id, what="log")
    assert lines.count() == LINES
    assert "not kept" in lines.order_by("-id")[0].words


def test_a_handler_is_told_why_it_must_stop(submit, session):
    from trueup.kernel.errors import UsageError
    from trueup.kernel.work import claims, handlers
    from trueup.kernel.work.context import JobContext
    from trueup.kernel.work.errors import JobCancelled, StaleFence

    submit("testing.note")
    (claimed,) = claims.turn(claims.Hand("w", 30.0, ("testing.note",)), (), 1, now=session.now(), scale=0)
    for why, error in (("lost", StaleFence), ("cancelled", JobCancelled), ("timeout", JobCancelled)):
        context = JobContext(session.installation, claimed, handlers.named("testing.note"), gone=lambda why=why: why)
        assert context.cancelled()
        with pytest.raises(error):
            context.heartbeat()
    with pytest.raises(UsageError, match="no model"):
        context.input  # noqa: B018 - the reading is the test


def test_a_worker_outlives_a_store_that_does_not_answer_for_a_while(submit, job, worker, session):
    from django.db import connection

    made = worker()
    (before,) = submit("work.sleep", args={"seconds": 0.6})
    until(lambda: job(before)["state"] == "running")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE work_jobevent RENAME TO work_away")
        time.sleep(1.5)
        cursor.execute("ALTER TABLE work_away RENAME TO work_jobevent")
    until(lambda: job(before)["state"] == "done")
    assert made.ended == 1
