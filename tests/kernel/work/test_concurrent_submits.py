"""Many clients, one key: one job."""

import threading

import pytest


@pytest.mark.requirement("kernel:work.one-key-one-job", "automation:W8")
def test_a_thousand_submits_of_one_key_from_thirty_two_clients_are_one_job(session, submit):
    from django.db import connection

    from trueup.kernel import tenancy
    from trueup.kernel.actions.runner import run
    from trueup.kernel.work import queries
    from trueup.kernel.work.actions import SubmitJobs

    ids, errors, start = [], [], threading.Barrier(32)

    def client(count):
        tenancy.reach(session.tenant)
        start.wait()
        try:
            for _ in range(count):
                ids.extend(run(SubmitJobs, session.context(), {"kind": "work.noop", "jobs": [{"key": "one"}]}).value["jobs"])
        except Exception as exc:  # noqa: BLE001 - a thread's error is the test's
            errors.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=client, args=(32 if n < 8 else 31,)) for n in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(ids) == 1000
    assert len(set(ids)) == 1
    assert queries.counts(session.tenant)["queued"] == 1
