"""Steps that try again, decide, loop and wait, in a real browser."""

import asyncio
import time
from dataclasses import replace

import pytest

from tests.domains.automation.browser.test_steps_pages import WAITS, Mending, asserts, go, theatre  # noqa: F401 - fixtures
from tests.domains.automation.browser.theatre import QUICK, Keeping, digest, last
from trueup.domains.automation.browser.performed import Ended
from trueup.domains.automation.engine.codes import Code
from trueup.domains.automation.engine.pacing import Pacing
from trueup.domains.automation.engine.profiles import PROFILES


def test_what_the_network_did_is_tried_once_more_and_a_page_of_errors_is_not(theatre):
    pacing = Pacing(wait_ms=10)
    room = Mending()
    room.site = theatre.more
    found, _ = theatre.plays("", go(theatre, "/cut"), room=room, limits=replace(QUICK, pacing=pacing), opens=False)
    assert (found.ended, found.steps[0].attempts) == (Ended.COMPLETED, 2)
    assert ("1", "retrying") in room.told_
    assert len(room.visited) == 2
    found, _ = theatre.plays("", go(theatre, "/status/500"), limits=replace(QUICK, pacing=pacing), opens=False)
    assert found.steps[0].attempts == 1


def test_a_step_is_tried_as_often_as_it_says_with_longer_waits(theatre):
    step = {
        "action": "click",
        "selector": "#no",
        "timeout_ms": 50,
        "retry": {"attempts": 3, "wait_ms": 60},
        "on_error": "continue",
    }
    found, room = theatre.plays("", step, WAITS)
    assert found.ended is Ended.COMPLETED
    assert (found.steps[1].attempts, found.steps[1].success) == (3, False)
    assert found.steps[1].elapsed_ms >= 3 * 50 + 60 + 120
    assert [state for path, state in room.told_ if path == "2"] == ["running", "retrying", "retrying", "failed"]


def test_a_step_that_comes_to_work_is_a_success(theatre):
    html = "<script>setTimeout(() => document.body.innerHTML = '<button id=it onclick=\"this.id = 9\">x</button>', 1500)</script>"
    step = {"action": "click", "selector": "#it", "timeout_ms": 700, "retry": {"attempts": 5, "wait_ms": 50}}
    found, _ = theatre.plays(html, step)
    assert found.ended is Ended.COMPLETED
    assert found.steps[1].attempts > 1


def test_pauses_lie_between_steps_and_are_the_same_for_the_same_seed(theatre):
    pacing = Pacing("seed", low_ms=100, high_ms=140)
    begun = time.monotonic()
    theatre.plays("", WAITS, WAITS, limits=replace(QUICK, pacing=pacing))
    assert time.monotonic() - begun > 0.3
    assert [pacing.pause(n) for n in (1, 2, 3)] == [Pacing("seed", low_ms=100, high_ms=140).pause(n) for n in (1, 2, 3)]


# wait and assert


def test_wait_waits_for_a_time_and_for_what_is_shown(theatre):
    html = "<script>setTimeout(() => document.body.innerHTML = '<b class=ok>done</b>', 150)</script>"
    until = {"action": "wait", "until": {"selector": ".ok", "text": "done"}, "timeout_ms": 3_000}
    found, _ = theatre.plays(html, {"action": "wait", "ms": 30}, until, asserts("done"))
    assert found.ended is Ended.COMPLETED
    assert found.steps[1].elapsed_ms >= 30


CONDITIONS = [
    ({"selector": "h1"}, True),
    ({"selector": "#hidden"}, False),
    ({"selector": "#hidden", "state": "hidden"}, True),
    ({"selector": "#hidden", "state": "attached"}, True),
    ({"selector": "#hidden", "state": "detached"}, False),
    ({"selector": "h2", "state": "detached"}, True),
    ({"selector": "h1", "text": "Hello"}, True),
    ({"selector": "h1", "text": "hello"}, False),
    ({"selector": "h1", "equals": "Hello you"}, True),
    ({"selector": "h1", "equals": "Hello"}, False),
    ({"selector": "input", "equals": "typed"}, True),
    ({"selector": "h1", "text": "Hello", "negate": True}, False),
    ({"selector": "h2", "negate": True}, True),
    ({"url": "/page"}, True),
    ({"url": "/other"}, False),
    ({"url": "/page", "selector": "h2"}, False),
    ({"value": "{{found.title}}", "equals": "Hello you"}, True),
    ({"value": "{{found.title}}", "text": "bye"}, False),
]


def test_a_condition_holds_where_all_that_it_asks_is_so(theatre):
    html = '<h1>Hello you</h1><p id="hidden" style="display: none">x</p><input value="typed">'
    taken = {"action": "extract", "fields": {"title": "h1"}, "store_as": "found"}
    steps = [{"action": "if", "condition": one} for one, _ in CONDITIONS]
    for number, step in enumerate(steps):
        step["then"] = [{"action": "scroll", "by": 1, "name": f"then {number}"}]
        step["else"] = [{"action": "scroll", "by": 1, "name": f"else {number}"}]
    found, _ = theatre.plays(html, taken, *steps)
    assert found.ended is Ended.COMPLETED
    names = [one.name for one in found.steps if one.name]
    assert names == [f"{'then' if is_so else 'else'} {number}" for number, (_, is_so) in enumerate(CONDITIONS)]
    assert [one.data for one in found.steps if one.action == "if"] == [{"condition": is_so} for _, is_so in CONDITIONS]
    assert {one.path for one in found.steps} >= {"3.then.1", "4.else.1"}


def test_an_assertion_that_does_not_hold_ends_the_run_with_its_message(theatre):
    found, _ = theatre.plays("<h1>a</h1>", asserts("b", message="no greeting for {{who.0}}"), opens=True)
    assert (found.code, found.reason) == (Code.TEMPLATE_UNKNOWN, "nothing is stored as 'who.0'")
    found, _ = theatre.plays("<h1>a</h1>", asserts("b", message="no greeting", timeout_ms=150), WAITS)
    assert (found.code, found.reason, len(found.steps)) == (Code.ASSERTION_FAILED, "no greeting", 2)
    found, _ = theatre.plays("<h1>a</h1>", asserts("b", on_error="continue", timeout_ms=150), WAITS)
    assert found.ended is Ended.COMPLETED


def test_waiting_in_vain_is_a_timeout(theatre):
    found, _ = theatre.plays("", {"action": "wait", "until": {"selector": "#never"}, "timeout_ms": 150})
    assert (found.code, "#never" in found.reason) == (Code.STEP_TIMEOUT, True)


# loops


def test_a_loop_goes_through_values_elements_and_what_was_stored(theatre):
    html = '<ul><li><a href="/a">A</a></li><li><a href="/b">B</a></li></ul>'
    taken = {"action": "extract", "fields": {"link": {"selector": "a", "attribute": "href"}}, "each": "li", "store_as": "rows"}
    values = {"action": "for_each", "items": ["x", "y", "z"], "limit": 2, "steps": [{"action": "wait", "ms": 1, "name": "v"}]}
    inner = {"action": "assert", "condition": {"selector": "{{it.selector}}", "text": "{{it.text}}"}}
    elements = {"action": "for_each", "selector": "li", "as": "it", "steps": [inner]}
    stored = {"action": "for_each", "items": "rows", "as": "row", "steps": [{"action": "navigate", "url": "{{row.link}}"}]}
    found, _ = theatre.plays(html, taken, values, elements, stored)
    assert found.ended is Ended.COMPLETED
    assert [one.path for one in found.steps] == [
        "1",
        "2",
        "3[1].1",
        "3[2].1",
        "3",
        "4[1].1",
        "4[2].1",
        "4",
        "5[1].1",
        "5[2].1",
        "5",
    ]
    assert found.steps[4].data == {"count": 3, "turns": 2}
    assert [one.data["url"] for one in found.steps if one.path.startswith("5[")] == [
        theatre.site.url("/a"),
        theatre.site.url("/b"),
    ]
    assert "item" not in found.stored


@pytest.mark.parametrize("items", ["nothing", "one"])
def test_a_loop_over_what_is_no_list_fails(theatre, items):
    taken = {"action": "extract", "fields": {"h": "h1"}, "store_as": "one"}
    found, _ = theatre.plays("<h1>x</h1>", taken, {"action": "for_each", "items": items, "steps": [WAITS]})
    assert found.code is Code.TEMPLATE_UNKNOWN


def test_a_failure_inside_ends_the_loop_unless_it_is_to_be_passed_over(theatre):
    bad = {"action": "click", "selector": "#no", "timeout_ms": 40}
    found, _ = theatre.plays("", {"action": "for_each", "items": ["a", "b"], "steps": [bad]}, WAITS)
    assert ([one.path for one in found.steps], found.code) == (["1", "2[1].1", "2"], Code.SELECTOR_NOT_FOUND)
    found, _ = theatre.plays("", {"action": "for_each", "items": ["a", "b"], "steps": [{**bad, "on_error": "continue"}]}, WAITS)
    assert [one.path for one in found.steps] == ["1", "2[1].1", "2[2].1", "2", "3"]
    found, _ = theatre.plays("", {"action": "if", "condition": {"url": "/"}, "then": [bad], "on_error": "continue"}, WAITS)
    assert [(one.path, one.success) for one in found.steps[1:]] == [("2.then.1", False), ("2", False), ("3", True)]


def test_a_time_on_what_holds_steps_bounds_them_together(theatre):
    begun = time.monotonic()
    step = {"action": "if", "condition": {"url": "/"}, "then": [{"action": "wait", "ms": 9_000}], "timeout_ms": 200}
    found, _ = theatre.plays("", step)
    assert found.code is Code.STEP_TIMEOUT
    assert time.monotonic() - begun < 8


# templates


def test_what_was_stored_is_put_into_texts_and_a_url_is_read_again(theatre):
    html = '<p id="path">there</p><p id="bad">169.254.169.254\\@x</p>'
    taken = {"action": "extract", "fields": {"path": "#path", "bad": "#bad"}, "store_as": "found"}
    found, _ = theatre.plays(html, taken, go(theatre, "/{{found.path}}"), {"action": "navigate", "url": "http://{{found.bad}}/"})
    assert found.steps[2].data["url"] == theatre.site.url("/there")
    assert (found.code, found.rules) == (Code.POLICY_VIOLATION, ("egress.url.backslash",))


def test_what_is_stored_does_not_grow_without_end(theatre):
    taken = {"action": "extract", "fields": {"h": "h1"}, "store_as": "found"}
    found, _ = theatre.plays(f"<h1>{'x' * 500}</h1>", taken, limits=replace(QUICK, stored_bytes=400))
    assert found.code is Code.VALUE_TOO_LARGE


# scroll, press


def test_scroll_goes_to_an_element_or_by_a_distance(theatre):
    html = '<p style="margin: 3000px 0" id="far">far</p>'
    found, _ = theatre.plays(html, {"action": "scroll", "by": 300}, {"action": "scroll", "selector": "#far"})
    assert found.steps[1].data["y"] == 300
    assert found.steps[2].data["y"] > 1_000
    found, _ = theatre.plays(html, {"action": "scroll", "selector": "#near", "timeout_ms": 50})
    assert found.code is Code.SELECTOR_NOT_FOUND


def test_press_presses_keys_in_an_element_or_where_the_page_has_its_focus(theatre):
    html = """<form action="/there"><input id="i" name="q"></form>
        <script>document.addEventListener('keydown', (e) => document.title = (e.ctrlKey ? 'c-' : '') + e.key)</script><h1></h1>"""
    marks = {"action": "if", "condition": {"url": "q=ab"}, "then": [{"action": "wait", "ms": 1, "name": "sent"}]}
    keys = [
        {"action": "press", "selector": "#i", "key": "a"},
        {"action": "press", "key": "b"},
        {"action": "press", "key": "Enter"},
    ]
    found, _ = theatre.plays(html, *keys, marks)
    assert found.steps[-2].name == "sent"
    room = Keeping(approved=[digest("document.title")])
    found, _ = theatre.plays(html, {"action": "press", "key": "Control+K"}, evaluated("document.title"), room=room)
    assert last(found).data["value"] == "c-K"
    found, _ = theatre.plays(html, {"action": "press", "selector": "#no", "key": "a", "timeout_ms": 50})
    assert found.code is Code.SELECTOR_NOT_FOUND


# evaluate


def evaluated(script, **more):
    return {"action": "evaluate", "script": script, **more}


def test_a_script_runs_where_its_digest_may_and_not_otherwise(theatre):
    script = "({sum: 1 + 2, path: location.pathname})"
    found, _ = theatre.plays("", evaluated(script, store_as="it"), room=Keeping(approved=[digest(script)]))
    assert last(found).data == {"script_sha256": digest(script), "value": {"sum": 3, "path": "/page"}}
    assert found.stored == {"it": {"sum": 3, "path": "/page"}}
    for approved in ((), [digest(script + " ")]):
        found, _ = theatre.plays("", evaluated(script), room=Keeping(approved=approved))
        assert (found.ended, found.code) == (Ended.FAILED, Code.SCRIPT_REFUSED)
        assert digest(script) in found.reason


def test_a_script_is_run_as_it_was_approved_with_nothing_put_into_it(theatre):
    script = "'{{title}}'"
    found, _ = theatre.plays("", evaluated(script), room=Keeping(approved=[digest(script)]))
    assert last(found).data["value"] == "{{title}}"


@pytest.mark.parametrize(
    ("script", "code"),
    [("throw new Error('broken')", Code.SCRIPT_FAILED), ("'x'.repeat(2000)", Code.VALUE_TOO_LARGE), ("NaN", Code.SCRIPT_FAILED)],
)
def test_a_script_that_fails_or_returns_too_much_is_a_failure(theatre, script, code):
    room = Keeping(approved=[digest(script)])
    found, _ = theatre.plays("", evaluated(script), room=room, limits=replace(QUICK, stored_bytes=1_000))
    assert found.code is code


class Crashing(Keeping):
    """Lets the page crash while its second step waits."""

    async def told(self, path, step, state, result=None):
        await super().told(path, step, state, result)
        if (path, state) == ("2", "running"):
            session = await self.theatre.context.new_cdp_session(self.theatre.context.pages[0])
            self.crash = asyncio.ensure_future(session.send("Page.crash"))
            self.crash.add_done_callback(lambda done: done.cancelled() or done.exception())


def test_a_page_that_crashes_is_named_as_such(theatre):
    room = Crashing()
    room.theatre = theatre
    step = {"action": "click", "selector": "#no", "timeout_ms": 3_000, "retry": {"attempts": 3}}
    found, _ = theatre.plays("", step, WAITS, room=room, limits=replace(QUICK, evidence=frozenset({"html"})))
    assert (found.code, found.steps[1].attempts) == (Code.PAGE_CRASHED, 1)
    assert found.left_out == {"html": "the page is gone"}


class Closing(Keeping):
    """Lets the browser's context go away while its second step waits."""

    async def told(self, path, step, state, result=None):
        await super().told(path, step, state, result)
        if (path, state) == ("2", "running"):
            self.closing = asyncio.ensure_future(self.theatre.context.close())


def test_a_browser_that_is_gone_ends_the_run_whatever_the_step_says(theatre):
    room = Closing()
    room.theatre = theatre
    step = {"action": "click", "selector": "#no", "timeout_ms": 3_000, "on_error": "continue", "retry": {"attempts": 3}}
    found, _ = theatre.plays("", step, WAITS, room=room, limits=replace(QUICK, evidence=frozenset({"html", "har"})))
    assert (found.ended, found.code, len(found.steps), found.steps[1].attempts) == (Ended.FAILED, Code.BROWSER_LOST, 2, 1)
    assert found.left_out == {"html": "the page is gone"}
    assert [one.name for one in found.artifacts] == ["final.har"]


# what pages see


@pytest.mark.parametrize("name", ["desktop", "phone-dark", "desktop-jp"])
def test_page_script_sees_an_automated_browser_in_every_profile(theatre, name):
    html = """<meta name="viewport" content="width=device-width"><h1></h1>
        <script>document.querySelector('h1').textContent = [navigator.webdriver, navigator.language,
        Intl.DateTimeFormat().resolvedOptions().timeZone, innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]</script>"""
    profile = PROFILES[name]
    found, _ = theatre.plays(html, {"action": "extract", "fields": {"h": "h1"}}, profile=profile.context())
    seen = ["true", profile.locale, profile.time_zone, str(profile.width), str(profile.colours == "dark").lower()]
    assert last(found).data["fields"]["h"].split(",") == seen


def test_progress_is_told_of_every_step(theatre):
    _, room = theatre.plays("", {"action": "if", "condition": {"url": "/"}, "then": [WAITS]})
    assert room.told_ == [
        ("1", "running"), ("1", "completed"), ("2", "running"), ("2.then.1", "running"), ("2.then.1", "completed"), ("2", "completed"),
    ]  # fmt: skip
