"""Taking jobs: leases, fences, limits, order."""

from datetime import timedelta

import pytest

from tests.kernel.work.conftest import Ticks
from trueup.kernel.work.engine.lease import SECOND


@pytest.fixture
def take(session):
    """Claim as a worker of a name; the work time is given in seconds."""
    from trueup.kernel.work import claims, handlers

    kinds = tuple(h.kind for h in handlers.kinds())

    def call(name="w", want=10, at=0.0, ended=(), tenants=(), lease=30.0):
        hand = claims.Hand(name, lease, kinds, tenants)
        return claims.turn(hand, ended, want, now=session.now(), scale=int(at * SECOND))

    return call


def ids(jobs):
    return [job.id for job in jobs]


def succeeded(job):
    from trueup.kernel.work.claims import Ended
    from trueup.kernel.work.engine.states import Move

    return Ended(job, Move.SUCCEED, result="{}")


def test_a_claimed_job_is_nobody_else_s_while_its_lease_runs(submit, take):
    made = submit("work.noop", {}, {})
    assert sorted(ids(take("one", at=0))) == sorted(made)
    assert take("two", at=29.9) == []


@pytest.mark.requirement("automation:AR-2")
def test_an_expired_lease_is_taken_over_and_the_attempt_counts(submit, take, job):
    (id,) = submit("work.noop")
    (first,) = take("one", at=0)
    (second,) = take("two", at=30)
    assert (second.id, second.fence, second.attempts) == (id, first.fence + 1, 2)
    assert job(id)["worker"] == "two"


@pytest.mark.requirement("automation:AR-2")
def test_a_job_whose_workers_are_lost_again_and_again_becomes_a_dead_letter(submit, take, job):
    (id,) = submit("work.noop", max_attempts=2)
    assert take(at=0)
    assert take(at=100)
    assert take(at=200) == []
    assert (job(id)["state"], job(id)["error"].split(":")[0]) == ("dead", "LEASE_LOST")


@pytest.mark.requirement("kernel:work.stale-fence")
def test_a_stale_worker_s_outcome_is_dropped_and_told(submit, take, job):
    (id,) = submit("work.noop")
    (first,) = take("one", at=0)
    (second,) = take("two", at=31)
    take("one", want=0, ended=[succeeded(first)])
    assert job(id)["state"] == "running"
    assert job(id)["events"][-1]["what"] == "stale"
    take("two", want=0, ended=[succeeded(second)])
    assert job(id)["state"] == "done"


@pytest.mark.requirement("kernel:work.stale-fence")
def test_a_stale_worker_s_write_is_refused_by_its_fence(submit, take, session):
    from tests.support.actions import Observe
    from trueup.kernel.actions.runner import run
    from trueup.kernel.evidence.models import Fact
    from trueup.kernel.work.errors import StaleFence
    from trueup.kernel.work.fence import JobFence

    submit("work.noop")
    (first,) = take("one", at=0)
    (second,) = take("two", at=31)
    for claimed, holds in ((first, False), (second, True)):
        fence = JobFence(claimed.id, claimed.tenant, claimed.fence)
        ctx = session.installation.context(session.installation.os_principal(), session.tenant, job=fence)
        if holds:
            run(Observe, ctx, {"subject": "s"})
        else:
            with pytest.raises(StaleFence):
                run(Observe, ctx, {"subject": "s"})
    assert Fact.objects.filter(tenant=session.tenant, subject="s").count() == 1


def test_the_fence_of_a_cancelled_job_refuses_its_writes(submit, take, run, session):
    from django.db import transaction

    from trueup.kernel.work.actions import CancelJob
    from trueup.kernel.work.errors import StaleFence
    from trueup.kernel.work.fence import JobFence

    (id,) = submit("work.noop")
    (claimed,) = take()
    fence = JobFence(id, session.tenant, claimed.fence)
    with transaction.atomic():
        fence.require_held()
    run(CancelJob, id=id)
    with pytest.raises(StaleFence), transaction.atomic():
        fence.require_held()


def test_a_cancelled_job_whose_worker_is_lost_ends_as_cancelled(submit, take, run, job):
    from trueup.kernel.work.actions import CancelJob

    (id,) = submit("work.noop")
    take(at=0)
    run(CancelJob, id=id)
    assert take(at=31) == []
    assert job(id)["state"] == "cancelled"


def test_the_urgent_go_first_and_the_old_overtake_them(submit, take, clock):
    (old,) = submit("work.noop", priority=9)
    clock.step(minutes=6)
    (normal,) = submit("work.noop")
    clock.step(minutes=4)
    (urgent,) = submit("work.noop", priority=0)
    assert ids(take(want=3)) == [old, urgent, normal]


@pytest.mark.requirement("automation:W11")
def test_a_job_does_not_run_before_its_time(submit, take, clock):
    (later,) = submit("work.noop", not_before=(clock.at + timedelta(hours=1)).isoformat())
    assert take() == []
    clock.step(minutes=59, seconds=59)
    assert take() == []
    clock.step(seconds=1)
    assert ids(take()) == [later]


def test_jobs_of_one_concurrency_key_run_one_at_a_time(submit, take):
    made = submit("work.noop", *[{"concurrency_key": "k"}] * 3, {})
    first = take()
    assert len(first) == 2
    assert take() == []
    keyed = next(job for job in first if job.id in made[:3])
    assert len(take(ended=[succeeded(keyed)])) == 1


def test_the_store_itself_refuses_a_second_running_job_of_a_key(submit, take, session):
    from django.db import IntegrityError, transaction

    from trueup.kernel.work.models import Job

    submit("work.noop", *[{"concurrency_key": "k"}] * 2)
    take()
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(tenant=session.tenant).update(state="running")


@pytest.mark.requirement("automation:FR-O7")
def test_a_tenant_s_limit_holds_across_workers(submit, take, run):
    from trueup.kernel.work.actions import SetLimit

    run(SetLimit, running=3)
    submit("work.noop", *[{}] * 10)
    assert len(take("one", want=2)) == 2
    taken = take("two")
    assert len(taken) == 1
    assert take("three") == []
    assert len(take("three", ended=[succeeded(taken[0])])) == 1


def test_a_worker_takes_only_kinds_that_it_can_do_and_tenants_that_it_serves(submit, take, session):
    from uuid import uuid4

    from trueup.kernel.work.models import Job

    (id,) = submit("work.noop")
    assert take(tenants=(uuid4(),)) == []
    Job.objects.filter(tenant=session.tenant, id=id).update(kind="of.a.newer.version")
    assert take(tenants=(session.tenant,)) == []
    Job.objects.filter(tenant=session.tenant, id=id).update(kind="work.noop")
    assert ids(take(tenants=(session.tenant,))) == [id]


def test_a_returned_job_waits_again_and_its_attempt_does_not_count(submit, take, job):
    from trueup.kernel.work.claims import Ended
    from trueup.kernel.work.engine.states import Move

    (id,) = submit("work.noop")
    (claimed,) = take()
    take(want=0, ended=[Ended(claimed, Move.RETURN)])
    assert (job(id)["state"], job(id)["attempts"]) == ("queued", 0)


def test_a_lease_that_is_kept_up_does_not_end(submit, take):
    from trueup.kernel.work import claims

    submit("work.noop")
    held = take("one", at=0)
    claims.extend(held, until=60 * SECOND)
    assert take("two", at=59) == []
    assert len(take("two", at=60)) == 1
    claims.extend(held, until=600 * SECOND)
    assert len(take("three", at=90)) == 1


def test_a_worker_learns_which_of_its_jobs_to_let_go(submit, take, run):
    from trueup.kernel.work import claims
    from trueup.kernel.work.actions import CancelJob

    kept, cancelled, lost = submit("work.noop", {}, {}, {})
    held = {job.id: job for job in take("one", at=0)}
    run(CancelJob, id=cancelled)
    claims.extend([held[kept], held[cancelled]], until=100 * SECOND)
    take("two", at=31)
    assert claims.standing(held.values()) == {cancelled: "cancelled", lost: "lost"}


def test_two_processes_share_one_work_time_that_no_wall_clock_moves(session, clock):
    from trueup.kernel.work.scale import WorkTime

    one, two = Ticks(), Ticks()
    first, second = WorkTime(one), WorkTime(two)
    one.at += 100
    assert first.sync() == 100 * SECOND
    assert second.sync() == 100 * SECOND
    clock.step(days=-400)
    two.at += 5
    assert second.sync() == 105 * SECOND
    assert first.sync() == 105 * SECOND
    clock.step(days=4000)
    assert first.sync() == 105 * SECOND


@pytest.mark.requirement("kernel:work.clock-stepped-back")
def test_a_clock_that_is_stepped_back_loses_no_job_and_frees_no_lease(submit, take, clock):
    submit("work.noop", {})
    take("one", at=0)
    (new,) = submit("work.noop")
    clock.step(hours=-2)
    assert take("two", at=10) == [], "the new job's moment has not come by this clock; the lease still runs"
    (after,) = submit("work.noop")
    assert ids(take("two", at=10)) == [after]
    clock.step(hours=2)
    assert ids(take("two", at=10)) == [new]


@pytest.mark.requirement("automation:W9")
def test_the_queue_is_read_through_its_index_however_many_jobs_have_ended(submit, session, backend):
    from django.db import connection, transaction

    submit("work.noop")
    explain, sorts = ("EXPLAIN QUERY PLAN", "TEMP B-TREE") if backend == "sqlite" else ("EXPLAIN", "Sort")
    with transaction.atomic(), connection.cursor() as cursor:
        if backend == "postgresql":  # which would rather read a table of one row whole
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")
        cursor.execute(
            f"{explain} SELECT id, tenant FROM work_job j WHERE state = 'queued' AND rank <= 5 AND not_before <= '2026-01-01' "
            "AND kind IN ('a', 'b') AND (concurrency_key = '' OR NOT EXISTS (SELECT 1 FROM work_job r WHERE r.tenant = j.tenant "
            "AND r.concurrency_key = j.concurrency_key AND r.state = 'running' AND NOT (r.concurrency_key = ''))) "
            "ORDER BY rank, id LIMIT 40"
        )
        plan = " ".join(str(row[-1]) for row in cursor.fetchall())
    assert "job_queue" in plan
    assert "job_one_runs_a_key" in plan or "job_running" in plan
    assert sorts not in plan
