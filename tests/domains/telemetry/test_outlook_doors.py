"""Asserts and early warning through API and pages: as roles permit, and only of the tenant's own runs."""

import re

import pytest

from tests.domains.telemetry.runfiles import SCOPE, write_run
from trueup.domains.telemetry.actions_config import PutRegistry
from trueup.domains.telemetry.actions_runs import IngestRun

CLEAN = re.compile(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=")
ASSERTS = {"asserts": [{"id": "high", "metric": "volt", "op": "<=", "value": 12.2}]}


@pytest.fixture
def stand(run, tmp_path):
    """Eight runs of one test whose voltage creeps towards its limit."""
    run(PutRegistry, registry={"version": 1, "metrics": {"volt": {"unit": "V", "invariant_max": 15}, "amp": {"unit": "A"}}})
    for place in range(8):
        run(IngestRun, path=write_run(tmp_path / f"s{place}.csv", place, shift=0.25 * place, rows=60), name=f"s{place}", **SCOPE)


def test_the_page_of_a_run_warns_of_what_the_runs_before_it_show(doors, stand):
    text = doors.get("/telemetry/runs/s7/?metric=volt", client=doors.browser(doors.everyone)).text
    assert "the room to the limit shrank from" in text
    assert "if it goes on so the limit is met in" in text
    assert text.count("if it goes on so the limit is met in") + text.count("If it goes on so the limit is met in") == 2
    assert not CLEAN.search(text)


def test_the_page_of_an_early_run_says_that_there_are_too_few(doors, stand):
    text = doors.get("/telemetry/runs/s2/", client=doors.browser(doors.everyone)).text
    assert "Early warning needs 6 runs of this test; up to this one there are 3." in text


def test_the_api_tells_an_outlook_to_who_may_read(doors, stand):
    key = doors.key("viewer")
    found = doors.get("/api/v1/telemetry/outlook?run=s7", key=key).json
    assert (found["verdict"], found["runs"][-1]) == ("PASS_WITH_DRIFT", "s7")
    assert [item["metric"] for item in found["findings"]] == ["volt"]
    assert doors.get("/api/v1/telemetry/outlook?run=s7&metric=amp", key=key).json["verdict"] == "PASS"
    assert doors.get("/api/v1/telemetry/outlook?run=s7&metric=gone", key=key).status == 404
    assert doors.get("/api/v1/telemetry/outlook?run=nobody", key=key).status == 404
    assert doors.get("/api/v1/telemetry/outlook?run=s7").status == 401


def test_an_outlook_and_asserts_are_recorded_over_the_api_by_who_may_operate(doors, stand):
    key = doors.key("operator")
    warned = doors.post("/api/v1/telemetry/series/warn", {"run": "s7"}, key=key)
    assert (warned.status, warned.json["verdict"]) == (200, "PASS_WITH_DRIFT")
    held = doors.post("/api/v1/telemetry/run/assert", {"run": "s7", "asserts": ASSERTS}, key=key)
    assert (held.status, held.json["verdict"], held.json["findings"][0]["kind"]) == (200, "FAIL", "assert")
    odd = doors.post("/api/v1/telemetry/run/assert", {"run": "s7", "asserts": {"asserts": []}}, key=key)
    assert odd.status == 400
    for path in ("series/warn", "run/assert"):
        body = {"run": "s7"} | ({"asserts": ASSERTS} if path == "run/assert" else {})
        assert doors.post(f"/api/v1/telemetry/{path}", body, key=doors.key("viewer")).status == 403


@pytest.mark.requirement("telemetry:S5.1")
def test_the_report_of_asserts_is_listed_and_shown(doors, stand):
    made = doors.post("/api/v1/telemetry/run/assert", {"run": "s7", "asserts": ASSERTS}, key=doors.key("operator")).json
    browser = doors.browser(doors.everyone)
    report = made["artifacts"]["report.html"]
    assert f"/telemetry/{report}/" in doors.get("/telemetry/", client=browser).text
    text = doors.get(f"/telemetry/{report}/report/", client=browser).text
    assert "volt &lt;= 12.2" in text
    assert "does not hold" in text
    assert not CLEAN.search(text.replace("<style>", ""))
