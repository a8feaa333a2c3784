"""Jobs over the paths of an older interface."""

import json

import pytest

from tests.domains.automation.apijobs import OLD, operator, rows  # noqa: F401 - fixtures


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
