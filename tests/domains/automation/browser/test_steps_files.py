"""Pictures, comparisons, files, recorded requests and evidence, in a real browser."""

import asyncio
import gzip
import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from aiohttp import ClientConnectionError, web
from PIL import Image

from tests.domains.automation.browser.theatre import QUICK, Theatre, last
from trueup.domains.automation.browser.performed import Ended
from trueup.domains.automation.engine.codes import Code

PDF = b"%PDF-1.7\n" + b"x" * 3_000
CSV = b"name,count\nann,3\n"


class Site:
    """Files, and an API."""

    def __init__(self):
        self.sent = 0

    async def __call__(self, request):  # noqa: PLR0911
        as_file = {"Content-Disposition": 'attachment; filename="../../re/port.pdf"'}
        match request.path:
            case "/report":
                return web.Response(body=PDF, headers=as_file, content_type="application/octet-stream")
            case "/inline":
                return web.Response(body=PDF, content_type="application/pdf")
            case "/data.csv":
                return web.Response(body=CSV, content_type="text/csv")
            case "/moved":
                return web.Response(status=302, headers={"Location": "/data.csv"})
            case "/private":
                known = request.cookies.get("who") == "ann"
                return web.Response(status=200 if known else 401, body=CSV, content_type="text/csv")
            case "/endless":
                return await self._endless(request, as_file)
            case "/bomb":
                packed = gzip.compress(b"\0" * 3_000_000)
                return web.Response(body=packed, headers={**as_file, "Content-Encoding": "gzip"})
            case "/404" | "/403" | "/429":
                return web.Response(status=int(request.path[1:]), text="no", headers={"Retry-After": "60"})
            case "/challenge":
                return web.Response(text="<html><script>_cf_chl_opt = 1</script>", content_type="text/html")
            case "/api/items":
                return web.json_response({"items": [1, 2], "page": request.query.get("page")})
            case "/api/fails":
                return web.json_response({"error": "broken"}, status=500)
        return None

    async def _endless(self, request, headers):
        answer = web.StreamResponse(headers=headers)
        await answer.prepare(request)
        self.sent = 0
        try:
            for _ in range(400):
                await answer.write(b"x" * 50_000)
                self.sent += 50_000
                await asyncio.sleep(0.01)
        except ClientConnectionError:
            pass
        return answer


@pytest.fixture(scope="module")
def site():
    return Site()


@pytest.fixture(scope="module")
def theatre(site):
    with Theatre(site) as made:
        yield made


def picture(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


# screenshot

TALL = "<body style='margin: 0; background: #fff'><div id=box style='width: 40px; height: 30px; background: #00f'></div><p style='height: 2000px'>"


@pytest.mark.parametrize(
    ("more", "shape", "kind"),
    [
        ({}, (2_062, 1_280), "png"),
        ({"full_page": False}, (720, 1_280), "png"),
        ({"selector": "#box"}, (30, 40), "png"),
        ({"selector": "#box", "format": "jpeg"}, (30, 40), "jpeg"),
    ],
)
def test_a_picture_is_of_the_page_the_view_or_an_element(theatre, more, shape, kind):
    found, room = theatre.plays(TALL, {"action": "screenshot", "store_as": "shot", **more})
    data = room.named[f"step-2.{kind}"]
    seen = picture(data).shape[:2]
    assert (abs(seen[0] - shape[0]) < 40, seen[1]) == (True, shape[1])
    assert last(found).data == found.stored["shot"]
    assert last(found).artifacts[0].as_dict() == {
        "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "name": f"step-2.{kind}", "media_type": f"image/{kind}"
    }  # fmt: skip


def test_a_picture_waits_for_what_it_is_taken_of(theatre):
    html = TALL + "<script>setTimeout(() => document.body.innerHTML = '<p class=ready>x</p>', 150)</script>"
    found, _ = theatre.plays(html, {"action": "screenshot", "when": [".ready"], "max_wait_ms": 3_000})
    assert found.ended is Ended.COMPLETED
    for wrong in ({"when": [".never"]}, {"selector": ".never"}):
        found, room = theatre.plays(TALL, {"action": "screenshot", "max_wait_ms": 60, **wrong})
        assert (found.code, room.named) == (Code.SELECTOR_NOT_FOUND, {})


def test_a_very_tall_page_is_cut(theatre):
    _, room = theatre.plays(TALL, {"action": "screenshot"}, limits=replace(QUICK, picture_height=900))
    assert picture(room.named["step-2.png"]).shape[0] == 900


# screenshot_diff

CHANGES = """<body style='margin: 0; background: #fff'><div id=a style='position: absolute; top: 100px; left: 200px; width: 50px; height: 20px'></div>
    <div id=b style='position: absolute; top: 400px; left: 600px; width: 10px; height: 10px'></div>
    <button id=go style='position: absolute; top: 700px' onclick="a.style.background = '#f00'; b.style.background = '#0f0'">x</button>"""


def test_a_comparison_says_what_changed_where_and_how_much(theatre):
    blur = {"action": "click", "selector": "#go"}
    rest = {"action": "press", "key": "Escape"}
    step = {
        "action": "screenshot_diff",
        "steps": [blur, rest],
        "heatmap": True,
        "delay_ms": 20,
        "threshold": 0.0001,
        "store_as": "diff",
    }
    found, room = theatre.plays(CHANGES.replace("<button", "<button tabindex=-1"), {"action": "click", "selector": "body"}, step)
    data = last(found).data
    assert {tuple(region[key] for key in ("x", "y", "width", "height", "changed")) for region in data["regions"]} >= {
        (200, 100, 50, 20, 1_000), (600, 400, 10, 10, 100)
    }  # fmt: skip
    assert data["changed"] is True
    assert data["changed_pixels"] >= 1_100
    assert [one.path for one in found.steps] == ["1", "2", "3.steps.1", "3.steps.2", "3"]
    assert {one.name for one in last(found).artifacts} == {
        f"step-3-{kind}.png" for kind in ("before", "after", "highlight", "heatmap")
    }
    heat, lit = picture(room.named["step-3-heatmap.png"]), picture(room.named["step-3-highlight.png"])
    assert (heat[110, 210].any(), heat[300, 300].any()) == (True, False)
    assert lit[110, 210, 0] > lit[110, 210, 2]
    assert found.stored["diff"]["pictures"].keys() == {"before", "after", "highlight", "heatmap"}


def test_a_page_that_stays_the_same_has_not_changed(theatre):
    shot = {"action": "screenshot", "store_as": "first"}
    step = {"action": "screenshot_diff", "before": "first", "highlight": False}
    found, _ = theatre.plays(CHANGES, shot, step)
    data = last(found).data
    assert (data["changed"], data["changed_pixels"], data["regions"], data["changed_share"]) == (False, 0, [], 0.0)
    assert {one.name for one in last(found).artifacts} == {"step-3-before.png", "step-3-after.png"}


def test_a_change_below_the_threshold_does_not_count_and_a_longer_page_does(theatre):
    grow = {"action": "for_each", "items": ["a"], "steps": [{"action": "click", "selector": "#go"}]}
    html = CHANGES.replace("a.style", "document.body.style.height = '1500px'; a.style")
    found, _ = theatre.plays(html, {"action": "screenshot_diff", "steps": [grow], "threshold": 0.9})
    data = last(found).data
    assert (data["resized"], data["changed"], data["changed_share"] > 0.4, data["height"]) == (True, False, True, 1_500)


def test_a_picture_that_no_step_stored_cannot_be_compared_with(theatre):
    found, _ = theatre.plays("", {"action": "screenshot_diff", "before": "none"})
    assert found.code is Code.PICTURE_MISSING
    step = {"action": "screenshot_diff", "steps": [{"action": "click", "selector": "#none", "timeout_ms": 40}]}
    found, _ = theatre.plays("", step)
    assert ([one.path for one in found.steps], found.code) == (["1", "2.steps.1", "2"], Code.SELECTOR_NOT_FOUND)


# capture


def test_capture_keeps_what_the_page_is_now(theatre):
    html = "<!doctype html><title>t</title><h1>Hello</h1><p hidden>unseen</p>"
    found, room = theatre.plays(html, {"action": "capture"}, {"action": "capture", "html": False, "screenshot": False})
    assert room.named["step-2.html"].startswith(b"<!DOCTYPE html>\n<html>")
    assert b"unseen" in room.named["step-2.html"]
    assert room.named["step-2.txt"] == b"Hello"
    assert picture(room.named["step-2.png"]).shape == (720, 1_280, 3)
    assert found.steps[1].data.keys() == {"html", "text", "screenshot"}
    assert found.steps[2].data.keys() == {"text"}


# file_download


def downloads(theatre, method="fetch", path="/report", **more):
    place = {"url": theatre.site.url(path)} if method == "fetch" else {"selector": "#it"}
    return {"action": "file_download", "method": method, **place, **more}


def linked(path, more=""):
    return f'<h1>page</h1><a id="it" href="{path}" {more}>file</a>'


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("click", "/report", ""),
        ("click", "/inline", "download"),
        ("click", "/report", "target=_blank"),
        ("link", "/report", ""),
        ("link", "/inline", ""),
        ("fetch", "/report", ""),
        ("fetch", "/inline", ""),
    ],
)
def test_a_file_is_fetched_in_every_way_and_held_against_what_is_expected(theatre, method, path, more):
    digest = hashlib.sha256(PDF).hexdigest()
    step = downloads(theatre, method, path, sha256=digest, media_types=["application/pdf"], min_bytes=100, store_as="it")
    found, room = theatre.plays(linked(path, more), step, {"action": "extract", "fields": {"h": "h1"}, "store_as": "page"})
    assert found.ended is Ended.COMPLETED, found.reason
    assert found.stored["page"] == {"h": "page"}
    data = found.stored["it"]
    assert (data["sha256"], data["size"], data["media_type"], data["url"]) == (
        digest,
        len(PDF),
        "application/pdf",
        theatre.site.url(path),
    )
    assert room.files[digest] == PDF
    assert "/" not in data["file_name"]
    assert data["file_name"].endswith(".pdf")
    visits = 1 if method == "click" else 2
    assert len(room.visited) == visits
