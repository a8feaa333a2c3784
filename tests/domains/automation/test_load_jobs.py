"""Load on one's own systems, through submission and the worker: exact to the request, and ended by whoever may end it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from aiohttp import web

from tests.domains.automation.consent import consented, verified
from tests.domains.automation.egress.sites import Site, answering, text
from tests.domains.automation.test_fetch_jobs import asked, drain, hops, shown  # noqa: F401 - fixtures
from trueup.domains.automation import breakers, meters
from trueup.domains.automation.actions_force import ActivateLoad, Revoke
from trueup.domains.automation.actions_jobs import PerformJob, PolicyViolation, SubmitJobs
from trueup.domains.automation.actions_policies import PutPolicy, SwitchOff
from trueup.domains.automation.models import Authorization
from trueup.kernel.errors import Refused, UsageError
from trueup.kernel.evidence import queries
from trueup.kernel.work.actions import CancelJob

NEVER = {"error_rate": 1.0, "after": 10_000}


class Busy(Site):
    """A site that takes a little time, and counts how many it serves at once."""

    def __init__(self, seconds=0.01, status=200, headers=None):
        super().__init__(self._slow)
        self.now, self.most, self.at = 0, 0, []
        self.seconds, self.status, self.headers = seconds, status, headers or {}

    async def _slow(self, _request):
        self.now += 1
        self.most = max(self.most, self.now)
        self.at.append(time.monotonic())
        await asyncio.sleep(self.seconds)
        self.now -= 1
        return web.Response(text="ok", status=self.status, headers=self.headers)


@pytest.fixture
def loads(asked):
    """Ask for load; return the job's id."""

    def call(site, *, seed=0, timeout=60, key=None, **load):
        more = {"key": key} if key else {}
        return asked(
            site.url("/a"), strategy="assault", payload={"load": load}, seed=seed, timeout_seconds=timeout, **more
        )  # fmt: skip

    return call


def entry(session, action=PerformJob.name):
    return next(one for one in queries.entries(session.tenant, limit=20) if one["action"] == action)


def told(session, id):
    """Return a job's state, its code, its summary and the rules that refused something, as its entry names them."""
    job = shown(session, id)
    code = job["error"]["code"] if job["error"] else ""
    note = entry(session)["note"]
    assert note["job"] == str(id)
    return job["state"], code, job["executions"][-1]["summary"], {one["rule"] for one in note["refused"]}


@pytest.mark.requirement("automation:W2")
def test_load_is_made_as_it_was_asked_for_and_every_request_is_counted(session, run, loads, drain):
    with Busy() as site:
        id = consented(run, session, site.port, "assault", max_requests=1_000, max_concurrent=10)
        job = loads(site, users=5, requests=60, method="POST", body="x=1")
        drain()
        assert [(method, path) for method, path, _ in site.asked] == [("POST", "/a")] * 60
        assert {headers["X-Automation-Job"] for _, _, headers in site.asked} == {str(job)}
        assert all("Trueup/" in headers["User-Agent"] for _, _, headers in site.asked)
        assert len({headers["Idempotency-Key"] for _, _, headers in site.asked}) == 60
        assert 1 < site.most <= 5
    state, code, summary, rules = told(session, job)
    assert (state, code, rules) == ("completed", "", set())
    assert {name: summary[name] for name in ("users", "requests", "answered", "failed", "errors", "faults", "ended_by")} == {
        "users": 5, "requests": 60, "answered": 60, "failed": 0, "errors": {}, "faults": {}, "ended_by": "requests",
    }  # fmt: skip
    assert 10 <= summary["p50_ms"] <= summary["p95_ms"] <= summary["max_ms"]
    assert sum(line["requests"] for line in summary["timeline"]) == 60
    now = session.context().now
    assert len(meters.usage(session.tenant, f"127.0.0.1:{site.port}", now).begun) == 60
    for name in (f"127.0.0.1:{site.port}", meters.key_of(id)):
        assert meters.usage(session.tenant, name, now).running == 0
    note = entry(session)["note"]
    assert (note["strategy"], note["mode"], note["authorization"], note["allowed"]) == ("assault", "internal", [id, 4], 60)


@pytest.mark.requirement("automation:FR-O7")
@pytest.mark.parametrize("where", ["authorization", "policy"])
def test_no_more_are_at_work_at_once_than_allowed_however_many_users_are_asked_for(session, run, loads, drain, where):
    most = {"max_concurrent": 3} if where == "authorization" else {"limits": {"concurrent": 3}}
    with Busy(0.02) as site:
        consented(run, session, site.port, "assault", **most)
        job = loads(site, users=50, requests=40)
        drain()
        assert (site.most, len(site.asked)) == (3, 40)
    assert told(session, job)[2]["users"] == 3


def test_two_jobs_together_are_no_more_at_work_than_their_authorization_allows(session, run, loads, drain):
    with Busy(0.02) as site:
        consented(run, session, site.port, "assault", max_concurrent=4)
        jobs = [loads(site, users=3, requests=25, key=str(number)) for number in range(2)]
        ends = time.monotonic() + 30
        while {shown(session, job)["state"] for job in jobs} != {"completed"} and time.monotonic() < ends:
            drain()
        assert len(site.asked) == 50
        assert site.most <= 4
    assert {shown(session, job)["state"] for job in jobs} == {"completed"}


def test_a_rate_is_kept_in_every_second_and_ends_with_the_runs_time(session, run, loads, drain):
    with Busy(0.0) as site:
        consented(run, session, site.port, "assault", max_rps=10.0)
        job = loads(site, users=20, requests=1_000, seconds=2.5)
        drain()
        times = sorted(site.at)
        assert all(later - sooner >= 0.9 for sooner, later in zip(times, times[10:], strict=False))
        assert 10 <= len(times) <= 30
    state, _, summary, _ = told(session, job)
    assert (state, summary["requests"], summary["ended_by"] in ("ceiling.rps", "seconds")) == ("completed", len(times), True)
    assert summary["p95_ms"] < 500  # waiting for a turn is not the target's time


def test_more_requests_than_the_ceiling_are_refused_when_they_are_asked_for(session, run, loads):
    with Busy() as site:
        consented(run, session, site.port, "assault", max_requests=50)
        with pytest.raises(PolicyViolation) as refused:
            loads(site, requests=51)
    assert refused.value.details["rule_ids"] == ["ceiling.requests"]
    said = entry(session, SubmitJobs.name)
    assert (said["outcome"], said["note"]) == ("refused", {"host": "127.0.0.1", "rule_ids": ["ceiling.requests"]})


def test_all_jobs_together_make_exactly_as_many_requests_as_the_ceiling_and_the_next_is_refused(session, run, loads, drain):
    with Busy(0.0) as site:
        consented(run, session, site.port, "assault", max_requests=50, max_concurrent=8)
        first = loads(site, users=8, requests=30)
        drain()
        assert told(session, first)[0] == "completed"
        second = loads(site, users=8, requests=30, key="2")
        drain()
        assert len(site.asked) == 50
    state, code, summary, rules = told(session, second)
    assert (state, code, summary["requests"], rules) == ("denied", "POLICY_VIOLATION", 20, {"ceiling.requests"})


@pytest.mark.requirement("automation:FR-P5")
def test_the_limits_of_the_policy_hold_over_load_too(session, run, loads, drain):
    with Busy(0.0) as site:
        consented(run, session, site.port, "assault", limits={"per_minute": 7})
        job = loads(site, users=4, requests=100, seconds=3)
        drain()
        assert len(site.asked) == 7
    state, _, summary, rules = told(session, job)
    assert (state, summary["requests"], summary["ended_by"], rules) == ("completed", 7, "limit.minute", {"limit.minute"})


def without_ownership(run, session, port):
    run(PutPolicy, host="127.0.0.1", ports=[port], strategies=["vanilla", "assault"])
    id = verified(run, session, port, own=False, opens=None, closes=None)["id"]
    from trueup.domains.automation.actions_force import Activate

    run(Activate, id=id)
    return {}


def without_consent(run, session, port):
    run(PutPolicy, host="127.0.0.1", ports=[port], strategies=["vanilla", "assault"])
    verified(run, session, port, "assault")
    return {}


def not_listed(run, session, port):
    consented(run, session, port, "assault")
    run(PutPolicy, host="127.0.0.1", ports=[port], strategies=["vanilla"])
    return {}


def before_its_window(run, session, port):
    now = session.context().now
    consented(run, session, port, "assault", opens=now + timedelta(hours=1), closes=now + timedelta(hours=1, minutes=30))
    return {}


def after_its_window(run, session, port):
    id = consented(run, session, port, "assault")
    now = session.context().now
    Authorization.objects.filter(id=id, tenant=session.tenant).update(closes=now - timedelta(seconds=1), version=9)
    return {}


def without_ceilings(run, session, port):
    """Leave an authorization as it could stand before every ceiling had to be named: active, and without one."""
    id = consented(run, session, port, "assault")
    Authorization.objects.filter(id=id, tenant=session.tenant).update(max_requests=None, version=9)
    return {}


def of_an_operator(run, session, port):
    consented(run, session, port, "assault")
    return {"roles": ["operator"]}


@pytest.mark.requirement("automation:FR-P3", "automation:FR-P2")
@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (without_ownership, "tier.mode"),
        (without_consent, "authorization.inactive"),
        (not_listed, "tier.policy"),
        (before_its_window, "authorization.window"),
        (after_its_window, "authorization.window"),
        (without_ceilings, "tier.ceilings"),
        (of_an_operator, "tier.role"),
    ],
)
def test_load_is_refused_unless_all_is_there_and_the_entry_says_which_rule(session, run, acting, given, rule):
    with answering(text("x")) as site:
        roles = given(run, session, site.port).get("roles", ["owner"])
        with pytest.raises(PolicyViolation) as refused:
            acting(
                SubmitJobs,
                *roles,
                jobs=[{"url": site.url("/"), "job_type": "fetch", "strategy": "assault", "payload": {"load": {}}}],
            )
        assert refused.value.details["rule_ids"] == [rule]
        said = entry(session, SubmitJobs.name)
        assert (said["outcome"], said["error"], said["note"]["rule_ids"]) == ("refused", "POLICY_VIOLATION", [rule])
        assert site.asked == []


def test_an_authorization_that_is_stored_without_a_ceiling_comes_into_force_no_more(session, run):
    id = verified(run, session, 9, "assault")["id"]
    Authorization.objects.filter(tenant=session.tenant, id=id).update(max_concurrent=None)
    with pytest.raises(Refused, match="no max_concurrent"):
        run(ActivateLoad, id=id, version=3)


@pytest.mark.parametrize(
    ("stored", "rule"),
    [
        ({"closes": datetime(2020, 1, 1, tzinfo=UTC)}, "authorization.window"),
        ({"max_rps": None}, "tier.ceilings"),
        ({"max_concurrent": None}, "tier.ceilings"),
    ],
)
def test_what_waits_for_the_worker_is_refused_when_its_window_or_a_ceiling_is_gone(session, run, loads, drain, stored, rule):
    with Busy() as site:
        id = consented(run, session, site.port, "assault")
        job = loads(site, requests=10)
        Authorization.objects.filter(id=id, tenant=session.tenant).update(version=9, **stored)
        drain()
        assert site.asked == []
    state, code, _, rules = told(session, job)
    assert (state, code, rules) == ("denied", "POLICY_VIOLATION", {rule})
    assert entry(session)["note"]["authorization"] == [id, 4]


@pytest.mark.parametrize(("change", "rule"), [("revoked", "authorization.inactive"), ("killed", "kill_switch")])
def test_what_is_revoked_or_switched_off_in_the_midst_of_load_ends_it_at_once(session, run, loads, drain, change, rule):
    with Busy(0.01) as site:
        id = consented(run, session, site.port, "assault", max_rps=50.0)
        job = loads(site, users=4, requests=10_000, seconds=30)
        worker = Thread(target=drain)
        worker.start()
        while len(site.asked) < 10:
            time.sleep(0.01)
        if change == "revoked":
            run(Revoke, id=id, reason="over")
        else:
            run(SwitchOff, host="127.0.0.1", reason="stop")
        after = len(site.asked)
        worker.join(20)
        assert not worker.is_alive()
        assert len(site.asked) <= after + 8
    state, code, summary, rules = told(session, job)
    assert (state, code, rules) == ("denied", "POLICY_VIOLATION", {rule})
    assert summary["requests"] == len(site.asked)


def test_load_that_is_cancelled_ends_within_two_seconds(session, run, loads, drain):
    with Busy(0.05) as site:
        consented(run, session, site.port, "assault")
        job = loads(site, users=4, requests=100_000, seconds=30)
        worker = Thread(target=drain)
        worker.start()
        while len(site.asked) < 5:
            time.sleep(0.01)
        at = time.monotonic()
        run(CancelJob, id=str(job))
        while shown(session, job)["state"] == "running":
            time.sleep(0.02)
        assert time.monotonic() - at < 2.0
        worker.join(20)
    assert shown(session, job)["state"] == "cancelled"
    assert meters.usage(session.tenant, f"127.0.0.1:{site.port}", session.context().now).running == 0


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [(429, {"Retry-After": "600"}, "fewer requests"), (403, {}, "forbids"), (200, {"cf-mitigated": "challenge"}, "challenge")],
)
def test_a_target_that_asks_to_be_left_alone_ends_load_too(session, run, loads, drain, status, headers, reason):
    with Busy(0.02, status, headers) as site:
        consented(run, session, site.port, "assault")
        job = loads(site, users=4, requests=1_000)
        drain()
        assert len(site.asked) <= 8
    state, code, _, _ = told(session, job)
    assert (state, code, reason in shown(session, job)["error"]["message"]) == ("failed", "TARGET_BLOCKED", True)
    authority = f"127.0.0.1:{site.port}"
    assert breakers.of(session.tenant, authority).failures == 1
    wait = meters.usage(session.tenant, authority, session.context().now).not_before
    assert (wait is not None) == ("Retry-After" in headers)


def test_load_is_given_up_when_too_much_fails(session, run, loads, drain):
    with Busy(0.0, 500) as site:
        consented(run, session, site.port, "assault")
        job = loads(site, users=4, requests=1_000, give_up={"error_rate": 0.5, "after": 20})
        drain()
        assert 20 <= len(site.asked) <= 24
    state, code, summary, _ = told(session, job)
    assert (state, code, summary["ended_by"]) == ("failed", "GIVEN_UP", "GIVEN_UP")
    assert summary["errors"] == {"HTTP_500": len(site.asked)}


def test_load_is_given_up_when_answers_take_too_long(session, run, loads, drain):
    with Busy(0.15) as site:
        consented(run, session, site.port, "assault")
        job = loads(site, users=10, requests=1_000, give_up={"p95_ms": 100, "after": 20})
        drain()
        assert len(site.asked) <= 40
    assert told(session, job)[:2] == ("failed", "GIVEN_UP")
    assert "95 % of the last" in shown(session, job)["error"]["message"]


def test_faults_are_the_same_for_the_same_seed_and_others_for_another(session, run, loads, drain):
    found = []
    with Busy(0.0) as site:
        consented(run, session, site.port, "assault")
        for key, seed in (("a", 1), ("b", 1), ("c", 2)):
            job = loads(site, users=4, requests=60, seed=seed, key=key, faults={"aborted": 0.2, "offline": 0.3}, give_up=NEVER)
            drain()
            state, code, summary, _ = told(session, job)
            assert (state, code, summary["failed"]) == ("completed", "", 0)
            assert summary["requests"] + summary["faults"]["offline"] == 60
            ends = [hop["outcome"] for hop in hops(session, shown(session, job)["executions"][0])]
            assert (len(ends), ends.count("cut_off")) == (summary["requests"], summary["faults"]["aborted"])
            found.append(summary["faults"])
    assert found[0] == found[1] != found[2]
    assert breakers.of(session.tenant, f"127.0.0.1:{site.port}").failures == 0


def test_a_delay_is_kept_before_each_request_and_is_not_the_targets(session, run, loads, drain):
    with Busy(0.0) as site:
        consented(run, session, site.port, "assault")
        job = loads(site, users=1, requests=3, faults={"latency_ms": 200})
        begun = time.monotonic()
        drain()
        assert time.monotonic() - begun >= 0.6
    assert told(session, job)[2]["p50_ms"] < 150


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"strategy": "vanilla"}, "only the tier assault"),
        ({"job_type": "navigate_extract"}, "makes no load"),
        ({"timeout_seconds": 20}, "20 s in all"),
        ({"payload": {"load": {"users": 0}}}, r"payload\.load\.users"),
    ],
)
def test_load_that_makes_no_sense_is_refused(session, run, asked, job, words):
    with answering(text("x")) as site:
        consented(run, session, site.port, "assault")
        with pytest.raises(UsageError, match=words):
            asked(site.url("/"), **{"strategy": "assault", "payload": {"load": {}}, **job})
