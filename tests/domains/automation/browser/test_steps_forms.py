"""Forms and signing in, in a real browser; what is secret stays out of everything that is kept."""

import base64
import json
from urllib.parse import quote

import pytest
from aiohttp import web

from tests.domains.automation.browser.theatre import Keeping, Theatre, last
from trueup.domains.automation.browser.performed import Ended
from trueup.domains.automation.browser.room import Limits
from trueup.domains.automation.engine.codes import Code

USER, PASSWORD = "wanda.planted", 'pl&nted "secret" <7>/é'
CREDENTIAL = json.dumps({"user": USER, "password": PASSWORD})
LOGIN = """<form method="post" action="/login"><input id="user" name="user"><input id="password" type="password" name="password">
    <button id="in">Sign in</button></form>"""


class Site:
    """Signs in, takes forms, and shows what it was sent."""

    def __init__(self):
        self.posted = []

    async def __call__(self, request):
        if request.path == "/login" and request.method == "POST":
            data = await request.post()
            self.posted.append(dict(data))
            if (data["user"], data["password"]) != (USER, PASSWORD):
                return web.Response(text="<p class=error>wrong</p>", content_type="text/html")
            answer = web.Response(status=303, headers={"Location": "/account"})
            answer.set_cookie("session", "s3ssion-value")
            return answer
        if request.path == "/account" and request.cookies.get("session") != "s3ssion-value":
            return web.Response(text=LOGIN, content_type="text/html")
        if request.path == "/account":
            return web.Response(text=f"<h1 id=hello>Hello {USER}</h1><p>{PASSWORD}</p>", content_type="text/html")
        if request.path == "/sent":
            data = dict(await request.post()) if request.method == "POST" else dict(request.query)
            self.posted.append(data)
            status = int(data.get("status", 200))
            if "error" in data:
                return web.Response(text="<p class=error>Name is taken</p>", content_type="text/html")
            return web.Response(status=status, text="<p class=ok>Thank you, Ann</p>", content_type="text/html")
        return None


@pytest.fixture(scope="module")
def site():
    return Site()


@pytest.fixture(scope="module")
def theatre(site):
    with Theatre(site) as made:
        yield made


def form(**more):
    return {"action": "form_submit", "form": "form", "submit": "button", "max_wait_ms": 3_000, "timeout_ms": 3_000, **more}


FORM = """<button onclick="document.title = 'wrong one'">outside</button><form method="post" action="/sent">
    <input name="name"><textarea name="text"></textarea><select name="kind"><option>a<option>b</select>
    <input type="checkbox" name="yes"><input type="checkbox" name="no" checked>{more}<button>Send</button></form>"""


# form_submit


def test_a_form_is_filled_sent_and_seen_to_be_taken(theatre, site):
    fields = [
        {"selector": "[name=name]", "value": "Ann"},
        {"selector": "[name=text]", "secret": "pin"},
        {"selector": "[name=kind]", "value": "b", "type": "select"},
        {"selector": "[name=yes]", "value": True, "type": "checkbox"},
        {"selector": "[name=no]", "value": False, "type": "checkbox"},
    ]
    step = form(fields=fields, success=".ok", error=".error", expected_text="Thank you")
    found, _ = theatre.plays(FORM.format(more=""), step, room=Keeping(secrets={"pin": "swordfish"}))
    assert found.ended is Ended.COMPLETED
    assert site.posted[-1] == {"name": "Ann", "text": "swordfish", "kind": "b", "yes": "on"}
    assert last(found).data == {"sent": True, "taken": True, "status": 200, "url": theatre.site.url("/sent")}


@pytest.mark.parametrize(
    ("more", "step", "says"),
    [
        ("<input type=hidden name=error>", {"success": ".ok", "error": ".error"}, "Name is taken"),
        ("", {"success": ".never", "max_wait_ms": 200}, "no sign"),
        ("", {"success": ".ok", "expected_text": "Good bye", "max_wait_ms": 200}, "no sign"),
        ("<input type=hidden name=status value=500>", {"success": ".ok"}, "500"),
        ("<input type=hidden name=status value=404>", {}, "404"),
    ],
)
def test_a_form_that_is_not_seen_to_be_taken_is_a_failure(theatre, more, step, says):
    found, _ = theatre.plays(FORM.format(more=more), form(**step))
    assert (found.code, says in found.reason) == (Code.FORM_REFUSED, True)


def test_a_form_that_no_sign_is_asked_of_is_sent_and_no_more_is_claimed(theatre):
    found, _ = theatre.plays(FORM.format(more=""), form())
    assert (last(found).data["sent"], last(found).data["taken"]) == (True, None)


def test_a_form_is_taken_where_its_error_does_not_show(theatre):
    found, _ = theatre.plays(FORM.format(more=""), form(error=".error", max_wait_ms=100))
    assert last(found).data["taken"] is True


def test_a_form_that_a_script_sends_is_seen_to_be_taken_too(theatre):
    html = """<form onsubmit="event.preventDefault(); fetch('/sent?a=1').then(() => document.body.innerHTML = '<p class=ok>Done</p>')">
        <input id=a><button>Send</button></form>"""
    found, _ = theatre.plays(html, form(success=".ok", fields=[{"selector": "#a", "value": "x"}]))
    assert last(found).data == {"sent": True, "taken": True, "status": None, "url": theatre.page}


@pytest.mark.parametrize("step", [{"form": "#none"}, {"submit": "#none"}, {"fields": [{"selector": "#none", "value": "x"}]}])
def test_a_part_of_a_form_that_is_not_there_is_named(theatre, step):
    found, _ = theatre.plays(FORM.format(more=""), form(**{**step, "timeout_ms": 200}))
    assert (found.code, "#none" in found.reason) == (Code.SELECTOR_NOT_FOUND, True)


def test_a_form_is_never_sent_again_by_itself(theatre, site):
    before = len(site.posted)
    found, _ = theatre.plays(FORM.format(more=""), form(success=".never", max_wait_ms=50))
    assert (len(site.posted) - before, last(found).attempts) == (1, 1)


# authenticate


def signs_in(**more):
    step = {"action": "authenticate", "credential": "shop", "user": "#user", "password": "#password", "submit": "#in"}
    return {**step, "success": "#hello", "max_wait_ms": 3_000, **more}


def test_a_credential_signs_in_and_the_session_signs_in_the_next_run_without_it(theatre, site):
    site.posted.clear()
    room = Keeping(secrets={"shop": CREDENTIAL})
    found, _ = theatre.plays(LOGIN, signs_in(), room=room)
    assert (found.ended, last(found).data) == (Ended.COMPLETED, {"signed_in": True, "session": "new"})
    assert site.posted == [{"user": USER, "password": PASSWORD}]
    assert room.sessions["shop"]["cookies"][0]["value"] == "s3ssion-value"
    again = Keeping(sessions=room.sessions)
    page = {"action": "navigate", "url": theatre.site.url("/account")}
    found, _ = theatre.plays(LOGIN, page, signs_in(), room=again, opens=False)
    assert (found.ended, last(found).data) == (Ended.COMPLETED, {"signed_in": True, "session": "kept"})
    assert len(site.posted) == 1
    assert again.visited == [theatre.site.url("/account")] * 2


def test_a_session_that_is_no_longer_good_is_replaced(theatre, site):
    stale = {"cookies": [{"name": "session", "value": "old", "url": theatre.site.url("/")}], "origins": []}
    room = Keeping(secrets={"shop": CREDENTIAL}, sessions={"shop": stale})
    found, _ = theatre.plays(LOGIN, signs_in(), room=room)
    assert last(found).data["session"] == "new"


def test_local_storage_of_a_session_comes_back_for_its_own_origin_alone(theatre):
    html = "<script>if (localStorage.getItem('token') === 't0ken') document.write('<p id=hello>in</p>')</script>" + LOGIN
    own = {"origin": theatre.site.url("").rstrip("/"), "localStorage": [{"name": "token", "value": "t0ken"}]}
    other = {**own, "origin": "https://elsewhere.example"}
    for origin, session in ((own, "kept"), (other, None)):
        room = Keeping(sessions={"shop": {"cookies": [], "origins": [origin]}})
        found, _ = theatre.plays(html, signs_in(max_wait_ms=1_500), room=room)
        assert (last(found).data or {}).get("session") == session


def test_a_wrong_password_is_tried_once_only(theatre, site):
    site.posted.clear()
    room = Keeping(secrets={"shop": json.dumps({"user": USER, "password": "wrong-one"})})
    found, _ = theatre.plays(LOGIN, signs_in(retry={"attempts": 4, "wait_ms": 1}, max_wait_ms=100), room=room)
    assert (found.code, len(site.posted), room.sessions) == (Code.SIGN_IN_FAILED, 1, {})
    assert "wrong-one" not in str(found.document())


@pytest.mark.parametrize(
    "text", ["no json wanda", '{"user": "wanda"}', '["wanda", "x"]', '{"user": "w", "password": 3, "x": "wanda"}']
)
def test_a_malformed_credential_is_refused_without_a_word_of_it(theatre, site, text):
    site.posted.clear()
    found, _ = theatre.plays(LOGIN, signs_in(), room=Keeping(secrets={"shop": text}))
    assert (found.code, site.posted) == (Code.CREDENTIAL_MALFORMED, [])
    assert "wanda" not in str(found.document())


def test_a_credential_that_is_not_there_is_a_failure(theatre):
    found, _ = theatre.plays(LOGIN, signs_in())
    assert found.code is Code.CREDENTIAL_MISSING


def test_a_session_is_not_kept_where_the_step_says_so(theatre):
    room = Keeping(secrets={"shop": CREDENTIAL})
    theatre.plays(LOGIN, signs_in(keep_session=False), room=room)
    assert room.sessions == {}


# secrets


def forms_of(value):
    """All ways in which a planted value could stand in an artifact."""
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = {value, escaped, escaped.replace('"', "&quot;"), quote(value, safe=""), quote(value), json.dumps(value)[1:-1]}
    return {form.encode() for form in plain} | {base64.b64encode(value.encode())}


def test_planted_secrets_are_in_no_artifact_and_no_result(theatre):
    html = f"""<p id="echo"></p>{LOGIN}<input id="pin"><input type="password" id="other"><script>
        for (const e of document.querySelectorAll('input')) e.addEventListener('input', () => {{
            console.log('typed ' + e.value);
            e.setAttribute('value', e.value);
            document.getElementById('echo').textContent = e.value;
            fetch('/echo?q=' + encodeURIComponent(e.value), {{method: 'POST', body: JSON.stringify({{v: e.value}}),
                headers: {{'Authorization': 'Basic ' + btoa(unescape(encodeURIComponent(e.value))), 'X-Value': encodeURIComponent(e.value)}}}});
        }});</script>"""
    secrets = {"shop": CREDENTIAL, "pin": "planted-pin-4711"}
    steps = [
        {"action": "fill", "selector": "#pin", "secret": "pin"},
        {"action": "fill", "selector": "#other", "value": "planted-plain-password"},
        {"action": "capture"},
        {
            "action": "extract",
            "fields": {"echo": "#echo", "pin": {"selector": "#pin", "attribute": "value"}},
            "store_as": "taken",
        },
        {"action": "click", "selector": "#no-{{taken.pin}}", "timeout_ms": 50, "on_error": "continue"},
        {"action": "assert", "condition": {"value": "{{taken.pin}}", "equals": "x"}, "timeout_ms": 10, "on_error": "continue"},
        {"action": "api_intercept", "match": "*echo*", "trigger": "#user", "min_responses": 0, "wait_ms": 50, "bodies": True},
        signs_in(),
        {"action": "extract", "fields": {"all": "body"}, "store_as": "after"},
    ]
    room = Keeping(secrets=secrets)
    found, _ = theatre.plays(html, *steps, room=room, limits=Limits(bodies=True))
    assert found.ended is Ended.COMPLETED
    assert set(room.named) > {"final.html", "final.txt", "final.png", "final.har", "final.console.jsonl", "final.trace.jsonl"}
    everything = [*room.named.items(), ("result", json.dumps(found.document(), ensure_ascii=False).encode())]
    for planted in (USER, PASSWORD, "planted-pin-4711", "planted-plain-password", "s3ssion-value"):
        for name, data in everything:
            assert [form for form in forms_of(planted) if form in data] == [], name
    assert b"[redacted]" in room.named["final.har"]
    assert b"[redacted]" in room.named["final.console.jsonl"]
    assert json.loads(room.named["final.har"])["log"]["version"] == "1.2"


def test_a_search_for_planted_secrets_would_find_them(theatre):
    """Negative control: what is no secret is in the artifacts, in the forms that are looked for."""
    html = "<p>open-word &amp; more</p><script>console.log('open-word & more'); fetch('/echo?q=open-word%20%26%20more')</script>"
    _, room = theatre.plays(html, {"action": "wait", "ms": 100}, limits=Limits())
    for name in ("final.html", "final.txt", "final.har", "final.console.jsonl"):
        assert [form for form in forms_of("open-word & more") if form in room.named[name]], name


@pytest.mark.parametrize(
    "shadow", ["", "const root = document.getElementById('host').attachShadow({mode: 'open'}); root.append(one);"]
)
def test_a_password_field_is_covered_wherever_it_lies(theatre, shadow):
    import io

    from PIL import Image

    html = f"""<style>* {{ margin: 0 }}</style><div id="host" style="height: 50px"></div><script>
        const one = document.createElement('input'); one.type = 'password'; one.value = 'x';
        one.style = 'display: block; width: 300px; height: 50px; background: #0f0; border: 0';
        {shadow or "document.getElementById('host').append(one);"}</script>"""
    _, room = theatre.plays(html, {"action": "capture"})
    with Image.open(io.BytesIO(room.named["step-2.png"])) as image:
        assert image.convert("RGB").getpixel((250, 25)) != (0, 255, 0)


def test_a_picture_shows_no_password_field_and_nothing_that_something_secret_was_typed_into(theatre):
    import io

    from PIL import Image

    html = """<style>* { margin: 0 } input { display: block; width: 300px; height: 50px; background: #0f0; border: 0 }</style>
        <input type="password"><input id="pin" oninput="echo.textContent = this.value"><input id="open">
        <p id="echo" style="height: 50px; background: #0f0; color: #0f0"></p><p style="height: 50px; background: #0f0">x</p>"""
    steps = [{"action": "fill", "selector": "#pin", "secret": "pin"}, {"action": "screenshot", "full_page": False}]
    _, room = theatre.plays(html, *steps, room=Keeping(secrets={"pin": "4711-8"}))
    with Image.open(io.BytesIO(room.named["step-3.png"])) as image:
        seen = [image.convert("RGB").getpixel((250, y)) for y in (25, 75, 125, 175, 225)]
    assert [one == (0, 255, 0) for one in seen] == [False, False, True, False, True]
