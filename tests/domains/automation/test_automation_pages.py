"""The pages of automation: forms that say what is wrong beside its field, a dry run while editing, and nothing that roles do not allow."""

import hashlib
import re
from datetime import timedelta

import pytest

from tests.domains.automation.consent import BOUNDED
from trueup.domains.automation import breakers, meters, snapshots
from trueup.domains.automation.actions_policies import PutPolicy, SwitchOff
from trueup.domains.automation.engine.easing import RECOVERY, Ease
from trueup.domains.automation.engine.hostpolicy import Limits
from trueup.domains.automation.models import Authorization, PolicyVersion

CLEAN = re.compile(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=")
AT = "/automation"
WRITTEN = {"denied": "no", "strategies": ["vanilla"], "per_minute": "5", "per_hour": "30", "concurrent": "1", "after": "0"}


@pytest.fixture
def admin(doors):
    return doors.browser(doors.people.add("admin@example.org", "admin"))


@pytest.fixture
def viewer(doors):
    return doors.browser(doors.people.add("viewer@example.org", "viewer"))


def text(answer):
    return answer.content.decode()


def ask(browser, session, **more):
    """Ask for an authorization from its form; return the address of its page."""
    form = {"host": "127.0.0.1", "ports": "8080", "method": "loopback", "path": "/", "strategies": ["vanilla"]}
    sent = browser.post(f"{AT}/authorizations/new/", {**form, "lasts": "12", "unit": "h", "contact": "web team", **more})
    assert sent.status_code == 302, text(sent)
    return sent["Location"]


def test_policies_are_listed_filtered_and_exported(doors, run, admin):
    run(PutPolicy, host="*.example.org", per_minute=7)
    run(PutPolicy, host="bad.org", denied=True, allowed=False)
    page = doors.get(f"{AT}/policies/", client=admin).text
    assert f'href="{AT}/policies/one/?host=%2A.example.org"' in page
    assert "7/min, 30/h, 1 at once" in page
    assert not CLEAN.search(page)
    denied = doors.get(f"{AT}/policies/?verdict=denied", client=admin).text.partition('id="table-policies"')[2]
    assert ("bad.org" in denied, "*.example.org" in denied) == (True, False)
    about = doors.get(f"{AT}/policies/?host=www.example.org&format=csv", client=admin).text
    assert [line.split(",")[0] for line in about.splitlines()[1:]] == ['"*.example.org"']


def test_a_policy_is_written_changed_and_retired_from_its_pages(doors, admin, session):
    form = {**WRITTEN, "do": "save", "host": "*.Example.org", "ports": "8443 443", "paths": "/news\n\n/jobs\n", "notes": "press"}
    made = admin.post(f"{AT}/policies/edit/", form)
    assert made["Location"] == f"{AT}/policies/one/?host=%2A.example.org"
    (row,) = snapshots.policies_in_force(session.tenant)
    assert (row.body["ports"], row.body["paths"], row.body["allowed"]) == ([443, 8443], ["/news", "/jobs"], True)
    shown = doors.get(f"{AT}/policies/edit/?host=*.example.org", client=admin).text
    assert 'value="443, 8443"' in shown
    assert "/news\n/jobs</textarea>" in shown
    assert 'name="after" value="1"' in shown
    admin.post(f"{AT}/policies/edit/", {**form, "denied": "yes", "after": "1", "paths": ""})
    one = doors.get(made["Location"], client=admin).text
    assert re.search(r"Denied: <del>no</del> → <ins>yes</ins>", one)
    assert re.search(r"Paths: <del>/news, /jobs</del> → <ins>none named</ins>", one)
    assert not CLEAN.search(one)
    assert admin.post(made["Location"]).status_code == 302
    assert "out of force" in doors.get(made["Location"], client=admin).text
    assert snapshots.policies_in_force(session.tenant) == []
    assert 'name="after" value="0"' in doors.get(f"{AT}/policies/edit/?host=*.example.org", client=admin).text


def test_what_is_wrong_with_a_policy_is_said_beside_its_field_and_what_was_typed_stays(admin):
    form = {
        **WRITTEN,
        "do": "save",
        "host": "http://a/",
        "ports": "80, x",
        "paths": "news",
        "per_minute": "many",
        "notes": "kept",
    }
    answer = admin.post(f"{AT}/policies/edit/", form)
    assert answer.status_code == 400
    for field in ("host", "ports", "paths", "per_minute"):
        assert f'id="{field}-wrong"' in text(answer), field
    assert 'aria-describedby="host-wrong"' in text(answer)
    assert 'id="notes-wrong"' not in text(answer)
    assert all(kept in text(answer) for kept in ('value="80, x"', ">news</textarea>", 'value="many"', ">kept</textarea>"))
    assert PolicyVersion.objects.count() == 0


def test_a_form_that_others_overtook_says_so_and_writes_nothing(admin, run):
    run(PutPolicy, host="a.org")
    run(PutPolicy, host="a.org", per_minute=9)
    answer = admin.post(f"{AT}/policies/edit/", {**WRITTEN, "do": "save", "host": "a.org", "after": "1"})
    assert (answer.status_code, "has changed: version 2 is in force" in text(answer)) == (400, True)
    assert PolicyVersion.objects.count() == 2


def test_while_editing_the_page_says_what_the_version_would_change(doors, admin, run):
    run(PutPolicy, host="a.org", paths=["/news"])
    form = {**WRITTEN, "do": "check", "host": "a.org", "paths": "/jobs", "after": "1", "strategy": "vanilla"}
    urls = {"urls": "https://a.org/news/1\nhttps://a.org/jobs/1\nhttps://b.org/"}
    answer = admin.post(f"{AT}/policies/edit/", {**form, **urls}, HTTP_HX_TARGET="tried")
    part = text(answer)
    assert "<html" not in part
    assert "2 otherwise than now" in part
    assert "Paths: <del>/news</del> → <ins>/jobs</ins>" in part
    assert f'href="{AT}/policies/"><code>policy.allowlist</code>' in part
    assert PolicyVersion.objects.count() == 1
    whole = text(admin.post(f"{AT}/policies/edit/", {**form, **urls}))
    assert "2 otherwise than now" in whole
    assert "https://a.org/jobs/1" in whole
    wrong = text(admin.post(f"{AT}/policies/edit/", {**form, "ports": "x", "urls": ""}, HTTP_HX_TARGET="tried"))
    assert "<strong>Ports</strong>" in wrong


def test_a_dry_run_links_each_decision_to_what_decided(doors, admin, run, authorize):
    run(PutPolicy, host="a.org")
    id = authorize(8080)
    run(SwitchOff, host="off.org", reason="tests")
    urls = "https://a.org/\nhttp://127.0.0.1:8080/\nhttps://off.org/\nhttps://nobody.org/\nno url"
    page = text(admin.post(f"{AT}/policies/check/", {"urls": urls, "strategy": "vanilla", "do": "check"}))
    assert "2 of 5 allowed" in page
    for url, rule in (
        (f"{AT}/policies/one/?host=a.org", "policy.a.org"),
        (f"{AT}/authorizations/{id}/", f"authorization.{id}"),
        (f"{AT}/safety/", "kill_switch"),
    ):
        assert f'href="{url}"><code>{rule}</code>' in page
    assert "<code>egress.url.control</code>" in page
    assert not CLEAN.search(page)
    assert admin.post(f"{AT}/policies/check/", {"urls": " \n"}).status_code == 400


def test_what_holds_for_other_hosts_is_shown_and_switched(doors, admin, session):
    assert "is refused (<code>allowlist</code>)" in doors.get(f"{AT}/policies/", client=admin).text
    assert admin.post(f"{AT}/policies/", {"listing": "denylist"}).status_code == 302
    assert str(snapshots.listing(session.tenant)) == "denylist"
    assert "is allowed, plainly" in doors.get(f"{AT}/policies/", client=admin).text


def test_an_authorization_goes_from_its_form_into_force_and_out_of_it(doors, admin, session):
    page = ask(admin, session)
    states = []
    for do in ("evidence", "verify", "activate", "suspend", "resume", "revoke"):
        version = Authorization.objects.get().version
        assert admin.post(page, {"do": do, "version": version, "reason": "tests"}).status_code == 302
        states.append(Authorization.objects.get().state)
        assert not CLEAN.search(doors.get(page, client=admin).text)
    assert states == ["evidence_submitted", "verified", "active", "suspended", "active", "revoked"]
    session.sequence()
    shown = doors.get(page, client=admin).text
    assert "What comes next" not in shown
    assert "automation.authorization.revoke" in shown
    assert re.search(r'href="/log/\d+/"><code>automation.authorization.request', shown)


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        ("dns_txt", ("_trueup-challenge.example.org", ">TXT<")),
        ("well_known_file", ("https://example.org/.well-known/trueup-challenge.txt",)),
        ("html_meta", ("&lt;meta name=&quot;trueup-challenge&quot; content=&quot;",)),
        ("signed_letter", ('name="letter" type="file"',)),
    ],
)
def test_what_to_publish_and_where_is_shown_to_be_copied(doors, admin, session, method, shown):
    page = doors.get(ask(admin, session, host="example.org", ports="", method=method), client=admin).text
    assert all(part in page for part in shown)
    token = Authorization.objects.get().token
    assert (f'data-copy="{token}"' in page or token in page) == (method != "signed_letter")


def test_a_letter_is_handed_in_from_the_page_and_one_that_is_missing_is_said(doors, admin, session):
    from django.core.files.uploadedfile import SimpleUploadedFile

    page = ask(admin, session, host="example.org", ports="", method="signed_letter", strategies=["stealth"])
    missing = admin.post(page, {"do": "letter"})
    assert (missing.status_code, "no file was sent" in text(missing)) == (400, True)
    sent = admin.post(page, {"do": "letter", "letter": SimpleUploadedFile("letter.pdf", b"we agree")})
    assert sent.status_code == 302
    row = Authorization.objects.get()
    assert (row.state, row.evidence) == ("evidence_submitted", hashlib.sha256(b"we agree").hexdigest())
    assert f"/artifacts/{row.evidence}/" in doors.get(page, client=admin).text
    assert doors.get(f"/artifacts/{row.evidence}/", client=admin).body == b"we agree"


def test_a_challenge_that_is_not_there_is_said_on_the_page(doors, admin, session, monkeypatch):
    from tests.domains.automation.egress.nameserver import naming

    page = ask(admin, session, host="example.org", ports="", method="dns_txt")
    admin.post(page, {"do": "evidence"})
    with naming({}) as (address, _):
        monkeypatch.setenv("TRUEUP_RESOLVER", address)
        answer = admin.post(page, {"do": "verify"})
    assert (answer.status_code, "The challenge is not there" in text(answer)) == (400, True)
    assert Authorization.objects.get().state == "evidence_submitted"


def test_what_opens_load_is_asked_for_and_leads_to_the_request_for_consent(doors, admin, session):
    now = session.context().now
    window = {"opens": f"{now:%Y-%m-%dT%H:%M}", "closes": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M}"}
    asked = {"host": "127.0.0.1", "ports": "8080", "method": "loopback", "path": "/", "lasts": "12", "unit": "h", "contact": "us"}
    unbounded = admin.post(f"{AT}/authorizations/new/", {**asked, "own": "yes", "strategies": ["assault"], **window})
    assert (unbounded.status_code, "it names no max_rps and no max_concurrent" in text(unbounded)) == (400, True)
    assert '<details class="card" open>' in text(unbounded)
    page = ask(admin, session, own="yes", strategies=["assault"], **window, **BOUNDED)
    for do in ("evidence", "verify"):
        admin.post(page, {"do": do})
    version = Authorization.objects.get().version
    asked = admin.post(page, {"do": "activate", "version": version})
    assert asked["Location"].startswith("/approvals/")
    assert asked["Location"] in doors.get(page, client=admin).text
    assert "waits for consent" in doors.get("/", client=doors.browser(doors.people.add("op@example.org", "operator"))).text


def test_a_page_that_shows_an_old_version_puts_nothing_into_force(admin, session):
    page = ask(admin, session)
    for do in ("evidence", "verify"):
        admin.post(page, {"do": do})
    answer = admin.post(page, {"do": "activate", "version": "2"})
    assert (answer.status_code, "is at version 3" in text(answer)) == (400, True)
    assert admin.post(page, {"do": "else"}).status_code == 400
    assert Authorization.objects.get().state == "verified"


def test_what_is_wrong_with_a_request_is_said_beside_its_field(admin):
    form = {"host": "a/b", "method": "dns_txt", "lasts": "12", "unit": "h", "path": "x", "max_rps": "fast", "opens": "soon"}
    answer = admin.post(f"{AT}/authorizations/new/", form)
    assert answer.status_code == 400
    assert all(f'id="{field}-wrong"' in text(answer) for field in ("host", "path", "max_rps", "opens", "contact"))
    longer = {"host": "example.org", "method": "dns_txt", "lasts": "91", "unit": "d", "contact": "x", "strategies": ["vanilla"]}
    assert "it must end within 90 days" in text(admin.post(f"{AT}/authorizations/new/", longer))
    assert "Write a whole number" in text(admin.post(f"{AT}/authorizations/new/", {**longer, "lasts": "x"}))
    assert Authorization.objects.count() == 0


def test_everything_is_switched_off_after_it_was_confirmed_and_goes_on_with_a_reason(doors, admin, session):
    safety = f"{AT}/safety/"
    unsure = admin.post(safety, {"do": "off", "host": "*", "reason": "incident 7"})
    assert (unsure.status_code, snapshots.switched_off(session.tenant)) == (400, [])
    assert admin.post(safety, {"do": "off", "host": "*", "reason": " ", "sure": "yes"}).status_code == 400
    assert admin.post(safety, {"do": "off", "host": "*", "reason": "incident 7", "sure": "yes"}).status_code == 302
    page = doors.get(safety, client=admin).text
    assert ("Everything is switched off" in page, "incident 7" in page) == (True, True)
    assert "Everything is switched off" in doors.get("/", client=admin).text
    assert admin.post(safety, {"do": "on", "host": "*", "reason": "over"}).status_code == 302
    assert "Work may go on" in doors.get(safety, client=admin).text


def test_breakers_and_use_are_shown_and_breakers_moved(doors, admin, session, run):
    now = session.context().now
    run(PutPolicy, host="a.org", per_minute=4, per_hour=10, concurrent=3)
    for _ in range(2):
        meters.begin(session.tenant, "a.org:443", Limits(4, 10, 3), now)
    for _ in range(3):
        breakers.failed(session.tenant, "failing.org:443", "status 503", now)
    safety = f"{AT}/safety/"
    page = doors.get(safety, client=admin).text
    assert all(words in page for words in ("2 of 4", "2 of 10", "2 of 3", "failing.org:443", "status 503"))
    assert not CLEAN.search(page)
    assert "failing.org:443 is left alone" in doors.get("/", client=admin).text
    assert admin.post(safety, {"do": "reset", "authority": "failing.org:443", "reason": "well again"}).status_code == 302
    admin.post(safety, {"do": "open", "authority": "a.org", "reason": "they called"})
    assert breakers.of(session.tenant, "a.org:443").forced
    assert "Every breaker is closed" not in doors.get(safety, client=admin).text
    assert admin.post(safety, {"do": "reset", "authority": "b.org", "reason": "x"}).status_code == 400
    assert admin.post(safety, {"do": "else"}).status_code == 400


def test_limits_that_are_lowered_are_shown_with_what_they_were_why_and_until_when(doors, viewer, session, run):
    now = session.context().now
    safety = f"{AT}/safety/"
    assert "the limits of every host are its policy's" in doors.get(safety, client=viewer).text
    run(PutPolicy, host="a.org", per_minute=40, per_hour=100, concurrent=1)
    meters.go_easy(session.tenant, "a.org:443", Ease(0.5, now, "5 of its last 10 runs failed"))
    meters.go_easy(session.tenant, "well.org:443", Ease(0.5, now - RECOVERY, "4 of its last 10 runs failed"))
    meters.go_easy(doors.people.tenant("other"), "theirs.org:443", Ease(0.5, now, "x"))
    section = doors.get(safety, client=viewer).text.partition('aria-labelledby="lowered"')[2].partition("</section>")[0]
    limits = re.findall(r'<td class="text-nowrap">(.*?)</td>', section)[0]
    assert " ".join(re.sub("<.*?>", " ", limits).split()) == "40 → 20 a minute 100 → 50 an hour 1 at once"
    assert ("a.org:443" in section, "5 of its last 10 runs failed" in section) == (True, True)
    assert f'datetime="{now + RECOVERY:%Y-%m-%dT%H:%M}' in section
    assert "well.org" not in section
    assert "theirs.org" not in section


def test_home_says_what_ends_soon_and_what_waits_and_nothing_to_who_only_reads(doors, admin, viewer, session, authorize):
    authorize(8080)
    page = ask(admin, session, ports="8081")
    for do in ("evidence", "verify"):
        admin.post(page, {"do": do})
    home = doors.get("/", client=admin).text
    assert "The authorization of 127.0.0.1:8080 ends in 23 hours" in home
    assert "The authorization of 127.0.0.1:8081 can be put into force" in home
    assert "The authorization of" not in doors.get("/", client=viewer).text


def test_a_viewer_sees_every_page_and_changes_nothing(doors, viewer, run, authorize):
    run(PutPolicy, host="a.org")
    id = authorize(8080)
    for path in (
        "policies/",
        "policies/one/?host=a.org",
        "policies/check/",
        "authorizations/",
        f"authorizations/{id}/",
        "safety/",
    ):
        page = doors.get(f"{AT}/{path}", client=viewer)
        assert page.status == 200
        main = page.text.partition("<main")[2]
        assert 'name="do"' not in main.replace('name="do" value="check"', ""), path
    for path, form in (
        ("policies/", {"listing": "denylist"}),
        ("policies/one/?host=a.org", {}),
        ("policies/edit/", {**WRITTEN, "do": "save", "host": "b.org"}),
        ("authorizations/new/", {"host": "a.org", "lasts": "1", "method": "dns_txt", "contact": "x"}),
        (f"authorizations/{id}/", {"do": "revoke", "reason": "x"}),
        ("safety/", {"do": "off", "host": "*", "sure": "yes", "reason": "x"}),
        ("safety/", {"do": "open", "authority": "a.org", "reason": "x"}),
    ):
        assert viewer.post(f"{AT}/{path}", form).status_code == 403, path
    assert Authorization.objects.get(id=id).state == "active"


def test_what_others_wrote_cannot_become_markup(doors, admin, run):
    run(SwitchOff, host="a.org", reason="<script>alert(1)</script>")
    run(PutPolicy, host="a.org", notes="<b>bold</b>")
    for path in ("safety/", "policies/one/?host=a.org", "policies/edit/?host=a.org"):
        page = doors.get(f"{AT}/{path}", client=admin).text
        assert "<script>alert" not in page
        assert "<b>bold" not in page
    dry = text(admin.post(f"{AT}/policies/check/", {"urls": "https://<img src=x>/", "do": "check"}))
    assert "<img src=x" not in dry


def test_pages_of_another_tenant_are_not_there(doors, admin, session):
    from trueup.domains.automation.actions_authorizations import RequestAuthorization
    from trueup.kernel.actions.runner import run as run_action

    other = doors.people.tenant("other")
    context = session.installation.context(session.installation.os_principal(), other)
    run_action(PutPolicy, context, {"host": "theirs.org"})
    asked = {"host": "theirs.org", "method": "dns_txt", "expires": context.now + timedelta(days=1), "contact": "them"}
    id = run_action(RequestAuthorization, context, asked).value["id"]
    run_action(SwitchOff, context, {"host": "theirs.org", "reason": "x"})
    for path in ("policies/", "authorizations/", "safety/"):
        assert "theirs.org" not in doors.get(f"{AT}/{path}", client=admin).text
    assert doors.get(f"{AT}/policies/one/?host=theirs.org", client=admin).status == 404
    assert doors.get(f"{AT}/authorizations/{id}/", client=admin).status == 404
    assert admin.post(f"{AT}/authorizations/{id}/", {"do": "evidence"}).status_code == 404


def test_lists_cost_the_same_few_queries_however_many_there_are(doors, admin, run, session):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def count(path):
        doors.get(path, client=admin)
        with CaptureQueriesContext(connection) as seen:
            assert doors.get(path, client=admin).status == 200
        return len(seen)

    paths = (f"{AT}/policies/", f"{AT}/authorizations/", f"{AT}/safety/")
    run(PutPolicy, host="a.org")
    ask(admin, session)
    breakers.failed(session.tenant, "a.org:443", "x", session.context().now)
    before = [count(path) for path in paths]
    for n in range(12):
        run(PutPolicy, host=f"a{n}.org")
        ask(admin, session, ports=str(9000 + n))
        breakers.failed(session.tenant, f"a{n}.org:443", "x", session.context().now)
        meters.begin(session.tenant, f"a{n}.org:443", Limits(), session.context().now)
    assert ([count(path) for path in paths], max(before) <= 14) == (before, True), before
