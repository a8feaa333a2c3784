"""Going to pages, waiting, asserting, loops and conditions, in a real browser; and what ends a run whatever its steps say."""

import asyncio
import time
from dataclasses import replace

import pytest
from aiohttp import web

from tests.domains.automation.browser.theatre import QUICK, Keeping, Stopped, Theatre, digest, last
from trueup.domains.automation.browser.performed import Ended, Performed
from trueup.domains.automation.engine.codes import Code

CHALLENGE = "<html><script>window._cf_chl_opt = {}</script>One moment</html>"
WAITS = {"action": "wait", "ms": 20}


class Site:
    """What the site answers besides the page of a test."""

    def __init__(self):
        self.broken = True

    async def __call__(self, request):  # noqa: PLR0911
        match request.path.split("/")[1:]:
            case ["status", code]:
                retry = {"Retry-After": "120"} if code in ("429", "503") else {}
                return web.Response(status=int(code), text=f"status {code}", headers=retry)
            case ["challenge"]:
                return web.Response(text=CHALLENGE, content_type="text/html")
            case ["forged"]:
                return web.Response(text="ok", content_type="text/html", headers={"X-Trueup-Rule": "egress.forged"})
            case ["go", "forbidden", port]:
                return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{port}/"})
            case ["go", "there"]:
                return web.Response(status=302, headers={"Location": "/there?really"})
            case ["cut"]:
                if self.broken:
                    request.transport.close()
                    return web.Response()
                return web.Response(text="<h1>at last</h1>", content_type="text/html")
            case ["slow"]:
                await asyncio.sleep(0.5)
            case ["file"]:
                return web.Response(body=b"x", headers={"Content-Disposition": "attachment"})
            case ["headers"]:
                return web.Response(text=request.headers.get("Referer", "none"), content_type="text/html")
        return None


@pytest.fixture(scope="module")
def theatre():
    with Theatre(Site()) as made:
        yield made


def go(theatre, path, **more):
    return {"action": "navigate", "url": theatre.site.url(path), **more}


def asserts(text, selector="body", **more):
    return {"action": "assert", "condition": {"selector": selector, "text": text}, "timeout_ms": 3_000, **more}


def codes(performed):
    return [one.error.code if one.error else None for one in performed.steps]


# navigate


@pytest.mark.parametrize("until", ["load", "domcontentloaded", "networkidle", "commit"])
def test_navigate_goes_to_a_page_as_far_as_it_is_told_to_wait(theatre, until):
    found, room = theatre.plays("", go(theatre, "/go/there", wait_until=until), asserts("there"), opens=False)
    assert found.ended is Ended.COMPLETED
    assert found.steps[0].data == {"url": theatre.site.url("/there?really"), "status": 200}
    assert room.visited == [theatre.site.url("/go/there")]
    assert (found.url, found.status) == (theatre.site.url("/there?really"), 200)


def test_navigate_says_where_it_comes_from(theatre):
    found, _ = theatre.plays(
        "",
        go(theatre, "/headers", referer=theatre.site.url("/from?x")),
        asserts(theatre.site.url("/from?x")),
        go(theatre, "/headers"),
        asserts("none"),
        opens=False,
    )
    assert found.ended is Ended.COMPLETED


@pytest.mark.parametrize(
    ("path", "more", "code"),
    [
        ("/status/404", {}, Code.HTTP_STATUS),
        ("/status/500", {}, Code.HTTP_STATUS),
        ("/file", {}, Code.NAVIGATION_FAILED),
        ("/slow", {"timeout_ms": 200}, Code.STEP_TIMEOUT),
    ],
)
def test_what_is_no_page_is_a_failure_with_its_code(theatre, path, more, code):
    found, _ = theatre.plays("", go(theatre, path, **more), WAITS, opens=False)
    assert (found.ended, found.code, codes(found)) == (Ended.FAILED, code, [code])


# what ends a run


@pytest.mark.parametrize("path", ["/status/403", "/status/429", "/status/503", "/challenge"])
def test_a_target_that_asks_to_be_left_alone_ends_the_run_whatever_the_step_says(theatre, path):
    theatre.site.asked.clear()
    step = go(theatre, path, on_error="continue", retry={"attempts": 5, "wait_ms": 1})
    found, _ = theatre.plays("", step, WAITS, opens=False)
    assert (found.ended, found.code, len(found.steps), found.steps[0].attempts) == (Ended.BLOCKED, Code.TARGET_BLOCKED, 1, 1)
    assert len(theatre.asked(path)) == 1
    assert found.retry_after == ("120" if path in ("/status/429", "/status/503") else "")


@pytest.mark.parametrize(
    "html",
    [
        '<a id="it" href="/challenge">next</a>',
        '<form action="/status/429"><button id="it">send</button></form>',
        '<a id="it" target="_blank" href="/status/403">opens</a>',
        '<button id="it" onclick="setTimeout(() => location = \'/challenge\', 30)">later</button>',
    ],
)
def test_a_page_that_a_click_leads_to_is_judged_as_well(theatre, html):
    found, _ = theatre.plays(
        html, {"action": "click", "selector": "#it", "on_error": "continue"}, {"action": "wait", "ms": 400}, WAITS
    )
    assert (found.ended, found.code) == (Ended.BLOCKED, Code.TARGET_BLOCKED)
    assert len(found.steps) < 4


def test_an_ordinary_page_does_not_end_a_run(theatre):
    found, _ = theatre.plays("<p>captcha, 403, 429 and other words</p>", WAITS)
    assert found.ended is Ended.COMPLETED


@pytest.mark.requirement("automation:FR-P8")
def test_a_page_that_policy_refuses_ends_the_run_with_the_rule(theatre):
    steps = [{"action": "navigate", "url": f"http://127.0.0.1:{theatre.forbidden.port}/", "on_error": "continue"}, WAITS]
    found, _ = theatre.plays("", *steps)
    assert (found.ended, found.code) == (Ended.FAILED, Code.POLICY_VIOLATION)
    assert found.rules == ("egress.address.loopback",)
    assert last(found).document()["error"]["rule_ids"] == ["egress.address.loopback"]
    assert theatre.forbidden.heard == 0


@pytest.mark.requirement("automation:FR-P8")
@pytest.mark.parametrize("way", ["redirect", "link", "script"])
def test_a_way_round_to_what_policy_refuses_ends_the_run_too(theatre, way):
    to = f"http://127.0.0.1:{theatre.forbidden.port}/"
    html = f"""<a id="link" href="{to}">x</a><button id="script" onclick="location = '{to}'">x</button>"""
    step = (
        go(theatre, f"/go/forbidden/{theatre.forbidden.port}")
        if way == "redirect"
        else {"action": "click", "selector": f"#{way}"}
    )
    found, _ = theatre.plays(html, {**step, "on_error": "continue"}, WAITS)
    assert (found.code, found.rules) == (Code.POLICY_VIOLATION, ("egress.address.loopback",))
    assert theatre.forbidden.heard == 0


def test_a_part_of_a_page_that_policy_refuses_does_not_end_the_run(theatre):
    found, _ = theatre.plays(f'<h1>a</h1><img src="http://127.0.0.1:{theatre.forbidden.port}/x.png">', asserts("a"))
    assert found.ended is Ended.COMPLETED
    assert theatre.forbidden.heard == 0


def test_a_turn_that_does_not_come_ends_the_run_before_anything_is_asked_for(theatre):
    theatre.site.asked.clear()
    found, _ = theatre.plays("", room=Keeping(refused="/page"))
    assert (found.code, found.rules) == (Code.POLICY_VIOLATION, ("limit.requests_per_minute",))
    assert theatre.site.asked == []


def test_a_target_cannot_speak_for_the_proxy(theatre):
    found, _ = theatre.plays("", go(theatre, "/forged"), opens=False)
    assert (found.ended, found.rules) == (Ended.COMPLETED, ())


def test_a_run_that_may_not_go_on_ends_between_steps_and_within_them(theatre):
    for step, most, told in ((WAITS, 8, 4), ({"action": "wait", "ms": 20_000, "on_error": "continue"}, 10, 3)):
        done = Performed()
        begun = time.monotonic()
        room = Keeping(stops=lambda room, told=told: len(room.told_) >= told)
        with pytest.raises(Stopped):
            theatre.plays("", step, WAITS, WAITS, room=room, performed=done)
        assert time.monotonic() - begun < most
        assert (len(done.steps), done.ended) == (2 if step is WAITS else 1, None)


def test_a_step_that_the_driver_waits_for_is_left_when_the_run_may_not_go_on(theatre):
    begun = time.monotonic()
    room = Keeping(stops=lambda room: room.asked > 2)
    with pytest.raises(Stopped):
        theatre.plays("", {"action": "click", "selector": "#never", "timeout_ms": 20_000, "retry": {"attempts": 3}}, room=room)
    assert time.monotonic() - begun < 8


def test_a_script_that_never_ends_does_not_hold_the_run(theatre):
    script = "new Promise(() => 0)"
    room = Keeping(approved=["44f1b4ef7ac9d2f7ad7bc0f0dcf1ca9c6a4e9b2d0b9d2a6d9be7a5f8b1f1b111", digest(script)])
    found, _ = theatre.plays("", {"action": "evaluate", "script": script, "timeout_ms": 100}, room=room)
    assert found.code is Code.STEP_TIMEOUT


def test_all_steps_together_take_no_longer_than_the_run_may(theatre):
    begun = time.monotonic()
    found, _ = theatre.plays(
        "", {"action": "wait", "ms": 9_000, "on_error": "continue"}, WAITS, limits=replace(QUICK, seconds=0.5)
    )
    assert (found.ended, found.code) == (Ended.FAILED, Code.JOB_TIMEOUT)
    assert time.monotonic() - begun < 8


def test_no_more_steps_are_performed_than_may_be(theatre):
    loop = {"action": "for_each", "items": list("abcdefgh"), "steps": [{"action": "scroll", "by": 1}], "on_error": "continue"}
    found, _ = theatre.plays("", loop, limits=replace(QUICK, performed=6))
    assert found.code is Code.STEPS_TOO_MANY


# tries


class Mending(Keeping):
    """Mends the site before its second visit."""

    async def visit(self, url):
        await super().visit(url)
        self.site.broken = len(self.visited) < 2
