"""The audit trail over the API: whole, found by host and time, exported, provable, and each tenant's own."""

import csv
import io
import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from trueup.domains.automation import audit
from trueup.domains.automation.actions_policies import PutPolicy, SwitchOff

API = "/api/v1/automation/audit"


@pytest.fixture
def auditor(doors):
    return doors.key("auditor")


@pytest.fixture
def trail(doors, run):
    """Changes of two hosts, something of another room, and a refusal."""
    from tests.support.actions import Observe

    run(Observe, subject="rig-7", state="3")
    run(PutPolicy, host="a.org")
    run(PutPolicy, host="*.b.org")
    run(SwitchOff, host="a.org", reason="they called")
    doors.post("/api/v1/automation/policy/put", {}, key=doors.key("viewer"))
    return doors


def actions(answer):
    return [row["action"].removeprefix("automation.") for row in answer.json["items"]]


@pytest.mark.requirement("automation:FR-P9")
def test_every_change_and_refusal_of_this_room_is_listed_and_nothing_else(trail, auditor):
    answer = trail.get(API, key=auditor)
    assert actions(answer) == ["policy.put", "kill.on", "policy.put", "policy.put"]
    assert [row["outcome"] for row in answer.json["items"]] == ["refused", "done", "done", "done"]
    whole = trail.get("/api/v1/evidence/entries", key=auditor).json["items"]
    assert "testing.thing.observe" in {row["action"] for row in whole}


def test_entries_are_found_by_host_subject_action_outcome_and_who(trail, auditor):
    def found(**query):
        return actions(trail.get(f"{API}?{urlencode(query)}", key=auditor))

    assert found(host="www.a.org") == ["kill.on", "policy.put"]
    assert found(host="x.b.org") == ["policy.put"]
    assert found(host="c.org") == []
    assert found(subject="host/a.org", action="automation.kill.") == ["kill.on"]
    assert found(outcome="refused") == ["policy.put"]
    assert found(principal="os:nobody") == []


def test_a_host_that_a_run_was_refused_is_found_by_its_name(trail):
    body = {"action": "automation.egress.record", "outcome": "done", "principal": "os:x", "at": "2026", "subjects": ["run/1"]}
    told = {**body, "note": {"refused": [{"host": "bad.org", "rule": "policy.allowlist", "count": 2}]}}
    assert audit.Wanted(host="bad.org").matches(told)
    assert not audit.Wanted(host="good.org").matches(told)


def test_entries_are_found_by_the_time_that_they_name(trail, auditor, session):
    newest = trail.get(API, key=auditor).json["items"][0]["at"]
    later = (session.context().now + timedelta(hours=1)).isoformat()
    assert len(trail.get(f"{API}?{urlencode({'since': newest})}", key=auditor).json["items"]) == 1
    assert len(trail.get(f"{API}?{urlencode({'until': newest})}", key=auditor).json["items"]) == 3
    assert trail.get(f"{API}?{urlencode({'since': later})}", key=auditor).json["items"] == []
    assert trail.get(f"{API}?since=yesterday", key=auditor).status == 422


def test_another_rooms_action_is_not_looked_for_here(trail, auditor):
    answer = trail.get(f"{API}?action=identity.", key=auditor)
    assert (answer.status, answer.json["error"]["details"]["fields"][0]["field"]) == (422, "action")


def test_a_page_goes_on_where_the_one_before_ended(trail, auditor):
    seen, cursor = [], ""
    while True:
        page = trail.get(f"{API}?limit=1&host=a.org&cursor={cursor}", key=auditor).json
        seen += [row["action"] for row in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == ["automation.kill.on", "automation.policy.put"]


def test_a_page_leads_back_to_the_one_before(trail, auditor):
    first = trail.get(f"{API}?limit=2", key=auditor).json
    second = trail.get(f"{API}?limit=2&cursor={first['next']}", key=auditor).json
    back = trail.get(f"{API}?limit=2&cursor={second['previous']}", key=auditor).json
    assert (first["previous"], back["items"]) == (None, first["items"])
    assert trail.get(f"{API}?limit=2&host=a.org&cursor={first['next']}", key=auditor).status == 400


@pytest.mark.requirement("automation:FR-P9")
def test_an_entry_says_whether_it_is_covered_and_leads_to_its_proof(trail, auditor, run):
    first = trail.get(API, key=auditor).json
    assert (first["items"][0]["covered"], first["items"][0]["proof"]) == (False, None)
    assert first["coverage"]["pending"] >= 1
    trail.session.sequence()
    row = trail.get(API, key=auditor).json["items"][0]
    assert row["covered"] is True
    proof = trail.get(row["proof"], key=auditor).json
    assert json.loads(proof["entry"])["attempt"] == row["attempt"]
    assert trail.post(first["verify"], {}, key=auditor).json["verdict"] == "PASS"


@pytest.mark.sqlite
@pytest.mark.requirement("automation:FR-P9", "automation:W15")
def test_a_changed_entry_shows_in_the_verification_that_the_trail_names(trail, auditor):
    from django.db import connection

    trail.session.sequence()
    verify = trail.get(API, key=auditor).json["verify"]
    with connection.cursor() as cursor:
        names = cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'evidence_entry'")
        for (name,) in names.fetchall():
            cursor.execute(f'DROP TRIGGER "{name}"')
        cursor.execute("UPDATE evidence_entry SET body = CAST(replace(CAST(body AS TEXT), 'refused', 'allowed') AS BLOB)")
    assert trail.post(verify, {}, key=auditor).json["verdict"] == "FAIL"


def test_all_matching_entries_are_exported_as_lines_of_json(trail, auditor, monkeypatch):
    monkeypatch.setattr(audit, "STEP", 2)
    sent = trail.get(f"{API}/export?outcome=done", key=auditor)
    assert sent.headers["Content-Type"] == "application/x-ndjson"
    assert sent.headers["Content-Disposition"] == 'attachment; filename="automation-audit.ndjson"'
    rows = [json.loads(line) for line in sent.text.splitlines()]
    assert [row["action"] for row in rows] == ["automation.kill.on", "automation.policy.put", "automation.policy.put"]


def test_all_matching_entries_are_exported_as_a_table(trail, auditor):
    sent = trail.get(f"{API}/export?format=csv&host=a.org", key=auditor)
    rows = list(csv.DictReader(io.StringIO(sent.text, newline="")))
    assert [(row["action"], row["subjects"], row["covered"]) for row in rows] == [
        ("automation.kill.on", "host/a.org", "yes"),
        ("automation.policy.put", "host/a.org", "yes"),
    ]
    assert trail.get(f"{API}/export?format=xml", key=auditor).status == 422


def test_the_trail_of_another_tenant_is_not_there(trail, auditor, session):
    from trueup.kernel.actions.runner import run as run_action

    other = trail.people.tenant("other")
    context = session.installation.context(session.installation.os_principal(), other)
    run_action(PutPolicy, context, {"host": "theirs.org"})
    assert "theirs.org" not in trail.get(API, key=auditor).text
    assert "theirs.org" not in trail.get(f"{API}/export", key=auditor).text
    assert trail.get(f"{API}?host=theirs.org", key=auditor).json["items"] == []


def test_nobody_without_a_credential_sees_the_trail(trail):
    assert trail.get(API).status == trail.get(f"{API}/export").status == 401
