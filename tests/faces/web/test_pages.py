"""Every page in a real browser, on a real server: light and dark, narrow and wide, by keyboard, and for who cannot see it."""

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from tests.conftest import ROOT, Command
from tests.support.server import serving

CHROMIUM = "/usr/bin/chromium-headless-shell"
QUIET = ["--no-sandbox", "--disable-quic", "--disable-background-networking"]
DATA = ROOT / "src" / "trueup" / "domains" / "telemetry" / "data"
OWNER = "owner@example.org"
PASSWORD = "a password of the tests, long enough"
SERIOUS = ("serious", "critical")
PAGES = (
    "/", "/facts/", "/log/", "/log/1/", "/packs/", "/telemetry/", "/policy/", "/policy/why/?action=evidence.key.rotate&role=viewer",
    "/telemetry/compare/",
    "/telemetry/runs/",
    "/telemetry/runs/rig-7/",
    "/telemetry/baselines/",
    "/jobs/",
    "/schedules/",
    "/alerts/",
    "/subjects/",
    "/approvals/", "/users/", "/keys/", "/sessions/", "/account/", "/nothing/", "/facts/?subject=nothing",
)  # fmt: skip


@pytest.fixture(scope="module")
def place(template_home, tmp_path_factory):
    """A home with what the recorded pairs give, a pack, and something that waits for consent."""
    home = shutil.copytree(template_home, tmp_path_factory.mktemp("pages") / "home")
    command = Command(home, home.parent)
    for n, pair in enumerate(("clean", "drifted", "clean")):
        files = ("--baseline", DATA / f"{pair}_baseline.parquet", "--run", DATA / f"{pair}_run.parquet")
        assert command("telemetry", "compare", *files, "--subject", "rig-7").code in (0, 10), n
    sha256 = next(
        a["sha256"] for e in command("evidence", "log", "show", "--json").json["entries"] for a in e.get("artifacts", ())
    )
    assert command("evidence", "artifact", "erase", sha256, "--reason", "to be seen among the approvals").code == 6
    for name, pair in (("rig-6", "clean_baseline"), ("rig-7", "clean_run")):
        taken = command(
            "telemetry", "run", DATA / f"{pair}.parquet", "--name", name, "--program", "Aquila", "--context", "environment=lab"
        )
        assert taken.code == 30, taken.err
        assert command("telemetry", "baseline", "create", "--run", name).code == 0
    assert command("telemetry", "analyze", "rig-7", "--baseline", "rig-6").code == 0
    assert command("tenant", "create", "north").code == 0
    return home


@pytest.fixture(scope="module")
def address(place):
    with serving(place) as server:
        yield server.address.rstrip("/")


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in(chromium, address, place):
    """A browser's context in which the owner is signed in, through the pages themselves."""
    once = Command(place, place.parent)("user", "add", OWNER, "--role", "owner", "--json").json["one_time_password"]
    context = chromium.new_context()
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(f"{address}/facts/")
    page.fill("[name=email]", OWNER)
    page.fill("[name=password]", once)
    page.click("main button[type=submit]")
    page.fill("[name=current]", once)
    page.fill("[name=new]", PASSWORD)
    page.fill("[name=again]", PASSWORD)
    page.click("main button[type=submit]")
    page.wait_for_selector("h1")
    page.close()
    return context


@pytest.fixture
def page(signed_in):
    """A page that remembers what the browser complained about."""
    opened = signed_in.new_page()
    opened.complaints = []
    opened.on("console", lambda message: opened.complaints.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    yield opened
    opened.close()


def details(page, address):
    """Return the addresses of single things: a fact with a course, an entry, a comparison."""
    found = []
    for path, link in (
        ("/facts/?predicate=telemetry.findings@1", "tbody a"),
        ("/telemetry/", "tbody a"),
        ("/users/", "tbody a"),
        ("/telemetry/baselines/", "tbody a"),
    ):
        page.goto(address + path)
        found.append(page.get_attribute(link, "href"))
    return found


@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.requirement("kernel:web.csp-axe")
def test_every_page_is_clean_accessible_and_fits(page, address, theme, width):
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 900})
    axe, wrong = Axe(), []
    for path in (*PAGES, *details(page, address)):
        page.complaints.clear()
        answer = page.goto(address + path)
        assert page.evaluate("document.documentElement.dataset.bsTheme") == theme
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wrong.append((path, "wider than the screen"))
        expected = 404 if path == "/nothing/" else 200
        wrong += [(path, "status", answer.status)] if answer.status != expected else []
        wrong += [(path, text) for text in page.complaints if "404 (Not Found)" not in text]
        found = axe.run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]}).response["violations"]
        wrong += [(path, v["id"], [n["target"] for n in v["nodes"]]) for v in found if v["impact"] in SERIOUS]
    assert wrong == []


@pytest.mark.parametrize("path", ["/login/", "/api/docs"])
@pytest.mark.requirement("kernel:web.csp-axe")
def test_the_open_pages_are_clean_too(chromium, address, path):
    page = chromium.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(address + path)
    page.wait_for_load_state("networkidle")
    assert complaints == []
    if path == "/login/":
        assert [v["id"] for v in Axe().run(page).response["violations"] if v["impact"] in SERIOUS] == []
    else:
        page.wait_for_selector(".opblock-tag")
    page.close()


def test_the_check_for_violations_would_see_an_inline_script(page, address):
    page.goto(address + "/")
    page.evaluate("() => { const s = document.createElement('script'); s.textContent = '1'; document.body.append(s); }")
    assert any("Content Security Policy" in text for text in page.complaints)


def test_the_first_tab_leads_past_the_navigation_and_menus_open_and_close_by_keyboard(page, address):
    page.goto(address + "/facts/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.focus(".me")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Sign out", state="visible")
    page.keyboard.press("Escape")
    page.wait_for_selector("text=Sign out", state="hidden")


def test_on_a_narrow_screen_the_navigation_opens_from_a_button(page, address):
    page.set_viewport_size({"width": 400, "height": 900})
    page.goto(address + "/")
    assert not page.is_visible("text=Comparisons")
    page.click(".navbar-toggler")
    page.wait_for_selector("text=Comparisons", state="visible")


def test_the_theme_is_switched_and_remembered(page, address):
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(address + "/")
    page.click(".foot [data-theme-switch]")
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
    page.goto(address + "/facts/")
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
    assert page.get_attribute(".foot [data-theme-switch]", "aria-pressed") == "true"
    page.evaluate("localStorage.clear()")


def test_a_table_is_sorted_and_filtered_in_place_and_its_address_says_so(page, address):
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(address + "/facts/")
    page.evaluate("window.same = true")
    page.click("th a:has-text('Subject')")
    page.wait_for_selector("th[aria-sort=ascending]")
    page.fill("#filter-facts-predicate", "telemetry.verdict@1")
    page.click(".filters button")
    page.wait_for_selector("tbody tr:nth-child(5):last-child")
    assert "predicate=telemetry.verdict" in page.url
    assert "sort=subject" in page.url
    assert page.evaluate("window.same") is True
    page.go_back()
    page.wait_for_selector("th[aria-sort=ascending]")


def test_verify_now_shows_its_report_in_place(page, address):
    page.goto(address + "/log/")
    page.click("text=Verify now")
    page.wait_for_selector("#verified .state-good:has-text('pass')")


def test_times_are_shown_local_and_a_course_is_drawn(page, address):
    page.goto(address + "/facts/?predicate=telemetry.findings@1&subject=rig-7")
    assert page.get_attribute("tbody time", "data-local") == ""
    page.goto(address + page.get_attribute("tbody a", "href"))
    page.wait_for_selector("[data-drawn] canvas")


def test_a_report_is_shown_as_it_was_recorded_and_runs_nothing(page, address):
    page.goto(address + "/telemetry/")
    page.click("tbody tr >> nth=1 >> a")
    frame = page.frame_locator("iframe.report")
    frame.locator("h1").wait_for()
    assert page.get_attribute("iframe.report", "sandbox") == ""
    assert [text for text in page.complaints if "Content Security Policy" in text] == []


def test_a_digest_is_copied_whole(page, signed_in, address):
    signed_in.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(address + "/log/1/")
    whole = page.get_attribute(".digest .copy", "data-copy")
    page.click(".digest .copy")
    page.wait_for_selector(".copy.copied")
    assert page.evaluate("navigator.clipboard.readText()") == whole


def test_the_tenant_is_switched_from_the_navigation(page, address):
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(address + "/")
    page.click(".tenant")
    page.wait_for_selector(".tenants .dropdown-menu", state="visible")
    assert page.inner_text(".tenants .dropdown-menu button[aria-current]").startswith("default")


def test_signing_out_ends_the_session(chromium, address, signed_in):
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{address}/")
    page.fill("[name=email]", OWNER)
    page.fill("[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    page.click(".me")
    page.click("text=Sign out")
    page.wait_for_url("**/login/")
    page.goto(f"{address}/facts/")
    assert "/login/" in page.url
    context.close()


def test_two_files_are_compared_from_the_browser_with_progress(page, address):
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(address + "/telemetry/")
    page.click("text=Compare files")
    page.set_input_files("#baseline", DATA / "drifted_baseline.parquet")
    page.set_input_files("#run", DATA / "drifted_run.parquet")
    page.fill("#subject", "rig-9")
    page.click("main button[type=submit]")
    page.wait_for_selector("h1:has-text('drifted_run.parquet against drifted_baseline.parquet')")
    page.wait_for_selector("iframe.report", timeout=60_000)  # the progress led here by itself
    assert page.inner_text("h1") == "rig-9"
    assert page.complaints == []
