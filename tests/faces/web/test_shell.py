"""The pages: who sees what, tables that sort, filter, page and export, and errors that say what to do."""

import csv
import io
import re

import pytest


@pytest.fixture
def known(doors, run):
    from tests.support.actions import Observe

    for n in range(7):
        run(Observe, subject=f"rig-{n}", state="good")
    return doors


@pytest.fixture
def page(known):
    """Ask for a page as somebody who holds every role."""
    browser = known.browser(known.everyone)

    def ask(path, **headers):
        return known.get(path, client=browser, **headers)

    ask.browser = browser
    return ask


PAGES = ["/", "/facts/", "/log/", "/log/2/", "/packs/", "/telemetry/", "/policy/", "/policy/why/"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers_with_a_title_one_heading_and_its_place_in_the_navigation(page, path):
    answer = page(path)
    assert answer.status == 200
    assert re.search(r"<title>[^<]+ · Trueup</title>", answer.text)
    assert len(re.findall(r"<h1[ >]", answer.text)) == 1
    assert len(re.findall('aria-current="page">', answer.text)) >= 1
    assert 'href="#content"' in answer.text


def test_a_page_leads_to_the_login_and_from_there_back(known):
    answer = known.get("/facts/?subject=rig-1")
    assert (answer.status, answer.headers["Location"]) == (302, "/login/?next=/facts/%3Fsubject%3Drig-1")


def test_a_part_of_a_page_tells_the_browser_to_go_to_the_login(known):
    answer = known.get("/facts/", hx_request="true")
    assert (answer.status, answer.headers["HX-Redirect"]) == (401, "/login/")


def rows(answer):
    return re.findall(r"<tr><td.*?</tr>", answer.text, re.DOTALL)


def test_facts_are_paged_filtered_and_sorted(page):
    first = page("/facts/?limit=3")
    assert len(rows(first)) == 3
    following = re.search(r'href="(/facts/\?cursor=[^"]+)"[^>]*>(?:<svg.*?</svg>)?More', first.text)
    assert following
    assert len(rows(page("/facts/?subject=rig-1"))) == 1
    up, down = rows(page("/facts/?sort=subject")), rows(page("/facts/?sort=-subject"))
    assert up == down[::-1]
    assert 'aria-sort="ascending"' in page("/facts/?sort=subject").text


def test_a_table_alone_is_sent_to_who_asks_for_it_alone(page):
    part = page("/facts/?subject=rig-1", hx_request="true", hx_target="table-facts")
    assert part.text.strip().startswith('<section class="card listing" id="table-facts"')
    assert "<html" not in part.text


@pytest.mark.parametrize("query", ["sort=nothing", "limit=0", "cursor=x", "sort=-source"])
def test_a_choice_that_a_table_does_not_know_is_refused_in_words(page, query):
    answer = page(f"/facts/?{query}")
    assert (answer.status, "That cannot be done" in answer.text) == (400, True)


def test_where_nothing_matches_the_page_says_so_and_leads_back(page):
    answer = page("/facts/?subject=nothing")
    assert "Nothing matches" in answer.text
    assert 'href="/facts/">show all' in answer.text


def test_where_nothing_is_yet_the_page_says_what_to_do(doors):
    browser = doors.browser(doors.everyone)
    assert "trueup telemetry compare" in doors.get("/facts/", client=browser).text
    assert "Nothing has been compared yet" in doors.get("/telemetry/", client=browser).text


def test_all_rows_are_exported_however_many_pages_they_fill_and_no_cell_runs(known, run, page, monkeypatch):
    from tests.support.actions import Observe
    from trueup.kernel.http import tables

    monkeypatch.setattr(tables, "CSV_STEP", 2)
    run(Observe, subject="=HYPERLINK(1)", state="+1+1")
    answer = page("/facts/?format=csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="facts.csv"'
    found = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["Subject"] for row in found] == ["'=HYPERLINK(1)", *(f"rig-{n}" for n in reversed(range(7)))]
    assert found[0]["Value"] == "'+1+1"


def test_an_export_holds_the_rows_that_the_filter_chose_and_of_this_tenant_alone(page):
    found = list(csv.DictReader(io.StringIO(page("/facts/?format=csv&subject=rig-3").text)))
    assert [row["Subject"] for row in found] == ["rig-3"]


def test_the_log_is_filtered_and_leads_to_entries(page):
    answer = page("/log/?action=testing.thing.observe&outcome=done")
    assert len(rows(answer)) == 7
    entry = page(re.search(r'href="(/log/\d+/)"', answer.text)[1])
    assert "Inclusion proof" in entry.text
    assert "testing.thing.observe" in entry.text
    assert page("/log/?outcome=maybe").status == 400


def test_verify_now_shows_the_report_to_who_may(known, page):
    answer = known.post("/log/verify/", client=page.browser)
    assert (answer.status, "Verification" in answer.text, "state-good" in answer.text) == (200, True, True)
    viewer = known.browser(known.people.add("viewer@example.org", "viewer"))
    assert known.post("/log/verify/", client=viewer, hx_request="true").status == 403
    assert "Verify now" not in known.get("/log/", client=viewer).text
    assert known.get("/log/verify/", client=page.browser).status == 405


def test_a_pack_is_made_listed_and_downloaded_from_its_page(known, page):
    from urllib.parse import urlencode

    form = {"content_type": "application/x-www-form-urlencoded"}
    made = page.browser.post("/packs/", urlencode({"subject": "rig-1"}), **form)
    assert (made.status_code, made.headers["Location"]) == (302, "/packs/")
    listed = page("/packs/")
    assert "rig-1" in listed.text
    sent = page(re.search(r'href="(/artifacts/[0-9a-f]{64}/)"', listed.text)[1])
    assert sent.body.startswith(b"PK")
    for subject, words in (("nothing", "nothing is recorded about"), ("", "Name a subject")):
        assert words in page.browser.post("/packs/", urlencode({"subject": subject}), **form).content.decode()
    assert page.browser.put("/packs/").status_code == 405


def test_a_checkpoint_is_a_file_to_keep_elsewhere(page):
    answer = page("/log/checkpoint/")
    assert re.fullmatch(r'attachment; filename="checkpoint-\d+\.txt"', answer.headers["Content-Disposition"])
    assert answer.text.startswith("trueup/")


def test_who_is_refused_is_led_to_the_reason_with_its_particulars(known):
    from urllib.parse import urlencode

    viewer = known.browser(known.people.add("viewer@example.org", "viewer"))
    refused = viewer.post("/packs/", urlencode({"subject": "rig-1"}), content_type="application/x-www-form-urlencoded")
    text = refused.content.decode()
    assert (refused.status_code, "Not allowed" in text) == (403, True)
    why = re.search(r'href="(/policy/why/[^"]+)"', text)[1].replace("&amp;", "&")
    assert why == "/policy/why/?action=evidence.pack.create&role=viewer"
    told = known.get(why, client=viewer).text
    assert "no policy permits evidence.pack.create to a viewer" in told
    assert "owner, admin, operator, analyst, auditor" in told


def test_a_question_about_what_there_is_not_is_answered_in_words(page):
    assert "there is no action" in page("/policy/why/?action=nothing").text
    assert "there is no role" in page("/policy/why/?action=evidence.pack.create&role=king").text


def test_a_form_without_its_token_changes_nothing(known):
    browser = known.browser(known.everyone, csrf=True)
    answer = known.post("/packs/", client=browser)
    assert (answer.status, "out of date" in answer.text) == (403, True)


def test_the_tenant_is_switched_to_one_of_ones_own_and_no_other(known):
    theirs = known.people.tenant("theirs")
    known.people.tenant("foreign")
    user = known.people.add("two@example.org", "viewer")
    known.people.add("two@example.org", "operator", tenant=theirs)
    browser = known.browser(user)
    assert "rig-1" in known.get("/facts/", client=browser).text
    assert browser.post("/tenant/", {"tenant": "theirs"}).headers["Location"] == "/"
    after = known.get("/facts/", client=browser).text
    assert "rig-1" not in after
    assert "Tenant theirs; switch" in after
    assert browser.post("/tenant/", {"tenant": "foreign"}).status_code == 404
    assert browser.post("/tenant/", {"tenant": "theirs", "next": "https://example.org/"}).headers["Location"] == "/"
    assert browser.get("/tenant/").status_code == 405


def test_a_tenant_that_one_was_taken_out_of_is_left_by_itself(known):
    from trueup.kernel.identity.models import Membership

    theirs = known.people.tenant("theirs")
    user = known.people.add("two@example.org", "viewer")
    known.people.add("two@example.org", "viewer", tenant=theirs)
    browser = known.browser(user)
    browser.post("/tenant/", {"tenant": "theirs"})
    Membership.objects.filter(user=user, tenant=theirs).delete()
    assert "Tenant default; switch" in known.get("/", client=browser).text


def test_the_navigation_shows_what_the_callers_roles_can_use(known):
    viewer = known.browser(known.people.add("viewer@example.org", "viewer"))
    assert 'href="/users/"' not in known.get("/", client=viewer).text
    admin = known.browser(known.people.add("admin@example.org", "admin"))
    assert 'href="/users/"' in known.get("/", client=admin).text


def test_what_a_subject_is_called_cannot_become_markup(known, run, page):
    from tests.support.actions import Observe

    run(Observe, subject="<script>alert(1)</script>", state="<b>")
    for path in ("/facts/", "/log/", "/"):
        assert "<script>alert" not in page(path).text
    assert "&lt;script&gt;alert" in page("/facts/").text


def test_a_page_that_there_is_not_says_so_within_the_shell(page):
    answer = page("/nothing/")
    assert (answer.status, "Nothing here" in answer.text, "Administration" in answer.text) == (404, True, True)


@pytest.mark.requirement("automation:W18")
def test_home_shows_entries_and_claims_that_are_stored_and_nothing_else(known, run, page):
    from datetime import UTC, datetime

    from trueup.kernel.actions.base import Action, Input, Outcome  # noqa: F401 - the shapes below are real ones
    from trueup.kernel.evidence.engine.fact import Fact
    from trueup.kernel.evidence.facts import prepared, store

    now = datetime.now(UTC)

    def claim(subject, value):
        return Fact(subject=subject, predicate="telemetry.verdict@1", value=value, valid_at=now, recorded_at=now, source="t")

    store(known.session.tenant, 1, prepared([claim("rig-bad", "FAIL"), claim("rig-dark", "NO_DATA"), claim("rig-good", "PASS")]))
    text = page("/").text
    needs, changed, unknown = (part for part in text.split('<section class="card box"')[1:])
    assert "rig-bad" in needs
    assert "testing.thing.observe" in changed
    assert "rig-dark" in unknown
    assert "rig-good" not in text


@pytest.mark.parametrize(
    ("path", "most"), [("/facts/", 5), ("/log/", 8), ("/packs/", 6), ("/telemetry/", 6), ("/", 17), ("/policy/", 4)]
)
def test_a_page_costs_few_queries_and_no_more_when_there_is_more(known, run, page, path, most):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from tests.support.actions import Observe

    def count():
        page(path)
        with CaptureQueriesContext(connection) as found:
            page(path)
        return len(found)

    few = count()
    for n in range(20):
        run(Observe, subject=f"more-{n}")
    assert (few <= most, count()) == (True, few), few


def test_the_documentation_of_the_api_is_open_and_loads_its_own_files(doors):
    text = doors.get("/api/docs").text
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', text):
        assert doors.get(address).status == 200


def test_a_comparison_is_listed_with_its_verdict_and_shown_with_its_report(known, run, page):
    from tests.conftest import ROOT
    from trueup.domains.telemetry.actions import Compare

    data = ROOT / "src" / "trueup" / "domains" / "telemetry" / "data"
    done = run(Compare, baseline=data / "drifted_baseline.parquet", run=data / "drifted_run.parquet", subject="rig-7")
    listed = page("/telemetry/")
    assert "pass with drift" in listed.text
    one = page(re.search(r'href="(/telemetry/[0-9a-f]{64}/)"', listed.text)[1])
    assert "rig-7" in one.text
    report = page(re.search(r'src="(/telemetry/[0-9a-f]{64}/report/)"', one.text)[1])
    assert report.headers["Content-Security-Policy"] == "sandbox; frame-ancestors 'self'"
    assert report.headers["X-Frame-Options"] == "SAMEORIGIN"
    stored = known.session.ports.artifacts.open(known.session.tenant, done["artifacts"]["report.html"])
    with stored:
        assert report.body == stored.read()
    fact = page(re.search(r'href="(/facts/[0-9a-f-]{36}/)"', page("/facts/?predicate=telemetry.metric.effect@1").text)[1])
    assert "exactly <code>" in fact.text
    for missing in ("0" * 64, "x"):
        assert page(f"/telemetry/{missing}/").status == page(f"/telemetry/{missing}/report/").status == 404
    home = page("/").text
    assert "rig-7" in home.split('id="box-needs"')[1].split("</section>")[0]
    assert known.get("/api/v1/telemetry/comparisons", client=page.browser).json["items"][0]["verdict"] == "PASS_WITH_DRIFT"


def test_behind_a_proxy_the_address_is_the_one_that_it_says(known, rf_request):
    from trueup.kernel.http.callers import address_of

    spoofed = rf_request(REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="203.0.113.9, 198.51.100.7")
    assert address_of(spoofed) == "192.0.2.1"
    from dataclasses import replace

    from django.conf import settings

    before = settings.TRUEUP_DOORS
    settings.TRUEUP_DOORS = replace(before, behind_proxy=True)
    try:
        assert address_of(spoofed) == "198.51.100.7"
        assert address_of(rf_request(REMOTE_ADDR="192.0.2.1")) == "192.0.2.1"
    finally:
        settings.TRUEUP_DOORS = before
