"""What a worker that is killed had sent is known: its lines are in the evidence of the attempt that follows."""

import json
import os
import signal
import subprocess
import sys
import time
from uuid import uuid4

import pytest
from aiohttp import web

from tests.domains.automation.consent import consented
from tests.domains.automation.egress.sites import answering, text
from tests.domains.automation.test_fetch_jobs import asked, drain, hops, shown, site_of, stored  # noqa: F401 - fixtures
from trueup.domains.automation.egress.record import Hop
from trueup.domains.automation.egress.spool import NAME, Spool, folder_of

LOAD = {"strategy": "assault", "payload": {"load": {"requests": 3}}, "timeout_seconds": 60}


def artifacts(session, id):
    """Return what the one attempt at a job kept beside its record: the digest of each by its name."""
    (row,) = shown(session, id)["executions"]
    manifest = json.loads(stored(session, row["manifest"]))
    return {one["name"]: one["sha256"] for one in manifest.get("runs", {}).get(str(id), manifest)["artifacts"]}


def lines(session):
    """Return the files of lines about what is leaving."""
    folder = folder_of(session.installation.home.path)
    return list(folder.iterdir()) if folder.exists() else []


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
    kept = artifacts(session, id)
    (cut,) = [json.loads(line) for line in stored(session, kept[NAME]).splitlines()]
    assert (cut["url"], cut["allowed"], cut["status"]) == (site.url("/a?first"), True, None)
    assert list(folder_of(session.installation.home.path).iterdir()) == []


@pytest.mark.parametrize("job", [{}, LOAD], ids=["with others", "alone"])
def test_a_job_that_ends_by_itself_keeps_nothing_cut_off_and_leaves_no_lines(session, run, asked, drain, job):
    during = []

    async def handler(_request):
        during.append(len(lines(session)))
        return web.Response(text="there")

    with answering(handler) as site:
        consented(run, session, site.port, "assault")
        id = asked(site.url("/a"), **job)
        drain()
    assert shown(session, id)["state"] == "completed"
    assert during == [1] * (3 if job else 1)  # there was something that could have stayed
    assert NAME not in artifacts(session, id)
    assert lines(session) == []


def test_a_job_does_not_take_what_was_cut_off_of_another(session, asked, drain, site_of):
    with answering(text("there")) as site:
        site_of(site, own=True)
        other = Spool(session.installation.home.path, uuid4())
        other(Hop(session.context().now, "http", "GET", site.url("/other"), allowed=True, rule_ids=(), reason=""))
        other.close()
        id = asked(site.url("/a"))
        drain()
    assert NAME not in artifacts(session, id)
    assert lines(session) == [other.path]
