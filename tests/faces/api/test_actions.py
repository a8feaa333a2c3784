"""Actions over HTTP: permission before the body, one result for one key, consent before what cannot be undone."""

import re

import pytest

PACK = "/api/v1/evidence/pack/create"
PUBLISH = "/api/v1/evidence/checkpoint/publish"


def entries(doors):
    from trueup.kernel.evidence import queries

    return queries.entries(doors.session.tenant, limit=1000)


@pytest.fixture
def known(doors, run):
    """A home where something is known."""
    from tests.support.actions import Observe

    run(Observe, subject="rig-7", state="3")
    return doors


def test_an_action_answers_with_its_value_and_has_its_entry(known):
    answer = known.post(PACK, {"subject": "rig-7"}, key=known.key("operator"))
    assert (answer.status, answer.json["subject"], answer.json["pack"]) == (200, "rig-7", None)
    newest = entries(known)[0]
    assert (newest["action"], newest["outcome"]) == ("evidence.pack.create", "done")
    assert newest["attempt"] == answer.headers["X-Attempt-Id"]


def test_a_pack_made_over_http_is_downloaded_and_verifies(known, tmp_path):
    from trueup.kernel.evidence.engine.verifier import verify_pack

    key = known.key("operator", "viewer")
    made = known.post(PACK, {"subject": "rig-7"}, key=key).json
    sent = known.get(f"/api/v1/evidence/artifacts/{made['sha256']}", key=key)
    assert sent.headers["Content-Disposition"] == 'attachment; filename="pack.zip"'
    assert sent.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    (tmp_path / "pack.zip").write_bytes(sent.body)
    report = verify_pack(tmp_path / "pack.zip", known.session.ports.keys.trusted_fingerprints())
    assert report.verdict == "PASS"
    known.session.sequence()
    (row,) = known.get("/api/v1/evidence/packs", key=key).json["items"]
    assert (row["subject"], row["sha256"], row["erased"]) == ("rig-7", made["sha256"], False)
    assert list(known.session.ports.spool().iterdir()) == []


@pytest.mark.parametrize("body", ["no json", b"\xff\xfe", "[1]", '{"a":1,"a":2}', "{", '"x"'])
def test_who_may_not_call_is_told_so_whatever_the_body_holds(doors, body):
    answer = doors.post(PACK, body, key=doors.key("viewer"))
    assert (answer.status, answer.code) == (403, "POLICY_REFUSED")
    reason = "no policy permits evidence.pack.create to a viewer; roles that may: owner, admin, operator, analyst, auditor"
    assert answer.json["error"]["details"] == {"action": "evidence.pack.create", "policies": [], "reasons": [reason]}
    assert entries(doors)[0]["outcome"] == "refused"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("no json", 400, "body"),
        (b"\xff\xfe", 400, "UTF-8"),
        ('{"subject": "a", "subject": "b"}', 400, "duplicate"),
        ("[1]", 422, "JSON object"),
        ({}, 422, "subject"),
        ({"subject": ""}, 422, "subject"),
        ({"subject": "x", "unknown": 1}, 422, "unknown"),
        ({"subject": "x", "at_size": 0}, 422, "at_size"),
        ("", 422, "subject"),
    ],
)
def test_a_body_that_is_no_input_is_told_with_its_field_and_begins_nothing(doors, body, status, said):
    key = doors.key("operator")
    before = len(entries(doors))
    answer = doors.post(PACK, body, key=key)
    assert answer.status == status
    assert said in answer.text
    assert len(entries(doors)) == before


def test_a_body_of_another_kind_is_refused(doors):
    from django.test import Client

    sent = Client(HTTP_HOST="localhost", HTTP_AUTHORIZATION=f"Bearer {doors.key('operator')}").post(PACK, {"subject": "x"})
    assert (sent.status_code, "application/json" in sent.json()["error"]["message"]) == (400, True)


def test_a_body_larger_than_ten_mebibytes_is_not_read(doors):
    answer = doors.post(PACK, b'{"subject": "' + b"x" * (10 << 20) + b'"}', key=doors.key("operator"))
    assert (answer.status, answer.code) == (413, "TOO_LARGE")


@pytest.mark.requirement("kernel:api.idempotency")
def test_the_same_key_and_input_give_the_first_result_again(known):
    key = known.key("operator")
    first = known.post(PACK, {"subject": "rig-7"}, key=key, idempotency_key="once")
    again = known.post(PACK, {"subject": "rig-7"}, key=key, idempotency_key="once")
    assert (first.status, again.status, first.json) == (200, 200, again.json)
    assert first.headers["X-Attempt-Id"] == again.headers["X-Attempt-Id"]
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    other = known.post(PACK, {"subject": "rig-8"}, key=key, idempotency_key="once")
    assert (other.status, other.code) == (409, "IDEMPOTENCY_CONFLICT")


@pytest.mark.parametrize("bad", ["", "x" * 201, "a\tb"])
def test_an_idempotency_key_that_is_none_is_refused(known, bad):
    assert known.post(PACK, {"subject": "rig-7"}, key=known.key("operator"), idempotency_key=bad).status == 400


def test_what_cannot_be_undone_is_held_and_answers_202_with_its_request(known):
    from trueup.kernel.evidence.models import ArtifactRef

    session = known.session
    stored = session.ports.artifacts.put(session.tenant, b"bytes", name="x", media_type="text/plain")
    ArtifactRef.objects.create(tenant=session.tenant, sha256=stored.sha256, size=5, name="x", media_type="text/plain", entry=1)
    body = {"sha256": stored.sha256, "reason": "no longer needed"}
    answer = known.post("/api/v1/evidence/artifact/erase", body, client=known.browser(known.everyone))
    assert (answer.status, answer.json["state"]) == (202, "held")
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.json["request"])
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.json["attempt"])
    assert session.ports.artifacts.size(session.tenant, stored.sha256) == 5


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("evidence/log/export", {"out": "/tmp/x"}),  # noqa: S108 - what must not be written
        ("evidence/key/backup", {"out": "/tmp/x"}),  # noqa: S108
        ("evidence/key/trust", {"file": "/etc/hostname"}),
        ("evidence/key/rotate", {}),
        ("telemetry/comparison/create", {"baseline": "/etc/passwd", "run": "/etc/passwd"}),
        ("gates/gate/decide", {"gate": "/etc/passwd"}),
        ("identity/tenant/create", {"slug": "mine"}),
        ("policy/load", {"digest": "x", "policies": 1}),
        ("system/init", {"fingerprint": "x", "version": "1"}),
    ],
)
def test_what_names_files_of_the_server_or_is_about_the_installation_is_refused_over_http(doors, path, body):
    answer = doors.post(f"/api/v1/{path}", body, client=doors.browser(doors.everyone))
    assert answer.status == 403
    assert "that machine's shell" in answer.json["error"]["message"]


def test_an_action_with_a_file_that_may_be_left_out_refuses_the_file_alone(known, tmp_path):
    key = known.key("operator")
    for path, body in ((PACK, {"subject": "rig-7"}), (PUBLISH, {})):
        refused = known.post(path, body | {"out": str(tmp_path / "x")}, key=key)
        assert (refused.status, "server's machine" in refused.text) == (403, True)
        assert known.post(path, body, key=key).status == 200
    assert not (tmp_path / "x").exists()


def test_every_action_whose_input_names_a_file_is_local_or_refuses_it(doors):
    from pathlib import Path
    from typing import get_args

    from trueup.kernel.actions.registry import registered

    optional = {"evidence.pack.create", "evidence.checkpoint.publish", "automation.authorization.evidence"}
    naming = {
        action.name
        for action in registered()
        for field in action.input.model_fields.values()
        if field.annotation is Path or Path in get_args(field.annotation)
    }
    assert len(naming) >= 8
    assert {name for name in naming if not _action(name).local} == optional


def _action(name):
    from trueup.kernel.actions.registry import named

    return named(name)


def test_another_method_is_405_and_says_which_one_is_answered(doors):
    answer = doors.get(PACK, key=doors.key("operator"))
    assert (answer.status, answer.code, answer.headers["Allow"]) == (405, "METHOD_NOT_ALLOWED", "POST")


def test_an_endpoint_that_there_is_not_is_404_in_the_problem_shape(doors):
    answer = doors.get("/api/v1/evidence/nothing", key=doors.key("viewer"))
    assert (answer.status, answer.code) == (404, "NOT_FOUND")


def test_an_error_that_nobody_meant_is_500_and_says_nothing(doors):
    answer = doors.post("/api/v1/testing/thing/break", {"how": "bug"}, key=doors.key("owner"))
    assert answer.status in (422, 500)
    if answer.status == 500:
        assert answer.json["error"]["message"] == "internal error"


def test_the_request_id_of_the_caller_is_kept_in_answer_problem_and_header(doors):
    answer = doors.get("/api/v1/nothing", key=doors.key("viewer"), x_request_id="my-request-1")
    assert (answer.headers["X-Request-Id"], answer.json["error"]["request_id"]) == ("my-request-1", "my-request-1")


@pytest.mark.requirement("automation:W15", "automation:AR-11")
@pytest.mark.parametrize("path", ["/", "/login/", "/health/live", "/api/v1/evidence/facts", "/nothing", "/api/docs"])
def test_every_answer_carries_the_headers_that_keep_browsers_careful(doors, path):
    answer = doors.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.requirement("automation:W12")
def test_who_asks_too_fast_is_answered_429_with_a_time_to_wait(doors, tmp_path, settings_of):
    from trueup.kernel.http.callers import limit_with
    from trueup.kernel.http.limits import Buckets

    one, other = doors.key("viewer"), doors.key("viewer")
    buckets = Buckets(tmp_path / "limits", clock=lambda: 7.0)
    limit_with(buckets)
    with settings_of(rate=0.5, burst=3):
        answers = [doors.get("/api/v1/evidence/facts", key=one) for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert (answers[3].headers["Retry-After"], answers[3].code) == ("2", "TOO_MANY_REQUESTS")
        assert doors.get("/api/v1/evidence/facts", key=other).status == 200
    limit_with(None)
    buckets.close()


def test_an_address_that_tries_keys_is_stopped_before_they_are_looked_at(doors, tmp_path):
    from trueup.kernel.http.callers import limit_with
    from trueup.kernel.http.limits import Buckets

    good = doors.key("viewer")
    buckets = Buckets(tmp_path / "limits", clock=lambda: 7.0)
    limit_with(buckets)
    found = [doors.get("/api/v1/evidence/facts", key=f"tru_aaaaaaaaaa_{n:043}").status for n in range(32)]
    assert found == [401] * 30 + [429] * 2
    assert doors.get("/api/v1/evidence/facts", key=good).status == 429
    limit_with(None)
    buckets.close()


def test_nothing_of_a_tenant_is_in_reach_after_a_request(doors):
    doors.get("/api/v1/evidence/facts", key=doors.key("viewer"))
    assert doors.reach_after == ""
