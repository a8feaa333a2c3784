"""Every type of job, from the API over the worker to a real browser, and read back over the API."""

import hashlib
import json

import pytest
from aiohttp import web

from tests.domains.automation.consent import consented
from tests.domains.automation.egress.sites import answering
from tests.domains.automation.test_fetch_jobs import drain  # noqa: F401 - a fixture
from tests.support.doors import Doors
from trueup.domains.automation.engine import jobtypes
from trueup.kernel.secrets.actions import PutSecret

API = "/api/v1/automation"
SCRIPT = "() => document.querySelectorAll('.price').length"
PAGE = """<h1>Shop</h1><p class=price>12.50</p>
<button id=more onclick="fetch('/data').then(r => r.json()).then(d => {out.textContent = d.n})">more</button><p id=out></p>
<form id=order method=post action=/order><input name=what id=what><button id=send>send</button></form>
<form method=post action=/in><input id=u name=u><input id=p name=p type=password><button id=in>in</button></form>"""
FILE = b"id,price\n1,12.50\n"


async def shop(request):
    form = await request.post() if request.method == "POST" else {}
    match request.path:
        case "/data":
            return web.json_response({"n": 7})
        case "/file.csv":
            return web.Response(body=FILE, content_type="text/csv")
        case "/order":
            return web.Response(text=f"<p id=thanks>thanks for {form['what']}</p>", content_type="text/html")
        case "/in":
            said = "welcome" if (form["u"], form["p"]) == ("ann", "s3cret-word") else "no"
            return web.Response(text=f"<p id={said}>{said}</p>", content_type="text/html")
    return web.Response(text=PAGE, content_type="text/html")


JOBS = {
    "fetch": {},
    "navigate_extract": {"fields": {"title": "h1"}, "store_as": "page"},
    "price_extraction": {"fields": {"price": ".price"}, "store_as": "page"},
    "authenticate": {"credential": "shop", "user": "#u", "password": "#p", "submit": "#in", "success": "#welcome"},
    "form_submit": {
        "form": "#order", "fields": [{"selector": "#what", "value": "tea"}], "submit": "#send", "success": "#thanks",
        "expected_text": "thanks for tea",
    },
    "file_download": {"sha256": hashlib.sha256(FILE).hexdigest(), "media_types": ["text/csv"]},
    "screenshot_capture": {"full_page": True},
    "screenshot_diff": {"steps": [{"action": "click", "selector": "#more"}], "delay_ms": 300},
    "api_intercept": {"trigger": "#more", "match": "*/data"},
    "custom_script": {"script": SCRIPT, "store_as": "count"},
    "steps": {"steps": [{"action": "assert", "condition": {"selector": "h1", "text": "Shop"}}]},
}  # fmt: skip


@pytest.mark.requirement("automation:AR-3", "automation:W4")
def test_every_type_is_asked_for_over_the_api_done_in_a_browser_and_read_back(session, run, drain):
    assert JOBS.keys() == {jobtypes.FETCH, *jobtypes.TYPES}
    run(PutSecret, name="shop", value=json.dumps({"user": "ann", "password": "s3cret-word"}))
    doors = Doors(session)
    with answering(shop) as site:
        consented(run, session, site.port, "custom", scripts=[hashlib.sha256(SCRIPT.encode()).hexdigest()])
        rows = [
            {
                "url": site.url("/file.csv" if kind == "file_download" else "/"), "job_type": kind, "payload": payload,
                "strategy": "custom" if kind == "custom_script" else "vanilla",
            }
            for kind, payload in JOBS.items()
        ]  # fmt: skip
        answer = doors.post(f"{API}/jobs", {"jobs": rows}, key=doors.key("owner"))
        assert answer.status == 201, answer.text
        drain()
    viewer, found = doors.key("viewer"), {}
    for kind, id in zip(JOBS, answer.json["jobs"], strict=True):
        job = doors.get(f"{API}/jobs/{id}", key=viewer).json
        assert (kind, job["state"], job["error"]) == (kind, "completed", None)
        listed = doors.get(f"{API}/jobs/{id}/artifacts", key=viewer)
        found[kind] = (job["result"], {one["media_type"] for one in listed.json["items"]})
    assert found["fetch"][0]["status"] == 200
    assert found["navigate_extract"][0]["stored"] == {"page": {"title": "Shop"}}
    assert found["price_extraction"][0]["stored"] == {"page": {"price": "12.50"}}
    assert found["custom_script"][0]["stored"] == {"count": 1}
    assert "text/csv" in found["file_download"][1]
    assert {"image/png"} <= found["screenshot_capture"][1] & found["screenshot_diff"][1]
