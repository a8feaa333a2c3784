"""Jobs over the API: asked for under policy, looked at, cancelled and tried again; counts, hosts."""

from uuid import UUID

import pytest

from tests.domains.automation.apijobs import API, FETCH, OLD, done, operator, queued, rows  # noqa: F401 - fixtures
from tests.domains.automation.test_fetch_jobs import asked, drain, site_of  # noqa: F401 - fixtures
from trueup.domains.automation import jobqueries
from trueup.domains.automation.actions_policies import PutPolicy
from trueup.domains.automation.models import Run
from trueup.kernel.work.models import Job


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
