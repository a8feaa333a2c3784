"""Looking for a challenge on a site: it counts where it has to stand, and the host that is verified is all that is reached."""

import asyncio
from datetime import timedelta

import pytest

from tests.domains.automation.egress.sites import answering, text
from trueup.domains.automation import proving
from trueup.domains.automation.actions_policies import PutPolicy, SwitchOff
from trueup.domains.automation.egress.gate import Gate, HopRefused
from trueup.domains.automation.egress.record import Record
from trueup.domains.automation.engine.decide import Asked, decide
from trueup.domains.automation.engine.hostpolicy import Authorization, Listing, compiled
from trueup.domains.automation.engine.tiers import Granted, Strategy
from trueup.domains.automation.proving import Claim, ProofUnknown, on_site, snapshot_for

TOKEN = "t0ken"
META = f'<head><meta name="trueup-challenge" content="{TOKEN}"></head>'


def look(site, method, session):
    """Look on a site of this machine, through a gate that a test alone would open."""
    now = session.context().now
    granted = Granted("loopback", frozenset(Strategy), own=True)
    opened = Authorization("a", 1, "127.0.0.1", frozenset({site.port}), granted, now + timedelta(days=1), inside=True)
    snapshot = compiled([], listing=Listing.ALLOWLIST, authorizations=[opened])
    gate = Gate(lambda: snapshot, Asked(), lambda: now, Record("d"))
    claim = Claim("127.0.0.1", (site.port,), method, TOKEN)
    return asyncio.run(on_site(claim, gate, site.url(""), agent="Trueup/0"))


@pytest.mark.parametrize(
    ("method", "body", "proved"),
    [
        ("well_known_file", f"{TOKEN}\n", True),
        ("well_known_file", f"{TOKEN} or so", False),
        ("html_meta", META, True),
        ("html_meta", f"<body>{META}</body>", False),
    ],
)
def test_a_challenge_is_found_where_it_has_to_stand(session, method, body, proved):
    with answering(text(body)) as site:
        found = look(site, method, session)
    assert found.proved is proved
    assert [path for _, path, _ in site.asked] == ["/.well-known/trueup-challenge.txt" if method == "well_known_file" else "/"]


@pytest.mark.parametrize("status", [404, 403, 201])
def test_a_page_of_errors_proves_nothing(session, status):
    with answering(text(TOKEN, status)) as site:
        assert look(site, "well_known_file", session).proved is False


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_site_that_fails_leaves_it_unknown(session, status):
    with answering(text(TOKEN, status)) as site, pytest.raises(ProofUnknown):
        look(site, "well_known_file", session)


def test_a_redirect_to_another_host_is_not_followed(session):
    with answering(text(TOKEN)) as other, answering(text("", 302, Location=other.url("/"))) as site, pytest.raises(HopRefused):
        look(site, "well_known_file", session)
    assert other.asked == []


def allowed(session, url, host="example.org"):
    claim = Claim(host, (), "html_meta", TOKEN)
    return decide(snapshot_for(session.tenant, claim), url, Asked(), session.context().now).rule_ids


def test_the_host_that_is_verified_is_all_that_may_be_reached(session, run):
    run(PutPolicy, host="example.net")
    assert allowed(session, "https://example.org/") == ("policy.verification",)
    assert allowed(session, "https://example.net/") == ("policy.allowlist",)
    assert allowed(session, "https://example.org:8443/") == ("policy.port",)
    assert allowed(session, "http://127.0.0.1/") == ("egress.address.loopback",)


def test_what_the_tenant_denies_or_switched_off_is_not_verified(session, run):
    run(PutPolicy, host="example.org", denied=True)
    assert allowed(session, "https://example.org/") == ("policy.example.org",)
    run(PutPolicy, host="*.net", denied=True)
    assert allowed(session, "https://a.net/", "a.net") == ("policy.*.net",)
    run(SwitchOff, host="example.com", reason="x")
    assert allowed(session, "https://example.com/", "example.com") == ("kill_switch",)


def test_a_public_name_that_leads_inside_cannot_be_verified(session, monkeypatch):
    monkeypatch.setenv("TRUEUP_CONTACT_URL", "https://example.org/bot")
    with pytest.raises(HopRefused) as refused:
        proving.look(session.context(), Claim("127.0.0.1", (80,), "html_meta", TOKEN))
    assert refused.value.rules == ("egress.address.loopback",)
