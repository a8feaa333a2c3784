"""What is open without a credential, and that nothing else is: every address of the server is asked."""

import re

import pytest
from django.urls import URLPattern, URLResolver

from tests.support.doors import ROLES

OPEN = {
    "/health/live", "/health/ready", "/api/openapi.json", "/api/docs", "/favicon.ico", "/robots.txt", "/login/", "/login/code/",
    "/logout/",
}  # fmt: skip


def addresses(patterns=None, prefix="/"):
    """Return every address that the server knows, with something for each part that may vary."""
    if patterns is None:
        from trueup.faces.web.urls import urlpatterns as patterns
    found = set()
    for item in patterns:
        text = prefix + re.sub(r"[<{][^>}]*[>}]", "00000000-0000-4000-8000-000000000000", str(item.pattern)).replace("\\", "")
        if isinstance(item, URLResolver):
            found |= addresses(item.url_patterns, text)
        elif isinstance(item, URLPattern):
            found.add(text)
    return found


@pytest.mark.requirement("kernel:api.open-list", "automation:AR-8", "automation:W12")
def test_without_a_credential_everything_but_the_open_list_answers_401_or_leads_to_the_login(doors):
    asked = addresses() | {"/nowhere", "/api/", "/api/v1", "/api/v1/nowhere", "/metrics", "/facts", "/static", "/login", "//"}
    assert len(asked) > 60
    wrong = []
    for path in sorted(asked - OPEN):
        if path.startswith("/static/"):
            continue
        for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"):
            answer = doors.ask(method, path)
            expected = (401,) if path.startswith(("/api/", "/metrics")) else (302,)
            if answer.status not in expected or (answer.status == 302 and not answer.headers["Location"].startswith("/login/")):
                wrong.append((method, path, answer.status))
    assert wrong == []


def test_every_open_address_answers_without_a_credential(doors):
    found = {path: doors.get(path).status for path in OPEN}
    no_worker = {"/health/ready": 503}  # open, and says what is missing: no worker runs in this test
    assert found == dict.fromkeys(OPEN, 200) | {"/login/code/": 302, "/logout/": 405} | no_worker


@pytest.mark.parametrize(
    "path", ["/static/../settings.py", "/static/%2e%2e/x", "/static/vendor/../../urls.py", "/static//etc/passwd", "/static/"]
)
def test_no_static_address_leads_out_of_the_static_files(doors, path):
    assert doors.get(path).status in (400, 404)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer tru_x_y"},
        {"authorization": "Bearer "},
        {"authorization": "Basic dTpw"},
        {"authorization": "Bearer \u00fc"},
        {"x_api_key": "tru_aaaaaaaaaa_" + "b" * 43},
        {"cookie": "trueup_session=nothing"},
    ],
)
def test_a_credential_that_is_none_is_401_in_the_problem_shape(doors, headers):
    answer = doors.get("/api/v1/evidence/facts", **headers)
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="trueup"'
    assert set(answer.json["error"]) == {"code", "message", "details", "remedy", "request_id"}


def test_a_key_opens_the_api_and_no_page(doors):
    key = doors.key("viewer")
    assert doors.get("/api/v1/evidence/facts", key=key).status == 200
    assert doors.get("/api/v1/evidence/facts", x_api_key=key).status == 200
    assert doors.get("/facts/", key=key).status == 302


def test_a_session_opens_the_api_but_changes_nothing_without_its_csrf_token(doors):
    browser = doors.browser(doors.everyone, csrf=True)
    assert doors.get("/api/v1/evidence/facts", client=browser).status == 200
    refused = doors.post("/api/v1/evidence/pack/create", {"subject": "x"}, client=browser)
    assert (refused.status, refused.code) == (401, "UNAUTHENTICATED")
    assert "CSRF" in refused.json["error"]["message"]
    page = doors.get("/", client=browser).text
    token = re.search(r'X-CSRFToken": "([^"]+)"', page)[1]
    assert doors.post("/api/v1/evidence/pack/create", {"subject": "x"}, client=browser, x_csrftoken=token).status == 404


def test_who_has_no_role_in_the_tenant_reads_nothing(doors):
    nobody = doors.people.add("nobody@example.org", "viewer")
    from trueup.kernel.identity.models import Membership

    Membership.objects.filter(user=nobody).update(roles=[])
    browser = doors.browser(nobody)
    for path in ("/", "/facts/", "/log/", "/api/v1/evidence/facts", "/policy/"):
        assert doors.get(path, client=browser).status == 403


def test_another_name_for_the_server_is_not_answered(doors):
    for name in ("example.org", "127.0.0.1.example.org", "localhost.example.org", "x@localhost"):
        assert doors.get("/health/live", host=name).status == 400


@pytest.mark.requirement("automation:W18")
def test_the_figures_are_for_who_operates_audits_or_administers(doors):
    expected = {"owner": 200, "admin": 200, "operator": 200, "analyst": 403, "approver": 403, "auditor": 200, "viewer": 403}
    assert {role: doors.get("/metrics", key=doors.key(role)).status for role in ROLES} == expected
    text = doors.get("/metrics", key=doors.key("owner")).text
    assert "trueup_http_requests_total" in text
    assert str(doors.session.tenant) not in text
    assert doors.ask("INVENTED", "/facts/").status == 302
    assert "INVENTED" not in doors.get("/metrics", key=doors.key("owner")).text


@pytest.mark.requirement("automation:AR-18", "automation:W3")
def test_readiness_names_each_check_and_fails_with_any_of_them(doors):
    first = doors.get("/health/ready").json
    assert {name for name, check in first["checks"].items() if not check["ok"]} == {"worker"}
    assert set(first["checks"]) == {"database", "guards", "key", "worker", "disk"}
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER evidence_entry_no_update")
    bad = doors.get("/health/ready")
    assert (bad.status, bad.json["checks"]["guards"]["ok"], bad.json["checks"]["disk"]["ok"]) == (503, False, True)
    assert str(doors.session.home.path) not in bad.text
    assert doors.get("/health/live").status == 200
