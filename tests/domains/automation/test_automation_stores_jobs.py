"""Jobs and how hosts serve are read the same on both stores, each tenant's own alone; streams reach one tenant."""

import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from trueup.domains.automation import api_jobs, jobqueries, meters, reliability, tolls
from trueup.domains.automation.actions_jobs import SubmitJobs
from trueup.domains.automation.actions_policies import PutPolicy
from trueup.domains.automation.engine.easing import RECOVERY, Ease
from trueup.domains.automation.engine.endings import State
from trueup.domains.automation.engine.hostpolicy import Limits
from trueup.domains.automation.models import Run
from trueup.kernel import tenancy
from trueup.kernel.work.models import Job


@pytest.fixture
def asked(run):
    """Ask for a job; return its id."""
    run(PutPolicy, host="a.org", concurrent=4)
    run(PutPolicy, host="*.a.org")

    def call(url="https://a.org/", **job):
        return UUID(run(SubmitJobs, jobs=[{"url": url, "job_type": "fetch", **job}])["jobs"][0])

    return call


@pytest.fixture
def ran(session):
    """Write down runs that ended so, a minute apart, the newest now."""

    def call(*codes, authority="a.org:443", job=None, executor="http", manifest="", tenant=None):
        now = session.context().now
        for place, code in enumerate(codes):
            at = now - timedelta(minutes=len(codes) - 1 - place)
            Run.objects.bulk_create(
                [
                    Run(
                        id=uuid4(), tenant=tenant or session.tenant, job=job or uuid4(), attempt=1, authority=authority, url="https://a.org/",
                        job_type="fetch", strategy="vanilla", mode="public", executor=executor, ended="failed" if code else "completed",
                        final=True, code=code, begun=at, at=at, elapsed_ms=1_000, summary={"status": 503 if code else 200},
                        manifest=manifest, record="",
                    )
                ]
            )  # fmt: skip
        return now

    return call


def test_the_queue_is_counted_and_listed_by_state_host_and_ending(asked, session):
    ids = [asked(key=str(n), priority=n) for n in range(5)] + [asked("https://b.a.org/")]
    for id, state, error in (
        (ids[0], "failed", "JOB_TIMEOUT: late"),
        (ids[1], "dead", "X: y"),
        (ids[2], "queued", "POSTPONED: later"),
    ):
        Job.objects.filter(tenant=session.tenant, id=id).update(state=state, error=error)
    stats = jobqueries.stats(session.tenant, session.context().now)
    assert (stats["queued"], stats["delayed"], stats["dlq"], stats["workers"]) == (3, 1, 2, 0)
    assert stats["by_priority"] == {"3": 1, "4": 1, "5": 1}
    assert {row.id for row in jobqueries.dead_letters(session.tenant)} == set(ids[:2])
    assert [row["id"] for row in jobqueries.listed(session.tenant, states=(State.TIMED_OUT,))] == [str(ids[0])]
    assert [row["id"] for row in jobqueries.listed(session.tenant, host="b.a.org")] == [str(ids[5])]
    assert jobqueries.listed(uuid4()) == []
    assert jobqueries.stats(uuid4(), session.context().now)["queued"] == 0


def test_only_workers_that_were_seen_of_late_are_said_to_work(session):
    from trueup.kernel.work.models import WorkerRow

    now = session.context().now
    for state, ago in (("working", 5), ("working", 120), ("stopped", 5), ("lost", 5)):
        seen = now - timedelta(seconds=ago)
        WorkerRow.objects.create(
            id=uuid4(), host="h", pid=1, slots=1, busy=0, ended=0, state=state, owner="o", place="p", started=seen, seen=seen
        )
    assert jobqueries.stats(session.tenant, now)["workers"] == 1


@pytest.mark.requirement("automation:W13")
def test_a_mode_that_was_not_derived_is_refused_before_anything_is_queued(asked, session):
    from trueup.kernel.errors import UsageError

    with pytest.raises(UsageError, match="the mode of this job is public"):
        asked(authorization_mode="internal")
    asked(authorization_mode="public", key="k")
    assert asked(key="k") == Job.objects.get(tenant=session.tenant).id


def test_a_stream_reaches_its_own_tenant_while_nothing_is_in_reach(asked, session):
    id, before = asked(), tenancy.current()
    stream = api_jobs.Stream(session.tenant, id, 0, 1)
    foreign = api_jobs.Stream(uuid4(), id, 0, 1)
    tenancy._set("")
    try:
        assert next(stream).startswith(b"retry")
        assert b'"state": "queued"' in next(stream)
        assert tenancy.current() == ""
        next(foreign)
        with pytest.raises(Exception, match="there is no job"):
            next(foreign)
    finally:
        tenancy._set(before)
        stream.close()
    assert api_jobs.Stream._open == []


def test_hosts_are_summed_up_from_stored_runs_the_worst_first(ran, session):
    now = ran(*[""] * 36, authority="good.org:443")
    ran("NAVIGATION_FAILED", "NAVIGATION_FAILED", "NAVIGATION_FAILED", "", authority="bad.org:443")
    ran("", authority="new.org:8443")
    with tenancy.reaching_every():
        ran("", authority="theirs.org:443", tenant=uuid4())
    found = reliability.hosts(session.tenant, now)
    assert [(one.authority, str(one.told.standing)) for one in found] == [
        ("bad.org:443", "unreliable"), ("new.org:8443", "unknown"), ("good.org:443", "reliable"),
    ]  # fmt: skip
    assert found[0].told.incidents[0].count == 3
    assert sum(n for _, n, _ in found[2].days) == 36
    assert reliability.hosts(session.tenant, now + timedelta(days=31)) == []
    assert [one.authority for one in reliability.of_host(session.context(), "new.org", now)] == ["new.org:8443"]
    assert reliability.of_host(session.context(), "new.org:443", now) == []
    assert reliability.of_host(session.context(), "ew.org", now) == []


def test_steps_of_a_host_say_what_waiting_costs_and_which_selectors_drift(ran, session):
    def manifest(waits, ms, code="", hint=()):
        error = {"code": code, "message": "nothing on the page is '#a'", "hint": list(hint)} if code else None
        step = {"path": "1", "action": "navigate", "error": error, "metrics": {"elapsed_ms": ms, "attempts": 1}}
        body = {"request": {"job_type": "navigate_extract", "payload": {"wait_until": waits}}, "steps": [step]}
        return session.ports.artifacts.put(
            session.tenant, json.dumps(body).encode(), name="run.json", media_type="application/json"
        ).sha256

    for n in range(3):
        ran("", executor="browser", manifest=manifest("load", 200 + n))
        ran("", executor="browser", manifest=manifest("networkidle", 900 + n))
    hint = {"selector": "#a2", "why": "its id resembles"}
    ran("SELECTOR_NOT_FOUND", executor="browser", manifest=manifest("load", 9, "SELECTOR_NOT_FOUND", [hint]))
    ran("", executor="browser", manifest="0" * 64)  # what was erased says nothing
    (found,) = reliability.of_host(session.context(), "a.org", session.context().now)
    assert found.waits == "networkidle costs 0.7 s more than load; load opened the page 3 times"
    assert [(one.what, one.offered) for one in found.drifts] == [
        ("nothing on the page is '#a'", (("#a2", "its id resembles", 1),))
    ]


def test_a_host_that_fails_is_asked_less_and_comes_back_up_to_its_policy_and_no_further(ran, session):
    most, now = Limits(per_minute=8, per_hour=100, concurrent=4), ran("", "NAVIGATION_FAILED", *["", "NAVIGATION_FAILED"] * 4)
    assert reliability.settle(session.tenant, "a.org:443", "NAVIGATION_FAILED", now) == 0.5

    def granted(at):
        turns = [meters.begin(session.tenant, "a.org:443", most, at, lease=timedelta(seconds=1)) for _ in range(12)]
        return sum(turn.allowed for turn in turns), next(turn for turn in turns if not turn.allowed)

    count, refused = granted(now)
    assert (count, refused.rule, refused.ease.share) == (2, "limit.concurrent", 0.5)
    assert "its limits are lowered for a while: 5 of its last 10 runs failed" in tolls.words(refused)
    (lowered,) = meters.eases(session.tenant, now, authorities=["a.org:443", "b.org:443"]).values()
    assert lowered.why == "5 of its last 10 runs failed"
    count, refused = granted(now + RECOVERY)
    assert (count, refused.ease) == (4, None)
    assert meters.eases(session.tenant, now + RECOVERY, authorities=["a.org:443"]) == {}


def test_a_healthy_host_and_one_whose_pages_changed_are_asked_as_the_policy_says(ran, session):
    now = ran(*[""] * 9, "NAVIGATION_FAILED")
    ran(*["SELECTOR_NOT_FOUND"] * 10, authority="b.org:443")
    assert reliability.settle(session.tenant, "a.org:443", "NAVIGATION_FAILED", now) is None
    assert reliability.settle(session.tenant, "b.org:443", "SELECTOR_NOT_FOUND", now) is None
    assert reliability.settle(session.tenant, "a.org:443", "", now) is None
    assert meters.begin(session.tenant, "a.org:443", Limits(1, 1, 1), now).allowed
    assert meters.eases(session.tenant, now, authorities=["a.org:443", "b.org:443"]) == {}


def test_what_is_gone_easy_on_keeps_what_was_used_and_what_it_was_asked_to_wait(session):
    now = session.context().now
    meters.begin(session.tenant, "a.org:443", Limits(), now)
    meters.asked_to_wait(session.tenant, "a.org:443", now + timedelta(minutes=5))
    meters.go_easy(session.tenant, "a.org:443", Ease(0.5, now, "tests"))
    used = meters.usage(session.tenant, "a.org:443", now)
    assert (len(used.begun), used.running, used.not_before) == (1, 1, now + timedelta(minutes=5))
    turn = meters.begin(session.tenant, "a.org:443", Limits(), now)
    assert (turn.rule, turn.ease) == ("limit.retry_after", None)
