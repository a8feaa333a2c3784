"""Pages in a browser, one isolated context each, with HTML and a picture, beside peers.  python -m benchmarks.automation.peers

All drive the same Chromium over the same site, four pages at once. Ours passes every request through its gate and keeps a
manifest, an egress record and a ledger entry; the peers write HTML and picture to disk. Of each peer two runs are made, and
the difference stands for the pages: starting is not counted, for any of them.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.account import counted
from benchmarks.automation.jobs import BROWSER, WARM, jobs
from benchmarks.automation.site import served
from benchmarks.harness import measure, references, report
from benchmarks.telemetry.peers import PEERS, environment

SCRAPY = """
import sys, scrapy, uuid
from pathlib import Path
from scrapy.crawler import CrawlerProcess
from scrapy_playwright.page import PageMethod
port, count, out, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
class Pages(scrapy.Spider):
    name = "pages"
    async def start(self):
        for n in range(count):
            meta = {"playwright": True, "playwright_context": f"c{n}", "playwright_include_page": True}
            yield scrapy.Request(f"http://127.0.0.1:{port}/{n}", meta=meta, dont_filter=True)
    async def parse(self, response):
        page, name = response.meta["playwright_page"], uuid.uuid4().hex
        (out / f"{name}.html").write_text(await page.content())
        (out / f"{name}.png").write_bytes(await page.screenshot(full_page=True))
        context = page.context
        await page.close()
        await context.close()
process = CrawlerProcess({
    "DOWNLOAD_HANDLERS": {"http": "scrapy_playwright.handler.ScrapyPlaywrightDownloadHandler"},
    "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
    "PLAYWRIGHT_LAUNCH_OPTIONS": {"executable_path": path, "chromium_sandbox": False},
    "PLAYWRIGHT_MAX_CONTEXTS": 4, "CONCURRENT_REQUESTS": 4, "CONCURRENT_REQUESTS_PER_DOMAIN": 4,
    "LOG_LEVEL": "ERROR", "ROBOTSTXT_OBEY": True, "TELNETCONSOLE_ENABLED": False,
})
process.crawl(Pages)
process.start()
"""
CRAWLEE = """
import asyncio, sys, uuid
from datetime import timedelta
from pathlib import Path
from crawlee import ConcurrencySettings, Request
from crawlee.crawlers import PlaywrightCrawler, PlaywrightCrawlingContext
port, count, out, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
async def main():
    crawler = PlaywrightCrawler(
        browser_launch_options={"executable_path": path, "chromium_sandbox": False}, use_incognito_pages=True, headless=True,
        concurrency_settings=ConcurrencySettings(desired_concurrency=4, max_concurrency=4), configure_logging=False,
    )
    @crawler.router.default_handler
    async def handler(context: PlaywrightCrawlingContext) -> None:
        name = uuid.uuid4().hex
        (out / f"{name}.html").write_text(await context.page.content())
        (out / f"{name}.png").write_bytes(await context.page.screenshot(full_page=True))
    await crawler.run([Request.from_url(f"http://127.0.0.1:{port}/{n}") for n in range(count)])
asyncio.run(main())
"""


def crawl(script: str, port: int, count: int) -> dict[str, float]:
    """Run a peer over so many pages."""
    from trueup.domains.automation.browser.launch import executable

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        out.mkdir()
        place = Path(folder) / "peer.py"
        place.write_text(script)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUEUP_")}
        with counted() as spent:
            done = subprocess.run(
                [str(PEERS / "bin" / "python"), str(place), str(port), str(count), str(out), str(executable())],
                cwd=folder,
                env=clean | {"CRAWLEE_STORAGE_DIR": folder, "HOME": folder},
                capture_output=True,
                check=False,
            )
            cpu = spent()
        pages, pictures = len(list(out.glob("*.html"))), len(list(out.glob("*.png")))
        if (pages, pictures) != (count, count):
            raise RuntimeError(f"{pages} pages, {pictures} pictures of {count}: {done.stderr.decode()[-1500:]}")
    return {"cpu_s": cpu}


def peer(script: str, port: int) -> dict[str, float]:
    """Return what a page costs a peer, from two runs."""
    few = measure(crawl, script, port, WARM, repeats=1)
    many = measure(crawl, script, port, WARM + BROWSER, repeats=1)
    cpu, wall = many["cpu_s"] - few["cpu_s"], many["wall_s"] - few["wall_s"]
    return {
        "cpu_s": cpu,
        "wall_s": wall,
        "peak_mib": many["peak_mib"],
        "cpu_ms_a_job": cpu / BROWSER * 1000,
        "jobs_per_s": BROWSER / wall,
    }


def main() -> int:
    """Measure, print, write."""
    environment()
    figures = references()
    with served() as port:
        figures["ours"] = measure(jobs, port, {"job_type": "navigate_extract"}, BROWSER, "own", 4, repeats=1)
        figures["scrapy-playwright"] = peer(SCRAPY, port)
        figures["crawlee"] = peer(CRAWLEE, port)
    ours = figures["ours"]["cpu_ms_a_job"]
    ratios = {name: round(figures[name]["cpu_ms_a_job"] / ours, 2) for name in ("scrapy-playwright", "crawlee")}
    print(json.dumps({"cpu of ours : peer": ratios}))
    return report("automation_peers", figures, {"ours": ("cpu_ms_a_job", "<=", 250.0)})


if __name__ == "__main__":
    sys.exit(main())
