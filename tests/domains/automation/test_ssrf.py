"""A corpus of addresses that lead where nobody may go: refused by a named rule wherever one can be given, and nothing is ever sent."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from tests.domains.automation.egress.listening import Forbidden
from tests.domains.automation.egress.sites import answering, text
from tests.domains.automation.egress.test_http import AGENT, gate_for, opened
from tests.domains.automation.test_fetch_jobs import asked, drain, hops, shown, site_of, stored  # noqa: F401 - fixtures
from trueup.domains.automation.actions_jobs import PolicyViolation, SubmitJobs
from trueup.domains.automation.actions_policies import PutPolicy, SetListing
from trueup.domains.automation.egress.gate import HopRefused
from trueup.domains.automation.egress.http import Bounds, Fetcher, FetchFailed, Request
from trueup.domains.automation.engine.decide import Asked, decide
from trueup.domains.automation.engine.hostpolicy import HostPolicy, Listing, compiled
from trueup.domains.automation.models import Run
from trueup.kernel.errors import UsageError
from trueup.kernel.evidence import queries

CORPUS = json.loads((Path(__file__).parent / "ssrf.json").read_text())
KINDS = {
    "decimal", "octal", "hex", "short", "literal", "ipv6", "enclosed alphanumerics", "ideographic dots", "percent", "userinfo",
    "backslash", "control", "scheme", "metadata", "name", "form",
}  # fmt: skip
OPEN = HostPolicy("all", 1, "*")
"""The most indulgent of all policies: none opens more."""


def entries(port):
    return [{**one, "url": one["url"].replace("{port}", str(port))} for one in CORPUS]


@pytest.fixture
def forbidden():
    with Forbidden() as found:
        yield found
        assert found.heard == 0


def test_the_corpus_holds_every_kind_and_no_address_twice():
    assert {one["kind"] for one in CORPUS} == KINDS
    assert len({one["url"] for one in CORPUS}) == len(CORPUS) > 100
    assert {one["rule"].rpartition(".")[0] for one in CORPUS} == {"egress.url", "egress.address", "egress.name"}


@pytest.mark.requirement("automation:AR-12", "automation:W13")
def test_every_address_is_refused_by_its_rule_when_it_is_decided_about(session):
    snapshot = compiled([OPEN], listing=Listing.DENYLIST)
    for one in entries(8_000):
        found = decide(snapshot, one["url"], Asked(), session.context().now)
        assert (found.allowed, found.rule_ids) == (False, (one["rule"],)), one


@pytest.mark.requirement("automation:AR-12")
def test_every_address_is_refused_by_its_rule_when_it_is_fetched_and_nothing_is_sent(forbidden):
    gate = gate_for(policies=[OPEN])
    rows = entries(forbidden.port)

    async def go():
        async with Fetcher(gate, agent=AGENT) as fetcher:
            for one in rows:
                with pytest.raises(HopRefused) as refused:
                    await fetcher.fetch(Request(one["url"]))
                assert refused.value.rules == (one["rule"],), one

    asyncio.run(go())
    assert [hop.rule_ids for hop in gate.record.hops] == [(one["rule"],) for one in rows]
    assert not any(hop.allowed or hop.address for hop in gate.record.hops)


async def end_of(fetcher, url):
    """Fetch; return the rule that refused it, how it failed, or where it ended."""
    try:
        return (await fetcher.fetch(Request(url))).url
    except HopRefused as exc:
        return exc.rules[0]
    except FetchFailed as exc:
        return exc.kind


def test_no_address_is_reached_by_a_redirect_of_an_allowed_page(forbidden):
    rows = [one["url"] for one in entries(forbidden.port) if one["kind"] != "control"]  # no header can carry those

    async def away(request):
        return web.Response(status=302, headers={"Location": rows[int(request.query.get("n", 0))]})

    with answering(away) as site:
        gate = gate_for(opened(site.port), policies=[OPEN])

        async def go():
            async with Fetcher(gate, agent=AGENT, bounds=Bounds(redirects=2)) as fetcher:
                for number, url in enumerate(rows):
                    ended = await end_of(fetcher, site.url(f"/?n={number}"))
                    # a few are places of the page's own site, as the standard reads them
                    assert ended.startswith(("egress.", "redirects", site.url("/"))), url

        asyncio.run(go())
    assert sum(not hop.allowed for hop in gate.record.hops) > len(rows) - 5


@pytest.mark.requirement("automation:AR-12", "automation:W13", "automation:FR-P2")
def test_every_address_is_refused_when_a_job_is_asked_for_and_each_refusal_is_an_entry(session, run, asked, forbidden):
    run(PutPolicy, host="*", ports=[80, 443, forbidden.port])
    run(SetListing, listing="denylist")
    for one in entries(forbidden.port):
        if "\0" in one["url"]:
            with pytest.raises(UsageError, match="NUL"):  # no input may hold one
                asked(one["url"])
            continue
        with pytest.raises(PolicyViolation) as refused:
            asked(one["url"])
        assert refused.value.details["rule_ids"] == [one["rule"]], one
        entry = queries.entries(session.tenant, limit=1)[0]
        said = (entry["action"], entry["outcome"], entry["error"], entry["note"]["rule_ids"])
        assert said == (SubmitJobs.name, "refused", "POLICY_VIOLATION", [one["rule"]])
    assert not Run.objects.filter(tenant=session.tenant).exists()


def test_the_port_that_is_authorized_is_reached_and_its_neighbour_is_not(session, asked, drain, site_of, forbidden):
    """The control: the rules that refuse the corpus let through what somebody opened."""
    with answering(text("hello")) as site:
        site_of(site, own=True)
        for job_type in ("fetch", "navigate_extract"):
            id = asked(site.url(f"/{job_type}"), job_type=job_type)
            drain()
            assert shown(session, id)["state"] == "completed", shown(session, id)["error"]
            with pytest.raises(PolicyViolation) as refused:
                asked(f"http://127.0.0.1:{forbidden.port}/", job_type=job_type)
            assert refused.value.details["rule_ids"] == ["egress.address.loopback"]
        assert {"/fetch", "/navigate_extract"} <= {path for _, path, _ in site.asked}


@pytest.mark.parametrize(
    ("place", "rule"),
    [("file:///etc/passwd", "egress.url.scheme"), ("http://0x7f.1:{port}/", "egress.url.host_form"),
     ("view-source:http://127.0.0.1:{port}/", "egress.url.scheme")],
)  # fmt: skip
def test_a_place_that_a_page_named_is_decided_about_before_a_browser_opens_it(
    session, asked, drain, site_of, forbidden, place, rule
):
    url = place.replace("{port}", str(forbidden.port))

    async def naming(request):
        return web.Response(text="" if request.path == "/robots.txt" else f"<h1>{url}</h1>", content_type="text/html")

    steps = [
        {"action": "extract", "fields": {"place": "h1"}, "store_as": "found"},
        {"action": "navigate", "url": "{{found.place}}"},
    ]
    with answering(naming) as site:
        site_of(site, own=True)
        id = asked(site.url("/"), job_type="steps", payload={"steps": steps})
        drain()
    job = shown(session, id)
    assert (job["state"], job["error"]["code"]) == ("denied", "POLICY_VIOLATION")
    assert [hop["rule_ids"] for hop in hops(session, job["executions"][0]) if not hop["allowed"]] == [[rule]]
    note = next(one for one in queries.entries(session.tenant, limit=5) if one["action"] == "automation.job.perform")["note"]
    assert rule in [one["rule"] for one in note["refused"]]
