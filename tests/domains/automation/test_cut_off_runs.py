"""What a worker that is killed had sent is known: its lines are in the evidence of the attempt that follows."""

import json
import os
import signal
import subprocess
import sys
import time

from aiohttp import web

from tests.domains.automation.egress.sites import answering
from tests.domains.automation.test_fetch_jobs import asked, drain, hops, shown, site_of, stored  # noqa: F401 - fixtures
from trueup.domains.automation.egress.spool import folder_of


def test_requests_of_a_killed_worker_are_in_the_evidence_of_the_next_attempt(session, asked, drain, site_of):
    asked_for = []

    async def handler(request):
        asked_for.append(request.path)
        if request.path == "/robots.txt":
            return web.Response(text="")
        if len(asked_for) == 1:
            import asyncio

            await asyncio.sleep(30)
        return web.Response(text="there")

    command = [sys.executable, "-m", "trueup", "--home", str(session.installation.home.path), "worker", "--lease", "1"]
    with answering(handler) as site:
        site_of(site, own=True)
        id = asked(site.url("/a?first"), repeatable=True)
        worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not asked_for:
            time.sleep(0.05)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        assert len(list(folder_of(session.installation.home.path).iterdir())) == 1
        ends = time.monotonic() + 30
        while shown(session, id)["state"] != "completed" and time.monotonic() < ends:
            drain()
            time.sleep(0.2)
    (row,) = shown(session, id)["executions"]
    manifest = json.loads(stored(session, row["manifest"]))
    kept = {one["name"]: one["sha256"] for one in manifest.get("runs", {}).get(str(id), manifest)["artifacts"]}
    (cut,) = [json.loads(line) for line in stored(session, kept["egress-cut-off.jsonl"]).splitlines()]
    assert (cut["url"], cut["allowed"], cut["status"]) == (site.url("/a?first"), True, None)
    assert list(folder_of(session.installation.home.path).iterdir()) == []
