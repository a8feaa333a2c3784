"""The pages of jobs: the queue, the form, one job with its evidence, dead letters, hosts; nothing that roles do not allow."""

import asyncio
import hashlib
import json
import re

import pytest
from aiohttp import web

from tests.domains.automation.egress.sites import answering, text
from tests.domains.automation.test_fetch_jobs import asked, drain, site_of  # noqa: F401 - fixtures
from trueup.domains.automation import jobqueries
from trueup.domains.automation.actions_policies import PutPolicy
from trueup.domains.automation.models import Run
from trueup.kernel.work.models import Job

CLEAN = re.compile(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=")
AT = "/automation"
FORM = {
    "url": "https://a.org/news",
    "job_type": "fetch",
    "strategy": "vanilla",
    "payload": "",
    "timeout_seconds": "60",
    "profile": "",
    "priority": "5",
}


@pytest.fixture
def operator(doors, run):
    """Somebody who operates, where a policy allows a host."""
    run(PutPolicy, host="a.org", paths=["/news"])
    return doors.browser(doors.people.add("operator@example.org", "operator"))


@pytest.fixture
def viewer(doors):
    return doors.browser(doors.people.add("viewer@example.org", "viewer"))


def said(answer):
    return answer.content.decode()


def jobs(session):
    return Job.objects.filter(tenant=session.tenant, kind="automation.job")


def submitted(operator, **more):
    """Ask for a job from the form; return the address of its page."""
    sent = operator.post(f"{AT}/jobs/new/", {**FORM, "do": "submit", **more})
    assert sent.status_code == 302, said(sent)
    return sent["Location"]


def test_an_empty_queue_says_how_to_begin_and_asks_for_nothing_again(doors, viewer):
    page = doors.get(f"{AT}/jobs/", client=viewer).text
    assert "No job was asked for yet" in page
    assert "hx-trigger" not in page.partition('id="queue-counts"')[2].partition("</section>")[0]
    assert f"{AT}/jobs/new/" not in page.partition("<main")[2]
    assert not CLEAN.search(page)


@pytest.mark.requirement("automation:W18")
def test_a_job_is_asked_for_from_the_form_and_found_in_the_queue(doors, operator, session):
    place = submitted(operator, payload="", priority="2")
    row = jobs(session).get()
    assert (row.priority, json.loads(row.args)["request"]["timeout_seconds"]) == (2, 60)
    page = doors.get(f"{AT}/jobs/", client=operator).text
    assert f'href="{place}"' in page
    assert 'hx-trigger="every 3s"' in page
    assert "No worker was seen within a minute" in page
    part = doors.get(f"{AT}/jobs/", client=operator, hx_target="queue-counts").text
    assert ("<html" in part, 'id="queue-counts"' in part) == (False, True)
    assert place not in doors.get(f"{AT}/jobs/?state=running", client=operator).text
    assert place in doors.get(f"{AT}/jobs/?host=a.org", client=operator).text
    assert doors.get(f"{AT}/jobs/?state=nowhere", client=operator).status == 400


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"payload": "{"}, "payload"),
        ({"payload": "[1]"}, "payload"),
        ({"payload": "[" * 100_000}, "payload"),
        ({"job_type": "navigate_extract", "payload": '{"colour": 1}'}, "payload"),
        ({"job_type": "hack"}, "job_type"),
        ({"strategy": "brutal"}, "strategy"),
        ({"timeout_seconds": "0"}, "timeout_seconds"),
        ({"priority": "x"}, "priority"),
        ({"profile": "toaster"}, "profile"),
        ({"url": ""}, "url"),
    ],
)
def test_what_is_wrong_with_a_job_is_said_beside_its_field_and_what_was_typed_stays(operator, session, typed, field):
    answer = operator.post(f"{AT}/jobs/new/", {**FORM, **typed, "do": "submit"})
    assert answer.status_code == 400
    assert f'id="{field}-wrong"' in said(answer), said(answer)
    assert 'value="60"' in said(answer) or field == "timeout_seconds"
    assert jobs(session).count() == 0


def test_the_form_says_what_would_be_decided_with_its_rule_before_anything_is_asked_for(operator, session):
    check = {**FORM, "do": "check"}
    part = said(operator.post(f"{AT}/jobs/new/", check, HTTP_HX_TARGET="tried"))
    assert ("<html" in part, "1 of 1 allowed" in part) == (False, True)
    assert f'href="{AT}/policies/one/?host=a.org"><code>policy.a.org</code>' in part
    steps = {"steps": [{"action": "navigate", "url": "https://a.org/news/1"}, {"action": "navigate", "url": "https://b.org/"}]}
    whole = said(operator.post(f"{AT}/jobs/new/", {**check, "job_type": "steps", "payload": json.dumps(steps)}))
    assert "2 of 3 allowed" in whole
    assert "policy.allowlist" in whole
    wrong = said(operator.post(f"{AT}/jobs/new/", {**check, "payload": "{"}, HTTP_HX_TARGET="tried"))
    assert "<strong>Payload</strong>" in wrong
    assert jobs(session).count() == 0


def test_a_job_that_a_rule_refuses_is_shown_with_the_rule_and_not_queued(operator, session):
    answer = operator.post(f"{AT}/jobs/new/", {**FORM, "url": "https://a.org/private", "do": "submit"})
    assert answer.status_code == 400
    assert "does not list this path" in said(answer)
    assert "policy.path" in said(answer)
    assert jobs(session).count() == 0


def test_a_viewer_sees_jobs_and_can_change_none(doors, operator, viewer, session):
    place = submitted(operator)
    assert 'value="submit"' not in doors.get(f"{AT}/jobs/new/", client=viewer).text
    page = doors.get(place, client=viewer).text
    assert 'value="cancel"' not in page
    for path, form in (
        (f"{AT}/jobs/new/", {**FORM, "do": "submit"}),
        (place, {"do": "cancel"}),
        (f"{AT}/dead/", {"id": place[-37:-1]}),
    ):
        assert viewer.post(path, form).status_code == 403
    assert jobs(session).get().state == "queued"


def test_forms_need_the_token_of_their_page(doors, run):
    run(PutPolicy, host="a.org")
    strict = doors.browser(doors.people.add("strict@example.org", "operator"), csrf=True)
    assert strict.post(f"{AT}/jobs/new/", {**FORM, "do": "submit"}).status_code == 403


def test_a_job_that_waits_is_followed_cancelled_and_tried_again_from_its_page(doors, operator):
    submitted(operator)
    place = submitted(operator)
    page = doors.get(place, client=operator).text
    assert 'hx-trigger="every 2s"' in page
    assert "1 job before it" in page
    assert not CLEAN.search(page)
    assert operator.post(place, {"do": "cancel"}).status_code == 302
    page = doors.get(place, client=operator).text
    assert "Somebody cancelled it." in page
    assert "hx-trigger" not in page.partition('id="run"')[2]
    again = operator.post(place, {"do": "cancel"})
    assert (again.status_code, "cannot be cancelled" in said(again)) == (400, True)
    assert operator.post(place, {"do": "retry"}).status_code == 302
    assert 'value="cancel"' in doors.get(place, client=operator).text
    assert operator.post(place, {"do": "explode"}).status_code == 400
    for odd in ("no-id", "00000000-0000-4000-8000-000000000000"):
        assert doors.get(f"{AT}/jobs/{odd}/", client=operator).status == 404


def test_what_runs_is_shown_with_how_far_it_is(doors, operator, viewer, session):
    place = submitted(operator)
    jobs(session).update(state="running", progress=0.4, words="step 2: click", started_at=session.context().now)
    part = doors.get(f"{AT}/jobs/", client=viewer, hx_target="queue-counts").text
    assert all(words in part for words in ('value="40"', "step 2: click", f'href="{place}"'))
    page = doors.get(place, client=viewer, hx_target="run").text
    assert ("<html" in page, "40 % step 2: click" in page, 'hx-trigger="every 2s"' in page) == (False, True, True)
    assert 'value="cancel"' in doors.get(place, client=operator).text
    assert operator.post(place, {"do": "cancel"}).status_code == 302
    assert "asked to stop" in doors.get(place, client=operator).text


@pytest.fixture
def ended(asked, drain, site_of):
    """Jobs over HTTP that ended in every way."""

    async def answer(request):
        if request.path == "/away":
            return web.Response(status=302, headers={"Location": "http://10.1.2.3/"})
        if request.path == "/no":
            return web.Response(status=403, text="no")
        if request.path == "/slow":
            await asyncio.sleep(3)
        if request.path == "/gone":
            return web.Response(status=404, text="gone")
        return await text("<h1>hi</h1>")(request)

    with answering(answer) as site:
        site_of(site, own=True, limits={"concurrent": 1})
        ids = {
            path: asked(site.url(path), timeout_seconds=2 if path == "/slow" else 60)
            for path in ("/a", "/gone", "/slow", "/away", "/no")
        }
        drain()
    return ids


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/gone", ("The page answered with 404.", "between the page and the job")),
        ("/slow", ("The job took longer than it may.", "Give the job more time", "the site&#x27;s doing")),
        ("/away", ("A rule refused a request of the job", "egress.address.private")),
        ("/no", ("The site asks to be left alone", "Nothing is tried harder")),
    ],
)
def test_how_a_job_ended_badly_is_said_in_words_with_what_can_be_done(doors, viewer, ended, path, words):
    page = doors.get(f"{AT}/jobs/{ended[path]}/", client=viewer).text
    for one in words:
        assert one in page, one


def test_one_job_shows_what_was_decided_what_left_and_where_it_is_in_the_log(doors, viewer, ended, session):
    page = doors.get(f"{AT}/jobs/{ended['/a']}/", client=viewer).text
    frozen = jobqueries.args_of(session.tenant, ended["/a"]).frozen
    assert f'href="{AT}/authorizations/{frozen.authorization}/"' in page
    assert f'href="{AT}/policies/one/?host=127.0.0.1"' in page
    assert "automation.job.perform" in page
    row = Run.objects.get(tenant=session.tenant, job=ended["/a"])
    for sha256 in (row.manifest, row.record, row.summary["sha256"]):
        assert sha256 in page
    assert not CLEAN.search(page)
    away = f"{AT}/jobs/{ended['/away']}/"
    assert "2 requests, 1 refused" in doors.get(away, client=viewer).text
    refused = doors.get(f"{away}?refused=1", client=viewer).text.partition("What left")[2]
    assert ("http://10.1.2.3/" in refused, "<code>GET</code> http://127.0.0.1" in refused) == (True, False)


def test_what_was_erased_or_changed_is_said_where_it_would_stand(doors, viewer, ended, session):
    row = Run.objects.get(tenant=session.tenant, job=ended["/a"])
    session.ports.artifacts.remove(session.tenant, row.manifest)
    store = session.ports.artifacts._file(session.tenant, row.record)
    store.write_bytes(b"{}\n")
    page = doors.get(f"{AT}/jobs/{ended['/a']}/", client=viewer)
    assert page.status == 200
    assert "What it did cannot be shown" in page.text
    assert "What left cannot be shown" in page.text
    assert "is not what was stored" in page.text


@pytest.mark.requirement("automation:W11")
def test_dead_letters_are_all_that_ended_badly_and_one_is_tried_again(doors, operator, viewer, ended, session):
    page = doors.get(f"{AT}/dead/", client=operator).text
    listed = set(re.findall(r"/automation/jobs/([0-9a-f-]{36})/", page))
    assert listed == {str(ended[path]) for path in ("/gone", "/slow", "/away", "/no")}
    assert "The site asks to be left alone" in page
    assert "<select" not in doors.get(f"{AT}/dead/", client=viewer).text.partition("<main")[2]
    counts = doors.get(f"{AT}/jobs/", client=operator).text.partition('id="queue-counts"')[2].partition("</section>")[0]
    assert re.search(r'href="/automation/dead/">4<', counts)
    sent = operator.post(f"{AT}/dead/", {"id": str(ended["/gone"])})
    assert sent["Location"] == f"{AT}/jobs/{ended['/gone']}/"
    assert jobs(session).get(id=ended["/gone"]).state == "queued"
    assert operator.post(f"{AT}/dead/", {"id": str(ended["/a"])}).status_code == 400


def test_the_home_page_names_jobs_that_failed_for_those_who_operate(doors, operator, viewer, ended):
    assert "4 jobs on pages ended badly within a day" in doors.get("/", client=operator).text
    assert "ended badly" not in doors.get("/", client=viewer).text


def test_a_failing_host_is_shown_with_its_interval_and_nothing_is_known_of_another(doors, viewer, ended, session):
    page = doors.get(f"{AT}/hosts/", client=viewer).text
    authority = Run.objects.filter(tenant=session.tenant).first().authority
    assert authority in page
    assert "1 of 4" in page
    one = doors.get(f"{AT}/hosts/?host={authority}", client=viewer).text
    assert "1 × <code>TARGET_BLOCKED</code>" in one
    assert "Nothing is known of b.org" in doors.get(f"{AT}/hosts/?host=b.org", client=viewer).text
    assert doors.get(f"{AT}/hosts/?host=a/b", client=viewer).status == 400
    assert not CLEAN.search(one)


# pictures


PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32


def kept_as(session, id, data, media_type):
    """Give a job's attempt another artifact, as if it had kept it."""
    row = Run.objects.get(tenant=session.tenant, job=id)
    stored = session.ports.artifacts.put(session.tenant, data, name="final", media_type=media_type)
    manifest = jobqueries.manifest_of(session.context(), row)
    manifest["artifacts"].append(stored.as_dict())
    again = session.ports.artifacts.put(
        session.tenant, json.dumps(manifest).encode(), name="run.json", media_type="application/json"
    )
    Run.objects.filter(tenant=session.tenant, job=id).update(manifest=again.sha256)
    return stored.sha256


def test_a_picture_is_shown_as_a_picture_and_nothing_else(doors, viewer, ended, session):
    sha256 = kept_as(session, ended["/a"], PNG, "image/png")
    place = f"{AT}/jobs/{ended['/a']}/pictures/{sha256}/"
    assert place in doors.get(f"{AT}/jobs/{ended['/a']}/", client=viewer).text
    shown = doors.get(place, client=viewer)
    assert (shown.status, shown.body, shown.headers["Content-Type"]) == (200, PNG, "image/png")
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert doors.get(place).status == 302  # to the login


def test_html_other_files_and_other_jobs_pictures_are_never_shown_in_the_page(doors, viewer, ended, session):
    html = b"<script>alert(1)</script>"
    page = kept_as(session, ended["/a"], html, "text/html")
    liar = kept_as(session, ended["/gone"], html + b" ", "image/png")
    real = kept_as(session, ended["/no"], PNG, "image/png")
    unknown = hashlib.sha256(b"x").hexdigest()
    for id, sha256, status in (("/a", page, 404), ("/gone", liar, 500), ("/a", real, 404), ("/a", unknown, 404)):
        answer = doors.get(f"{AT}/jobs/{ended[id]}/pictures/{sha256}/", client=viewer)
        assert (answer.status, html in answer.body) == (status, False)
