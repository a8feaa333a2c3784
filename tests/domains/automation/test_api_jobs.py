"""Jobs over the API: asked for under policy, looked at while they run, cancelled and tried again; and the older paths."""

import json
import threading
import time
from uuid import UUID

import pytest

from tests.domains.automation.egress.sites import answering, text
from tests.domains.automation.test_fetch_jobs import asked, drain, site_of  # noqa: F401 - fixtures
from tests.support.doors import Doors
from trueup.domains.automation import api_jobs, jobqueries
from trueup.domains.automation.actions_policies import PutPolicy
from trueup.domains.automation.models import Run
from trueup.kernel.http.problem import TooMany
from trueup.kernel.work.models import Job

API = "/api/v1/automation"
OLD = "/api/v1"
FETCH = {"url": "https://a.org/news", "job_type": "fetch"}


@pytest.fixture
def doors(session):
    return Doors(session)


@pytest.fixture
def operator(doors, run):
    """A key of somebody who operates, where a policy allows a host."""
    run(PutPolicy, host="a.org", paths=["/news"], concurrent=4)
    return doors.key("operator")


def rows(session):
    return Job.objects.filter(tenant=session.tenant, kind="automation.job")


def queued(doors, by, **more):
    """Ask for a job; return its id."""
    answer = doors.post(f"{API}/jobs", {**FETCH, **more}, key=by)
    assert answer.status == 201, answer.text
    return answer.json["jobs"][0]


@pytest.mark.requirement("automation:FR-O1", "automation:FR-O3")
def test_a_job_is_asked_for_and_shown_with_what_was_decided(doors, operator):
    first, id = queued(doors, operator), queued(doors, operator, priority=7)
    shown = doors.get(f"{API}/jobs/{id}", key=doors.key("viewer")).json
    assert (shown["state"], shown["host"], shown["position"], shown["executions"]) == ("queued", "a.org", 1, [])
    assert (shown["frozen"]["policy"], shown["frozen"]["policy_version"], shown["mode"]) == ("a.org", 1, "public")
    assert shown["request"]["url"] == FETCH["url"]
    listed = doors.get(f"{API}/jobs", key=operator).json["items"]
    assert [one["id"] for one in listed] == [id, first]


@pytest.mark.requirement("automation:FR-P1", "automation:W5")
def test_what_a_rule_refuses_is_403_with_the_rule_and_nothing_is_queued(doors, operator, session):
    body = {"jobs": [FETCH, {**FETCH, "url": "https://a.org/private"}]}
    refused = doors.post(f"{API}/jobs", body, key=operator)
    assert (refused.status, refused.code) == (403, "POLICY_VIOLATION")
    details = refused.json["error"]["details"]
    assert (details["url"], details["rule_ids"]) == ("https://a.org/private", ["policy.path"])
    old = doors.post(f"{OLD}/jobs?url=http://10.1.2.3/&job_type=fetch", key=operator)
    assert (old.code, old.json["error"]["details"]["rule_ids"]) == ("POLICY_VIOLATION", ["egress.address.private"])
    assert rows(session).count() == 0


@pytest.mark.requirement("automation:W5")
@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "jobs.0.url"),
        ({**FETCH, "priority": 10}, 422, "jobs.0.priority"),
        ({**FETCH, "timeout_seconds": -1}, 422, "jobs.0.timeout_seconds"),
        ({**FETCH, "unknown": 1}, 422, "jobs.0.unknown"),
        ({**FETCH, "domain": "b.org"}, 400, "domain"),
        ({**FETCH, "authorization_mode": "internal"}, 400, "authorization_mode"),
        ({**FETCH, "job_type": "steps", "payload": {"steps": [{"action": "click"}]}}, 400, "payload.steps.0.click.selector"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused_with_its_field(doors, operator, session, body, status, field):
    answer = doors.post(f"{API}/jobs", body, key=operator)
    details = answer.json["error"]["details"]
    found = details["fields"][0]["field"] if "fields" in details else details["field"]
    assert (answer.status, found) == (status, field)
    assert rows(session).count() == 0


@pytest.mark.parametrize("query", ["state=lost", "state=failed%27", "host=a/b", "limit=0", "cursor=x"])
def test_a_list_of_jobs_that_is_asked_for_wrongly_is_no_error_of_ours(doors, operator, query):
    answer = doors.get(f"{API}/jobs?{query}", key=operator)
    assert answer.status in (400, 422), answer.text
    assert answer.json["error"]["details"]


@pytest.mark.requirement("automation:FR-O3")
def test_jobs_are_listed_by_state_and_by_host_of_the_url_alone(doors, operator, run, session):
    run(PutPolicy, host="*.a.org")
    mine, below = queued(doors, operator), queued(doors, operator, url="https://b.a.org/")
    rows(session).filter(id=below).update(state="failed", error="JOB_TIMEOUT: late")

    def ids(query):
        return [one["id"] for one in doors.get(f"{API}/jobs?{query}", key=operator).json["items"]]

    assert (ids("host=A.org"), ids("host=b.a.org"), ids("host=org")) == ([mine], [below], [])
    assert (ids("state=timed_out"), ids("state=failed"), ids("state=queued")) == ([below], [], [mine])


@pytest.mark.requirement("automation:FR-O1")
def test_a_key_in_the_body_and_in_the_header_is_one_job_and_another_input_a_conflict(doors, operator, session):
    assert queued(doors, operator, key="k") == queued(doors, operator, key="k")
    again = doors.post(f"{API}/jobs", {**FETCH, "key": "k", "timeout_seconds": 9}, key=operator)
    assert (again.status, again.code) == (409, "IDEMPOTENCY_CONFLICT")
    first, second = (doors.post(f"{API}/jobs", FETCH, key=operator, idempotency_key="h") for _ in range(2))
    assert (first.json, second.headers["Idempotency-Replayed"]) == (second.json, "true")
    changed = doors.post(f"{API}/jobs", {**FETCH, "priority": 1}, key=operator, idempotency_key="h")
    assert (changed.status, changed.code) == (409, "IDEMPOTENCY_CONFLICT")
    assert rows(session).count() == 2


def test_a_viewer_asks_for_nothing_and_moves_nothing(doors, operator):
    id, viewer = queued(doors, operator), doors.key("viewer")
    for path in ("/jobs", f"/jobs/{id}/cancel", f"/jobs/{id}/retry"):
        assert doors.post(f"{API}{path}", "no json", key=viewer).code == "POLICY_REFUSED"
    assert doors.post(f"{OLD}/jobs", "no json", key=viewer).code == "POLICY_REFUSED"
    assert doors.get(f"{API}/jobs", key=viewer).status == 200
    assert doors.get(f"{API}/jobs").status == 401


@pytest.mark.requirement("automation:W10")
def test_what_is_no_job_of_this_tenant_is_not_found(doors, operator, session):
    from trueup.kernel import tenancy

    id, copy = queued(doors, operator), UUID(int=7)
    row = rows(session).get(id=id)
    with tenancy.reaching_every():
        row.id, row.tenant = copy, UUID(int=8)
        Job.objects.bulk_create([row])
    for wrong in (copy, UUID(int=9), "no-id"):
        for path in ("", "/executions", "/artifacts", "/egress", "/events"):
            assert doors.get(f"{API}/jobs/{wrong}{path}", key=operator).status == 404
        for path in ("/cancel", "/retry"):
            assert doors.post(f"{API}/jobs/{wrong}{path}", key=operator).status == 404
        assert doors.get(f"{OLD}/jobs/{wrong}", key=operator).status == 404
    assert [one["id"] for one in doors.get(f"{API}/jobs", key=operator).json["items"]] == [id]


@pytest.mark.requirement("automation:FR-O4", "automation:W11")
def test_a_job_that_waits_is_cancelled_at_once_and_tried_again(doors, operator):
    id = queued(doors, operator)
    assert doors.post(f"{API}/jobs/{id}/cancel", key=operator).json["asked"] is False
    assert doors.post(f"{API}/jobs/{id}/cancel", key=operator).code == "CONFLICT"
    assert doors.get(f"{API}/jobs/{id}", key=operator).json["state"] == "cancelled"
    assert doors.post(f"{API}/jobs/{id}/retry", key=operator).json["was"] == "cancelled"
    assert doors.post(f"{API}/jobs/{id}/retry", key=operator).code == "CONFLICT"
    assert doors.get(f"{API}/jobs/{id}", key=operator).json["state"] == "queued"


@pytest.fixture
def done(session, asked, drain, site_of):
    """A job that was done, and one whose page leads where nothing may go."""
    from aiohttp import web

    async def answer(request):
        if request.path == "/away":
            return web.Response(status=302, headers={"Location": "http://10.1.2.3/"})
        return await text("<h1>hi</h1>")(request)

    with answering(answer) as site:
        site_of(site, own=True)
        ids = asked(site.url("/a")), asked(site.url("/away"))
        drain()
    return ids


@pytest.mark.requirement("automation:FR-O3")
def test_a_job_that_ended_shows_its_attempts_what_it_kept_and_every_request(doors, done):
    good, bad = done
    key = doors.key("viewer")
    (one,) = doors.get(f"{API}/jobs/{good}/executions", key=key).json["items"]
    assert (one["ended"], one["final"], one["executor"]) == ("completed", True, "http")
    kept = doors.get(f"{API}/jobs/{good}/artifacts", key=key).json["items"]
    assert {item["name"] for item in kept} >= {"run.json", "egress.jsonl"}
    assert doors.get(f"/api/v1/evidence/artifacts/{kept[0]['sha256']}", key=key).status == 200
    hops = doors.get(f"{API}/jobs/{bad}/egress", key=key).json["items"]
    assert [(hop["allowed"], hop["status"]) for hop in hops] == [(True, 302), (False, None)]
    assert hops[1]["rule_ids"] == ["egress.address.private"]
    first = doors.get(f"{API}/jobs/{bad}/egress?limit=1", key=key).json
    assert (first["items"], first["total"], first["next"]) == (hops[:1], 2, 1)
    assert doors.get(f"{API}/jobs/{bad}/egress?limit=1&after=1", key=key).json == {"items": hops[1:], "total": 2, "next": None}
    assert doors.get(f"{API}/jobs/{bad}/egress?refused=true", key=key).json["items"] == hops[1:]
    assert doors.get(f"{API}/jobs/{bad}", key=key).json["state"] == "denied"


def test_what_was_erased_is_still_listed_and_the_job_still_answers(doors, session, done):
    manifest = Run.objects.get(tenant=session.tenant, job=done[0]).manifest
    session.ports.artifacts.remove(session.tenant, manifest)
    key = doors.key("viewer")
    kept = doors.get(f"{API}/jobs/{done[0]}/artifacts", key=key).json["items"]
    assert [item["name"] for item in kept] == ["run.json", "egress.jsonl"]
    assert doors.get(f"{OLD}/jobs/{done[0]}", key=key).json["status"] == "completed"


@pytest.mark.requirement("automation:FR-O5", "automation:W10")
def test_counts_lists_and_the_older_status_agree(doors, session, operator, done):
    queued(doors, operator, priority=0)
    queued(doors, operator, priority=9)
    rows(session).filter(id=queued(doors, operator)).update(error="POSTPONED: later")
    stats = doors.get(f"{API}/queue/stats", key=operator).json
    assert (stats["queued"], stats["delayed"], stats["running"], stats["dlq"]) == (2, 1, 0, 1)
    dead = doors.get(f"{API}/dlq", key=operator).json["items"]
    assert [(one["id"], one["state"]) for one in dead] == [(str(done[1]), "denied")]
    old = doors.get(f"{OLD}/queue/stats", key=operator).json
    assert (old["emergency"]["length"], old["low"]["length"], old["total"], old["dlq"]) == (1, 1, 2, 1)
    status = doors.get(f"{OLD}/ops/status", key=operator).json
    assert status["queue"] == {
        "depth": 2,
        "by_priority": {"emergency": 1, "high": 0, "normal": 0, "low": 1},
        "delayed": 1,
        "dlq": 1,
    }
    assert (status["success_rate"], len(status["recent_jobs"])) == (0.5, 5)
    assert status["health"] in ("ok", "no worker")


def test_without_any_job_nothing_is_claimed(doors):
    key = doors.key("viewer")
    status = doors.get(f"{OLD}/ops/status", key=key).json
    assert (status["success_rate"], status["queue"]["depth"], status["health"]) == (None, 0, "no worker")
    assert doors.get(f"{API}/queue/stats", key=key).json["by_priority"] == {}


# the older paths


def test_the_older_path_takes_a_job_in_the_query_with_its_payload_as_the_body(doors, operator, session):
    query = (
        "url=https://a.org/news&job_type=navigate&strategy=vanilla&priority=0&timeout_seconds=60&idempotency_key=q&domain=a.org"
    )
    for body in ({"selectors": ["h1"]}, {"payload": {"selectors": ["h1"]}}):
        answer = doors.post(f"{OLD}/jobs?{query}&authorization_mode=public", body, key=operator)
        assert (answer.status, answer.json["status"], answer.json["job_type"]) == (201, "created", "navigate_extract")
    row = rows(session).get()
    args = json.loads(row.args)["request"]
    assert (row.priority, row.key, args["payload"], args["timeout_seconds"]) == (0, "q", {"selectors": ["h1"]}, 60)
    shown = doors.get(f"{OLD}/jobs/{row.id}", key=operator).json
    assert shown == {
        "job_id": str(row.id), "status": "queued", "progress": 0, "result": None, "error": None,
        "started_at": None, "completed_at": None, "artifacts": [],
    }  # fmt: skip


def test_the_older_path_takes_a_job_as_the_body_alone(doors, operator, session):
    body = {
        "url": "https://a.org/news",
        "domain": "A.org",
        "payload": {"selectors": ["h1"]},
        "priority": 3,
        "idempotency_key": "b",
    }
    made = doors.post(f"{OLD}/jobs", body, key=operator)
    assert (made.status, made.json["domain"]) == (201, "a.org")
    assert doors.post(f"{OLD}/jobs", body, key=operator).json == made.json
    assert doors.post(f"{OLD}/jobs", {**body, "strategy": "stealth"}, key=operator).code in (
        "IDEMPOTENCY_CONFLICT",
        "POLICY_VIOLATION",
    )
    assert [(row.priority, row.key) for row in rows(session)] == [(8, "b")]


@pytest.mark.parametrize(
    ("query", "body", "status", "word"),
    [
        ("", {}, 422, "url"),
        ("", {"url": "https://a.org/news", "priority": []}, 422, "priority"),
        ("", {"url": "https://a.org/news", "colour": "red"}, 422, "colour"),
        ("url=https://a.org/news&priority=4", None, 422, "priority"),
        ("url=https://a.org/news&domain=b.org", None, 400, "the URL's host is a.org"),
        ("url=https://a.org/news&authorization_mode=internal", None, 400, "authorization_mode"),
        ("url=https://a.org/news&job_type=hack", None, 400, "there is no type of job"),
        ("url=https://a.org/news", "[]", 422, "object"),
    ],
)
def test_an_older_request_that_makes_no_sense_queues_nothing(doors, operator, session, query, body, status, word):
    answer = doors.post(f"{OLD}/jobs?{query}", body, key=operator)
    assert answer.status == status, answer.text
    assert word in answer.text
    assert rows(session).count() == 0


# hosts


@pytest.mark.parametrize(("asked_for", "count"), [("", 1), ("127.0.0.1", 1), ("b.org", 0), ("127.0.0.1:1", 0)])
def test_hosts_are_summed_up_from_how_jobs_ended(doors, done, asked_for, count):
    found = doors.get(f"{API}/reliability?host={asked_for}", key=doors.key("viewer")).json["items"]
    assert len(found) == count
    for one in found:
        assert (one["runs"], one["counted"], one["rate"], one["standing"], one["lowered"]) == (2, 1, 1.0, "unknown", None)
        assert one["errors"] == [
            {"code": "POLICY_VIOLATION", "count": 1, "whose": "policy", "happened": one["errors"][0]["happened"]}
        ]
        assert one["advice"]["timeout_seconds"] is None


def test_a_host_that_is_none_is_refused_with_its_field(doors):
    for odd in ("a/b", "http://a.org/", "a.org:x"):
        answer = doors.get(f"{API}/reliability?host={odd}", key=doors.key("viewer"))
        assert (answer.status, answer.json["error"]["details"]["fields"][0]["field"]) == (422, "host")


# streams


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


@pytest.mark.requirement("automation:W10")
def test_the_queue_answers_the_same_at_many_jobs(session, doors, operator):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for number in range(3):
        queued(doors, operator, key=str(number))
    with CaptureQueriesContext(connection) as asked_for:
        found = jobqueries.stats(session.tenant, session.context().now)
    assert found["queued"] == 3
    assert len(asked_for) <= 4
    assert not any('"work_job"' in one["sql"] for one in asked_for.captured_queries)
