"""What the tiers are, in a real browser: quiet ones spare the target, scripts run where somebody reviewed them, none of them hides."""

import hashlib
import json
from datetime import datetime

import pytest
from aiohttp import web

from tests.domains.automation.consent import consented, verified
from tests.domains.automation.egress.sites import answering
from tests.domains.automation.test_fetch_jobs import asked, drain, hops, shown, site_of, stored  # noqa: F401 - fixtures
from trueup.domains.automation.actions_jobs import PolicyViolation
from trueup.domains.automation.actions_policies import PutPolicy
from trueup.domains.automation.engine.pacing import Pacing
from trueup.kernel.evidence import queries

SCRIPT = "() => document.title + ' ' + navigator.webdriver"
DIGEST = hashlib.sha256(SCRIPT.encode()).hexdigest()
HEAVY = """<title>t</title><style>@font-face {font-family: f; src: url(/font.woff2)} h1 {font-family: f}</style>
<link rel=stylesheet href=/style.css><img src=/picture.png><h1>hello</h1><script src=/script.js></script>"""


async def page(request):
    if request.path in ("/robots.txt", "/style.css", "/script.js"):
        return web.Response(text="", content_type={"t": "text/plain", "s": "text/css"}.get(request.path[-1], "text/javascript"))
    return web.Response(text=HEAVY, content_type="text/html")


def manifest(session, job):
    return json.loads(stored(session, job["executions"][0]["manifest"]))


def paths(site):
    return [path for _, path, _ in site.asked]


def test_a_light_job_leaves_out_what_weighs_much_and_the_record_says_so(session, asked, drain, site_of):
    with answering(page) as site:
        site_of(site, own=True, strategies=["vanilla", "stealth"])
        payload = {"steps": [{"action": "extract", "fields": {"title": "h1"}, "store_as": "found"}]}
        light = asked(site.url("/light"), job_type="steps", strategy="stealth", payload=payload, light=True)
        drain()
        assert not {"/picture.png", "/font.woff2"} & set(paths(site))
        assert {"/style.css", "/script.js"} <= set(paths(site))
        heavy = asked(site.url("/heavy"), job_type="steps", payload=payload)
        drain()
        assert {"/picture.png", "/font.woff2"} <= set(paths(site))
    job = shown(session, light)
    assert (job["state"], job["result"]["stored"]) == ("completed", {"found": {"title": "hello"}})
    left_out = {
        hop["url"].rpartition("/")[2]: hop["rule_ids"] for hop in hops(session, job["executions"][0]) if not hop["allowed"]
    }
    assert left_out == {"picture.png": ["tier.light"], "font.woff2": ["tier.light"]}
    assert shown(session, heavy)["state"] == "completed"


def test_a_quiet_run_pauses_as_its_seed_says_and_the_same_when_it_is_asked_for_again(session, asked, drain, site_of):
    steps = [{"action": "navigate", "url": ""}, {"action": "navigate", "url": ""}]
    found = []
    with answering(page) as site:
        site_of(site, own=True, strategies=["vanilla", "stealth"])
        for number, place in enumerate(("/b", "/c")):
            steps[number]["url"] = site.url(place)
        for key in ("1", "2"):
            id = asked(
                site.url("/b"), job_type="steps", strategy="stealth", payload={"steps": steps}, seed=7, light=True, key=key
            )
            drain()
            job = shown(session, id)
            assert job["state"] == "completed", job["error"]
            times = [step["at"] for step in manifest(session, job)["steps"]]
            found.append((manifest(session, job)["pacing"], times))
    (pacing, _), (again, _) = found
    assert pacing == again == {"seed": f"7/{site.url('/b')}", "low_ms": 400, "high_ms": 2_000}
    told = Pacing(pacing["seed"], pacing["low_ms"], pacing["high_ms"])
    for _, times in found:
        first, second = (datetime.fromisoformat(time) for time in times)
        assert (second - first).total_seconds() * 1_000 >= told.pause(2)  # of the second step; it begins when the first is over


def test_a_quiet_run_goes_on_with_the_session_of_the_one_before(session, asked, drain, site_of):
    async def handler(request):
        if request.path == "/robots.txt":
            return web.Response(text="")
        answer = web.Response(text=f"<h1>{request.cookies.get('seen', 'never')}</h1>", content_type="text/html")
        answer.set_cookie("seen", "before", max_age=600)
        return answer

    payload = {"steps": [{"action": "extract", "fields": {"seen": "h1"}, "store_as": "found"}]}
    with answering(handler) as site:
        site_of(site, own=True, strategies=["vanilla", "stealth"])

        def ask(key, name, strategy="stealth"):
            return asked(site.url("/"), job_type="steps", strategy=strategy, payload=payload, session=name, key=key)

        ids = [ask("1", "ann")]
        drain()
        ids += [ask("2", "ann"), ask("3", "bob", "vanilla"), ask("4", "", "vanilla")]
        drain()
    seen = [shown(session, id)["result"]["stored"]["found"]["seen"] for id in ids]
    assert seen == ["never", "before", "never", "never"]


def test_a_page_that_was_paid_for_before_its_run_began_is_counted_once(session, asked, drain, site_of):
    with answering(page) as site:
        site_of(site, own=True, limits={"per_minute": 1})
        id = asked(site.url("/"), job_type="screenshot_capture", timeout_seconds=20)
        drain()
    assert shown(session, id)["state"] == "completed", shown(session, id)["error"]


@pytest.mark.requirement("automation:W2")
@pytest.mark.parametrize("tier", ["assault", "custom"])
def test_page_script_sees_that_a_program_is_at_work_in_the_tiers_of_ones_own_too(session, run, asked, drain, tier):
    async def handler(_request):
        html = "<p id=w></p><p id=a></p><script>w.textContent = navigator.webdriver; a.textContent = navigator.userAgent</script>"
        return web.Response(text=html, content_type="text/html")

    with answering(handler) as site:
        consented(run, session, site.port, tier)
        payload = {"fields": {"webdriver": "#w", "agent": "#a"}, "store_as": "seen"}
        id = asked(site.url("/"), job_type="navigate_extract", strategy=tier, payload=payload)
        drain()
    job = shown(session, id)
    assert job["state"] == "completed", job["error"]
    assert (job["result"]["stored"]["seen"]["webdriver"], "Trueup/" in job["result"]["stored"]["seen"]["agent"]) == ("true", True)


def test_a_script_that_the_policy_names_runs_in_the_tier_custom(session, run, asked, drain):
    with answering(page) as site:
        consented(run, session, site.port, "custom", scripts=[DIGEST])
        payload = {"script": SCRIPT, "store_as": "said"}
        id = asked(site.url("/"), job_type="custom_script", strategy="custom", payload=payload)
        drain()
    job = shown(session, id)
    assert (job["state"], job["result"]["stored"]) == ("completed", {"said": "t true"})
    assert DIGEST in [(step["data"] or {}).get("script_sha256") for step in manifest(session, job)["steps"]]
    note = next(one for one in queries.entries(session.tenant, limit=10) if one["action"] == "automation.job.perform")["note"]
    assert (note["strategy"], note["mode"]) == ("custom", "internal")


def unpinned(run, session, port):
    consented(run, session, port, "custom", scripts=["0" * 64])


def without_consent(run, session, port):
    verified(run, session, port, "custom")
    run(PutPolicy, host="127.0.0.1", ports=[port], strategies=["vanilla", "custom"], scripts=[DIGEST])


@pytest.mark.parametrize(("given", "rule"), [(unpinned, "tier.script"), (without_consent, "authorization.inactive")])
def test_a_script_that_nobody_reviewed_or_consented_to_is_refused_with_the_rule(session, run, asked, given, rule):
    with answering(page) as site:
        given(run, session, site.port)
        with pytest.raises(PolicyViolation) as refused:
            asked(site.url("/"), job_type="custom_script", strategy="custom", payload={"script": SCRIPT})
        assert site.asked == []
    assert refused.value.details["rule_ids"] == [rule]
    entry = queries.entries(session.tenant, limit=1)[0]
    assert (entry["outcome"], entry["note"]) == ("refused", {"host": "127.0.0.1", "rule_ids": [rule]})


@pytest.mark.parametrize("tier", ["vanilla", "assault"])
def test_a_script_among_steps_is_refused_in_every_other_tier(session, run, asked, tier):
    with answering(page) as site:
        consented(run, session, site.port, "assault", scripts=[DIGEST])
        steps = [{"action": "if", "condition": {"selector": "h1"}, "then": [{"action": "evaluate", "script": SCRIPT}]}]
        with pytest.raises(PolicyViolation) as refused:
            asked(site.url("/"), job_type="steps", strategy=tier, payload={"steps": steps})
    assert refused.value.details["rule_ids"] == ["tier.script"]


def test_a_script_that_is_taken_back_while_its_job_waits_does_not_run(session, run, asked, drain):
    with answering(page) as site:
        consented(run, session, site.port, "custom", scripts=[DIGEST])
        id = asked(site.url("/"), job_type="custom_script", strategy="custom", payload={"script": SCRIPT})
        run(PutPolicy, host="127.0.0.1", ports=[site.port], strategies=["vanilla", "custom"], per_minute=100, per_hour=100)
        drain()
    job = shown(session, id)
    assert (job["state"], job["error"]["code"]) == ("failed", "SCRIPT_REFUSED")
