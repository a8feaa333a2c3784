"""Jobs in a real browser, through the worker that users run."""

import asyncio
import json
import time
from threading import Thread

import pytest
from aiohttp import web

from tests.domains.automation.egress.listening import Forbidden
from tests.domains.automation.egress.sites import answering
from tests.domains.automation.test_fetch_jobs import asked, drain, hops, shown, site_of, stored  # noqa: F401 - fixtures
from trueup.domains.automation import breakers, meters
from trueup.domains.automation.actions_force import Revoke
from trueup.kernel.secrets.actions import PutSecret
from trueup.kernel.work.actions import CancelJob

PAGE = "<html><head><title>t</title></head><body><h1>hello</h1><a href='/b'>on</a><img src='/p.png'></body></html>"


def page(html=PAGE):
    async def handler(request):
        if request.path == "/robots.txt":
            return web.Response(text="")
        return web.Response(text=html, content_type="text/html")

    return handler


def test_a_page_is_read_and_everything_of_it_is_kept(session, asked, drain, site_of):
    with answering(page()) as site:
        site_of(site, own=True)
        id = asked(site.url("/a"), job_type="navigate_extract", payload={"fields": {"title": "h1"}, "store_as": "found"})
        drain()
    job = shown(session, id)
    assert (job["state"], job["error"]) == ("completed", None)
    assert job["result"]["stored"] == {"found": {"title": "hello"}}
    (row,) = job["executions"]
    manifest = json.loads(stored(session, row["manifest"]))
    names = {one["name"] for one in manifest["artifacts"]}
    kinds = {one["media_type"] for one in manifest["artifacts"]}
    assert {"image/png", "text/html"} <= kinds, names
    assert manifest["browser"]["sandbox"] == "on"
    assert [step["success"] for step in manifest["steps"]] == [True, True, True]
    left = hops(session, row)
    assert {hop["via"] for hop in left} == {"browser"}
    assert all(hop["allowed"] for hop in left)


def test_a_page_of_many_parts_counts_once_against_the_limits(session, asked, drain, site_of):
    parts = "".join(
        f"<img src='/p{n}.png'><iframe src='/f{n}'></iframe>" if n < 1 else f"<img src='/p{n}.png'>" for n in range(20)
    )
    with answering(page(f"<h1>many</h1>{parts}")) as site:
        site_of(site, own=True, limits={"per_minute": 3, "concurrent": 1})
        id = asked(site.url("/a"), job_type="screenshot_capture")
        drain()
    job = shown(session, id)
    assert job["state"] == "completed"
    assert len(hops(session, job["executions"][0])) > 20


@pytest.mark.requirement("automation:W2")
@pytest.mark.parametrize("strategy", ["vanilla", "stealth", "matrix"])
def test_page_script_sees_that_a_program_is_at_work_in_every_tier(session, asked, drain, site_of, strategy):
    html = "<body><p id='w'></p><p id='ua'></p><script>w.textContent=String(navigator.webdriver);ua.textContent=navigator.userAgent</script>"
    with answering(page(html)) as site:
        site_of(site, own=True, strategies=["vanilla", "stealth", "matrix"])
        payload = {"fields": {"webdriver": "#w", "agent": "#ua"}, "store_as": "seen"}
        payload |= {"profiles": ["desktop", "desktop-dark", "phone"]} if strategy == "matrix" else {}
        id = asked(site.url("/"), job_type="navigate_extract", strategy=strategy, payload=payload)
        drain()
    job = shown(session, id)
    assert job["state"] == "completed", job["error"]
    manifest = json.loads(stored(session, job["executions"][0]["manifest"]))
    extracted = [step["data"]["fields"] for step in manifest["steps"] if step["action"] == "extract"]
    assert len(extracted) == (3 if strategy == "matrix" else 1)
    assert {one["webdriver"] for one in extracted} == {"true"}
    assert all("Trueup/" in one["agent"] for one in extracted)
    if strategy == "matrix":
        compared = job["result"]["compared"]
        assert [(one["profile"], one["with"], one["changed"]) for one in compared] == [("desktop-dark", "desktop", 0.0)]


@pytest.mark.requirement("automation:FR-P8")
def test_a_redirect_in_a_browser_to_a_forbidden_place_is_refused_and_nothing_is_sent_there(session, asked, drain, site_of):
    with Forbidden() as forbidden:

        async def away(request):
            if request.path == "/robots.txt":
                return web.Response(text="")
            return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{forbidden.port}/"})

        with answering(away) as site:
            site_of(site, own=True)
            id = asked(site.url("/"), job_type="screenshot_capture")
            drain()
        assert forbidden.connections == 0
    job = shown(session, id)
    assert (job["state"], job["error"]["code"]) == ("denied", "POLICY_VIOLATION")


@pytest.mark.parametrize(("status", "headers"), [(403, {}), (429, {"Retry-After": "600"}), (200, {"cf-mitigated": "challenge"})])
def test_a_target_that_asks_a_browser_to_leave_is_left_alone_by_every_tier(session, asked, drain, site_of, status, headers):
    async def no(_request):
        return web.Response(status=status, headers=headers, text="<h1>no</h1>", content_type="text/html")

    with answering(no) as site:
        site_of(site, own=True, strategies=["vanilla", "stealth", "matrix"])
        id = asked(site.url("/"), job_type="screenshot_capture", strategy="matrix")
        drain()
        assert len([path for _, path, _ in site.asked if path == "/"]) == 1
    authority = f"127.0.0.1:{site.port}"
    assert breakers.of(session.tenant, authority).failures == 1
    wait = meters.usage(session.tenant, authority, session.context().now).not_before
    assert (wait is not None) == ("Retry-After" in headers)
    assert (shown(session, id)["state"], shown(session, id)["error"]["code"]) == ("failed", "TARGET_BLOCKED")


@pytest.mark.requirement("automation:FR-O4")
def test_a_slow_page_is_timed_out_and_a_running_one_cancelled_at_once(session, run, asked, drain, site_of):
    began = []

    async def slow(request):
        if request.path == "/robots.txt":
            return web.Response(text="")
        began.append(time.monotonic())
        await asyncio.sleep(5 if request.path == "/5s" else 30)
        return web.Response(text="late")

    with answering(slow) as site:
        site_of(site, own=True)
        timed = asked(site.url("/5s"), job_type="screenshot_capture", timeout_seconds=1)
        drain()
        assert (shown(session, timed)["state"], shown(session, timed)["error"]["code"]) == ("timed_out", "JOB_TIMEOUT")
        began.clear()
        id = asked(site.url("/30s"), job_type="screenshot_capture")
        worker = Thread(target=drain)
        worker.start()
        while not began:
            time.sleep(0.02)
        at = time.monotonic()
        run(CancelJob, id=str(id))
        while shown(session, id)["state"] == "running":
            time.sleep(0.02)
        assert time.monotonic() - at < 2.0
        worker.join()
    assert shown(session, id)["state"] == "cancelled"


def test_an_authorization_that_is_revoked_stops_a_run_between_its_steps(session, run, asked, drain, site_of):
    began = []

    async def noting(request):
        began.append(request.path)
        return web.Response(text="" if request.path == "/robots.txt" else "<h1>x</h1>", content_type="text/html")

    with answering(noting) as site:
        authorization = site_of(site, own=True)
        steps = [{"action": "wait", "ms": 1500}, {"action": "navigate", "url": site.url("/b")}]
        id = asked(site.url("/a"), job_type="steps", payload={"steps": steps})
        worker = Thread(target=drain)
        worker.start()
        while "/a" not in began:
            time.sleep(0.02)
        run(Revoke, id=authorization, reason="over")
        worker.join()
    assert "/b" not in began
    assert shown(session, id)["state"] == "denied"


SIGN_IN = """<form method=post action=/in><input id=u name=u><input id=p name=p type=password><button id=b>in</button></form>"""


def test_somebody_signs_in_by_reference_and_the_session_is_kept_sealed(session, run, asked, drain, site_of):
    async def handler(request):
        if request.path == "/in":
            form = await request.post()
            good = (form["u"], form["p"]) == ("ann", "s3cret-word")
            answer = web.Response(text="<p id=ok>welcome</p>" if good else "no", content_type="text/html")
            answer.set_cookie("sid", "cookie-value")
            return answer
        if request.path == "/mine":
            return web.Response(text=f"<h1>{request.cookies.get('sid', 'nobody')}</h1>", content_type="text/html")
        return web.Response(text="" if request.path == "/robots.txt" else SIGN_IN, content_type="text/html")

    run(PutSecret, name="shop", value=json.dumps({"user": "ann", "password": "s3cret-word"}))
    with answering(handler) as site:
        site_of(site, own=True)
        payload = {"credential": "shop", "user": "#u", "password": "#p", "submit": "#b", "success": "#ok"}
        first = asked(site.url("/"), job_type="authenticate", payload=payload, session="ann")
        drain()
        assert shown(session, first)["state"] == "completed", shown(session, first)["error"]
        second = asked(
            site.url("/mine"), payload={"fields": {"who": "h1"}, "store_as": "me"}, session="ann", job_type="navigate_extract"
        )
        drain()
    assert shown(session, second)["result"]["stored"] == {"me": {"who": "cookie-value"}}
    for file in session.installation.home.path.rglob("*"):
        if file.is_file():
            assert b"s3cret-word" not in file.read_bytes(), file


def test_a_secret_is_not_typed_elsewhere(session, run, asked, drain, site_of):
    run(PutSecret, name="shop", value=json.dumps({"user": "ann", "password": "s3cret-word"}))
    with answering(page(SIGN_IN)) as elsewhere, answering(page(SIGN_IN)) as site:
        site_of(elsewhere, own=True)
        site_of(site, own=True)
        from trueup.domains.automation.actions_policies import PutPolicy

        run(PutPolicy, host="127.0.0.1", ports=[site.port, elsewhere.port], per_minute=100, per_hour=1000)
        sign_in = {
            "action": "authenticate",
            "credential": "shop",
            "user": "#u",
            "password": "#p",
            "submit": "#b",
            "success": "h1",
        }
        steps = [{"action": "navigate", "url": elsewhere.url("/")}, sign_in]
        id = asked(site.url("/"), job_type="steps", payload={"steps": [{"action": "capture"}, *steps]})
        drain()
        assert [path for method, path, _ in elsewhere.asked if method == "POST"] == []
    assert shown(session, id)["state"] in ("failed", "denied")
