"""Jobs and schedules through pages and API: shown live, changed only by those who may, and never another tenant's."""

from uuid import UUID, uuid4

import pytest


@pytest.fixture
def submit(run):
    from trueup.kernel.work.actions import SubmitJobs

    return lambda **job: run(SubmitJobs, kind="work.noop", jobs=[job])["jobs"][0]


@pytest.fixture
def browser(doors):
    return doors.browser(doors.everyone)


def dead(id):
    from trueup.kernel.work.models import Job

    Job.objects.filter(id=UUID(id)).update(state="dead", error="TIMEOUT: it took too long")


def test_the_list_shows_jobs_their_counts_and_that_nobody_works(doors, browser, submit):
    submit(key="k1")
    text = doors.get("/jobs/", client=browser).text
    assert "work.noop" in text
    assert "No worker is running" in text
    assert "Nothing matches" in doors.get("/jobs/?state=dead", client=browser).text
    assert doors.get("/jobs/?state=sleeping", client=browser).status == 400


def test_the_counts_alone_renew_themselves(doors, browser, submit):
    submit()
    part = doors.get("/jobs/", client=browser, hx_target="job-counts", hx_request="true").text
    assert 'hx-trigger="every 5s"' in part
    assert "<html" not in part


def test_a_live_job_asks_for_itself_again_and_an_ended_one_does_not(doors, browser, submit):
    job = submit()
    assert 'hx-trigger="every 2s"' in doors.get(f"/jobs/{job}/", client=browser).text
    assert doors.post(f"/jobs/{job}/?", client=browser, body=None).status == 400
    ended = browser.post(f"/jobs/{job}/", {"do": "cancel"})
    assert (ended.status_code, ended["Location"]) == (302, f"/jobs/{job}/")
    text = doors.get(f"/jobs/{job}/", client=browser).text
    assert "every 2s" not in text
    assert "Try again" in text
    assert browser.post(f"/jobs/{job}/", {"do": "cancel"}).status_code == 400
    assert browser.post(f"/jobs/{job}/", {"do": "replay"}).status_code == 302
    assert "queued" in doors.get(f"/jobs/{job}/", client=browser).text


def test_a_viewer_sees_jobs_and_cannot_cancel_them(doors, submit):
    job = submit()
    viewer = doors.browser(doors.people.add("viewer@example.org", "viewer"))
    text = doors.get(f"/jobs/{job}/", client=viewer).text
    assert 'value="cancel"' not in text
    refused = viewer.post(f"/jobs/{job}/", {"do": "cancel"})
    assert refused.status_code == 403
    assert b"roles that may" in refused.content


def test_a_dead_job_is_on_the_home_page_of_those_who_may_replay_it(doors, browser, submit):
    dead(submit())
    assert "TIMEOUT" in doors.get("/", client=browser).text
    viewer = doors.browser(doors.people.add("viewer@example.org", "viewer"))
    assert "TIMEOUT" not in doors.get("/", client=viewer).text


def test_schedules_are_shown_paused_resumed_and_removed(doors, browser, run):
    from trueup.kernel.work.actions_schedules import PutSchedule

    run(PutSchedule, name="nightly", kind="work.noop", cron="0 6 * * *")
    run(PutSchedule, name="often", kind="work.noop", every=60, jitter=5)
    text = doors.get("/schedules/", client=browser).text
    assert "0 6 * * * (UTC)" in text
    assert "every 60 s ± 5 s" in text
    for do, word in (("pause", "paused"), ("resume", "enabled")):
        assert browser.post("/schedules/", {"do": do, "name": "nightly"}).status_code == 302
        assert word in doors.get("/schedules/?sort=name", client=browser).text
    assert browser.post("/schedules/", {"do": "remove", "name": "nightly"}).status_code == 302
    assert "0 6 * * *" not in doors.get("/schedules/", client=browser).text
    assert browser.post("/schedules/", {"do": "explode", "name": "often"}).status_code == 400
    assert browser.post("/schedules/", {"do": "remove", "name": "often"}).status_code == 302
    assert "No schedules yet" in doors.get("/schedules/", client=browser).text


def test_the_api_lists_jobs_in_pages_and_shows_one(doors, submit):
    key = doors.key("viewer")
    ids = [submit() for _ in range(3)]
    first = doors.get("/api/v1/work/jobs?limit=2", key=key).json
    second = doors.get(f"/api/v1/work/jobs?limit=2&cursor={first['next']}", key=key).json
    assert [row["id"] for row in first["items"] + second["items"]] == ids[::-1]
    assert second["next"] is None
    shown = doors.get(f"/api/v1/work/jobs/{ids[0]}", key=key).json
    assert (shown["id"], shown["args"], shown["events"]) == (ids[0], {}, [])
    assert doors.get("/api/v1/work/counts", key=key).json["queued"] == 3
    assert doors.get("/api/v1/work/schedules", key=key).json == {"items": []}
    assert "work.noop" in {kind["kind"] for kind in doors.get("/api/v1/work/kinds", key=key).json["items"]}
    assert doors.get("/api/v1/work/jobs?state=sleeping", key=key).status in (400, 422)
    for missing in ("nothing", str(uuid4())):
        assert doors.get(f"/api/v1/work/jobs/{missing}", key=key).status == 404
        assert doors.get(f"/jobs/{missing}/", client=doors.browser(doors.everyone)).status == 404


def test_a_job_of_another_tenant_cannot_be_seen_cancelled_or_replayed(doors, session, submit):
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.identity.actions import CreateTenant
    from trueup.kernel.work.actions import SubmitJobs

    other = UUID(run_action(CreateTenant, session.context(system=True), {"slug": "other"}).value["id"])
    context = session.installation.context(session.installation.os_principal(), other)
    theirs = run_action(SubmitJobs, context, {"kind": "work.noop", "jobs": [{}]}).value["jobs"][0]
    key = doors.key("owner")
    assert doors.get(f"/api/v1/work/jobs/{theirs}", key=key).status == 404
    for verb in ("cancel", "replay"):
        assert doors.post(f"/api/v1/work/job/{verb}", {"id": theirs}, key=key).status == 404
    assert doors.get("/api/v1/work/jobs", key=key).json["items"] == []


def test_a_list_of_jobs_costs_the_same_few_queries_however_many_there_are(doors, browser, run):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from trueup.kernel import tenancy
    from trueup.kernel.work.actions import SubmitJobs

    counts = []
    assert doors.get("/jobs/", client=browser).status == 200
    for _ in range(2):
        with tenancy.reaching_every():
            run(SubmitJobs, kind="work.noop", jobs=[{}] * 60)
        with CaptureQueriesContext(connection) as seen:
            assert doors.get("/jobs/", client=browser).status == 200
        counts.append(len([q for q in seen if "set_config" not in q["sql"]]))
    assert counts[0] == counts[1]
    assert counts[0] <= 12
