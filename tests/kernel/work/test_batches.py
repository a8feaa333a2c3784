"""What workers ended is in the ledger: one entry a batch, whose digest can be computed again."""

from uuid import UUID


def batches(session):
    from trueup.kernel.evidence import queries

    return [e for e in queries.entries(session.tenant, limit=200) if e["action"] == "work.batch.record"]


def test_a_worker_s_jobs_enter_the_ledger_in_one_entry_not_one_each(submit, session, drain):
    from trueup.kernel.work import queries

    submit("work.noop", *[{}] * 200)
    submit("testing.fail", args={"how": "usage"})
    drain()
    notes = [entry["note"] for entry in batches(session)]
    assert sum(note["jobs"] for note in notes) == 201
    assert len(notes) <= 5
    assert {state for note in notes for state in note["states"]} == {"done", "failed"}
    for note in notes:
        again = queries.recorded(session.tenant, UUID(note["batch"]))
        assert (again["jobs"], again["digest"]) == (note["jobs"], note["digest"])


def test_a_changed_row_no_longer_fits_its_entry(submit, session, drain):
    from trueup.kernel.work import queries
    from trueup.kernel.work.models import JobEvent

    submit("work.noop", *[{}] * 3)
    drain()
    note = batches(session)[0]["note"]
    last = JobEvent.objects.filter(tenant=session.tenant, what="done").first()
    JobEvent.objects.filter(tenant=session.tenant, id=last.id).update(what="failed")
    assert queries.recorded(session.tenant, UUID(note["batch"]))["digest"] != note["digest"]


def test_more_than_a_batch_is_recorded_in_several(session, run):
    from uuid import uuid4

    from trueup.kernel.work.actions_batch import BATCH, RecordBatch, unrecorded
    from trueup.kernel.work.models import JobEvent

    JobEvent.objects.bulk_create(
        [
            JobEvent(tenant=session.tenant, job=uuid4(), at=session.now(), what="done", words="", fence=1, digest="aa")
            for _ in range(BATCH + 1)
        ]
    )
    assert unrecorded() == [session.tenant]
    assert run(RecordBatch)["more"] is True
    assert run(RecordBatch)["more"] is False
    assert unrecorded() == []


def test_no_entry_of_work_holds_args_results_or_words(submit, session, drain):
    import json

    submit("testing.note", args={"who": "planted-name"})
    drain()
    from trueup.kernel.evidence import queries

    assert "planted-name" not in json.dumps(queries.entries(session.tenant, limit=100))
