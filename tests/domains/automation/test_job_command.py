"""``trueup automation job`` and ``worker``, through the installed command."""

import json
import tempfile
from pathlib import Path

import pytest

from tests.domains.automation.egress.sites import answering, text
from trueup.domains.automation.browser.launch import executable

PAGE = "<html><head><title>t</title></head><body><h1>hello</h1></body></html>"


@pytest.fixture
def opened(trueup):
    """Authorize a port of this machine."""

    def call(port, **policy):
        asked = trueup(
            *("automation", "authorize", "request", "127.0.0.1", "--port", port, "--method", "loopback"),
            *("--contact", "tests", "--own", "--json"),
        ).json
        for step in ("evidence", "verify", "activate"):
            assert trueup("automation", "authorize", step, asked["id"]).code == 0
        put = ("automation", "policy", "put", "127.0.0.1", "--port", port, "--per-minute", 100, "--per-hour", 1000)
        assert trueup(*put, "--concurrent", 4).code == 0

    return call


@pytest.mark.requirement("automation:AR-3")
def test_a_job_is_asked_for_done_and_shown(trueup, opened):
    with answering(text(PAGE, Content_Type="text/html")) as site:
        opened(site.port)
        payload = json.dumps({"fields": {"title": "h1"}, "store_as": "page"})
        done = trueup("automation", "job", "submit", site.url("/a"), "--payload", payload, "--wait", "--json")
        assert (done.code, done.json["state"]) == (0, "completed"), done.err
        assert done.json["result"]["stored"] == {"page": {"title": "hello"}}
        again = trueup("automation", "job", "submit", site.url("/b"), "--type", "fetch", "--key", "k", "--json").json["jobs"]
        assert (
            trueup("automation", "job", "submit", site.url("/b"), "--type", "fetch", "--key", "k", "--json").json["jobs"] == again
        )
        assert trueup("automation", "job", "submit", site.url("/c"), "--type", "fetch", "--key", "k").code == 7
        drained = trueup("automation", "worker", "--drain", "--allow-unsandboxed")
        assert drained.code == 0, drained.err
        shown = trueup("automation", "job", "show", again[0])
        assert "completed" in shown.out
        left = trueup("automation", "job", "egress", again[0], "--json").json["hops"]
        assert [(hop["url"], hop["allowed"]) for hop in left] == [(site.url("/b"), True)]
        assert [row["state"] for row in trueup("automation", "job", "list", "--json").json["jobs"]] == ["completed", "completed"]


def test_jobs_of_a_file_are_asked_for_and_a_wrong_line_is_named(trueup, opened, tmp_path):
    rows = tmp_path / "jobs.jsonl"
    with answering(text("x")) as site:
        opened(site.port)
        rows.write_text("".join(json.dumps({"url": site.url(f"/{n}"), "job_type": "fetch"}) + "\n" for n in range(3)))
        found = trueup("automation", "job", "submit", "--file", rows, "--wait", "--json")
        assert (found.code, [row["state"] for row in found.json["jobs"]]) == (0, ["completed"] * 3)
        rows.write_text('{"url": "http://127.0.0.1/"}\nno\n')
        wrong = trueup("automation", "job", "submit", "--file", rows)
    assert (wrong.code, "jobs.jsonl:2" in wrong.err) == (2, True)


def test_steps_come_from_a_file_and_what_a_rule_refuses_ends_with_5(trueup, opened, tmp_path):
    steps = tmp_path / "steps.yaml"
    with answering(text(PAGE, Content_Type="text/html")) as site:
        opened(site.port)
        steps.write_text("steps:\n  - action: assert\n    condition: {selector: h1, text: hello}\n  - action: capture\n")
        assert trueup("automation", "job", "submit", site.url("/"), "--steps", steps, "--wait").code == 0
        steps.write_text("- action: assert\n  condition: {selector: h1, text: bye}\n")
        failed = trueup("automation", "job", "submit", site.url("/"), "--steps", steps, "--wait")
        assert (failed.code, "ASSERTION_FAILED" in failed.out) == (20, True)
        refused = trueup("automation", "job", "submit", "http://10.0.0.1/", "--json")
        assert (refused.code, refused.json["error"]["details"]["rule_ids"]) == (5, ["egress.address.private"])
        assert trueup("automation", "job", "submit", "http://[::ffff:10.0.0.1]/").code == 5


def test_a_waiting_job_is_cancelled_and_tried_again(trueup, opened):
    with answering(text("x")) as site:
        opened(site.port)
        (id,) = trueup("automation", "job", "submit", site.url("/"), "--type", "fetch", "--json").json["jobs"]
        assert trueup("automation", "job", "cancel", id).code == 0
        assert "cancelled" in trueup("automation", "job", "show", id).out
        assert trueup("automation", "job", "retry", id).code == 0
        assert trueup("automation", "worker", "--drain").code == 0
        assert "completed" in trueup("automation", "job", "show", id).out
        assert trueup("automation", "job", "show", "00000000-0000-4000-8000-000000000000").code == 4
        assert trueup("automation", "job", "submit", site.url("/"), "--allow-unsandboxed").code == 2


@pytest.fixture
def bare():
    """Return a browser that starts without its sandbox, in a place that its unprivileged user can read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        place = Path(folder) / "chromium"
        place.write_text(f'#!/bin/sh\nexec {executable()} --no-sandbox "$@"\n')
        place.chmod(0o755)
        yield str(place)


def test_without_a_sandbox_no_page_is_opened_unless_that_is_allowed_and_then_evidence_says_so(trueup, opened, bare, tmp_path):
    with answering(text(PAGE, Content_Type="text/html")) as site:
        opened(site.port)
        ask = ("automation", "job", "submit", "--wait", "--json")
        refused = trueup(*ask, site.url("/a"), env={"TRUEUP_CHROMIUM": bare})
        assert (refused.code, refused.json["state"], refused.json["error"]["code"]) == (30, "retry_wait", "SANDBOX_MISSING")
        assert "--allow-unsandboxed" in refused.json["error"]["message"]
        assert site.asked == []
        done = trueup(*ask, site.url("/b"), "--allow-unsandboxed", env={"TRUEUP_CHROMIUM": bare})
        assert (done.code, done.json["state"]) == (0, "completed"), done.err
        manifest = tmp_path / "manifest.json"
        trueup("evidence", "artifact", "get", done.json["executions"][0]["manifest"], "--out", manifest)
        seen = json.loads(manifest.read_text())["browser"]
        assert (seen["sandbox"], seen["unsandboxed_allowed"]) == ("off", True)
