"""A worker that is killed in the midst of browser jobs: each job ends once, and what it changed is changed once."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from uuid import UUID

import pytest
from aiohttp import web

from tests.domains.automation.egress.sites import answering
from tests.domains.automation.test_fetch_jobs import asked, drain, shown, site_of  # noqa: F401 - fixtures
from trueup.domains.automation.actions_jobs import SubmitJobs
from trueup.domains.automation.models import Run
from trueup.kernel.evidence import queries
from trueup.kernel.work.models import Job

JOBS, KILLS = 500, 4
PAGE = """<h1>x</h1><button id=b>do</button><p id=done hidden>done</p><script>
b.onclick = async () => { await fetch('/effect' + location.search, {method: 'POST'}); done.hidden = false }</script>"""


@pytest.mark.slow
@pytest.mark.requirement("automation:W7")
def test_500_browser_jobs_survive_the_kill_of_their_worker_and_each_effect_is_made_once(session, run, site_of):
    effects = []

    async def handler(request):
        if request.path == "/robots.txt":
            return web.Response(text="")
        if request.path == "/effect":
            effects.append((request.query["n"], request.headers["Idempotency-Key"], request.headers["X-Automation-Job"]))
            return web.Response(text="ok")
        return web.Response(text=PAGE, content_type="text/html")

    steps = [{"action": "click", "selector": "#b"}, {"action": "wait", "until": {"selector": "#done"}}]
    with answering(handler) as site:
        site_of(site, own=True, limits={"per_minute": 100_000, "per_hour": 1_000_000, "concurrent": 8})
        ids = []
        for at in range(0, JOBS, 100):
            rows = [
                {"url": site.url(f"/?n={n}"), "job_type": "steps", "payload": {"steps": steps}, "key": f"job-{n}"}
                for n in range(at, at + 100)
            ]
            ids += run(SubmitJobs, jobs=rows)["jobs"]
        command = [sys.executable, "-m", "trueup", "--home", str(session.installation.home.path), "worker", "--lease", "3"]
        for _ in range(KILLS):
            begun = len(effects)
            worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while len(effects) < begun + 20 and worker.poll() is None:
                time.sleep(0.05)
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
        done = subprocess.run([*command, "--drain"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 0, done.stderr
        ends = time.monotonic() + 60
        while Job.objects.filter(tenant=session.tenant, state__in=("queued", "running")).exists() and time.monotonic() < ends:
            subprocess.run([*command, "--drain"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            time.sleep(1)
    assert {shown(session, UUID(id))["state"] for id in ids} == {"completed"}
    completed = Counter(Run.objects.filter(tenant=session.tenant, ended="completed").values_list("job", flat=True))
    assert set(completed.values()) == {1}
    assert len(completed) == JOBS
    # a target of one's own tells a repeated request by its key: of each there is one effect
    made = {key: n for n, key, _ in effects}
    assert len(made) == JOBS
    assert sorted(int(n) for n in made.values()) == list(range(JOBS))
    facts = queries.facts(session.tenant, subject=f"job/{ids[0]}")
    assert [fact["value"] for fact in facts] == ["completed"]
