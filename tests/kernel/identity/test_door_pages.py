"""The pages of signing in, of one's own account and of the administration, through the product's own layers."""

import re
from datetime import UTC, datetime

import pytest

from tests.kernel.identity.people import PASSWORD
from tests.kernel.identity.test_signin import code_of

NEW = "another horse, another battery"


@pytest.fixture
def owner(people):
    return people.add("owner@example.org", "owner")


@pytest.fixture
def vera(people):
    return people.add("vera@example.org", "viewer")


def enrol(client):
    """Set up an authenticator app in the pages; return its secret."""
    page = client.get("/account/authenticator/").content.decode()
    secret = re.search(r"Secret: <code>([A-Z2-7 ]+)</code>", page).group(1).replace(" ", "")
    done = client.post("/account/authenticator/", {"code": code_of(secret, datetime.now(UTC))})
    assert done.status_code == 200
    return secret, re.findall(r"^([0-9]{8})$", re.sub(r"<[^>]+>", "\n", done.content.decode()), re.MULTILINE)


def test_who_is_not_signed_in_sees_the_sign_in_page_and_comes_back_to_where_they_wanted(browser, vera):
    client = browser()
    away = client.get("/approvals/")
    assert (away.status_code, away["Location"]) == (302, "/login/?next=/approvals/")
    done = client.post("/login/", {"email": vera.email, "password": PASSWORD, "next": "/approvals/"})
    assert (done.status_code, done["Location"]) == (302, "/approvals/")
    assert client.get("/approvals/").status_code == 200


@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil.example"])
def test_a_sign_in_leads_to_no_other_site(browser, vera, where):
    done = browser().post("/login/", {"email": vera.email, "password": PASSWORD, "next": where})
    assert done["Location"] == "/"


def test_the_sessions_id_is_a_new_one_after_the_sign_in(browser, vera):
    client = browser()
    client.session["before"] = 1
    client.get("/login/")
    before = client.session
    before["x"] = 1
    before.save()
    known = before.session_key
    client.cookies["trueup_session"] = known
    client.post("/login/", {"email": vera.email, "password": PASSWORD})
    assert client.cookies["trueup_session"].value != known


def test_a_refused_sign_in_says_why_in_words_that_tell_nothing(browser, vera):
    client = browser()
    wrong = client.post("/login/", {"email": vera.email, "password": "wrong"})
    unknown = client.post("/login/", {"email": "nobody@example.org", "password": "wrong"})
    assert wrong.status_code == unknown.status_code == 400
    strip = [
        re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"|X-CSRFToken": "[^"]*"|value="[^"]*@[^"]*"', "", r.content.decode())
        for r in (wrong, unknown)
    ]
    assert "is not right" in strip[0]
    assert strip[0] == strip[1]


def test_an_address_that_fails_too_often_is_told_to_wait(browser, vera):
    from trueup.kernel.identity.models import LoginFailure

    client = browser()
    client.post("/login/", {"email": vera.email, "password": "wrong"})
    LoginFailure.objects.update(count=50)
    assert client.post("/login/", {"email": vera.email, "password": PASSWORD}).status_code == 429


def test_a_form_without_its_token_is_refused(browser, vera):
    client = browser(enforce_csrf_checks=True)
    assert client.post("/login/", {"email": vera.email, "password": PASSWORD}).status_code == 403


@pytest.mark.requirement("kernel:identity.first-password")
def test_a_one_time_password_leads_to_the_password_page_alone(people, signed_in):
    user = people.add("new@example.org", "owner", must_change=True)
    client = signed_in(user)
    for page in ("/", "/account/", "/users/", "/approvals/"):
        assert client.get(page)["Location"] == "/password/"
    assert client.get("/api/v1/identity/me").status_code == 403
    assert client.get("/api/v1/identity/me").json()["error"]["code"] == "MUST_CHANGE_PASSWORD"
    again = client.post("/password/", {"current": PASSWORD, "new": NEW, "again": "something else"})
    assert b"same way twice" in again.content
    refused = client.post("/password/", {"current": "wrong", "new": NEW, "again": NEW})
    assert (refused.status_code, b"present password" in refused.content) == (400, True)
    assert client.post("/password/", {"current": PASSWORD, "new": NEW, "again": NEW}).status_code == 302
    assert client.get("/").status_code == 200


def test_a_changed_password_ends_the_other_sessions_and_not_this_one(signed_in, vera):
    one, other = signed_in(vera), signed_in(vera)
    assert one.post("/password/", {"current": PASSWORD, "new": NEW, "again": NEW}).status_code == 302
    assert one.get("/account/").status_code == 200
    assert other.get("/account/")["Location"].startswith("/login/")


@pytest.mark.requirement("kernel:identity.sessions-end-at-once")
def test_sessions_that_end_in_one_process_are_refused_at_their_next_request_in_another(signed_in, vera, trueup):
    clients = [signed_in(vera), signed_in(vera)]
    listed = trueup("user", "sessions", vera.email, "--json").json["sessions"]
    assert len(listed) == 2
    done = trueup("user", "end-sessions", vera.email, "--json")
    assert (done.code, done.json["sessions_ended"]) == (0, 2)
    for client in clients:
        assert client.get("/account/")["Location"].startswith("/login/")
        assert client.get("/api/v1/identity/me").status_code == 401


def test_who_is_disabled_in_one_process_is_refused_at_the_next_request_in_another(signed_in, vera, trueup):
    client = signed_in(vera)
    assert trueup("user", "disable", vera.email).code == 0
    assert client.get("/account/")["Location"].startswith("/login/")


def test_signing_out_ends_the_session_on_the_record(signed_in, vera, log):
    client = signed_in(vera)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/")["Location"] == "/login/"
    assert client.get("/account/")["Location"].startswith("/login/")
    entry = log(system=True)[0]
    assert (entry["action"], entry["principal"]) == ("identity.session.end", f"user:{vera.id}")


def test_after_the_password_a_code_is_asked_for_and_nothing_opens_before_it(signed_in, browser, vera):
    client = signed_in(vera)
    secret, codes = enrol(client)
    assert len(codes) == 10
    fresh = browser()
    to_code = fresh.post("/login/", {"email": vera.email, "password": PASSWORD, "next": "/account/"})
    assert to_code["Location"] == "/login/code/?next=/account/"
    assert fresh.get("/account/")["Location"].startswith("/login/")
    assert fresh.get("/login/code/").status_code == 200
    assert fresh.post("/login/code/", {"code": "000000x"}).status_code == 400
    done = fresh.post("/login/code/", {"code": code_of(secret, datetime.now(UTC), 1), "next": "/account/"})
    assert done["Location"] == "/account/"
    assert fresh.get("/api/v1/identity/me").json()["second_factor"] is True
    assert client.get("/api/v1/identity/me").json()["second_factor"] is False


def test_the_code_page_without_a_password_before_leads_back(browser, vera):
    assert browser().get("/login/code/")["Location"] == "/login/"
    assert browser().post("/login/code/", {"code": "1"})["Location"] == "/login/"


def test_a_password_shown_long_ago_counts_no_more(signed_in, browser, vera):
    enrol(signed_in(vera))
    client = browser()
    client.post("/login/", {"email": vera.email, "password": PASSWORD})
    store = client.session
    store["trueup_password_shown"] = {**store["trueup_password_shown"], "at": 0}
    store.save()
    assert client.get("/login/code/")["Location"] == "/login/"


def test_recovery_codes_are_renewed_and_the_app_removed_in_the_account(signed_in, vera):
    client = signed_in(vera)
    _, codes = enrol(client)
    assert client.get("/account/authenticator/")["Location"] == "/account/"
    assert client.post("/account/recovery-codes/", {"code": "nonsense"}).status_code == 400
    renewed = client.post("/account/recovery-codes/", {"code": codes[0]})
    new = re.findall(r"\b[0-9]{8}\b", renewed.content.decode())
    assert set(new).isdisjoint(codes)
    assert client.post("/account/authenticator/remove/", {"code": new[0]})["Location"] == "/account/"
    assert b"Set up an authenticator app" in client.get("/account/").content
    assert client.get("/account/recovery-codes/").status_code == 405


def test_a_wrong_code_does_not_put_the_app_to_use(signed_in, vera):
    client = signed_in(vera)
    assert client.post("/account/authenticator/", {"code": "000000x"}).status_code == 400
    assert b"Set up an authenticator app" in client.get("/account/").content


def test_own_sessions_are_listed_and_ended(signed_in, vera):
    one, other = signed_in(vera), signed_in(vera)
    page = one.get("/account/").content.decode()
    assert page.count("a test") == 2
    assert page.count("this one") == 1
    assert one.post("/account/sessions/").status_code == 302
    assert other.get("/account/")["Location"].startswith("/login/")
    third = signed_in(vera)
    from allauth.usersessions.models import UserSession

    row = UserSession.objects.get(session_key=third.cookies["trueup_session"].value)
    one.post("/account/sessions/", {"session": str(row.id)})
    assert third.get("/account/")["Location"].startswith("/login/")
    assert one.get("/account/sessions/").status_code == 405


def test_when_a_session_was_last_seen_is_noted(signed_in, vera):
    from datetime import timedelta

    from allauth.usersessions.models import UserSession

    client = signed_in(vera)
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    UserSession.objects.update(last_seen_at=long_ago)
    client.get("/account/")
    assert UserSession.objects.get().last_seen_at > long_ago


ADMINISTRATION = ("/users/", "/keys/", "/sessions/")


@pytest.mark.parametrize("page", ADMINISTRATION)
def test_a_viewer_administers_nothing(signed_in, vera, page):
    client = signed_in(vera)
    assert client.get(page).status_code == 403
    assert client.post(page, {"email": "x@example.org"}).status_code in (403, 405)


def test_an_owner_adds_a_person_and_sees_the_one_time_password_once(signed_in, owner, browser):
    client = signed_in(owner)
    done = client.post("/users/", {"email": "new@example.org", "name": "New", "roles": ["viewer", "auditor"]})
    password = re.search(r"\b([a-z2-7]{5}(-[a-z2-7]{5}){4})\b", done.content.decode()).group(1)
    assert done["Cache-Control"] == "no-store"
    assert password not in client.get("/users/").content.decode()
    fresh = browser()
    assert fresh.post("/login/", {"email": "new@example.org", "password": password}).status_code == 302
    assert fresh.get("/")["Location"] == "/password/"


def test_what_is_wrong_with_a_form_is_said_on_its_page(signed_in, owner, vera):
    client = signed_in(owner)
    wrong = client.post("/users/", {"email": "no address", "roles": ["viewer"]})
    assert (wrong.status_code, b"e-mail address" in wrong.content) == (400, True)
    twice = client.post("/users/", {"email": vera.email, "roles": ["viewer"]})
    assert (twice.status_code, b"member of the tenant already" in twice.content) == (400, True)


def test_a_person_of_two_tenants_is_taken_in_without_a_password(people, signed_in, owner):
    people.add("far@example.org", "viewer", tenant=people.tenant("other"))
    done = signed_in(owner).post("/users/", {"email": "far@example.org", "roles": ["viewer"]})
    assert done["Location"].startswith("/users/")


def test_a_person_is_changed_on_their_page(people, signed_in, owner, vera):
    client, page = signed_in(owner), f"/users/{vera.id}/"

    def post(**data):
        return client.post(page, data)

    assert vera.email in client.get(page).content.decode()
    assert post(do="grant", roles=["auditor"]).status_code == 302
    assert people.principal(vera).roles == {"auditor", "viewer"}
    assert post(do="revoke", roles=["auditor"])["Location"] == page
    assert post(do="disable")["Location"] == page
    assert b"disabled" in client.get(page).content
    assert post(do="enable").status_code == post(do="unlock").status_code == 302
    assert re.search(rb"[a-z2-7]{5}(-[a-z2-7]{5}){4}", post(do="reset").content)
    assert post(do="end").status_code == 302
    assert post(do="dance").status_code == 400
    assert post(do="revoke", roles=["viewer"])["Location"] == "/users/"
    assert client.get(page).status_code == 404


def test_an_owner_ends_one_session_of_a_member(signed_in, owner, vera):
    from allauth.usersessions.models import UserSession

    theirs, client = signed_in(vera), signed_in(owner)
    row = UserSession.objects.get(user=vera)
    assert vera.email in client.get("/sessions/").content.decode()
    assert client.post(f"/users/{vera.id}/", {"do": "end", "session": str(row.id)}).status_code == 302
    assert theirs.get("/account/")["Location"].startswith("/login/")


def test_a_key_is_made_rotated_and_revoked_and_shown_once_each_time(signed_in, owner, browser):
    client, program = signed_in(owner), browser()

    def shown(response):
        return re.search(r"tru_[a-z2-7]{10}_[A-Za-z0-9_-]{43}", response.content.decode()).group()

    def works(text):
        return program.get("/api/v1/identity/me", headers={"Authorization": f"Bearer {text}"}).status_code == 200

    first = shown(client.post("/keys/", {"name": "nightly", "roles": ["operator"], "days": "30"}))
    assert works(first)
    page = re.search(r"/keys/[0-9a-f-]{36}/", client.get("/keys/").content.decode()).group()
    assert first not in client.get(page).content.decode()
    second = shown(client.post(page, {"do": "rotate", "overlap": "0"}))
    assert (works(first), works(second)) == (False, True)
    assert client.post(page, {"do": "rotate", "overlap": "many"}).status_code == 400
    assert client.post(page, {"do": "revoke"}).status_code == 302
    assert not works(second)
    assert client.post("/keys/", {"name": "x", "roles": ["viewer"], "days": "soon"}).status_code == 400


def test_the_api_lists_people_keys_and_sessions_for_who_administers(signed_in, owner, vera):
    client, viewer = signed_in(owner), signed_in(vera)
    for part in ("users", "keys", "sessions"):
        found = client.get(f"/api/v1/identity/{part}")
        assert found.status_code == 200
        assert isinstance(found.json()["items"], list)
        assert viewer.get(f"/api/v1/identity/{part}").status_code == 403


@pytest.mark.parametrize("page", ["/users/nobody/", "/users/00000000-0000-4000-8000-000000000000/", "/keys/x/"])
def test_what_is_not_there_is_said_so(signed_in, owner, page):
    assert signed_in(owner).get(page).status_code == 404


def test_no_page_holds_an_inline_script_or_style(signed_in, owner, browser):
    client = signed_in(owner)
    pages = ["/account/", "/account/authenticator/", "/password/", "/users/", f"/users/{owner.id}/", "/keys/", "/sessions/"]
    texts = [client.get(page).content.decode() for page in pages] + [browser().get("/login/").content.decode()]
    for text in texts:
        assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=|javascript:", text)
    assert "<svg" in texts[1]


@pytest.mark.requirement("kernel:identity.first-password")
def test_the_owner_that_init_made_signs_in_and_chooses_a_password(trueup, session):
    import re

    from django.test import Client

    from trueup.kernel.http.callers import limit_with
    from trueup.kernel.http.host import serve_from

    shown = trueup("init").out
    password = re.search(r"one-time password (\S+)", shown)[1]
    serve_from(session.installation)
    limit_with(None)
    client = Client(HTTP_HOST="localhost")
    begun = client.post("/login/", {"email": "owner@localhost", "password": password})
    assert begun.status_code == 302
    chosen = client.post(
        "/password/", {"current": password, "new": "violet harbour 17 kites", "again": "violet harbour 17 kites"}
    )
    assert (chosen.status_code, chosen["Location"]) == (302, "/")
    assert client.get("/").status_code == 200
    assert client.get("/account/").status_code == 200
