"""Streams of what happens to a job, over the API."""

import json
import threading
import time
from uuid import UUID

import pytest

from tests.domains.automation.apijobs import API, done, operator, queued, rows  # noqa: F401 - fixtures
from tests.domains.automation.test_fetch_jobs import asked, drain, site_of  # noqa: F401 - fixtures
from trueup.domains.automation import api_jobs
from trueup.kernel.http.problem import TooMany


def told(answer):
    """Return the events of a stream: name, number, data."""
    found = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "event" in fields:
            found.append((fields["event"], int(fields.get("id", 0)), json.loads(fields["data"])))
    return found


def test_a_stream_tells_all_that_happened_ends_with_the_job_and_resumes_behind_a_number(doors, done):
    key, place = doors.key("viewer"), f"{API}/jobs/{done[0]}/events?seconds=9"
    begun = time.monotonic()
    answer = doors.get(place, key=key)
    assert time.monotonic() - begun < 2
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    found = told(answer)
    happened = [(data["what"], number) for name, number, data in found if name == "happened"]
    assert [what for what, _ in happened][-1] == "done"
    assert found[-1][0] == "job"
    assert (found[-1][2]["state"], found[-1][2]["progress"]) == ("completed", 1.0)
    rest = told(doors.get(place, key=key, last_event_id=str(happened[0][1])))
    assert [data["what"] for name, _, data in rest if name == "happened"] == [what for what, _ in happened[1:]]
    for odd in ("x", "-1", "9" * 30, "²"):
        assert told(doors.get(place, key=key, last_event_id=odd))[0][1] == happened[0][1]


def test_a_stream_of_a_job_that_waits_ends_by_its_time_and_tells_what_comes_meanwhile(doors, operator, session):
    id = queued(doors, operator)
    moved = threading.Event()

    def cancel():
        from django.db import connection

        time.sleep(0.3)
        with_reach(session, lambda: rows(session).filter(id=id).update(words="on its way"))
        moved.set()
        connection.close()

    thread = threading.Thread(target=cancel)
    thread.start()
    begun = time.monotonic()
    found = told(doors.get(f"{API}/jobs/{id}/events?seconds=1", key=operator))
    thread.join()
    assert 0.9 < time.monotonic() - begun < 3
    assert [data["words"] for name, _, data in found if name == "job"] == ["", "on its way"]


def with_reach(session, call):
    from trueup.kernel import tenancy

    with tenancy.reaching(session.tenant):
        return call()


def test_a_process_serves_only_so_many_streams_at_once_and_each_counts_until_it_is_closed(doors, operator, session):
    id = UUID(queued(doors, operator))
    open = [api_jobs.Stream(session.tenant, id, 0, 30) for _ in range(api_jobs.STREAMS)]
    with pytest.raises(TooMany):
        api_jobs.Stream(session.tenant, id, 0, 30)
    refused = doors.get(f"{API}/jobs/{id}/events?seconds=1", key=operator)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "5")
    open[0].close()
    assert doors.get(f"{API}/jobs/{id}/events?seconds=1", key=operator).status == 200
    for one in open:
        one.close()
    assert api_jobs.Stream._open == []


def test_a_stream_reads_its_own_tenant_and_leaves_nothing_in_reach(doors, operator, session):
    from trueup.kernel import tenancy

    id, before = UUID(queued(doors, operator)), tenancy.current()
    stream = api_jobs.Stream(session.tenant, id, 0, 1)
    tenancy._set("")
    try:
        assert next(stream).startswith(b"retry")
        assert b'"state": "queued"' in next(stream)
        assert tenancy.current() == ""
        stream.close()
    finally:
        tenancy._set(before)
