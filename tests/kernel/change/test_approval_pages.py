"""The inbox and the page of one request, and consent through the API, through the product's own layers."""

import re

import pytest


@pytest.fixture
def olga(people):
    return people.add("olga@example.org", "owner")


@pytest.fixture
def ines(people):
    return people.add("ines@example.org", "approver")


def test_what_waits_for_ones_vote_is_in_the_inbox_and_on_the_home_page(signed_in, olga, ines, ask):
    request = ask(olga)
    client = signed_in(ines)
    for page in ("/approvals/", "/"):
        assert f"/approvals/{request}/" in client.get(page).content.decode()
    assert "Nothing waits for your vote" in signed_in(olga).get("/approvals/").content.decode()


def test_a_request_shows_what_would_run_and_is_approved_there(signed_in, olga, ines, ask, ran):
    request = ask(olga)
    client, page = signed_in(ines), f"/approvals/{request}/"
    text = client.get(page).content.decode()
    assert all(
        words in text for words in ("testing.thing.remove", "&quot;subject&quot;: &quot;thing&quot;", f"user:{olga.id}", "R3")
    )
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=", text)
    assert client.post(page, {"do": "approve", "comment": "agreed"})["Location"] == page
    assert ran() == 1
    text = client.get(page).content.decode()
    assert "agreed" in text
    assert 'value="approve"' not in text


def test_nobody_is_offered_their_own_request_and_a_vote_on_it_is_refused(signed_in, olga, ask, ran):
    client, page = signed_in(olga), f"/approvals/{ask(olga)}/"
    text = client.get(page).content.decode()
    assert 'value="approve"' not in text
    assert 'value="withdraw"' in text
    refused = client.post(page, {"do": "approve"})
    assert (refused.status_code, ran()) == (403, 0)
    assert client.post(page, {"do": "withdraw"}).status_code == 302
    assert b"withdrawn" in client.get(page).content


def test_a_request_is_rejected_with_a_reason(signed_in, olga, ines, ask, ran):
    client, page = signed_in(ines), f"/approvals/{ask(olga)}/"
    client.post(page, {"do": "reject", "comment": "not yet"})
    assert "not yet" in client.get(page).content.decode()
    late = client.post(page, {"do": "approve"})
    assert (late.status_code, ran()) == (400, 0)


def test_an_approved_request_that_has_not_run_is_run_from_its_page(signed_in, olga, ines, ask, ran, session):
    from trueup.kernel.change.models import Request

    request = ask(olga)
    Request.objects.filter(id=request, tenant=session.tenant).update(state="approved")
    client, page = signed_in(ines), f"/approvals/{request}/"
    assert 'value="run"' in client.get(page).content.decode()
    assert client.post(page, {"do": "run"}).status_code == 302
    assert ran() == 1


def test_what_went_wrong_after_a_vote_is_said(signed_in, olga, ines, ask):
    from trueup.kernel.identity.models import User

    page = f"/approvals/{ask(olga)}/"
    User.objects.filter(id=olga.id).update(is_active=False)
    done = signed_in(ines).post(page, {"do": "approve"})
    assert (done.status_code, b"is gone" in done.content) == (400, True)


def test_a_viewer_sees_a_request_and_does_not_vote(people, signed_in, olga, ask):
    client, page = signed_in(people.add("vera@example.org", "viewer")), f"/approvals/{ask(olga)}/"
    assert 'name="do"' not in client.get(page).content.decode()
    assert client.post(page, {"do": "approve"}).status_code == 403
    assert client.post(page, {"do": "run"}).status_code == 403
    assert client.post(page, {"do": "dance"}).status_code == 400


@pytest.mark.parametrize("id", ["nonsense", "00000000-0000-4000-8000-000000000000"])
def test_a_request_that_is_not_there_is_said_so(signed_in, ines, id):
    assert signed_in(ines).get(f"/approvals/{id}/").status_code == 404


@pytest.mark.parametrize("state", ["open", "expired", "done"])
def test_requests_are_filtered_by_the_state_they_have_now(signed_in, olga, ines, ask, state):
    ask(olga)
    text = signed_in(ines).get(f"/approvals/?state={state}", headers={"HX-Target": "table-requests"}).content.decode()
    assert ("testing.thing.remove" in text) is (state == "open")


@pytest.fixture
def api(people, browser):
    """Call the API with a key of a user's."""

    def call(user, method, path, **body):
        headers = {"Authorization": f"Bearer {keys[user.id]}"}
        if method == "get":
            return browser().get(f"/api/v1/{path}", headers=headers)
        return browser().post(f"/api/v1/{path}", body, content_type="application/json", headers=headers)

    keys = {}
    call.keys = keys
    return call


@pytest.fixture
def boss(people, api):
    made = people.add("boss@example.org", "admin")
    api.keys[made.id] = people.key(made, "approver")
    return made


def test_a_vote_through_the_api_runs_what_it_approves(api, olga, boss, ask, ran):
    request = ask(olga)
    assert [row["id"] for row in api(boss, "get", "change/inbox").json()["items"]] == [str(request)]
    done = api(boss, "post", "change/request/vote", request=str(request), choice="approve")
    assert (done.status_code, done.json()["state"], done.json()["result"]) == (200, "done", {"removed": "thing"})
    assert ran() == 1
    listed = api(boss, "get", "change/requests?state=done").json()["items"]
    assert [(row["id"], len(row["votes"])) for row in listed] == [(str(request), 1)]
    assert api(boss, "get", f"change/requests/{request}").json()["state"] == "done"
    assert api(boss, "post", f"change/requests/{request}/run").status_code == 409
    assert api(boss, "post", "change/requests/nonsense/run").status_code == 404
    assert api(boss, "get", "change/rules").json() == {"items": []}


def test_the_api_says_what_went_wrong_after_a_vote(api, olga, boss, ask):
    from trueup.kernel.identity.models import User

    request = ask(olga)
    User.objects.filter(id=olga.id).update(is_active=False)
    done = api(boss, "post", "change/request/vote", request=str(request), choice="approve").json()
    assert (done["state"], done["problem"]["code"]) == ("approved", "REFUSED")


def test_a_viewers_key_is_refused_before_its_body_is_read(people, api, olga, ask):
    admin = people.add("admin@example.org", "admin")
    api.keys[admin.id] = people.key(admin, "viewer")
    done = api(admin, "post", "change/request/vote", not_an_input=1)
    assert done.status_code == 403
    assert api(admin, "post", f"change/requests/{ask(olga)}/run").status_code == 403
    assert api(admin, "get", "change/inbox").json() == {"items": []}
