"""Steps on elements, and taking from pages, in a real browser: each does what it says, or says why it did not."""

import hashlib

import pytest

from tests.domains.automation.browser.theatre import Keeping, Theatre, last
from trueup.domains.automation.browser.performed import Ended
from trueup.domains.automation.engine.codes import Code

SHOWS = "<output></output><script>const says = (x) => document.querySelector('output').textContent += x + ';'</script>"


@pytest.fixture(scope="module")
def theatre():
    with Theatre() as made:
        yield made


def says(text):
    return {"action": "assert", "condition": {"selector": "output", "state": "attached", "equals": text}, "timeout_ms": 3_000}


def plays(theatre, html, *steps, **more):
    found, _ = theatre.plays(SHOWS + html, *steps, **more)
    return found


# click, hover, check, select


@pytest.mark.parametrize(
    ("html", "more", "text"),
    [
        ("<button id=it onclick='says(1)'>x</button>", {}, "1;"),
        ("<button id=it ondblclick='says(2)'>x</button>", {"count": 2}, "2;"),
        ("<p id=it oncontextmenu='says(3)'>x</p>", {"button": "right"}, "3;"),
        ("<p id=it onauxclick='says(event.button)'>x</p>", {"button": "middle"}, "1;"),
        ("<p id=it onclick='says([event.shiftKey, event.altKey])'>x</p>", {"modifiers": ["Shift", "Alt"]}, "true,true;"),
        ("<button class=it hidden>x</button><button class=it onclick='says(4)'>x</button>", {"selector": ".it"}, "4;"),
        ("<button id=it onclick='says(5)'>Press me</button>", {"selector": "text=Press me"}, "5;"),
        ("<button id=it disabled onclick='says(6)'>x</button><script>setTimeout(() => it.disabled = false, 150)</script>",
         {"wait_for": "enabled", "timeout_ms": 3_000}, "6;"),
    ],
)  # fmt: skip
def test_click_clicks_what_is_meant(theatre, html, more, text):
    found = plays(theatre, html, {"action": "click", "selector": "#it", **more}, says(text))
    assert found.ended is Ended.COMPLETED


@pytest.mark.parametrize(
    ("html", "more", "code"),
    [
        ("", {}, Code.SELECTOR_NOT_FOUND),
        ("<button id=it hidden>x</button>", {}, Code.SELECTOR_NOT_FOUND),
        ("<button id=it>x</button><div style='position: fixed; inset: 0'></div>", {}, Code.ELEMENT_NOT_READY),
        ("<button id=it disabled>x</button>", {"wait_for": "enabled"}, Code.ELEMENT_NOT_READY),
        ("", {"selector": "#["}, Code.SELECTOR_INVALID),
        ("", {"selector": "nonsense=x"}, Code.SELECTOR_INVALID),
    ],
)
def test_what_is_not_there_or_cannot_be_used_is_named_with_its_code(theatre, html, more, code):
    found = plays(theatre, html, {"action": "click", "selector": "#it", "timeout_ms": 120, **more})
    assert (found.code, "Call log" in found.reason) == (code, False)


TRIED = (("#none", 100), ("#it", 700))


@pytest.mark.parametrize("action", ["hover", "check", "select", "fill", "upload"])
def test_every_step_on_an_element_says_that_it_is_not_there_or_not_of_its_kind(theatre, action):
    more = {"select": {"values": ["a"]}, "fill": {"value": "a"}, "upload": {"artifact": "a" * 64}}.get(action, {})
    room = Keeping()
    room.files["a" * 64] = b"x"
    steps = [{"action": action, "selector": at, "timeout_ms": ms, "on_error": "continue", **more} for at, ms in TRIED]
    found = plays(theatre, "<p id=it>x</p>", *steps, room=room)
    codes = [one.error.code if one.error else None for one in found.steps[1:]]
    assert codes == [Code.SELECTOR_NOT_FOUND, None if action == "hover" else Code.ELEMENT_NOT_READY]


def test_hover_moves_the_pointer_over_an_element(theatre):
    html = "<p id=it style='position: fixed; top: 200px' onmouseenter='says(1)'>x</p>"
    assert plays(theatre, html, {"action": "hover", "selector": "#it"}, says("1;")).code is None


def test_check_ticks_and_clears(theatre):
    html = "<input type=checkbox id=it onchange='says(this.checked)'><input type=checkbox id=on checked>"
    ticks, clears = {"action": "check", "selector": "#it"}, {"action": "check", "selector": "#it", "checked": False}
    assert plays(theatre, html, ticks, ticks, clears, says("true;false;")).code is None


@pytest.mark.parametrize(
    ("more", "text", "values"),
    [
        ({"values": ["2"]}, "2;", ["2"]),
        ({"values": ["Three"], "by": "label"}, "3;", ["3"]),
        ({"values": ["1", "3"]}, "1,3;", ["1", "3"]),
    ],
)
def test_select_chooses_by_value_or_by_label(theatre, more, text, values):
    multiple = "multiple" if len(values) > 1 else ""
    html = f"""<select id=it {multiple} onchange="says([...this.selectedOptions].map((o) => o.value))">
        <option value=1>One<option value=2>Two<option value=3>Three</select>"""
    found = plays(theatre, html, {"action": "select", "selector": "#it", **more}, says(text))
    assert (found.code, found.steps[1].data) == (None, {"values": values})


def test_an_option_that_is_not_there_is_a_failure(theatre):
    found = plays(
        theatre, "<select id=it><option>a</select>", {"action": "select", "selector": "#it", "values": ["z"], "timeout_ms": 150}
    )
    assert found.code is Code.ELEMENT_NOT_READY


# fill


def test_fill_puts_texts_and_secrets_into_fields(theatre):
    html = "<input id=a oninput='says(this.value)'><input id=b oninput='says(this.value.length)'>"
    steps = [{"action": "fill", "selector": "#a", "value": "häns"}, {"action": "fill", "selector": "#b", "secret": "pin"}]
    found = plays(theatre, html, *steps, says("häns;9;"), room=Keeping(secrets={"pin": "swordfish"}))
    assert found.ended is Ended.COMPLETED
    assert "swordfish" not in str(found.document())


def test_a_secret_that_there_is_none_of_fails_before_anything_is_typed(theatre):
    html = "<input id=a oninput='says(1)'>"
    found = plays(theatre, html, {"action": "fill", "selector": "#a", "secret": "pin", "on_error": "continue"}, says(""))
    assert (found.ended, found.steps[1].error.code) == (Ended.COMPLETED, Code.CREDENTIAL_MISSING)


class Asking(Keeping):
    """Remembers where secrets were asked for."""

    async def secret(self, name, at):
        self.at = at
        return await super().secret(name, at)


def test_a_secret_is_asked_for_with_the_address_of_the_very_document_that_it_is_typed_into(theatre):
    room = Asking(secrets={"pin": "swordfish"})
    html = "<script>Object.defineProperty(document, 'URL', {get: () => 'https://bank.example/'})</script><input id=a>"
    plays(theatre, html, {"action": "fill", "selector": "#a", "secret": "pin"}, room=room)
    assert room.at == theatre.page
    html = "<iframe srcdoc='<input id=inner>'></iframe>"
    step = {"action": "fill", "selector": "iframe >> internal:control=enter-frame >> #inner", "secret": "pin"}
    found = plays(theatre, html, step, room=room)
    assert found.code is Code.CREDENTIAL_MISSING


# upload


def test_upload_gives_a_file_field_an_artifact(theatre):
    data = b"%PDF-1.7 hello"
    digest = hashlib.sha256(data).hexdigest()
    room = Keeping()
    room.files[digest] = data
    html = """<input type=file id=it style="display: none" onchange="this.files[0].text().then((t) => says([this.files[0].name, this.files[0].type, t]))">"""
    step = {"action": "upload", "selector": "#it", "artifact": digest, "file_name": "report.pdf"}
    found = plays(theatre, html, step, says("report.pdf,application/pdf,%PDF-1.7 hello;"), room=room)
    assert found.ended is Ended.COMPLETED
    assert found.steps[1].data == {"sha256": digest, "size": 14, "media_type": "application/pdf", "file_name": "report.pdf"}


def test_an_artifact_that_is_not_kept_is_not_uploaded(theatre):
    found = plays(theatre, "<input type=file id=it>", {"action": "upload", "selector": "#it", "artifact": "0" * 64})
    assert found.code is Code.ARTIFACT_MISSING


# extract

LIST = """<h1> Jobs <span hidden>not seen</span></h1><img alt="logo" src="/logo.png">
<div class=job><a href="/1">One</a><i>a</i><i>b</i></div><div class=job><a href="/2">Two</a></div>
<input id=q value="typed"><input type=password id=pw value="hunter22"><p id=form><b>x</b><input type="password" value="hunter22"></p>"""


def extracts(fields, **more):
    return {"action": "extract", "fields": fields, "timeout_ms": 3_000, **more}


def test_extract_takes_texts_html_values_and_attributes(theatre):
    fields = {
        "title": "h1",
        "logo": {"selector": "img", "attribute": "alt"},
        "picture": {"selector": "img", "attribute": "src"},
        "links": {"selector": "a", "attribute": "href", "multiple": True},
        "typed": {"selector": "#q", "attribute": "value"},
        "html": {"selector": ".job", "attribute": "html"},
        "none": {"selector": ".none", "required": False},
        "no_attribute": {"selector": "h1", "attribute": "data-x", "required": False},
        "none_of_many": {"selector": ".none", "multiple": True, "required": False},
    }
    found = plays(theatre, LIST, extracts(fields, store_as="it"))
    at = theatre.site.url
    assert found.stored["it"] == {
        "title": "Jobs", "logo": "logo", "picture": at("/logo.png"), "links": [at("/1"), at("/2")], "typed": "typed",
        "html": '<a href="/1">One</a><i>a</i><i>b</i>', "none": None, "no_attribute": None, "none_of_many": [],
    }  # fmt: skip
    assert last(found).data == {"fields": found.stored["it"]}


@pytest.mark.parametrize("link", ["a", "xpath=.//a", "a:visible"])
def test_extract_takes_fields_of_each_container(theatre, link):
    fields = {"name": link, "tags": {"selector": "i", "multiple": True, "required": False}}
    found = plays(theatre, LIST, extracts(fields, each=".job", store_as="jobs"))
    rows = [{"name": "One", "tags": ["a", "b"]}, {"name": "Two", "tags": []}]
    assert (found.stored["jobs"], last(found).data) == (rows, {"count": 2, "items": rows})
    assert plays(theatre, LIST, extracts(fields, each=".job", limit=1, store_as="jobs")).stored["jobs"] == rows[:1]


@pytest.mark.parametrize(
    ("step", "names"),
    [
        (extracts({"x": ".none"}, timeout_ms=200), ".none"),
        (extracts({"x": {"selector": "h1", "attribute": "data-x"}}), "data-x"),
        (extracts({"x": "a"}, each=".nowhere", timeout_ms=200), ".nowhere"),
        (extracts({"x": "i"}, each=".job"), "container 2"),
    ],
)
def test_a_field_that_is_required_and_not_there_is_a_failure_that_names_it(theatre, step, names):
    found = plays(theatre, LIST, step)
    assert (found.code, names in found.reason) == (Code.SELECTOR_NOT_FOUND, True)


def test_extract_waits_for_what_comes_later(theatre):
    html = "<script>setTimeout(() => document.body.innerHTML = '<h2>late</h2>', 150)</script>"
    assert plays(theatre, html, extracts({"x": "h2"}, timeout_ms=3_000, store_as="it")).stored == {"it": {"x": "late"}}


def test_the_value_of_a_password_field_is_not_taken(theatre):
    fields = {"a": {"selector": "#pw", "attribute": "value"}, "b": {"selector": "#form", "attribute": "html"}}
    found = plays(theatre, LIST, extracts(fields))
    assert last(found).data["fields"]["a"] == "[redacted]"
    assert "<b>x</b>" in last(found).data["fields"]["b"]
    assert "hunter22" not in str(found.document())


# hints


@pytest.mark.parametrize(
    ("html", "selector", "offered"),
    [
        ('<button data-testid="submit-order-v2">Send</button>', "[data-testid=submit-order]", '[data-testid="submit-order-v2"]'),
        ('<input id="email_field">', "#email-field", "#email_field"),
        ('<input name="user_name">', "input[name='username']", 'input[name="user_name"]'),
        ('<a href="/x">Sign in now</a>', "text=Sign in", 'a:text-is("Sign in now")'),
        ('<button aria-label="Close dialog">x</button>', "[aria-label='Close the dialog']", 'button[aria-label="Close dialog"]'),
    ],
)
def test_a_selector_that_finds_nothing_is_answered_with_those_that_resemble_it_and_none_is_applied(
    theatre, html, selector, offered
):
    page = f'<h2 id="unrelated">Other</h2>{html}'
    exact = selector.replace("text=Sign in", 'text="Sign in"')
    found = plays(theatre, page, {"action": "click", "selector": exact, "timeout_ms": 100})
    (hint, *_) = found.steps[1].document()["error"]["hint"]
    assert (found.ended, hint["selector"]) == (Ended.FAILED, offered)
    assert "resembles" in hint["why"]
    assert plays(theatre, page, {"action": "click", "selector": hint["selector"]}).ended is Ended.COMPLETED


def test_nothing_is_offered_where_nothing_is_alike(theatre):
    found = plays(theatre, '<button id="zebra">x</button>', {"action": "click", "selector": "#checkout-total", "timeout_ms": 100})
    assert "hint" not in found.steps[1].document()["error"]


def test_a_page_that_is_replaced_while_it_is_read_is_read_again(theatre):
    html = "<h1>old</h1><script>if (location.search !== '?new') location = '/page?new'</script>"
    found = plays(theatre, html, {"action": "wait", "until": {"url": "?new"}}, extracts({"x": "h1"}, store_as="it"))
    assert found.stored == {"it": {"x": "old"}}


def test_an_upload_has_bounds(theatre, monkeypatch):
    from trueup.domains.automation.browser import elements

    monkeypatch.setattr(elements, "MAX_UPLOAD", 3)
    room = Keeping()
    room.files["a" * 64] = b"four"
    found = plays(theatre, "<input type=file id=it>", {"action": "upload", "selector": "#it", "artifact": "a" * 64}, room=room)
    assert found.code is Code.VALUE_TOO_LARGE
