"""Jobs that are done together: each ends by itself, none waits for company, and none suffers from its fellows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernel.work.conftest import until
from trueup.kernel.errors import ConfigurationError
from trueup.kernel.work.engine.seats import Seats


@pytest.fixture
def calls():
    from tests.kernel.work import kinds

    kinds.CALLS.clear()
    return kinds.CALLS


def states(job, ids):
    return [(job(id)["state"], job(id)["error"].split(":")[0]) for id in ids]


def test_jobs_of_a_kind_are_done_together_and_each_has_its_result(submit, job, drain, calls):
    ids = submit("testing.many", *[{"args": {"n": n}} for n in range(12)])
    assert drain(concurrency=2).ended == 12
    assert sorted(len(call) for call in calls) == [2, 5, 5]
    assert sorted(n for call in calls for n in call) == list(range(12))
    assert [job(id)["result"] for id in ids] == [{"n": n, "alone": False} for n in range(12)]


def test_a_lone_job_waits_for_nobody(submit, job, worker, calls):
    worker(concurrency=1)
    (id,) = submit("testing.many", args={"n": 1})
    until(lambda: job(id)["state"] == "done", seconds=5.0)
    assert (job(id)["result"]["alone"], calls) == (True, [])


@pytest.mark.parametrize(
    ("how", "ended"),
    [
        ("usage", ("failed", "BAD_REQUEST")),
        ("odd", ("failed", "RESULT_TOO_LARGE")),
        ("forgotten", ("dead", "LEFT_OUT")),
    ],
)
def test_one_that_fails_harms_none_of_its_fellows(submit, job, drain, how, ended):
    ids = submit("testing.many", *[{"args": {"n": n} | ({"how": how} if n % 2 == 0 else {})} for n in range(4)])
    drain(concurrency=1)
    assert states(job, ids) == [ended, ("done", "")] * 2


def test_a_call_that_breaks_leaves_what_it_had_ended_as_it_was(submit, job, drain):
    """The second of the two that break is alone in its second attempt, and is done."""
    ids = submit("testing.many", {"args": {"n": 0}}, {"args": {"how": "break", "later": True}}, {"args": {"n": 2}})
    drain(concurrency=1)
    assert states(job, ids) == [("done", "")] * 3
    assert [job(id)["attempts"] for id in ids] == [1, 2, 1]


def test_one_that_is_cancelled_ends_alone(submit, run, job, worker):
    from trueup.kernel.work.actions import CancelJob

    worker(concurrency=1)
    ids = submit("testing.many", {"args": {"n": 0}}, {"args": {"later": "cancelled"}}, {"args": {"n": 2}})
    until(lambda: job(ids[0])["state"] == job(ids[2])["state"] == "done")
    assert job(ids[1])["state"] == "running"
    run(CancelJob, id=str(ids[1]))
    until(lambda: job(ids[1])["state"] == "cancelled", seconds=2.0)


def test_one_that_takes_too_long_is_given_up_alone(submit, job, drain):
    ids = submit("testing.many", {"args": {"n": 0}}, {"args": {"later": "late"}, "max_attempts": 1}, {"args": {"n": 2}})
    drain(concurrency=1)
    assert states(job, ids) == [("done", ""), ("dead", "TIMEOUT"), ("done", "")]


def test_jobs_of_different_principals_are_not_done_together(submit, job, drain, session, calls, monkeypatch):
    from trueup.kernel.actions.base import Principal
    from trueup.kernel.work.models import Job

    ids = submit("testing.many", *[{"args": {"n": n}} for n in range(4)])
    Job.objects.filter(tenant=session.tenant, id__in=ids[:2]).update(principal="user:00000000-0000-0000-0000-000000000001")
    monkeypatch.setattr(session.installation, "principal", lambda name, tenant: Principal(name, frozenset({"owner"})))
    drain(concurrency=2)
    assert sorted(map(sorted, calls)) == [[0, 1], [2, 3]]


def test_what_is_asked_for_by_somebody_who_is_gone_is_refused_one_by_one(submit, job, drain, session):
    from trueup.kernel.evidence import queries
    from trueup.kernel.work.models import Job

    ids = submit("testing.many", *[{"args": {"n": n}} for n in range(3)])
    Job.objects.filter(tenant=session.tenant, id__in=ids).update(principal="user:00000000-0000-0000-0000-00000000dead")
    drain()
    assert states(job, ids) == [("failed", "PRINCIPAL_GONE")] * 3
    refused = [entry for entry in queries.entries(session.tenant, limit=20) if entry["outcome"] == "refused"]
    assert {entry["note"]["job"] for entry in refused} == set(map(str, ids))


def test_a_worker_takes_as_many_as_its_free_slots_hold(submit, session):
    from tests.kernel.work import kinds  # noqa: F401 - registers the kinds
    from trueup.kernel.work import claims, handlers

    submit("testing.many", *[{}] * 14)
    submit("testing.note", *[{}] * 3)
    names = ("testing.many", "testing.note")
    hand = claims.Hand("w", 30.0, names, (session.tenant,), batch=5, seat=handlers.seat)
    now = session.context().now
    first = claims.turn(hand, [], 2, now=now, scale=0)
    assert [job.kind for job in first] == ["testing.many"] * 10
    second = claims.turn(hand, [], 2, now=now, scale=0)
    assert [job.kind for job in second] == ["testing.many"] * 4 + ["testing.note"]


def test_a_joint_hold_names_those_that_are_still_held(submit, session):
    from django.db import transaction

    from trueup.kernel.work import claims, handlers
    from trueup.kernel.work.errors import StaleFence
    from trueup.kernel.work.fence import JobFence, JointFence
    from trueup.kernel.work.models import Job

    submit("testing.many", *[{}] * 4)
    hand = claims.Hand("w", 30.0, ("testing.many",), (session.tenant,), batch=5, seat=handlers.seat)
    taken = claims.turn(hand, [], 1, now=session.context().now, scale=0)
    mine = Job.objects.filter(tenant=session.tenant)
    mine.filter(id=taken[0].id).update(fence=taken[0].fence + 1)
    mine.filter(id=taken[1].id).update(cancel_asked=True)
    fence = JointFence([JobFence(job.id, job.tenant, job.fence) for job in taken])
    with transaction.atomic():
        fence.require_held()
    assert fence.held == {job.id for job in taken[2:]}
    mine.update(state="done")
    with transaction.atomic(), pytest.raises(StaleFence):
        fence.require_held()


def test_a_batch_needs_what_does_it_and_is_done_in_this_process():
    from trueup.kernel.work.handlers import handler

    for options in ({"batch": 2}, {"together": iter}, {"batch": 2, "together": iter, "child": True}):
        with pytest.raises(ConfigurationError):
            handler("testing.wrong", **options)(print)


@given(st.integers(0, 4), st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([1, 3])), max_size=40))
def test_no_slot_holds_more_than_it_may_and_no_more_slots_are_taken_than_are_free(free, jobs):
    seats, held = Seats(free), {}
    for name, most in jobs:
        number = seats.take((name, most), most)
        if number is None:
            assert seats.free == 0
        else:
            held.setdefault(number, []).append((name, most))
    assert len(held) + seats.free == free
    for sitting in held.values():
        assert len(set(sitting)) == 1
        assert len(sitting) <= sitting[0][1]


def test_time_that_a_batch_takes_claims_nothing_ahead(submit, drain, session):
    """Only jobs of their own tell how long a job takes: a quick batch does not make a worker greedy."""
    submit("testing.many", *[{}] * 5)
    made = drain(concurrency=1)
    assert made._slots.mean == pytest.approx(1.0)
