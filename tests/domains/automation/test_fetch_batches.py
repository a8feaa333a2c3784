"""Fetch jobs that are done together: each as if it were alone, all of them named by one entry."""

import asyncio
import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from threading import Thread

import pytest
from aiohttp import web

from tests.domains.automation.egress.sites import answering, text
from tests.domains.automation.test_fetch_jobs import asked, drain, shown, site_of, stored  # noqa: F401 - fixtures
from tests.kernel.work.conftest import until
from trueup.domains.automation import breakers, jobqueries, meters
from trueup.domains.automation.actions_batches import FetchJobs
from trueup.domains.automation.actions_policies import SwitchOff
from trueup.domains.automation.egress import bodies
from trueup.domains.automation.egress.spool import folder_of
from trueup.domains.automation.models import Run
from trueup.domains.automation.web import evidence
from trueup.kernel.errors import Refused
from trueup.kernel.evidence import queries
from trueup.kernel.work.actions import CancelJob
from trueup.kernel.work.models import Job

MANY = {"per_minute": 1_000, "concurrent": 50}


@pytest.fixture
def many(run):
    """Ask for several fetch jobs by one action; return their ids."""
    from uuid import UUID

    from trueup.domains.automation.actions_jobs import SubmitJobs

    def call(*jobs):
        rows = [{"job_type": "fetch", "key": f"{number}", **job} for number, job in enumerate(jobs)]
        return [UUID(id) for id in run(SubmitJobs, jobs=rows)["jobs"]]

    return call


def entries(session, action):
    return [one for one in queries.entries(session.tenant, limit=100) if one["action"] == action]


def spread(session):
    """Give each queued job a key of its own: seats are drawn by lot, and two that share one are not done together."""
    for number, row in enumerate(Job.objects.filter(tenant=session.tenant, state="queued")):
        Job.objects.filter(tenant=session.tenant, id=row.id).update(concurrency_key=f"{row.concurrency_key}/{number}")


@pytest.mark.parametrize("own", [True, False])
def test_one_entry_names_all_and_each_has_its_own_pages_hops_and_manifest(session, many, drain, site_of, own):
    async def page(request):
        return web.Response(text=f"<h1>{request.path}</h1>")

    with answering(page) as site:
        site_of(site, own=own, limits=MANY)
        ids = many(*[{"url": site.url(f"/{n}")} for n in range(8)])
        spread(session)
        drain(concurrency=1)
        assert sum(path == "/robots.txt" for _, path, _ in site.asked) == (0 if own else 1)
        told = {headers.get("X-Automation-Job") for _, path, headers in site.asked if path != "/robots.txt"}
        assert told == ({str(id) for id in ids} if own else {None})
    (entry,) = entries(session, FetchJobs.name)
    assert {one["job"] for one in entry["note"]["jobs"]} == {str(id) for id in ids}
    assert {one["ended"] for one in entry["note"]["jobs"]} == {"completed"}
    ctx = session.context()
    for number, id in enumerate(ids):
        (row,) = Run.objects.filter(tenant=session.tenant, job=id)
        assert (row.attempt, row.ended, row.record, row.executor) == (1, "completed", entry["note"]["record"], "http")
        assert stored(session, row.summary["sha256"]) == f"<h1>/{number}</h1>".encode()
        manifest = jobqueries.manifest_of(ctx, row)
        assert (manifest["job"], manifest["url"], manifest["ended"]) == (str(id), site.url(f"/{number}"), "completed")
        page = evidence.attempt(ctx, row, refused=False)
        asked_for = [hop["url"] for hop in page["hops"] if not hop["url"].endswith("/robots.txt")]
        assert (asked_for, page["all_hops"], page["refused_hops"]) == ([site.url(f"/{number}")], len(page["hops"]), 0)
        mine = [hop["url"] for hop in jobqueries.egress(ctx, id) if not hop["url"].endswith("/robots.txt")]
        assert mine == [site.url(f"/{number}")]
        assert shown(session, id)["result"]["status"] == 200
    assert list(folder_of(session.installation.home.path).iterdir()) == []


def test_each_ends_in_its_own_way_and_harms_no_other(session, many, drain, site_of):
    async def page(request):
        if request.path == "/slow":
            await asyncio.sleep(6)
        if request.path == "/away":
            return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"})
        if request.path == "/cut":
            request.transport.close()
        return web.Response(status=404 if request.path == "/gone" else 200, text="x")

    with answering(page) as site:
        site_of(site, own=True, limits=MANY)
        paths = ["/a", "/slow", "/gone", "/away", "/cut", "/b"]
        ids = many(*[{"url": site.url(path), "timeout_seconds": 2} for path in paths])
        spread(session)
        drain(concurrency=1)
    found = {path: shown(session, id) for path, id in zip(paths, ids, strict=True)}
    assert {path: job["state"] for path, job in found.items()} == {
        "/a": "completed", "/slow": "timed_out", "/gone": "failed", "/away": "denied", "/cut": "failed", "/b": "completed",
    }  # fmt: skip
    codes = {path: job["error"]["code"] for path, job in found.items() if job["error"]}
    assert codes == {"/slow": "JOB_TIMEOUT", "/gone": "HTTP_STATUS", "/away": "POLICY_VIOLATION", "/cut": "FETCH_FAILED"}
    assert all(len(job["executions"]) == 1 for job in found.values())
    portions = [[one["job"] for one in entry["note"]["jobs"]] for entry in entries(session, FetchJobs.name)]
    assert sorted(job for portion in portions for job in portion) == sorted(map(str, ids))
    assert len(portions) == 2, "what takes long is not waited for"
    assert meters.usage(session.tenant, f"127.0.0.1:{site.port}", session.context().now).running == 0


def test_one_that_is_cancelled_ends_within_two_seconds_and_its_fellows_go_on(session, run, many, drain, site_of):
    asked_for = []

    async def page(request):
        asked_for.append(request.path)
        if request.path == "/slow":
            await asyncio.sleep(30)
        return web.Response(text="x")

    with answering(page) as site:
        site_of(site, own=True, limits=MANY)
        ids = many(*[{"url": site.url(path)} for path in ("/slow", "/a", "/b")])
        spread(session)
        worker = Thread(target=drain, kwargs={"concurrency": 1})
        worker.start()
        while len(asked_for) < 3:
            time.sleep(0.02)
        begun = time.monotonic()
        run(CancelJob, id=str(ids[0]))
        worker.join()
        assert time.monotonic() - begun < 4.0
    assert [shown(session, id)["state"] for id in ids] == ["cancelled", "completed", "completed"]
    (entry,) = entries(session, "automation.egress.record")
    assert (entry["note"]["run"], entry["note"]["allowed"]) == (str(ids[0]), 1)


def test_a_job_that_was_given_to_another_worker_is_left_out_and_its_fellows_are_written_down(session, many, drain, site_of):
    stolen = []

    async def page(request):
        if request.path == "/stolen" and not stolen:
            stolen.append(request.headers["X-Automation-Job"])
            await asyncio.to_thread(steal, stolen[0])
        return web.Response(text="x")

    def steal(id):
        from django.db import connection

        from trueup.kernel import tenancy

        tenancy.reach(session.tenant)
        Job.objects.filter(tenant=session.tenant, id=id).update(state="queued", fence=50, attempts=0)
        connection.close()

    with answering(page) as site:
        site_of(site, own=True, limits=MANY)
        ids = many(*[{"url": site.url(path)} for path in ("/stolen", "/a", "/b")])
        spread(session)
        drain(concurrency=1)
    assert stolen == [str(ids[0])]
    assert [shown(session, id)["state"] for id in ids] == ["completed"] * 3
    assert [Run.objects.filter(tenant=session.tenant, job=id).count() for id in ids] == [1, 1, 1]
    both = [entry["note"] for entry in entries(session, FetchJobs.name)]
    assert [{one["job"] for one in note["jobs"]} for note in both] == [{str(ids[1]), str(ids[2])}]


def test_a_switch_holds_from_the_next_hop_on_for_all_of_them(session, run, many, drain, site_of):
    turned = []

    async def page(request):
        if request.path.startswith("/first"):
            if not turned:
                turned.append(True)
                await asyncio.to_thread(switch_off)
            await asyncio.sleep(0.5)
            return web.Response(status=302, headers={"Location": "/second"})
        return web.Response(text="x")

    def switch_off():
        from django.db import connection

        from trueup.kernel import tenancy

        tenancy.reach(session.tenant)
        run(SwitchOff, host="127.0.0.1", reason="stop")
        connection.close()

    with answering(page) as site:
        site_of(site, own=True, limits=MANY)
        ids = many(*[{"url": site.url(f"/first{n}")} for n in range(4)])
        spread(session)
        drain(concurrency=1)
        assert "/second" not in [path for _, path, _ in site.asked]
    assert [shown(session, id)["state"] for id in ids] == ["denied"] * 4


def test_limits_hold_exactly_over_batches_and_workers(session, many, site_of):
    from trueup.kernel.work.worker import Worker

    with answering(text("x")) as site:
        site_of(site, own=True, limits={"per_minute": 7, "concurrent": 50})
        ids = many(*[{"url": site.url(f"/{n}")} for n in range(20)])
        spread(session)
        workers = [Worker(session.installation, concurrency=2) for _ in range(2)]
        for worker in workers:
            worker.start()
        until(lambda: Job.objects.filter(tenant=session.tenant, state="queued", error__startswith="POSTPONED").count() == 13)
        until(lambda: Job.objects.filter(tenant=session.tenant, state="done").count() == 7)
        for worker in workers:
            worker.stop()
        assert len(site.asked) == 7
    states = [shown(session, id)["state"] for id in ids]
    assert (states.count("completed"), states.count("retry_wait")) == (7, 13)
    waiting = [shown(session, id) for id, state in zip(ids, states, strict=True) if state == "retry_wait"]
    assert {(job["attempts"], job["error"]["code"], len(job["executions"])) for job in waiting} == {(0, "POSTPONED", 0)}


def test_a_batch_of_many_large_pages_takes_the_memory_of_few(session, many, drain, site_of):
    long, count = 6 << 20, 25
    small = {f"/{n}": gzip.compress(bytes([n + 1]) * long, 1) for n in range(count)}

    async def page(request):
        return web.Response(body=small[request.path], headers={"Content-Encoding": "gzip"})

    with answering(page) as site:
        site_of(site, own=True, limits=MANY)
        ids = many(*[{"url": site.url(path)} for path in small])
        spread(session)
        tracemalloc.start()
        try:
            drain(concurrency=1)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(entries(session, FetchJobs.name)) < count  # they were made together
    for n, id in enumerate(ids):
        assert shown(session, id)["result"]["sha256"] == hashlib.sha256(bytes([n + 1]) * long).hexdigest()
    assert most < 6 * long, f"{most:,} bytes"
    assert list(bodies.folder_of(session.installation.home.path).iterdir()) == []


def test_a_target_that_asks_to_be_left_alone_is_left_alone_by_those_that_follow(session, many, drain, site_of):
    async def no(_request):
        return web.Response(status=429, headers={"Retry-After": "600"}, text="no")

    with answering(no) as site:
        site_of(site, own=True, limits={"per_minute": 100, "concurrent": 3})
        ids = many(*[{"url": site.url(f"/{n}")} for n in range(30)])
        drain(concurrency=1)
        assert len(site.asked) <= 3
    states = [shown(session, id)["state"] for id in ids]
    assert (states.count("failed"), states.count("retry_wait")) == (len(site.asked), 30 - len(site.asked))
    assert breakers.of(session.tenant, f"127.0.0.1:{site.port}").failures == len(site.asked)


def test_what_was_written_down_before_its_worker_died_is_not_made_again(session, many, drain, site_of):
    with answering(text("x")) as site:
        site_of(site, own=True, limits=MANY)
        ids = many(*[{"url": site.url(f"/{n}")} for n in range(4)])
        spread(session)
        drain(concurrency=1)
        Job.objects.filter(tenant=session.tenant, id__in=ids).update(state="queued", attempts=0, finished_at=None)
        drain(concurrency=1)
        assert len(site.asked) == 4
    assert [(shown(session, id)["state"], len(shown(session, id)["executions"])) for id in ids] == [("completed", 1)] * 4


def test_fetch_jobs_are_made_by_workers_alone(run, many, site_of):
    with answering(text("x")) as site:
        site_of(site)
        (id,) = many({"url": site.url("/")})
        with pytest.raises(Refused, match="workers alone"):
            run(FetchJobs, jobs=[{"job": str(id), "attempt": 1}])


def test_kills_in_the_middle_of_batches_lose_no_page_and_write_down_each_run_once(session, many, drain, site_of):
    async def page(request):
        await asyncio.sleep(0.05)
        return web.Response(text=f"<p>{request.path}</p>")

    command = [sys.executable, "-m", "trueup", "--home", str(session.installation.home.path), "worker", "--lease", "1"]
    with answering(page) as site:
        site_of(site, own=True, limits={"per_minute": 10_000, "per_hour": 10_000, "concurrent": 40})
        ids = many(*[{"url": site.url(f"/{n}"), "repeatable": True} for n in range(120)])
        spread(session)
        for kill in range(2):
            seen = len(site.asked)
            worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while len(site.asked) < seen + 12 + 9 * kill and worker.poll() is None:
                time.sleep(0.002)
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
        ends = time.monotonic() + 60
        while Job.objects.filter(tenant=session.tenant, state__in=("queued", "running")).exists() and time.monotonic() < ends:
            drain(lease=1.0)
            time.sleep(0.1)
        assert len(site.asked) > 120, "no kill met a running job: the test proves nothing"
    for number, id in enumerate(ids):
        (row,) = Run.objects.filter(tenant=session.tenant, job=id)
        assert (row.ended, Job.objects.get(tenant=session.tenant, id=id).state) == ("completed", "done")
        assert stored(session, row.summary["sha256"]) == f"<p>/{number}</p>".encode()
        assert json.loads(stored(session, row.manifest))
    assert list(folder_of(session.installation.home.path).iterdir()) == []


def test_a_connection_is_shared_for_one_address_and_one_name_alone():
    from aiohttp.client_reqrep import ConnectionKey

    assert {"host", "port", "ssl", "server_hostname"} <= set(ConnectionKey._fields)
