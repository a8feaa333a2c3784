"""Files that steps fetch, and what is recorded of their requests, in a real browser."""

import io
import json
import zipfile
from dataclasses import replace

import pytest

from tests.domains.automation.browser.test_steps_files import CSV, PDF, downloads, linked, site, theatre  # noqa: F401 - fixtures
from tests.domains.automation.browser.theatre import QUICK, last
from trueup.domains.automation.browser.performed import Ended
from trueup.domains.automation.browser.room import Limits
from trueup.domains.automation.engine.codes import Code


def test_a_fetch_needs_no_page_before_it_and_follows_redirects(theatre):
    found, room = theatre.plays("", downloads(theatre, path="/moved", media_types=["text/*"]), opens=False)
    assert found.ended is Ended.COMPLETED
    assert last(found).data["url"] == theatre.site.url("/data.csv")
    assert (last(found).data["media_type"], last(found).data["file_name"]) == ("text/csv", "data.csv")
    assert room.named["data.csv"] == CSV


def test_a_fetch_has_the_pages_session(theatre):
    found, _ = theatre.plays("<script>document.cookie = 'who=ann'</script>", downloads(theatre, path="/private"))
    assert found.ended is Ended.COMPLETED
    found, _ = theatre.plays("", downloads(theatre, path="/private"))
    assert (found.code, last(found).data) == (Code.DOWNLOAD_FAILED, {"status": 401})


WRONG = (
    ({"sha256": "0" * 64}, Code.DOWNLOAD_HASH),
    ({"media_types": ["image/*"]}, Code.DOWNLOAD_TYPE),
    ({"min_bytes": 5_000, "max_bytes": 9_000}, Code.DOWNLOAD_TOO_SMALL),
    ({"max_bytes": 1_000}, Code.DOWNLOAD_TOO_LARGE),
)


@pytest.mark.parametrize("method", ["click", "link", "fetch"])
def test_a_file_that_is_not_what_is_expected_is_not_kept(theatre, method):
    steps = [downloads(theatre, method, on_error="continue", **more) for more, _ in WRONG]
    found, room = theatre.plays(linked("/report"), *steps, downloads(theatre, method, store_as="right"))
    assert [one.error.code for one in found.steps[1:-1]] == [code for _, code in WRONG]
    assert (found.ended, list(room.files.values())) == (Ended.COMPLETED, [PDF])


@pytest.mark.parametrize("method", ["click", "link", "fetch"])
def test_a_file_without_an_end_is_cut_off_on_its_way(theatre, site, method):
    found, room = theatre.plays(linked("/endless"), downloads(theatre, method, "/endless", max_bytes=100_000))
    assert (found.code, room.files) == (Code.DOWNLOAD_TOO_LARGE, {})
    assert site.sent < 15_000_000


def test_what_a_run_may_fetch_bounds_what_its_steps_allow(theatre):
    found, _ = theatre.plays("", downloads(theatre), limits=replace(QUICK, download_bytes=500))
    assert found.code is Code.DOWNLOAD_TOO_LARGE


def test_a_packed_file_is_measured_as_it_is_kept(theatre):
    found, _ = theatre.plays("", downloads(theatre, path="/bomb", max_bytes=100_000))
    assert found.code is Code.DOWNLOAD_TOO_LARGE


@pytest.mark.parametrize(
    ("method", "path", "more", "ended", "code"),
    [
        ("fetch", "/404", "", Ended.FAILED, Code.DOWNLOAD_FAILED),
        ("link", "/404", "", Ended.FAILED, Code.DOWNLOAD_FAILED),
        ("fetch", "/403", "", Ended.BLOCKED, Code.TARGET_BLOCKED),
        ("link", "/429", "", Ended.BLOCKED, Code.TARGET_BLOCKED),
        ("click", "/429", "", Ended.BLOCKED, Code.TARGET_BLOCKED),
        ("click", "/403", "download", Ended.BLOCKED, Code.TARGET_BLOCKED),
        ("click", "/404", "download", Ended.FAILED, Code.DOWNLOAD_FAILED),
        ("fetch", "/challenge", "", Ended.BLOCKED, Code.TARGET_BLOCKED),
    ],
)
def test_what_comes_instead_of_a_file_is_named_and_ends_the_run_where_it_has_to(theatre, method, path, more, ended, code):
    step = downloads(theatre, method, path, timeout_ms=4_000, retry={"attempts": 2, "wait_ms": 1})
    found, room = theatre.plays(linked(path, more), step)
    assert (found.ended, found.code, room.files) == (ended, code, {})
    if path == "/429":
        assert (found.retry_after, last(found).attempts) == ("60", 1)


@pytest.mark.parametrize("method", ["click", "link", "fetch"])
def test_a_file_that_policy_refuses_ends_the_run(theatre, method):
    bad = f"http://127.0.0.1:{theatre.forbidden.port}/file"
    step = downloads(theatre, method, on_error="continue", timeout_ms=4_000)
    step = {**step, "url": bad} if method == "fetch" else step
    found, _ = theatre.plays(linked(bad), step)
    assert (found.code, found.rules) == (Code.POLICY_VIOLATION, ("egress.address.loopback",))
    assert theatre.forbidden.heard == 0


def test_a_click_that_brings_no_file_is_a_timeout_and_a_link_that_is_none_a_failure(theatre):
    html = "<b id=it>x</b>"
    assert theatre.plays(html, downloads(theatre, "click", timeout_ms=900))[0].code is Code.STEP_TIMEOUT
    assert theatre.plays(html, downloads(theatre, "link", timeout_ms=3_000))[0].code is Code.DOWNLOAD_FAILED


def test_a_file_that_no_step_asked_for_is_not_taken(theatre):
    found, room = theatre.plays(
        "<script>setTimeout(() => location = '/report', 30)</script><h1>a</h1>", {"action": "wait", "ms": 200}
    )
    assert (found.ended, room.files) == (Ended.COMPLETED, {})


# api_intercept

CALLS = """<button id="it" onclick="for (const n of [1, 2]) fetch('/api/items?page=' + n); fetch('/other'); fetch('/api/fails')">x</button>"""


def test_requests_are_recorded_each_with_its_own_response(theatre):
    step = {
        "action": "api_intercept",
        "trigger": "#it",
        "match": "*/api/*",
        "min_responses": 3,
        "bodies": True,
        "store_as": "calls",
    }
    found, room = theatre.plays(CALLS, step)
    assert last(found).data["responses"] == 3
    calls = {one["url"].rpartition("/api/")[2]: one for one in found.stored["calls"]}
    assert calls.keys() == {"items?page=1", "items?page=2", "fails"}
    assert json.loads(calls["items?page=2"]["body"]) == {"items": [1, 2], "page": "2"}
    assert (calls["fails"]["status"], calls["items?page=1"]["status"]) == (500, 200)
    entries = json.loads(room.named["step-2.har"])["log"]["entries"]
    assert len(entries) == 3
    for entry in entries:
        page = {one["name"]: one["value"] for one in entry["request"]["queryString"]}.get("page")
        assert page is None or json.loads(entry["response"]["content"]["text"])["page"] == page
        assert entry["response"]["status"] == (500 if entry["request"]["url"].endswith("fails") else 200)


def test_without_being_asked_for_no_bodies_are_kept_and_too_few_answers_are_a_failure(theatre):
    step = {"action": "api_intercept", "trigger": "#it", "match": "*/api/items*", "min_responses": 2}
    found, room = theatre.plays(CALLS, step)
    assert b'"text"' not in room.named["step-2.har"]
    assert "body" not in last(found).data["exchanges"][0]
    found, _ = theatre.plays(CALLS, {**step, "min_responses": 5, "wait_ms": 150})
    assert (found.code, len(last(found).data["exchanges"])) == (Code.RESPONSE_MISSING, 2)
    found, _ = theatre.plays(CALLS, {**step, "trigger": "#none", "timeout_ms": 200})
    assert found.code is Code.SELECTOR_NOT_FOUND


# evidence of a whole run


def test_a_run_leaves_evidence_of_all_that_it_saw(theatre):
    html = (
        "<h1>Hi</h1><script>console.warn('careful', 7); setTimeout(() => { throw new Error('oops') })</script><img src='/logo'>"
    )
    found, room = theatre.plays(html, {"action": "wait", "ms": 50}, limits=Limits())
    assert [one.name for one in found.artifacts] == [
        "final.html", "final.txt", "final.png", "final.har", "final.console.jsonl", "final.trace.jsonl"
    ]  # fmt: skip
    assert found.left_out == {}
    lines = [json.loads(line) for line in room.named["final.console.jsonl"].splitlines()]
    assert {(one["type"], one["text"]) for one in lines} >= {("warning", "careful 7"), ("uncaught", "oops")}
    log = json.loads(room.named["final.har"])["log"]
    assert [one["request"]["url"].rpartition("/")[2] for one in log["entries"]][:2] == ["page", "logo"]
    assert all(one["time"] > 0 and one["response"]["status"] == 200 for one in log["entries"])
    trace = [json.loads(line) for line in room.named["final.trace.jsonl"].splitlines()]
    assert {(one["what"], one.get("path", one.get("status"))) for one in trace} == {
        ("document", 200),
        ("step", "1"),
        ("step", "2"),
    }


def test_a_run_that_fails_leaves_evidence_too(theatre):
    found, room = theatre.plays("<h1>Hi</h1>", {"action": "click", "selector": "#no", "timeout_ms": 50}, limits=Limits())
    assert found.ended is Ended.FAILED
    assert b"<h1>Hi</h1>" in room.named["final.html"]


def test_a_blocked_run_leaves_evidence_of_what_blocked_it(theatre):
    step = {"action": "navigate", "url": theatre.site.url("/429")}
    found, room = theatre.plays("", step, limits=Limits(), opens=False)
    assert (found.ended, found.status) == (Ended.BLOCKED, 429)
    assert room.named["final.txt"] == b"no"


def test_only_what_is_asked_for_is_kept_and_within_bounds(theatre):
    limits = replace(Limits(), evidence=frozenset({"html", "console"}), text_bytes=600)
    html = f"<p>{'x' * 5_000}</p><script>for (let n = 0; n < 50; n++) console.log('line ' + n)</script>"
    _, room = theatre.plays(html, limits=limits)
    assert set(room.named) == {"final.html", "final.console.jsonl"}
    assert room.named["final.html"].endswith(b"characters in all]")
    assert len(room.named["final.html"]) < 700
    assert json.loads(room.named["final.console.jsonl"].splitlines()[-1])["what"] == "left out"


def test_a_page_that_never_answers_does_not_hold_its_evidence(theatre, monkeypatch):
    from trueup.domains.automation.browser import evidence

    monkeypatch.setattr(evidence, "SECONDS", 1.0)
    html = "<button id=it onclick='setTimeout(() => { for (;;); }, 0)'>x</button>"
    found, room = theatre.plays(html, {"action": "click", "selector": "#it", "timeout_ms": 300}, limits=Limits())
    assert {"html", "text", "screenshot"} <= set(found.left_out)
    assert "final.har" in room.named


def test_an_archive_in_a_zip_is_known_for_what_it_is():
    from trueup.domains.automation.engine.media import media_type_of

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("xl/workbook.xml", "<x/>")
    assert media_type_of(out.getvalue()).endswith("spreadsheetml.sheet")
