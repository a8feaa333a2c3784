"""Runs and baselines through pages and API: as roles permit, tenant by tenant, without a script or style in the page."""

import re
from uuid import UUID

import pytest

from tests.domains.telemetry.runfiles import SCOPE, write_run
from trueup.domains.telemetry.actions_baselines import CreateBaseline
from trueup.domains.telemetry.actions_runs import AnalyzeRun, IngestRun

CLEAN = re.compile(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=")


@pytest.fixture
def stand(run, tmp_path):
    """Two runs of one test; the second drifted; a version of the first."""
    for name, shift in (("r1", 0.0), ("r2", 1.0)):
        run(IngestRun, path=write_run(tmp_path / f"{name}.csv", 1 + (shift > 0), shift=shift), name=name, **SCOPE)
    run(AnalyzeRun, run="r1")
    run(AnalyzeRun, run="r2", baseline="r1")
    return run(CreateBaseline, runs=["r1"])


@pytest.fixture
def browser(doors):
    return doors.browser(doors.everyone)


def test_runs_are_listed_filtered_and_exported(doors, stand, browser):
    text = doors.get("/telemetry/runs/", client=browser).text
    assert 'href="/telemetry/runs/r1/"' in text
    assert 'href="/telemetry/runs/r2/"' in text
    drifted = doors.get("/telemetry/runs/?verdict=PASS_WITH_DRIFT", client=browser).text.partition('id="table-runs"')[2]
    assert ("/runs/r2/" in drifted, "/runs/r1/" in drifted) == (True, False)
    csv = doors.get("/telemetry/runs/?format=csv&name=r1", client=browser).text.splitlines()
    assert csv[0].startswith('"Run","Verdict"')
    assert [line.split(",")[:2] for line in csv[1:]] == [['"r1"', '"NO_BASELINE"']]


def test_the_page_of_a_run_shows_what_it_is_its_metrics_and_their_trend(doors, stand, browser):
    text = doors.get("/telemetry/runs/r2/?metric=volt", client=browser).text
    assert all(words in text for words in ("Aquila / psu / burn-in", "volt over 2 runs of this test", 'class="trend"', "against"))
    assert re.search(r"<desc>r1: 1[12]\.\d+, deviation 0\.\d+, NO_BASELINE; r2: 1[23]\.\d+", text)
    assert not CLEAN.search(text)


def test_a_run_is_analysed_from_its_page(doors, stand, browser):
    done = doors.ask("POST", "/telemetry/runs/r1/", client=browser)
    assert done.status == 400
    browser.post("/telemetry/runs/r1/", {"do": "analyze", "baseline": stand["version"]})
    assert f"/telemetry/baselines/{stand['version']}/" in doors.get("/telemetry/runs/r1/", client=browser).text


def test_a_baseline_that_is_not_there_is_said_on_the_page(doors, stand, browser):
    answer = browser.post("/telemetry/runs/r1/", {"do": "analyze", "baseline": "nobody"})
    assert answer.status_code == 400
    assert "There is no other run or baseline version &#x27;nobody&#x27;" in answer.content.decode()


def test_a_version_is_made_from_a_runs_page_and_asked_for_on_its_own(doors, stand, browser):
    made = browser.post("/telemetry/runs/r1/", {"do": "baseline"})
    page = made["Location"]
    assert page == f"/telemetry/baselines/{stand['version']}/"  # the same of the same run is the same version
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', doors.get(page, client=browser).text)[1]
    asked = browser.post(page, {"do": "promote", "digest": digest, "tag": "golden", "reason": "certified"})
    assert (asked.status_code, asked["Location"].startswith("/approvals/")) == (302, True)
    assert "telemetry.baseline.promote" in doors.get(asked["Location"], client=browser).text


def test_a_version_that_bears_no_tag_cannot_be_rolled_back_from_its_page(doors, stand, browser):
    answer = browser.post(f"/telemetry/baselines/{stand['version']}/", {"do": "rollback", "tag": "golden", "reason": "x"})
    assert answer.status_code == 400
    assert "is not golden now" in answer.content.decode()
    assert browser.post(f"/telemetry/baselines/{stand['version']}/", {"do": "else"}).status_code == 400


def test_versions_are_listed_with_their_fitness(doors, stand, browser):
    text = doors.get("/telemetry/baselines/", client=browser).text
    assert f'href="/telemetry/baselines/{stand["version"]}/"' in text
    page = doors.get(f"/telemetry/baselines/{stand['version']}/", client=browser).text
    assert all(words in page for words in ("samples", "600 values, 100 are needed", "It never bore one"))
    assert not CLEAN.search(page)


def test_a_viewer_sees_runs_and_changes_none(doors, stand):
    viewer = doors.browser(doors.people.add("viewer@example.org", "viewer"))
    text = doors.get("/telemetry/runs/r1/", client=viewer).text
    assert 'value="analyze"' not in text
    assert viewer.post("/telemetry/runs/r1/", {"do": "analyze"}).status_code == 403
    assert viewer.post(f"/telemetry/baselines/{stand['version']}/", {"do": "rollback", "reason": "x"}).status_code == 403


@pytest.mark.requirement("telemetry:W8.3.3")
@pytest.mark.parametrize("path", ["/telemetry/runs/", "/telemetry/runs/r1/", "/telemetry/baselines/"])
def test_nobody_without_a_credential_sees_a_run(doors, stand, path):
    assert doors.get(path).status == 302
    assert doors.get(f"/api/v1{path}".rstrip("/").replace("/r1", "").replace("/runs/", "/runs")).status == 401


def test_the_api_lists_runs_and_versions_and_shows_one_run(doors, stand):
    key = doors.key("viewer")
    listed = doors.get("/api/v1/telemetry/runs?verdict=PASS_WITH_DRIFT", key=key).json["items"]
    assert [row["run"] for row in listed] == ["r2"]
    one = doors.get("/api/v1/telemetry/run?name=r2", key=key).json
    assert [m["metric"] for m in one["metric_numbers"]] == ["amp", "volt"]
    assert one["analyses"][0]["verdict"] == "PASS_WITH_DRIFT"
    assert doors.get("/api/v1/telemetry/run?name=nobody", key=key).status == 404
    assert doors.get("/api/v1/telemetry/baselines", key=key).json["items"][0]["version"] == stand["version"]


def test_a_run_is_analysed_and_a_version_asked_for_over_the_api(doors, stand):
    key = doors.key("operator")
    done = doors.post("/api/v1/telemetry/run/analyze", {"run": "r2", "baseline": "r1"}, key=key)
    assert done.status == 200
    assert done.json["verdict"] == "PASS_WITH_DRIFT"
    held = doors.post("/api/v1/telemetry/baseline/promote", {"version": stand["version"], "digest": stand["digest"]}, key=key)
    assert held.status == 202
    refused = doors.post("/api/v1/telemetry/run/analyze", {"run": "r2"}, key=doors.key("viewer"))
    assert refused.status == 403


def test_runs_and_versions_of_another_tenant_are_not_there(doors, session, stand, tmp_path):
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.identity.actions import CreateTenant

    other = UUID(run_action(CreateTenant, session.context(system=True), {"slug": "other"}).value["id"])
    context = session.installation.context(session.installation.os_principal(), other)
    run_action(IngestRun, context, {"path": write_run(tmp_path / "x.csv", 9), "name": "theirs"})
    key = doors.key("owner")
    assert doors.get("/api/v1/telemetry/run?name=theirs", key=key).status == 404
    assert "theirs" not in doors.get("/api/v1/telemetry/runs", key=key).text
    assert doors.post("/api/v1/telemetry/run/analyze", {"run": "theirs"}, key=key).status == 404
    assert doors.post("/api/v1/telemetry/run/analyze", {"run": "r1", "baseline": "theirs"}, key=key).status == 404
    assert doors.get("/telemetry/runs/theirs/", client=doors.browser(doors.everyone)).status == 404


def test_the_list_of_runs_costs_the_same_few_queries_however_many_there_are(doors, session, browser, run, tmp_path):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from trueup.domains.telemetry.models import Run
    from trueup.kernel import tenancy

    run(IngestRun, path=write_run(tmp_path / "r.csv", 1), name="r")
    counts = []
    assert doors.get("/telemetry/runs/", client=browser).status == 200
    for step in range(2):
        with tenancy.reaching_every():
            first = Run.objects.get(tenant=session.tenant, name="r")
            for n in range(40):
                first.pk = UUID(int=1000 * (step + 1) + n)
                first.name = f"copy-{step}-{n}"
                first.save(force_insert=True)
        with CaptureQueriesContext(connection) as seen:
            assert doors.get("/telemetry/runs/", client=browser).status == 200
        counts.append(len([q for q in seen if "set_config" not in q["sql"]]))
    assert counts[0] == counts[1]
    assert counts[0] <= 12


def upload(tmp_path, name, seed, shift=0.0):
    from django.core.files.uploadedfile import SimpleUploadedFile

    return SimpleUploadedFile(f"{name}.csv", write_run(tmp_path / f"{name}.csv", seed, shift=shift).read_bytes())


def test_a_comparison_is_submitted_from_a_form_and_shows_how_far_it_is(doors, browser, tmp_path):
    files = {"baseline": upload(tmp_path, "a", 1), "run": upload(tmp_path, "b", 2)}
    sent = browser.post("/telemetry/compare/", {**files, "subject": "rig-1", "critical": "volt, amp"})
    assert sent.status_code == 302
    page = doors.get(sent["Location"], client=browser)
    assert "b.csv against a.csv" in page.text
    assert 'hx-trigger="every 1s"' in page.text
    job = doors.get(f"/api/v1/work/jobs/{sent['Location'].split('/')[-2]}", key=doors.key("viewer")).json
    assert (job["kind"], job["args"]["critical"], job["args"]["subject"]) == ("telemetry.compare", ["volt", "amp"], "rig-1")


def test_a_form_without_a_file_says_so(doors, browser, tmp_path):
    answer = browser.post("/telemetry/compare/", {"baseline": upload(tmp_path, "a", 1)})
    assert (answer.status_code, b"Run: no file was sent" in answer.content) == (400, True)


def test_files_are_uploaded_and_compared_over_the_api(doors, tmp_path):
    from django.test import Client

    key, client = doors.key("analyst"), Client(HTTP_HOST="localhost", raise_request_exception=False)
    stored = {}
    for role, seed, shift in (("baseline", 1, 0.0), ("run", 2, 1.0)):
        sent = client.post(
            "/api/v1/telemetry/uploads", {"file": upload(tmp_path, role, seed, shift)}, HTTP_AUTHORIZATION=f"Bearer {key}"
        )
        assert sent.status_code == 200, sent.content
        stored[role] = sent.json()
    done = doors.post("/api/v1/telemetry/comparison/run", stored, key=key)
    assert (done.status, done.json["verdict"]) == (200, "PASS_WITH_DRIFT")
    assert done.json["files"]["run"]["name"] == "run.csv"
    missing = {**stored, "run": {"sha256": "0" * 64, "name": "x.csv"}}
    assert doors.post("/api/v1/telemetry/comparison/submit", missing, key=key).status == 404


def test_a_viewer_uploads_and_compares_nothing(doors, tmp_path):
    from django.test import Client

    client = Client(HTTP_HOST="localhost", raise_request_exception=False)
    sent = client.post(
        "/api/v1/telemetry/uploads", {"file": upload(tmp_path, "a", 1)}, HTTP_AUTHORIZATION=f"Bearer {doors.key('viewer')}"
    )
    assert sent.status_code == 403
    viewer = doors.browser(doors.people.add("viewer@example.org", "viewer"))
    assert "takes the role operator or analyst" in doors.get("/telemetry/compare/", client=viewer).text
    files = {"baseline": upload(tmp_path, "a", 1), "run": upload(tmp_path, "b", 2)}
    assert viewer.post("/telemetry/compare/", files).status_code == 403


def test_a_job_of_another_kind_is_no_comparison(doors, browser, run):
    from trueup.kernel.work.actions import SubmitJobs

    other = run(SubmitJobs, kind="work.noop", jobs=[{}])["jobs"][0]
    for id in (other, "nothing", str(UUID(int=5))):
        assert doors.get(f"/telemetry/compare/{id}/", client=browser).status == 404


def test_the_list_of_runs_begins_with_what_drifts_again_and_again(doors, stand, browser):
    text = doors.get("/telemetry/runs/", client=browser).text
    assert "<strong>volt</strong> in 1 run" in text
    found = doors.get("/api/v1/telemetry/rollup?program=Aquila", key=doors.key("viewer")).json
    assert (found["verdict"], found["runs"], found["recurring"][0]["metric"]) == ("NO_BASELINE", 2, "volt")
