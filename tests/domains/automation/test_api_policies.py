"""Policies over the API: versions, refusals with their reasons, and the dry run that changes nothing."""

import pytest

from tests.support.doors import ROLES
from trueup.domains.automation.actions_policies import PutPolicy, RetirePolicy, SetListing, SwitchOff
from trueup.domains.automation.models import PolicyVersion

API = "/api/v1/automation/policies"


@pytest.fixture
def admin(doors):
    return doors.key("admin")


@pytest.fixture
def check(doors):
    """Ask for a dry run as an operator."""
    key = doors.key("operator")

    def call(*urls, **more):
        answer = doors.post(f"{API}/check", {"urls": urls, **more}, key=key)
        assert answer.status == 200, answer.text
        return answer.json

    return call


def test_policies_in_force_are_listed_by_host_in_pages(doors, run):
    for host in ("b.org", "a.org", "*.c.org"):
        run(PutPolicy, host=host)
    run(RetirePolicy, host="b.org")
    key = doors.key("viewer")
    first = doors.get(f"{API}?limit=1", key=key).json
    second = doors.get(f"{API}?limit=1&cursor={first['next']}", key=key).json
    assert [first["items"][0]["host"], second["items"][0]["host"]] == ["*.c.org", "a.org"]
    assert (second["next"], first["listing"]) == (None, "allowlist")
    assert first["items"][0]["by"].startswith("os:")


def test_the_policies_that_stand_for_a_host_are_found_by_it(doors, run):
    for host in ("example.org", "*.example.org", "*", "other.org"):
        run(PutPolicy, host=host)
    found = doors.get(f"{API}?host=www.example.org", key=doors.key("viewer")).json["items"]
    assert [row["host"] for row in found] == ["*", "*.example.org", "example.org"]
    (alone,) = doors.get(f"{API}?host=*.example.org", key=doors.key("viewer")).json["items"]
    assert alone["host"] == "*.example.org"


@pytest.mark.parametrize("path", [f"{API}?host=http://a/", f"{API}/versions?host=a/b", f"{API}/versions"])
def test_what_is_no_host_is_named_as_the_field_that_is_wrong(doors, path):
    answer = doors.get(path, key=doors.key("viewer"))
    assert (answer.status, answer.json["error"]["details"]["fields"][0]["field"]) == (422, "host")


def test_a_policy_is_written_replaced_and_retired_and_every_version_stays(doors, admin):
    made = doors.post(API, {"host": "*.Example.ORG", "per_minute": 3}, key=admin)
    assert (made.status, made.json["host"], made.json["version"]) == (201, "*.example.org", 1)
    body = {"per_minute": 9, "paths": ["/news"], "after": 1}
    put = doors.ask("PUT", f"{API}?host=*.example.org", key=admin, body=body)
    assert (put.status, put.json["version"]) == (200, 2)
    gone = doors.ask("DELETE", f"{API}?host=*.example.org", key=admin)
    assert (gone.status, gone.json["version"], gone.json["retired"]) == (200, 3, True)
    found = doors.get(f"{API}/versions?host=*.example.org", key=admin).json
    assert (found["in_force"], [one["version"] for one in found["items"]]) == (False, [3, 2, 1])
    assert [one["field"] for one in found["items"][1]["changes"]] == ["paths", "per_minute"]
    assert found["items"][1]["changes"][1] == {"field": "per_minute", "before": 3, "after": 9}
    assert doors.get(API, key=admin).json["items"] == []


def test_a_policy_that_is_in_force_is_not_written_as_a_new_one(doors, admin):
    assert doors.post(API, {"host": "a.org"}, key=admin).status == 201
    assert doors.post(API, {"host": "a.org", "per_minute": 1}, key=admin).code == "CONFLICT"
    doors.ask("DELETE", f"{API}?host=a.org", key=admin)
    assert doors.post(API, {"host": "a.org", "per_minute": 1}, key=admin).json["version"] == 3


def test_a_version_written_over_one_that_nobody_looked_at_is_refused(doors, admin, run):
    run(PutPolicy, host="a.org")
    run(PutPolicy, host="a.org", per_minute=9)
    late = doors.ask("PUT", f"{API}?host=a.org", key=admin, body={"denied": True, "after": 1})
    assert (late.status, late.code) == (409, "CONFLICT")
    assert "version 2 is in force" in late.json["error"]["message"]
    assert PolicyVersion.objects.count() == 2


def test_a_body_that_names_another_host_than_the_address_is_refused(doors, admin):
    answer = doors.ask("PUT", f"{API}?host=a.org", key=admin, body={"host": "b.org"})
    assert (answer.status, PolicyVersion.objects.count()) == (422, 0)


def test_each_wrong_field_of_a_policy_is_named(doors, admin):
    answer = doors.post(API, {"host": "a.org", "ports": [0], "per_minute": -1, "evasion": 2}, key=admin)
    assert answer.status == 422
    assert {one["field"] for one in answer.json["error"]["details"]["fields"]} == {"ports", "per_minute", "evasion"}


@pytest.mark.parametrize("role", [role for role in ROLES if role not in ("owner", "admin")])
def test_a_role_that_may_not_write_policies_is_told_so_before_its_body_is_read(doors, role):
    key = doors.key(role)
    for method, path in (("POST", API), ("PUT", f"{API}?host=a.org"), ("DELETE", f"{API}?host=a.org")):
        answer = doors.ask(method, path, key=key, body="no json")
        assert (answer.status, answer.code) == (403, "POLICY_REFUSED")
        assert answer.json["error"]["details"]["action"].startswith("automation.policy.")
        assert answer.json["error"]["details"]["reasons"]


def test_the_same_idempotency_key_writes_one_version(doors, admin):
    first = doors.post(API, {"host": "a.org"}, key=admin, idempotency_key="once")
    again = doors.post(API, {"host": "a.org"}, key=admin, idempotency_key="once")
    assert (again.headers["Idempotency-Replayed"], again.json) == ("true", first.json)
    assert PolicyVersion.objects.count() == 1


@pytest.mark.requirement("automation:FR-P4")
def test_a_dry_run_decides_each_url_with_rule_mode_limits_and_version(check, run):
    run(PutPolicy, host="a.org", per_minute=7)
    run(SwitchOff, host="off.org", reason="tests")
    found = check("https://www.a.org/x", "https://b.org/", "http://127.0.0.1/", "https://off.org/", "no url")
    first = found["decisions"][0]
    assert (first["allowed"], first["rule_ids"], first["mode"]) == (True, ["policy.a.org"], "public")
    assert (first["limits"]["per_minute"], first["policy"]) == (7, {"host": "a.org", "version": 1})
    rules = [one["rule_ids"][0] for one in found["decisions"][1:]]
    assert rules == ["policy.allowlist", "egress.address.loopback", "kill_switch", "egress.url.control"]
    assert (found["allowed"], found["refused"], found["changes"]) == (1, 4, [])
    assert "in_force" not in first
    run(SetListing, listing="denylist")
    assert check("https://b.org/")["decisions"][0]["rule_ids"] == ["policy.denylist"]


def test_a_policy_that_is_not_written_yet_is_tried_beside_the_one_in_force(check, run):
    run(PutPolicy, host="a.org", paths=["/news"])
    before = PolicyVersion.objects.count()
    proposed = {"host": "a.org", "paths": ["/jobs"], "per_minute": 5}
    found = check("https://a.org/news/1", "https://a.org/jobs/1", "https://b.org/", proposed=proposed)
    assert [(one["allowed"], one["in_force"]["allowed"], one["differs"]) for one in found["decisions"]] == [
        (False, True, True),
        (True, False, True),
        (False, False, False),
    ]
    assert found["decisions"][1]["policy"] == {"host": "a.org", "version": 2}
    assert found["changes"] == [{"host": "a.org", "field": "paths", "before": ["/news"], "after": ["/jobs"]}]
    assert PolicyVersion.objects.count() == before


def test_limits_that_change_are_a_difference_and_the_same_policy_again_is_none(check, run):
    run(PutPolicy, host="a.org", per_minute=5)
    assert check("https://a.org/", proposed={"host": "a.org", "per_minute": 6})["decisions"][0]["differs"] is True
    same = check("https://a.org/", proposed={"host": "a.org", "per_minute": 5})
    assert (same["decisions"][0]["differs"], same["changes"]) == (False, [])


def test_retiring_a_policy_and_switching_the_listing_are_tried_without_being_done(check, run, doors):
    run(PutPolicy, host="a.org")
    gone = check("https://a.org/", retired="a.org")
    assert (gone["decisions"][0]["allowed"], gone["decisions"][0]["in_force"]["allowed"]) == (False, True)
    opened = check("https://b.org/", listing="denylist")
    assert (opened["decisions"][0]["allowed"], opened["changes"][0]["after"]) == (True, "denylist")
    assert doors.get(API, key=doors.key("viewer")).json["listing"] == "allowlist"


def test_a_tier_is_decided_by_the_callers_own_roles_or_by_those_that_are_asked_about(check, doors, run):
    run(PutPolicy, host="a.org")
    viewer = doors.key("viewer")
    own = doors.post(f"{API}/check", {"urls": ["https://a.org/"]}, key=viewer).json["decisions"][0]
    assert (own["allowed"], own["rule_ids"]) == (False, ["tier.role"])
    asked = doors.post(f"{API}/check", {"urls": ["https://a.org/"], "role": "operator"}, key=viewer).json["decisions"][0]
    assert asked["allowed"] is True
    assert check("https://a.org/", strategy="ultimate_stealth")["decisions"][0]["rule_ids"] == ["tier.mode"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "urls"),
        ({"urls": []}, "urls"),
        ({"urls": ["x"], "strategy": "ninja"}, "strategy"),
        ({"urls": ["x"], "proposed": {"host": "a/b"}}, "proposed.host"),
        ({"urls": ["x"], "listing": "any"}, "listing"),
        ({"urls": ["x"], "evasion": 1}, "evasion"),
    ],
)
def test_a_question_that_cannot_be_answered_names_its_field(doors, body, field):
    answer = doors.post(f"{API}/check", body, key=doors.key("viewer"))
    assert (answer.status, answer.json["error"]["details"]["fields"][0]["field"]) == (422, field)


def test_nobody_without_a_right_to_read_asks_and_nobody_without_a_credential(doors):
    assert doors.post(f"{API}/check", {"urls": ["x"]}).status == 401
    assert doors.get(API).status == 401


def test_policies_of_another_tenant_are_not_there(doors, session, admin):
    from trueup.kernel.actions.runner import run as run_action

    other = doors.people.tenant("other")
    context = session.installation.context(session.installation.os_principal(), other)
    run_action(PutPolicy, context, {"host": "theirs.org"})
    assert doors.get(API, key=admin).json["items"] == []
    assert doors.get(f"{API}/versions?host=theirs.org", key=admin).status == 404
    assert doors.ask("DELETE", f"{API}?host=theirs.org", key=admin).status == 404
    found = doors.post(f"{API}/check", {"urls": ["https://theirs.org/"]}, key=admin).json["decisions"][0]
    assert found["rule_ids"] == ["policy.allowlist"]
    assert doors.post(API, {"host": "theirs.org"}, key=admin).json["version"] == 1
