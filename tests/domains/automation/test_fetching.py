"""Fetching pages politely, against real servers: every rule holds on the way, and all that happened is on record."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from tests.domains.automation.egress.sites import answering, text
from trueup import __version__
from trueup.domains.automation import breakers, meters
from trueup.domains.automation.actions_fetches import FetchPages, RecordEgress, kept, subject_of
from trueup.domains.automation.actions_force import Revoke
from trueup.domains.automation.actions_policies import PutPolicy, SetListing, SwitchOff
from trueup.domains.automation.agent import contact, user_agent
from trueup.domains.automation.egress.record import Record
from trueup.domains.automation.engine.decide import Asked, decide
from trueup.domains.automation.engine.hostpolicy import HostPolicy, Listing, compiled
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.errors import ConfigurationError, NotFound, UnreadableInput
from trueup.kernel.evidence import queries


def pages_of(run, *urls):
    return run(FetchPages, urls=list(urls))["pages"]


def stored(session, sha256):
    with session.ports.artifacts.open(session.tenant, sha256) as file:
        return file.read()


def paths(site):
    return [path for _, path, _ in site.asked]


def robots(body, *, then="page", status=200, **headers):
    """Serve a robots file, and something else for the rest."""

    async def handler(request):
        if request.path == "/robots.txt":
            return web.Response(text=body)
        return web.Response(text=then, status=status, headers={name.replace("_", "-"): text for name, text in headers.items()})

    return handler


def free(run, **more):
    run(PutPolicy, host="127.0.0.1", **{"per_minute": 100, "per_hour": 1000, **more})


def policy_ports(run, site, authorize, **more):
    authorize(site.port, **more)
    free(run, ports=[site.port])


def test_a_page_is_fetched_and_all_of_it_is_kept_as_evidence(run, session, authorize):
    with answering(robots("", then="<h1>hi</h1>", ETag="1")) as site:
        policy_ports(run, site, authorize)
        value = run(FetchPages, urls=[site.url("/a")])
    (page,) = value["pages"]
    assert (page["outcome"], page["status"], page["code"]) == ("fetched", 200, "")
    assert stored(session, page["sha256"]) == b"<h1>hi</h1>"
    about, *hops = map(json.loads, stored(session, value["record"]).splitlines())
    assert (about["hops"], [hop["status"] for hop in hops]) == (2, [200, 200])
    entry = queries.entries(session.tenant, limit=1)[0]
    assert entry["note"]["record"] == value["record"]
    assert {one["sha256"] for one in entry["artifacts"]} == {value["record"], page["sha256"]}
    known = {fact["predicate"]: fact["value"] for fact in queries.facts(session.tenant, subject=subject_of(site.url("/a")))}
    assert known == {
        "automation.page.outcome@1": "fetched",
        "automation.page.status@1": 200,
        "automation.page.sha256@1": page["sha256"],
    }


def test_we_say_who_we_are(run, authorize, monkeypatch):
    monkeypatch.setenv("TRUEUP_CONTACT_URL", "https://example.org/bot")
    with answering(robots("")) as site:
        policy_ports(run, site, authorize)
        pages_of(run, site.url())
    assert {headers["User-Agent"] for _, _, headers in site.asked} == {f"Trueup/{__version__} (+https://example.org/bot)"}


def test_robots_files_are_obeyed_also_after_a_redirect_and_not_asked_of_what_is_ones_own(run, authorize):
    async def handler(request):
        if request.path == "/robots.txt":
            return web.Response(text="User-agent: *\nDisallow: /private")
        return web.Response(status=302, headers={"Location": "/private/a"}) if request.path == "/go" else web.Response(text="x")

    with answering(handler) as site, answering(handler) as mine:
        policy_ports(run, site, authorize)
        authorize(mine.port, own=True)
        free(run, ports=[site.port, mine.port])
        found = pages_of(run, site.url("/private/a"), site.url("/go"), mine.url("/private/a"))
        assert [page["rule_ids"] for page in found] == [["robots.disallowed"], ["robots.disallowed"], []]
        assert paths(site) == ["/robots.txt", "/go"]
        assert paths(mine) == ["/private/a"]


def test_limits_hold_over_robots_pages_and_runs_and_a_refusal_is_counted_once_a_rule(run, session, authorize):
    with answering(robots("")) as site:
        authorize(site.port)
        free(run, ports=[site.port], per_minute=3)
        found = pages_of(run, *[site.url(f"/{n}") for n in range(5)])
        assert [page["outcome"] for page in found] == ["fetched"] * 2 + ["refused"] * 3
        assert found[2]["rule_ids"] == ["limit.minute"]
        assert len(site.asked) == 3
        assert pages_of(run, site.url("/again"))[0]["rule_ids"] == ["limit.minute"]
    note = queries.entries(session.tenant, limit=2)[1]["note"]
    assert note["refused"] == [{"host": "127.0.0.1", "rule": "limit.minute", "count": 3}]
    assert (note["allowed"], note["pages"]) == (3, {"fetched": 2, "refused": 3, "blocked": 0, "failed": 0})
    assert meters.usage(session.tenant, f"127.0.0.1:{site.port}", session.context().now).running == 0


@pytest.mark.parametrize("status", [403, 429])
def test_a_target_that_asks_to_be_left_alone_is_left_alone(run, session, authorize, status):
    with answering(robots("", status=status, Retry_After="120")) as site:
        policy_ports(run, site, authorize)
        found = pages_of(run, site.url("/a"), site.url("/b"))
        assert [(page["outcome"], page["code"]) for page in found] == [
            ("blocked", "TARGET_BLOCKED"),
            ("refused", "POLICY_VIOLATION"),
        ]
        assert found[1]["rule_ids"] == ["target.blocked"]
        assert paths(site) == ["/robots.txt", "/a"]
        assert pages_of(run, site.url("/c"))[0]["rule_ids"] == ["limit.retry_after"]
        authority = f"127.0.0.1:{site.port}"
        waits = meters.usage(session.tenant, authority, session.context().now).not_before
        assert timedelta(seconds=100) < waits - datetime.now(UTC) <= timedelta(seconds=120)
        assert breakers.of(session.tenant, authority).failures == 1
    assert len(site.asked) == 2


def test_three_blocks_in_a_row_open_the_breaker(run, session, authorize):
    with answering(robots("", then="<script>_cf_chl_opt</script>", Content_Type="text/html")) as site:
        policy_ports(run, site, authorize, own=True)
        assert [pages_of(run, site.url())[0]["outcome"] for _ in range(4)] == ["blocked"] * 3 + ["refused"]
        assert pages_of(run, site.url())[0]["rule_ids"] == ["breaker.open"]
    assert len(site.asked) == 3


def test_an_answer_between_failures_closes_the_count(run, session, authorize):
    answers = iter([500, 500, 200, 500, 500])

    async def handler(_request):
        return web.Response(status=next(answers))

    with answering(handler) as site:
        policy_ports(run, site, authorize, own=True)
        found = pages_of(run, *[site.url()] * 5)
        assert [page["outcome"] for page in found] == ["failed", "failed", "fetched", "failed", "failed"]
        assert breakers.of(session.tenant, f"127.0.0.1:{site.port}").failures == 2


def test_a_connection_that_is_cut_off_is_tried_once_more_and_no_page_is_tried_again(run, authorize):
    async def handler(request):
        if len(site.asked) == 1:
            request.transport.abort()
        return web.Response(text="x", status=404)

    with answering(handler) as site:
        policy_ports(run, site, authorize, own=True)
        (page,) = pages_of(run, site.url())
        assert (page["outcome"], page["status"]) == ("failed", 404)
    assert len(site.asked) == 2


@pytest.mark.requirement("automation:FR-P1", "automation:FR-P8")
def test_what_is_not_allowed_or_no_more_receives_nothing(run, authorize):
    with answering(robots("")) as site, answering(text()) as neighbour:
        id = authorize(site.port)
        free(run, ports=[site.port, neighbour.port])
        assert pages_of(run, neighbour.url())[0]["rule_ids"] == ["egress.address.loopback"]
        run(Revoke, id=id, reason="over")
        assert pages_of(run, site.url())[0]["rule_ids"] == ["authorization.inactive"]
        run(SwitchOff, host="*", reason="incident")
        assert pages_of(run, site.url())[0]["rule_ids"] == ["kill_switch"]
        assert site.asked == neighbour.asked == []


def test_a_revocation_or_a_switch_holds_from_the_next_hop_on(run, session, authorize):
    async def handler(request):
        if request.path == "/robots.txt":
            return web.Response(status=404)
        await asyncio.to_thread(switch_off, session.tenant)
        return web.Response(status=302, headers={"Location": "/next"})

    with answering(handler) as site:
        policy_ports(run, site, authorize)
        (page,) = pages_of(run, site.url("/a"))
    assert page["rule_ids"] == ["kill_switch"]
    assert paths(site) == ["/robots.txt", "/a"]


def switch_off(tenant):
    """Switch everything off from the server's own thread, as another process would."""
    from django.db import connection

    from trueup.domains.automation.models import Switch
    from trueup.kernel import tenancy

    tenancy.reach(tenant)
    Switch.objects.create(tenant=tenant, pattern="*", off=True, reason="x", at=datetime.now(UTC), by="x")
    connection.close()


@pytest.mark.requirement("automation:FR-P7")
@pytest.mark.parametrize("table", ["policyversion", "switch", "authorization", "meter", "breakerrow", "robotscopy"])
def test_where_the_store_cannot_answer_nothing_is_sent(run, authorize, table):
    from django.db import DatabaseError, connection

    with answering(robots("")) as site:
        policy_ports(run, site, authorize)
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE automation_{table} RENAME TO gone")
        with pytest.raises(DatabaseError):
            pages_of(run, site.url())
    assert site.asked == []


def test_no_public_place_is_reached_without_a_contact(run, monkeypatch):
    monkeypatch.delenv("TRUEUP_CONTACT_URL", raising=False)
    run(SetListing, listing="denylist")
    (page,) = pages_of(run, "https://example.org/")
    assert page["rule_ids"] == ["agent.contact"]
    assert "TRUEUP_CONTACT_URL" in page["reason"]


@pytest.mark.parametrize("wrong", ["bot@example.org", "https://", "https://a.org/ x", "ftp://a.org", "https://a.org/\u00e9"])
def test_a_contact_that_is_no_address_is_refused(monkeypatch, wrong):
    monkeypatch.setenv("TRUEUP_CONTACT_URL", wrong)
    with pytest.raises(ConfigurationError, match="no web address"):
        contact()
    assert user_agent("") == f"Trueup/{__version__}"


def test_who_may_not_work_fetches_nothing(acting, authorize):
    with answering(text()) as site:
        authorize(site.port)
        for role in ("viewer", "analyst", "auditor"):
            with pytest.raises(PolicyRefused):
                acting(FetchPages, role, urls=[site.url()])
    assert site.asked == []


def recorded(hops):
    record = Record("digest")
    snapshot = compiled([HostPolicy("p", 1, "a.org")], listing=Listing.ALLOWLIST)
    for url in hops:
        at = datetime(2026, 3, 1, tzinfo=UTC)
        record.note(decide(snapshot, url, Asked(), at), at=at, via="http", method="GET")
    return record


def test_the_record_of_any_run_becomes_one_entry_with_its_refusals_counted(run, session):
    record = recorded(["https://a.org/", "https://b.org/1", "https://b.org/2", "https://c.org/"])
    value = run(RecordEgress, run="job/7", sha256=kept(session.context(), record).sha256)
    assert (value["allowed"], value["refused_kinds"]) == (1, 2)
    assert value["refused"] == [
        {"host": "b.org", "rule": "policy.allowlist", "count": 2},
        {"host": "c.org", "rule": "policy.allowlist", "count": 1},
    ]
    entry = queries.entries(session.tenant, limit=1)[0]
    assert entry["artifacts"][0]["sha256"] == value["record"]


def test_a_record_that_is_none_or_miscounts_itself_is_not_written_down(run, session):
    lines = recorded(["https://a.org/", "https://b.org/"]).lines()
    wrong = [b"", b"[]\n", b"{}\n", lines.replace(b'"hops":2', b'"hops":3'), lines.replace(b'"count":1', b'"count":0')]
    for data in wrong:
        sha256 = session.ports.artifacts.put(session.tenant, data, name="x", media_type="x/x").sha256
        with pytest.raises(UnreadableInput, match="no record"):
            run(RecordEgress, run="job/7", sha256=sha256)
    with pytest.raises(NotFound):
        run(RecordEgress, run="job/7", sha256="0" * 64)
