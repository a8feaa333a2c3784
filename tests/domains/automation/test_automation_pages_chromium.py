"""The pages of automation in a real browser: light and dark, narrow and wide, by keyboard, under the strict content policy."""

import json
import re
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.conftest import Command
from tests.support.server import serving
from trueup.domains.automation.engine.easing import Ease
from trueup.domains.automation.engine.limits import Usage
from trueup.domains.automation.meters import Stored, written

CHROMIUM = "/usr/bin/chromium-headless-shell"
QUIET = ["--no-sandbox", "--disable-quic", "--disable-background-networking"]
OWNER, PASSWORD = "owner@example.org", "a password of the tests, long enough"
SERIOUS = ("serious", "critical")
AT = "/automation"


@pytest.fixture(scope="module")
def place(template_home, tmp_path_factory):
    """A home with policies, authorizations in several states, a breaker and a switch."""
    home = shutil.copytree(template_home, tmp_path_factory.mktemp("automation-pages") / "home")
    command = Command(home, home.parent)

    def done(*args):
        answer = command("automation", *args, "--json")
        assert answer.code == 0, answer.err
        return answer.json

    done(
        "policy",
        "put",
        "example.org",
        "--path",
        "/news",
        "--strategy",
        "vanilla",
        "--strategy",
        "stealth",
        "--notes",
        "asked for",
    )
    done("policy", "put", "example.org", "--per-minute", "9")
    done("policy", "put", "*.a-rather-long-name-of-some-department.example.net", "--deny")
    done("authorize", "request", "example.org", "--method", "html_meta", "--contact", "web team")
    vouched = done(
        "authorize", "request", "127.0.0.1", "--port", "8080", "--method", "loopback", "--own", "--contact", "us", "--for", "5d"
    )
    for move in ("evidence", "verify", "activate"):
        done("authorize", move, vouched["id"])
    done("breaker", "open", "failing.example.org", "--reason", "the web team called")
    done("kill", "on", "shop.example.org", "--reason", "incident 7")
    lower(home, "example.org:443", "6 of its last 10 runs failed")
    return home


def lower(home, authority, why):
    """Store that an authority is gone easy on, as its runs do when they fail."""
    body = written(Stored(Usage(), {}, 0, Ease(0.4, datetime.now(UTC), why)))
    with closing(sqlite3.connect(home / "trueup.sqlite3")) as store, store:
        (tenant,) = store.execute("SELECT tenant FROM automation_policyversion").fetchone()
        row = (tenant, authority, json.dumps(body))
        store.execute("INSERT INTO automation_meter (tenant, authority, usage) VALUES (?, ?, ?)", row)


@pytest.fixture(scope="module")
def address(place):
    with serving(place, "--no-worker") as server:
        yield server.address.rstrip("/")


@pytest.fixture(scope="module")
def signed_in(address, place):
    """A browser in which the owner is signed in."""
    once = Command(place, place.parent)("user", "add", OWNER, "--role", "owner", "--json").json["one_time_password"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = browser.new_context()
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.goto(f"{address}/login/")
        page.fill("[name=email]", OWNER)
        page.fill("[name=password]", once)
        page.click("main button[type=submit]")
        for name, value in (("current", once), ("new", PASSWORD), ("again", PASSWORD)):
            page.fill(f"[name={name}]", value)
        page.click("main button[type=submit]")
        page.wait_for_selector("text=Host policies", state="attached")
        page.close()
        yield context
        browser.close()


@pytest.fixture
def page(signed_in):
    """A page that remembers what the browser complained about."""
    opened = signed_in.new_page()
    opened.set_viewport_size({"width": 1400, "height": 900})
    opened.complaints = []
    opened.on("console", lambda message: opened.complaints.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    yield opened
    opened.close()


@pytest.fixture
def each(page, address):
    """The addresses of every page, single things included."""
    page.goto(f"{address}{AT}/authorizations/")
    found = re.findall(r'href="(/automation/authorizations/[0-9a-f-]{36}/)"', page.content())
    assert len(found) == 2
    policies = ("policies/", "policies/one/?host=example.org", "policies/edit/?host=example.org", "policies/check/")
    return ["/", *(f"{AT}/{path}" for path in (*policies, "authorizations/", "authorizations/new/", "safety/")), *found]


@pytest.mark.parametrize(("theme", "width"), [("light", 1400), ("dark", 400)])
@pytest.mark.requirement("kernel:web.csp-axe")
def test_every_page_of_automation_is_clean_accessible_and_fits(page, address, each, theme, width):
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 900})
    axe, wrong = Axe(), []
    for path in each:
        page.complaints.clear()
        answer = page.goto(address + path)
        page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true; })")
        assert page.evaluate("document.documentElement.dataset.bsTheme") == theme
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wrong.append((path, "wider than the screen"))
        wrong += [(path, "status", answer.status)] if answer.status != 200 else []
        wrong += [(path, text) for text in page.complaints]
        found = axe.run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]}).response["violations"]
        wrong += [(path, v["id"], [n["target"] for n in v["nodes"]]) for v in found if v["impact"] in SERIOUS]
    assert wrong == []


def test_while_a_policy_is_edited_the_page_says_in_place_what_would_change(page, address):
    page.goto(f"{address}{AT}/policies/edit/?host=example.org")
    page.evaluate("window.same = true")
    page.fill("#paths", "/jobs")
    page.fill("#urls", "https://example.org/news/1\nhttps://example.org/jobs/1")
    page.focus("#urls")
    for key in ("Tab", "Tab", "Enter"):  # by keyboard: over the tier to the button
        page.keyboard.press(key)
    page.wait_for_selector("#tried :text('1 otherwise than now')")
    assert page.input_value("#paths") == "/jobs"
    assert page.evaluate("window.same") is True
    assert Axe().run(page, context="#tried").response["violations"] == []
    assert page.complaints == []


def test_a_challenge_is_copied_whole(page, signed_in, address):
    signed_in.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{address}{AT}/authorizations/?state=draft")
    page.click("tbody a")
    page.click("button[aria-label='Copy within its head element']")
    page.wait_for_selector(".copy.copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r'<meta name="trueup-challenge" content="[\w-]{43}">', copied)


def test_everything_is_switched_off_with_a_reason_and_a_tick_and_goes_on(page, address):
    page.goto(f"{address}{AT}/safety/")
    page.fill("#all-off", "incident 8")
    page.click("text=Switch everything off")
    assert page.is_visible("text=Work may go on")  # the browser asks for the tick first
    page.check("[name=sure]")
    page.click("text=Switch everything off")
    page.wait_for_selector(".switch-state:has-text('Everything is switched off')")
    assert Axe().run(page, context="#content").response["violations"] == []
    page.fill("#all-on", "over")
    page.click("text=Let work go on")
    page.wait_for_selector(".switch-state:has-text('Work may go on')")
    assert page.complaints == []
