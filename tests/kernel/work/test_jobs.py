from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from tests.kernel.work.conftest import until
from trueup.kernel.errors import Conflict, NotFound, Refused, UsageError


def entries(session):
    from trueup.kernel.evidence import queries

    return queries.entries(session.tenant, limit=100)


def test_a_submitted_job_waits_with_all_that_was_asked(submit, job, clock):
    (id,) = submit("work.sleep", args={"seconds": 2}, key="k", priority=2, concurrency_key="c", max_attempts=7)
    row = job(id)
    assert (row["state"], row["args"], row["key"], row["priority"]) == ("queued", {"seconds": 2}, "k", 2)
    assert (row["concurrency_key"], row["max_attempts"], row["attempts"], row["events"]) == ("c", 7, 0, [])


def test_a_batch_of_jobs_is_one_action_and_one_entry(submit, session):
    before = len(entries(session))
    ids = submit("work.noop", *[{}] * 100)
    assert len(set(ids)) == 100
    assert len(entries(session)) == before + 1
    assert entries(session)[0]["note"] == {"kind": "work.noop", "count": 100}


def test_the_same_key_again_is_the_same_job(submit, session):
    from trueup.kernel.work import queries

    first = submit("work.noop", {"key": "a"}, {"key": "b"}, {})
    again = submit("work.noop", {"key": "b"}, {"key": "a"}, {"key": "b"}, {})
    assert again[:3] == [first[1], first[0], first[1]]
    assert again[3] != first[2]
    assert queries.counts(session.tenant)["queued"] == 4


def test_a_key_belongs_to_its_kind(submit):
    assert submit("work.noop", key="k") != submit("work.sleep", key="k")


def test_a_kind_that_comes_from_actions_alone_cannot_be_asked_for(run, session):
    from trueup.kernel.work.actions import SubmitJobs
    from trueup.kernel.work.handlers import handler

    handler("testing.inner")(inner)
    with pytest.raises(Refused, match="actions alone"):
        run(SubmitJobs, kind="testing.inner")
    assert entries(session)[0]["outcome"] == "refused"


def inner(job):
    return {}


@pytest.mark.parametrize(
    ("input", "error", "words"),
    [
        ({"kind": "no.such"}, NotFound, "no kind"),
        ({"kind": "work.sleep", "jobs": [{"args": {"seconds": -1}}]}, UsageError, "seconds"),
        ({"kind": "work.noop", "jobs": [{"args": {"x": 1}}]}, UsageError, "x"),
        ({"kind": "work.noop", "jobs": []}, UsageError, "jobs"),
        ({"kind": "work.noop", "jobs": [{"priority": 10}]}, UsageError, "priority"),
        ({"kind": "work.noop", "jobs": [{"unheard": 1}]}, UsageError, "unheard"),
    ],
)
def test_a_job_that_can_never_be_done_is_not_taken(run, session, input, error, words):
    from trueup.kernel.work import queries
    from trueup.kernel.work.actions import SubmitJobs

    with pytest.raises(error, match=words):
        run(SubmitJobs, **input)
    assert sum(queries.counts(session.tenant).values()) == 0


@pytest.mark.requirement("automation:FR-O1")
def test_a_submitted_job_is_committed_with_its_action_or_not_at_all(session):
    from trueup.kernel.actions.ports import JobRequest
    from trueup.kernel.work import queries
    from trueup.kernel.work.port import WorkRoom

    now = session.now()
    with pytest.raises(UsageError, match="priority"):
        WorkRoom().submit(
            session.tenant, [JobRequest("work.noop"), JobRequest("work.noop", priority=11)], entry=1, principal="os:x", now=now
        )
    assert sum(queries.counts(session.tenant).values()) == 0


def test_a_waiting_job_is_cancelled_at_once(submit, run, job, drain):
    from trueup.kernel.work.actions import CancelJob

    (id,) = submit("testing.note")
    assert run(CancelJob, id=id)["state"] == "cancelled"
    drain()
    assert job(id)["state"] == "cancelled"
    assert [event["what"] for event in job(id)["events"]] == ["cancel"]


def test_a_job_that_has_ended_cannot_be_cancelled(submit, run, drain):
    from trueup.kernel.work.actions import CancelJob

    (id,) = submit("work.noop")
    drain()
    with pytest.raises(Conflict, match="is done"):
        run(CancelJob, id=id)


def test_a_running_job_is_asked_to_stop_and_ends_as_cancelled(submit, run, job, worker):
    from trueup.kernel.work.actions import CancelJob

    (id,) = submit("work.sleep", args={"seconds": 60})
    worker()
    until(lambda: job(id)["state"] == "running")
    assert run(CancelJob, id=id)["asked"] is True
    until(lambda: job(id)["state"] == "cancelled")
    assert job(id)["result"] is None


@pytest.mark.parametrize("end", ["dead", "failed", "cancelled"])
def test_a_job_that_ended_badly_is_tried_again_with_all_its_attempts(submit, run, job, drain, end):
    from trueup.kernel.work.actions import CancelJob, ReplayJob

    (id,) = submit("testing.fail", args={"how": "usage" if end == "failed" else "later"})
    if end == "cancelled":
        run(CancelJob, id=id)
    drain()
    assert job(id)["state"] == end
    assert run(ReplayJob, id=id)["was"] == end
    assert (job(id)["state"], job(id)["attempts"], job(id)["error"]) == ("queued", 0, "")
    drain()
    assert job(id)["attempts"] > 0


def test_a_job_that_is_done_is_not_tried_again(submit, run, drain):
    from trueup.kernel.work.actions import ReplayJob

    (id,) = submit("work.noop")
    drain()
    with pytest.raises(Conflict, match="only a job that failed"):
        run(ReplayJob, id=id)


def test_another_tenant_s_job_is_not_there(submit, session):
    from trueup.kernel import tenancy
    from trueup.kernel.actions.runner import run
    from trueup.kernel.work import queries
    from trueup.kernel.work.actions import CancelJob

    (id,) = submit("work.noop")
    other = uuid4()
    with tenancy.reaching(other):
        ctx = session.installation.context(session.installation.os_principal(), other)
        with pytest.raises(NotFound):
            run(CancelJob, ctx, {"id": id})
        with pytest.raises(NotFound):
            queries.job(other, id)
        assert queries.jobs(other)["jobs"] == []
        assert sum(queries.counts(other).values()) == 0


def test_a_list_is_paged_by_a_cursor_and_misses_and_repeats_nothing(submit, session):
    from trueup.kernel.work import queries

    made = submit("work.noop", *[{}] * 25)
    made += submit("work.sleep", *[{}] * 5)
    seen, after = [], ""
    while True:
        page = queries.jobs(session.tenant, limit=7, after=after)
        seen += [UUID(row["id"]) for row in page["jobs"]]
        submit("work.noop")  # what comes meanwhile stands before the cursor
        after = page["next"]
        if not after:
            break
    assert len(seen) == len(set(seen)) == 30
    assert set(seen) == set(made)


def test_a_list_can_be_narrowed_by_state_kind_and_key(submit, session, drain):
    from trueup.kernel.work import queries

    submit("work.noop", {}, {"key": "mine"})
    drain()
    submit("testing.note", {})
    assert len(queries.jobs(session.tenant, states=["done"])["jobs"]) == 2
    assert len(queries.jobs(session.tenant, states=["done", "queued"])["jobs"]) == 3
    assert [row["kind"] for row in queries.jobs(session.tenant, kind="testing.note")["jobs"]] == ["testing.note"]
    assert [row["key"] for row in queries.jobs(session.tenant, key="mine")["jobs"]] == ["mine"]


@pytest.mark.parametrize("cursor", ["x", "aGVsbG8=", "MjAyNi0wMS0wMSAx"])
def test_a_cursor_that_no_page_gave_is_refused(session, cursor):
    from trueup.kernel.work import queries

    with pytest.raises(UsageError, match="cursor"):
        queries.jobs(session.tenant, after=cursor)
    with pytest.raises(UsageError, match="state"):
        queries.jobs(session.tenant, states=["sleeping"])


def test_old_jobs_are_removed_but_dead_letters_and_what_no_entry_holds_stay(submit, run, session, clock, drain):
    from trueup.kernel.work import queries
    from trueup.kernel.work.actions import PruneJobs
    from trueup.kernel.work.models import JobEvent

    submit("work.noop", *[{}] * 3)
    (dead,) = submit("testing.fail", args={"how": "later"})
    drain()
    (open,) = submit("work.noop")
    drain()
    JobEvent.objects.filter(tenant=session.tenant, job=open).update(batch=None)
    clock.step(days=31)
    assert run(PruneJobs, dry_run=True)["jobs"] == 3
    assert queries.counts(session.tenant)["done"] == 4
    assert run(PruneJobs)["jobs"] == 3
    assert {row["id"] for row in queries.jobs(session.tenant)["jobs"]} == {str(dead), str(open)}


def test_what_waits_is_counted_with_the_age_of_the_oldest(submit, session, clock):
    from trueup.kernel.work import queries

    submit("work.noop", {}, {"not_before": (clock.at + timedelta(days=1)).isoformat()})
    clock.step(seconds=90)
    assert queries.backlog(session.tenant, clock.at) == {"due": 1, "oldest_s": 90.0, "events": 0}
