"""The pages of jobs in a real browser, over jobs that a real browser did: light and dark, narrow and wide, by keyboard."""

import json
import re
import shutil
import sqlite3
from contextlib import closing

import pytest
from aiohttp import web
from axe_playwright_python.sync_playwright import Axe

from tests.conftest import Command
from tests.domains.automation.egress.sites import answering
from tests.domains.automation.test_automation_pages_chromium import page, signed_in  # noqa: F401 - fixtures
from tests.support.server import serving
from trueup.domains.automation.engine.loading import Tally

SERIOUS = ("serious", "critical")
AT = "/automation"
HTML = """<!doctype html><html lang=en><title>shop</title><body><h1>Shop</h1><p class=price>12.50</p>
<button id="buy-now-2">Buy now</button><a id=report href="/report.csv" download>report</a><img alt=p src="/p.png"><img alt=x src="http://10.1.2.3/x.png">
<script>console.log('loaded');console.error('a warning of the page')</script></body></html>"""


async def answer(request):
    if request.path == "/robots.txt":
        return web.Response(text="")
    if request.path == "/report.csv":
        return web.Response(text="a,b\n1,2\n", content_type="text/csv")
    if request.path == "/no":
        return web.Response(status=403, text="no")
    return web.Response(text=HTML, content_type="text/html")


@pytest.fixture(scope="module")
def place(template_home, tmp_path_factory):
    """A home with jobs of several kinds on a site of this machine, done by a worker and its browser."""
    home = shutil.copytree(template_home, tmp_path_factory.mktemp("job-pages") / "home")
    command = Command(home, home.parent)

    def done(*args, codes=(0,)):
        found = command("automation", *args, "--json")
        assert found.code in codes, found.err + found.out
        return found.json

    with answering(answer) as site:
        port = str(site.port)
        asked = done(
            "authorize", "request", "127.0.0.1", "--port", port, "--method", "loopback", "--own", "--contact", "us", "--for", "5d"
        )
        for move in ("evidence", "verify", "activate"):
            done("authorize", move, asked["id"])
        done("policy", "put", "127.0.0.1", "--port", port, "--per-minute", "100", "--per-hour", "1000", "--concurrent", "4")
        steps = [
            {"action": "extract", "fields": {"price": {"selector": ".price"}}, "store_as": "found"},
            {"action": "screenshot", "full_page": True},
            {"action": "file_download", "method": "link", "selector": "#report"},
            {"action": "click", "selector": "#buy-now", "timeout_ms": 300, "on_error": "continue"},
        ]
        jobs = home.parent / "jobs.jsonl"
        rows = [
            {"url": site.url("/shop"), "job_type": "steps", "payload": {"steps": steps}},
            {"url": site.url("/no"), "job_type": "fetch"},
            {"url": site.url("/a"), "job_type": "fetch"},
        ]
        jobs.write_text("\n".join(map(json.dumps, rows)))
        done("job", "submit", "--file", str(jobs), "--wait", codes=(30,))
        loaded(home, site.url("/a"))
    done("policy", "put", "a.org")
    done("job", "submit", "https://a.org/waits", "--type", "fetch", "--not-before", "2100-01-01T00:00:00Z")
    return home


def loaded(home, url):
    """Store with a run what a run of load stores: half a minute, a part of which failed."""
    tally = Tally()
    for n in range(3_000):
        second = n / 100
        failed = (12 <= second < 15 and n % 3 == 0) or 20 <= second < 21
        tally.answer(second, 20 + (n * 7 % 50) + 4 * second, "HTTP_500" if failed else "")
    with closing(sqlite3.connect(home / "trueup.sqlite3")) as store, store:
        done = store.execute("UPDATE automation_run SET summary = ? WHERE url = ?", (json.dumps(tally.summary(30.0)), url))
        assert done.rowcount == 1


@pytest.fixture(scope="module")
def address(place):
    with serving(place, "--no-worker") as server:
        yield server.address.rstrip("/")


def job_at(page, address, words):
    """Return the address of a job's page by its URL's end."""
    page.goto(f"{address}{AT}/jobs/")
    return re.search(rf'href="({AT}/jobs/[0-9a-f-]{{36}}/)">[^<]*{words}<', page.content())[1]


@pytest.mark.parametrize(("theme", "width"), [("light", 1400), ("dark", 400)])
@pytest.mark.requirement("kernel:web.csp-axe")
def test_every_page_of_jobs_is_clean_accessible_and_fits(page, address, theme, width):
    whole = [job_at(page, address, words) for words in ("/shop", "/no", "/a", "/waits")]
    authority = re.search(r"host=(127[^\"&]*)\"", page.goto(f"{address}{AT}/hosts/").text())[1]
    paths = ["/", *(f"{AT}/{path}" for path in ("jobs/", "jobs/new/", "dead/", "hosts/", f"hosts/?host={authority}")), *whole]
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 900})
    axe, wrong = Axe(), []
    for path in paths:
        page.complaints.clear()
        answered = page.goto(address + path)
        page.evaluate("document.querySelectorAll('main details').forEach(one => { one.open = true; })")
        assert page.evaluate("document.documentElement.dataset.bsTheme") == theme
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wrong.append((path, "wider than the screen"))
        wrong += [(path, "status", answered.status)] if answered.status != 200 else []
        wrong += [(path, said) for said in page.complaints]
        found = axe.run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]}).response["violations"]
        wrong += [(path, v["id"], [n["target"] for n in v["nodes"]]) for v in found if v["impact"] in SERIOUS]
    assert wrong == []


def test_a_run_shows_steps_pictures_files_requests_and_hints(page, address):
    page.goto(address + job_at(page, address, "/shop"))
    assert page.locator(".run-steps > li").count() == 5
    assert page.locator(".run-steps .step-more").first.inner_text().startswith("SELECTOR_NOT_FOUND")
    assert "#buy-now-2" in page.locator(".step-more li code").all_inner_texts()
    pictures = page.locator(".pictures img")
    assert pictures.count() >= 1
    assert pictures.first.evaluate("one => { one.loading = 'eager'; return one.decode().then(() => one.naturalWidth); }") > 100
    assert page.locator("text=report.csv").first.is_visible()
    assert page.locator(".waterfall tbody tr").count() >= 3
    assert page.locator(".tall tbody tr", has_text="10.1.2.3").locator("text=refused").first.is_visible()
    page.click("text=Show those that were refused")
    page.wait_for_url("**/?refused=1*")
    assert {one.strip() for one in page.locator(".tall tbody td:nth-child(2)").all_inner_texts()} == {"refused"}
    page.click("summary:has-text('Console')")
    assert "a warning of the page" in page.locator(".console").inner_text()
    assert page.complaints == []
    with page.expect_navigation():
        page.locator(".pictures a").first.press("Enter")  # by keyboard: the picture alone, large
    assert page.evaluate("document.contentType") == "image/png"


def test_a_run_of_load_is_drawn_and_its_figures_stand_in_a_table(page, address):
    page.goto(address + job_at(page, address, "/a"))
    drawings = page.locator("figure.load svg[role=img]")
    assert drawings.count() == 2
    assert drawings.first.locator("rect.answered").count() == 30
    assert drawings.first.locator("rect.failed").count() == 4
    assert page.locator("polyline.median").count() == page.locator("polyline.p95").count() == 2
    page.click("summary:has-text('The figures, 30 lines')")
    cells = page.locator(".table-responsive[aria-label^='Load of attempt'] tbody tr").nth(20).locator("td").all_inner_texts()
    assert cells == ["20", "100", "100", "–", "–"]
    assert page.complaints == []


def test_a_job_that_waits_is_cancelled_by_keyboard_while_its_page_renews_itself(page, address):
    place = job_at(page, address, "/waits")
    page.goto(address + place)
    page.focus("#cancel")
    page.evaluate("document.getElementById('run').setAttribute('data-old', '')")
    page.wait_for_selector("#run:not([data-old])", timeout=5_000)
    assert page.evaluate("document.activeElement.id") == "cancel"
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Somebody cancelled it.")
    assert page.complaints == []


def test_the_form_says_in_place_what_would_be_decided(page, address):
    page.goto(f"{address}{AT}/jobs/new/")
    page.fill("#url", "https://a.org/x")
    page.select_option("#job_type", "screenshot_capture")
    page.focus("text=What would be decided?")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tried :text('1 of 1 allowed')")
    assert page.input_value("#url") == "https://a.org/x"
    assert Axe().run(page, context="#tried").response["violations"] == []
    assert page.complaints == []
