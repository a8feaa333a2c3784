"""Authorizations over the API: no file of the server, no shortcut around evidence, consent or roles."""

import hashlib
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.domains.automation.consent import BOUNDED
from trueup.domains.automation.models import Authorization

API = "/api/v1/automation/authorizations"


@pytest.fixture
def expires(session):
    return (session.context().now + timedelta(hours=12)).isoformat()


@pytest.fixture
def ask(doors, expires):
    """Ask for an authorization over the API, as an operator by default."""

    def call(key=None, **more):
        body = {"host": "example.org", "method": "dns_txt", "expires": expires, "contact": "web team", **more}
        return doors.post(API, body, key=key or doors.key("operator"))

    return call


def test_one_is_asked_for_and_the_answer_says_what_to_publish_and_where(doors, ask):
    made = ask()
    assert (made.status, made.json["state"], made.json["version"]) == (201, "draft", 1)
    assert made.json["challenge"]["where"] == "TXT record _trueup-challenge.example.org"
    one = doors.get(f"{API}/{made.json['id']}", key=doors.key("viewer")).json
    assert (one["challenge"], one["consent"]) == (made.json["challenge"], None)


def test_they_are_listed_by_the_state_that_they_have_now_and_by_host(doors, ask, session):
    first, other = ask().json["id"], ask(host="other.org").json["id"]
    Authorization.objects.filter(id=first).update(expires=session.context().now - timedelta(seconds=1))
    key = doors.key("viewer")

    def ids(query):
        return [row["id"] for row in doors.get(f"{API}?{query}", key=key).json["items"]]

    assert (ids(""), ids("state=expired"), ids("state=draft")) == ([other, first], [first], [other])
    assert (ids("host=www.other.org"), ids("host=nobody.org"), ids("state=revoked")) == ([other], [], [])
    assert doors.get(f"{API}?state=maybe", key=key).status == 422


def test_one_of_loopback_is_proved_put_into_force_suspended_resumed_and_revoked(doors, ask):
    key = doors.key("admin")
    id = ask(key, host="127.0.0.1", ports=[8080], method="loopback").json["id"]
    reason = {"reason": "tests"}
    states = []
    for move, body in (
        ("evidence", {}),
        ("verify", {}),
        ("activate", {}),
        ("suspend", reason),
        ("resume", reason),
        ("revoke", reason),
    ):
        answer = doors.post(f"{API}/{id}/{move}", body, key=key)
        assert answer.status == 200, answer.text
        states.append(answer.json["state"])
    assert states == ["evidence_submitted", "verified", "active", "suspended", "active", "revoked"]
    assert doors.post(f"{API}/{id}/activate", {}, key=key).status == 409


def test_a_letter_cannot_be_named_over_the_api_and_no_file_is_opened(doors, ask, tmp_path, monkeypatch):
    from trueup.domains.automation.actions_authorizations import SubmitEvidence

    (tmp_path / "letter").write_text("yours faithfully")
    monkeypatch.setattr(SubmitEvidence, "prepare", lambda *_: pytest.fail("it was read"))
    key = doors.key("owner")
    letter, record = ask(key, method="signed_letter").json["id"], ask(key).json["id"]
    for id in (letter, record):
        for path, body in ((f"{API}/{id}/evidence", {}), ("/api/v1/automation/authorization/evidence", {"id": id})):
            answer = doors.post(path, {**body, "letter": str(tmp_path / "letter")}, key=key)
            assert (answer.status, answer.json["error"]["code"]) == (403, "REFUSED")
    assert Authorization.objects.filter(state="draft").count() == 2


def send(doors, id, data, *roles):
    from django.core.files.uploadedfile import SimpleUploadedFile
    from django.test import Client

    client = Client(HTTP_HOST="localhost", HTTP_AUTHORIZATION=f"Bearer {doors.key(*roles)}", raise_request_exception=False)
    return client.post(f"{API}/{id}/letter", {"file": SimpleUploadedFile("letter.pdf", data)} if data is not None else {})


def test_a_letter_is_sent_kept_and_vouched_for_by_an_admin_alone(doors, ask):
    id = ask(method="signed_letter", strategies=["stealth"]).json["id"]
    sent = send(doors, id, b"we agree", "operator")
    assert (sent.status_code, sent.json()["evidence"]) == (200, hashlib.sha256(b"we agree").hexdigest())
    assert doors.post(f"{API}/{id}/verify", {}, key=doors.key("operator")).status == 403
    assert doors.post(f"{API}/{id}/verify", {}, key=doors.key("admin")).json["state"] == "verified"


def test_a_letter_that_is_none_is_not_kept_and_proves_nothing(doors, ask, monkeypatch):
    from trueup.domains.automation import api_authorizations

    letter, record = ask(method="signed_letter").json["id"], ask().json["id"]
    assert send(doors, letter, b"we agree", "viewer").status_code == 403
    assert send(doors, record, b"we agree", "operator").status_code == 403
    assert send(doors, uuid4(), b"we agree", "operator").status_code == 404
    assert send(doors, letter, None, "operator").status_code == 422
    assert send(doors, letter, b"", "operator").status_code == 400
    monkeypatch.setattr(api_authorizations, "LONGEST_LETTER", 4)
    assert send(doors, letter, b"we agree", "operator").status_code == 400
    assert list(doors.session.ports.artifacts.listing(doors.session.tenant)) == []
    assert Authorization.objects.filter(state="draft").count() == 2


def test_a_letter_that_was_never_sent_is_no_evidence(doors, ask):
    key = doors.key("operator")
    id = ask(key, method="signed_letter").json["id"]
    body = {"id": id, "sha256": "0" * 64}
    assert doors.post("/api/v1/automation/authorization/evidence", body, key=key).status == 404
    both = {**body, "letter": "/etc/hostname"}
    assert doors.post("/api/v1/automation/authorization/evidence", both, key=key).status == 403
    assert doors.get(f"{API}/{id}", key=key).json["state"] == "draft"


def test_what_opens_load_is_held_until_another_person_consents(doors, ask, session, expires):
    now = session.context().now
    window = {"opens": now.isoformat(), "closes": (now + timedelta(hours=1)).isoformat()}
    asker, other = doors.people.add("asker@example.org", "admin"), doors.people.add("other@example.org", "admin")
    browsers = doors.browser(asker), doors.browser(other)
    body = {"host": "127.0.0.1", "ports": [8080], "method": "loopback", "own": True, "strategies": ["assault"]}
    unbounded = doors.post(API, {**body, **window, "expires": expires, "contact": "us"}, client=browsers[0])
    assert (unbounded.status, "no max_rps and no max_concurrent" in unbounded.text) == (403, True)
    id = doors.post(API, {**body, **window, **BOUNDED, "expires": expires, "contact": "us"}, client=browsers[0]).json["id"]
    for move in ("evidence", "verify"):
        assert doors.post(f"{API}/{id}/{move}", {}, client=browsers[0]).status == 200
    held = doors.post(f"{API}/{id}/activate", {}, client=browsers[0])
    assert (held.status, held.json["state"]) == (202, "held")
    assert doors.get(f"{API}/{id}", client=browsers[0]).json["consent"] == held.json["request"]
    vote = {"request": held.json["request"], "choice": "approve"}
    assert doors.post("/api/v1/change/request/vote", vote, client=browsers[0]).status == 403
    assert doors.get(f"{API}/{id}", client=browsers[0]).json["state"] == "verified"
    assert doors.post("/api/v1/change/request/vote", vote, client=browsers[1]).json["state"] == "done"
    found = doors.get(f"{API}/{id}", client=browsers[0]).json
    assert (found["state"], found["approver"], found["consent"]) == ("active", f"user:{other.id}", None)


def test_a_version_that_was_not_looked_at_is_not_put_into_force(doors, ask):
    key = doors.key("admin")
    id = ask(key, host="127.0.0.1", ports=[8080], method="loopback").json["id"]
    for move in ("evidence", "verify"):
        doors.post(f"{API}/{id}/{move}", {}, key=key)
    assert doors.post(f"{API}/{id}/activate", {"version": 2}, key=key).code == "CONFLICT"
    assert doors.post(f"{API}/{id}/activate", {"version": 3}, key=key).json["state"] == "active"


@pytest.mark.parametrize("move", ["evidence", "verify", "activate", "suspend", "resume", "revoke"])
def test_a_viewer_moves_none_and_a_body_that_is_not_known_is_named(doors, ask, move):
    id = ask().json["id"]
    refused = doors.post(f"{API}/{id}/{move}", "no json", key=doors.key("viewer"))
    assert (refused.status, refused.code) == (403, "POLICY_REFUSED")
    assert refused.json["error"]["details"]["action"].startswith("automation.authorization.")
    wrong = doors.post(f"{API}/{id}/{move}", {"reason": "x", "evasion": 1}, key=doors.key("admin"))
    assert (wrong.status, "evasion" in wrong.text or "reason" in wrong.text) == (422, True)
    assert doors.post(f"{API}/{id}/{move}", {"id": str(uuid4())}, key=doors.key("admin")).status == 422


@pytest.mark.parametrize("id", ["5a6f8b97-d951-4962-b09b-ebbfc12a8284", "nothing", "new"])
def test_one_that_is_not_there_is_not_found_whatever_is_asked_of_it(doors, id):
    key = doors.key("admin")
    assert doors.get(f"{API}/{id}", key=key).status == 404
    for move in ("evidence", "verify", "activate"):
        assert doors.post(f"{API}/{id}/{move}", {}, key=key).status == 404


def test_those_of_another_tenant_are_not_there(doors, session, expires):
    from trueup.domains.automation.actions_authorizations import RequestAuthorization
    from trueup.kernel.actions.runner import run as run_action

    other = doors.people.tenant("other")
    context = session.installation.context(session.installation.os_principal(), other)
    asked = {"host": "theirs.org", "method": "dns_txt", "expires": expires, "contact": "them"}
    id = run_action(RequestAuthorization, context, asked).value["id"]
    key = doors.key("owner")
    assert doors.get(API, key=key).json["items"] == []
    assert doors.get(f"{API}/{id}", key=key).status == 404
    for move in ("evidence", "verify", "activate", "suspend", "resume", "revoke"):
        body = {"reason": "x"} if move in ("suspend", "resume", "revoke") else {}
        assert doors.post(f"{API}/{id}/{move}", body, key=key).status == 404
    assert Authorization.objects.get(id=id).state == "draft"
