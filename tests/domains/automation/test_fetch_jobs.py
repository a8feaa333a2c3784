"""Jobs over HTTP, through the worker that users run: decided about, done once, and on record however they end."""

import asyncio
import json
import threading
import time
from threading import Thread
from uuid import UUID

import pytest
from aiohttp import web

from tests.domains.automation.egress.sites import answering, text
from trueup.domains.automation import breakers, intents, jobqueries, meters
from trueup.domains.automation.actions_force import Revoke
from trueup.domains.automation.actions_jobs import PerformJob, PolicyViolation, SubmitJobs
from trueup.domains.automation.actions_policies import PutPolicy, SwitchOff
from trueup.domains.automation.models import Run
from trueup.kernel.actions.errors import IdempotencyConflict
from trueup.kernel.errors import Refused, UsageError
from trueup.kernel.evidence import queries
from trueup.kernel.work.actions import CancelJob, ReplayJob


@pytest.fixture
def asked(run):
    """Ask for a job; return its id."""

    def call(url, **job):
        return UUID(run(SubmitJobs, jobs=[{"url": url, "job_type": "fetch", **job}])["jobs"][0])

    return call


@pytest.fixture
def drain(session):
    """Run a worker until nothing is due."""

    def call(**options):
        from trueup.kernel.work.worker import Until, Worker

        worker = Worker(session.installation, **options)
        try:
            worker.run(Until.DRAINED)
        finally:
            if threading.current_thread() is not threading.main_thread():
                from django.db import connection

                connection.close()  # the thread's own
        return worker

    return call


@pytest.fixture
def site_of(run, authorize):
    """Allow a site: authorize its port, and let it be asked often."""

    def call(site, *, limits=None, **more):
        id = authorize(site.port, **more)
        tiers = more.get("strategies", ["vanilla"])
        limits = {"per_minute": 100, "per_hour": 1000, "concurrent": 4} | (limits or {})
        run(PutPolicy, host="127.0.0.1", ports=[site.port], strategies=tiers, **limits)
        return id

    return call


def shown(session, id):
    return jobqueries.job(session.tenant, id)


def stored(session, sha256):
    with session.ports.artifacts.open(session.tenant, sha256) as file:
        return file.read()


def hops(session, row):
    return [json.loads(line) for line in stored(session, row["egress"]).splitlines()[1:]]


@pytest.mark.requirement("automation:FR-O2")
def test_a_job_is_done_and_all_of_it_is_kept(session, asked, drain, site_of):
    with answering(text("<h1>hi</h1>")) as site:
        site_of(site, own=False)
        id = asked(site.url("/a"))
        drain()
    job = shown(session, id)
    assert (job["state"], job["result"]["status"], job["attempts"]) == ("completed", 200, 1)
    (row,) = job["executions"]
    assert stored(session, row["summary"]["sha256"]) == b"<h1>hi</h1>"
    manifest = json.loads(stored(session, row["manifest"]))
    assert (manifest["ended"], manifest["frozen"]["authority"]) == ("completed", f"127.0.0.1:{site.port}")
    assert [hop["allowed"] for hop in hops(session, row)] == [True, True]
    entry = next(one for one in queries.entries(session.tenant, limit=5) if one["action"] == PerformJob.name)
    assert (entry["note"]["job"], entry["note"]["record"], entry["note"]["refused"]) == (str(id), row["egress"], [])


@pytest.mark.requirement("automation:FR-P1")
def test_a_job_to_a_place_that_no_rule_opens_is_refused_and_nothing_is_queued(session, asked):
    with pytest.raises(PolicyViolation) as refused:
        asked("http://10.1.2.3/")
    assert refused.value.details["rule_ids"] == ["egress.address.private"]
    entry = queries.entries(session.tenant, limit=1)[0]
    assert (entry["outcome"], entry["error"]) == ("refused", "POLICY_VIOLATION")
    assert entry["note"] == {"host": "10.1.2.3", "rule_ids": ["egress.address.private"]}
    assert Run.objects.filter(tenant=session.tenant).count() == 0


@pytest.mark.requirement("automation:FR-P8", "automation:W13")
def test_a_domain_that_is_not_the_hosts_is_refused(asked, site_of):
    with answering(text("x")) as site:
        site_of(site)
        with pytest.raises(UsageError, match=r"the URL's host is 127\.0\.0\.1, not example\.org"):
            asked(site.url("/"), domain="example.org")
        asked(site.url("/"), domain="127.0.0.1")


@pytest.mark.requirement("automation:W13")
@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"strategy": "brutal"}, "there is no tier"),
        ({"job_type": "mine"}, "there is no type of job"),
        ({"payload": {"x": 1}}, "a fetch takes none"),
        ({"profile": "toaster"}, "there is no 'toaster'"),
        ({"job_type": "steps", "payload": {"steps": [{"action": "click"}]}}, "payload.steps.0.click.selector: Field required"),
        ({"payload": {"load": {"users": 2}}}, "only the tier assault"),
        ({"job_type": "custom_script", "payload": {"script": "1"}}, "in the tier custom alone"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused_with_the_field(asked, site_of, job, words):
    with answering(text("x")) as site:
        site_of(site)
        with pytest.raises(UsageError, match=words):
            asked(site.url("/"), **job)


def test_the_same_key_is_the_same_job_and_another_request_under_it_a_conflict(asked, site_of):
    with answering(text("x")) as site:
        site_of(site)
        first = asked(site.url("/a"), key="k")
        assert asked(site.url("/a"), key="k") == first
        with pytest.raises(IdempotencyConflict):
            asked(site.url("/b"), key="k")


@pytest.mark.requirement("automation:FR-O2", "automation:W7")
def test_a_page_that_takes_longer_than_the_job_may_is_timed_out(session, asked, drain, site_of):
    async def slow(_request):
        await asyncio.sleep(5)
        return web.Response(text="late")

    with answering(slow) as site:
        site_of(site, own=True)
        id = asked(site.url("/"), timeout_seconds=1)
        drain()
    job = shown(session, id)
    assert (job["state"], job["error"]["code"], len(job["executions"])) == ("timed_out", "JOB_TIMEOUT", 1)


@pytest.mark.requirement("automation:FR-O4")
def test_a_running_job_is_cancelled_within_two_seconds_and_what_left_is_on_record(session, run, asked, drain, site_of):
    asked_for = []

    async def slow(_request):
        asked_for.append(time.monotonic())
        await asyncio.sleep(30)
        return web.Response(text="late")

    with answering(slow) as site:
        site_of(site, own=True)
        id = asked(site.url("/"))
        worker = Thread(target=drain)
        worker.start()
        while not asked_for:
            time.sleep(0.02)
        begun = time.monotonic()
        run(CancelJob, id=str(id))
        worker.join()
        assert time.monotonic() - begun < 3.0
    assert shown(session, id)["state"] == "cancelled"
    entry = next(one for one in queries.entries(session.tenant, limit=10) if one["action"] == "automation.egress.record")
    assert (entry["note"]["run"], entry["note"]["allowed"]) == (str(id), 1)


@pytest.mark.parametrize(("status", "headers"), [(403, {}), (429, {"Retry-After": "600"}), (200, {"cf-mitigated": "challenge"})])
def test_a_target_that_asks_to_be_left_alone_is_blocked_and_not_asked_again(session, asked, drain, site_of, status, headers):
    async def no(_request):
        return web.Response(status=status, headers=headers, text="no")

    with answering(no) as site:
        site_of(site, own=True, strategies=["vanilla", "stealth"])
        id = asked(site.url("/"), strategy="stealth")
        drain()
        assert len(site.asked) == 1
    job = shown(session, id)
    assert (job["state"], job["error"]["code"]) == ("failed", "TARGET_BLOCKED")
    authority = f"127.0.0.1:{site.port}"
    assert breakers.of(session.tenant, authority).failures == 1
    wait = meters.usage(session.tenant, authority, session.context().now).not_before
    assert (wait is not None) == ("Retry-After" in headers)


def test_limits_postpone_a_job_and_its_attempts_do_not_count(session, asked, drain, site_of):
    with answering(text("x")) as site:
        site_of(site, own=True, limits={"per_minute": 1})
        first, second = asked(site.url("/1"), key="1"), asked(site.url("/2"), key="2")
        drain()
        assert len(site.asked) == 1
    states = {shown(session, id)["state"] for id in (first, second)}
    assert states == {"completed", "retry_wait"}
    waiting = next(job for job in (shown(session, first), shown(session, second)) if job["state"] == "retry_wait")
    assert (waiting["attempts"], waiting["error"]["code"], waiting["executions"]) == (0, "POSTPONED", [])


@pytest.mark.requirement("automation:FR-P1", "automation:FR-P6", "automation:W11")
def test_what_is_queued_is_refused_when_a_rule_changed(session, run, asked, drain, site_of):
    with answering(text("x")) as site:
        site_of(site, own=True)
        id = asked(site.url("/"))
        run(PutPolicy, host="127.0.0.1", denied=True)
        drain()
        assert site.asked == []
    job = shown(session, id)
    assert (job["state"], job["error"]["code"], job["executions"][0]["ended"]) == ("denied", "POLICY_VIOLATION", "denied")


@pytest.mark.parametrize("change", ["revoked", "killed"])
def test_a_job_whose_authorization_ends_or_whose_host_is_switched_off_is_refused(session, run, asked, drain, site_of, change):
    with answering(text("x")) as site:
        authorization = site_of(site, own=True)
        id = asked(site.url("/"))
        if change == "revoked":
            run(Revoke, id=authorization, reason="over")
        else:
            run(SwitchOff, host="127.0.0.1", reason="stop")
        drain()
        assert site.asked == []
    assert shown(session, id)["state"] == "denied"


@pytest.mark.requirement("automation:FR-P8")
def test_a_redirect_to_a_forbidden_place_is_refused(session, asked, drain, site_of):
    async def away(_request):
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"})

    with answering(away) as site:
        site_of(site, own=True)
        id = asked(site.url("/"))
        drain()
    job = shown(session, id)
    assert (job["state"], job["error"]["code"]) == ("denied", "POLICY_VIOLATION")
    assert [hop["allowed"] for hop in hops(session, job["executions"][0])] == [True, False]


def test_targets_of_ones_own_are_told_the_job_and_no_other(session, asked, drain, site_of, run):
    for own in (True, False):
        with answering(text("x")) as site:
            site_of(site, own=own)
            id = asked(site.url("/"))
            drain()
            told = [headers.get("X-Automation-Job") for _, path, headers in site.asked if path == "/"]
        assert told == [str(id) if own else None]


@pytest.mark.requirement("automation:W7")
def test_an_attempt_that_was_written_down_before_its_worker_died_is_not_made_again(session, asked, drain, site_of):
    from trueup.kernel.work.models import Job

    with answering(text("x")) as site:
        site_of(site, own=True)
        id = asked(site.url("/"))
        drain()
        Job.objects.filter(id=id, tenant=session.tenant).update(state="queued", attempts=0, finished_at=None)
        drain()
        assert len(site.asked) == 1
    assert (shown(session, id)["state"], len(shown(session, id)["executions"])) == ("completed", 1)


def test_what_changed_something_is_not_sent_again_where_nobody_can_tell_whether_it_was_taken(session, asked, drain, site_of):
    with answering(text("x")) as site:
        site_of(site, own=False)
        id, twice = asked(site.url("/a")), asked(site.url("/b"), repeatable=True)
        for one in (id, twice):
            intents.sent(session.tenant, one, 1, "POST", f"127.0.0.1:{site.port}", session.context().now)
        drain()
        assert [path for _, path, _ in site.asked if path != "/robots.txt"] == ["/b"]
    assert (shown(session, id)["error"]["code"], shown(session, twice)["state"]) == ("OUTCOME_UNKNOWN", "completed")


def test_what_was_sent_after_somebody_asked_for_another_try_is_not_sent_once_more_by_itself(run, session, asked, drain, site_of):
    with answering(text("x")) as site:
        site_of(site, own=False)
        id = asked(site.url("/a"))
        for _ in range(2):
            intents.sent(session.tenant, id, 1, "POST", f"127.0.0.1:{site.port}", session.context().now)
            drain()
            assert shown(session, id)["error"]["code"] == "OUTCOME_UNKNOWN"
            run(ReplayJob, id=str(id))
        assert site.asked == []
        drain()  # a person asked for it, and nothing was sent since
        assert [path for _, path, _ in site.asked if path != "/robots.txt"] == ["/a"]


def test_a_job_is_performed_by_workers_alone(run, asked, site_of):
    with answering(text("x")) as site:
        site_of(site)
        with pytest.raises(Refused, match="workers alone"):
            run(PerformJob, job=str(asked(site.url("/"))), attempt=1)


def test_another_tenants_job_is_not_there(session, asked, site_of):
    from trueup.kernel.errors import NotFound

    with answering(text("x")) as site:
        site_of(site)
        id = asked(site.url("/"))
    with pytest.raises(NotFound):
        jobqueries.job(UUID(int=7), id)
