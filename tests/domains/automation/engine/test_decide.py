"""Decisions about hops: what opens a target, what never does, and by which rule."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueup.domains.automation.engine.decide import Asked, decide, may_connect
from trueup.domains.automation.engine.hostpolicy import Authorization, HostPolicy, Limits, Listing, compiled, covers, within
from trueup.domains.automation.engine.tiers import LADDER, Granted, Mode, Strategy, mode_of, refusal, strategy_of
from trueup.domains.automation.engine.urls import read

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL = frozenset(Strategy)
OWN = Granted("dns_txt", ALL, own=True, approved=True, windowed=True, bounded=True)
LETTER = Granted("signed_letter", frozenset({Strategy.STEALTH, Strategy.MATRIX}), own=False)


def authorization(host="example.org", *, granted=OWN, ports=frozenset({443}), **more):
    return Authorization("a1", 3, host, ports, granted, NOW + timedelta(hours=1), **more)


def asked_of(*policies, listing=Listing.ALLOWLIST, authorizations=(), killed=(), url="https://example.org/", **asked):
    snapshot = compiled(policies, listing=listing, authorizations=authorizations, killed=killed)
    return decide(snapshot, url, Asked(**asked), NOW)


PLAIN = HostPolicy("p1", 2, "example.org")


@pytest.mark.requirement("automation:FR-P4", "automation:W5")
def test_what_no_policy_names_is_refused_on_an_allowlist_and_allowed_on_a_denylist():
    assert asked_of().rule_ids == ("policy.allowlist",)
    assert asked_of(listing=Listing.DENYLIST).rule_ids == ("policy.denylist",)


def test_what_a_policy_names_is_allowed_with_its_limits_and_version():
    found = asked_of(replace(PLAIN, limits=Limits(7, 70, 2)))
    assert (found.allowed, found.rule_ids, found.policy, found.limits) == (True, ("policy.p1",), ("p1", 2), Limits(7, 70, 2))


def test_a_denial_of_a_wider_policy_is_stronger_than_a_narrower_allowance():
    wide = HostPolicy("wide", 1, "*.example.org", denied=True)
    found = asked_of(HostPolicy("narrow", 1, "a.example.org"), wide, url="https://a.example.org/")
    assert (found.allowed, found.rule_ids) == (False, ("policy.wide",))


def test_the_narrowest_policy_decides_how_hard():
    wide, narrow = HostPolicy("w", 1, "*", limits=Limits(1, 1, 1)), HostPolicy("n", 1, "*.example.org", limits=Limits(9, 9, 9))
    assert asked_of(wide, narrow, url="https://a.example.org/").policy == ("n", 1)
    assert asked_of(wide, narrow, url="https://other.net/").policy == ("w", 1)


@pytest.mark.parametrize("url", ["https://example.org:8443/", "http://example.org:22/"])
def test_other_ports_than_those_of_the_web_are_refused_unless_listed(url):
    assert asked_of(PLAIN, url=url).rule_ids == ("policy.port",)
    assert asked_of(replace(PLAIN, ports=frozenset({8443, 22})), url=url).allowed


def test_paths_that_a_policy_does_not_list_are_refused():
    listed = replace(PLAIN, paths=("/news",))
    assert asked_of(listed, url="https://example.org/news/1?x=/").allowed
    assert asked_of(listed, url="https://example.org/newsletter").rule_ids == ("policy.path",)


@pytest.mark.parametrize("killed", ["*", "example.org", "*.example.org"])
def test_what_is_switched_off_is_refused(killed):
    assert asked_of(HostPolicy("p", 1, "*"), killed=[killed], url="https://www.example.org/").rule_ids == ("kill_switch",)
    assert asked_of(HostPolicy("p", 1, "*"), killed=["other.org"]).allowed


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://127.0.0.1:8000/", "egress.address.loopback"),
        ("http://localhost:8000/", "egress.name.localhost"),
        ("http://[::ffff:10.0.0.1]/", "egress.address.private"),
        ("http://169.254.169.254/latest/", "egress.address.metadata"),
        ("http://metadata.google.internal/", "egress.name.metadata"),
        ("http://0x7f.1/", "egress.url.host_form"),
        ("gopher://example.org/", "egress.url.scheme"),
    ],
)
def test_no_policy_opens_what_is_no_public_place(url, rule):
    everything = HostPolicy("p", 1, "*", ports=frozenset({80, 8000}))
    assert asked_of(everything, listing=Listing.DENYLIST, url=url).rule_ids == (rule,)


LOOPBACK = Granted("loopback", ALL, own=True)


def test_an_authorization_opens_the_loopback_port_it_names_and_not_its_neighbour():
    opened = authorization("127.0.0.1", ports=frozenset({8000}), granted=LOOPBACK, inside=True)
    found = asked_of(authorizations=[opened], url="http://127.0.0.1:8000/a")
    assert (found.allowed, found.private, found.authorization, found.mode) == (True, True, ("a1", 3), Mode.INTERNAL)
    assert asked_of(authorizations=[opened], url="http://127.0.0.1:8001/a").rule_ids == ("egress.address.loopback",)
    assert asked_of(authorizations=[replace(opened, inside=False)], url="http://127.0.0.1:8000/").allowed is False


def test_no_authorization_opens_a_metadata_service():
    opened = authorization("169.254.169.254", ports=frozenset({80}), granted=LOOPBACK, inside=True)
    assert asked_of(authorizations=[opened], url="http://169.254.169.254/").rule_ids == ("egress.address.metadata",)


def test_what_an_authorization_opened_is_not_inherited_through_a_redirect():
    opened = authorization("127.0.0.1", ports=frozenset({8000}), granted=LOOPBACK, inside=True)
    elsewhere = read("https://example.org/")
    found = asked_of(authorizations=[opened], url="http://127.0.0.1:8000/", came_from=elsewhere)
    assert found.rule_ids == ("egress.redirect.private",)
    assert asked_of(authorizations=[opened], url="http://127.0.0.1:8000/", came_from=read("http://127.0.0.1:8000/b")).allowed


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"active": False}, "authorization.inactive"),
        ({"expires": NOW}, "authorization.expired"),
        ({"opens": NOW + timedelta(seconds=1)}, "authorization.window"),
        ({"closes": NOW}, "authorization.window"),
    ],
)
def test_an_authorization_that_is_not_in_force_opens_no_tier(changed, rule):
    listed = replace(PLAIN, strategies=ALL)
    one = replace(authorization(), **changed)
    assert asked_of(listed, authorizations=[one], strategy=Strategy.ASSAULT).rule_ids == (rule,)
    assert asked_of(listed, authorizations=[one]).mode is Mode.PUBLIC


def test_an_authorization_of_another_host_path_or_job_opens_nothing():
    listed = replace(PLAIN, strategies=ALL)
    for one in (authorization("other.org"), authorization(path="/app"), replace(authorization(), job_types=frozenset({"check"}))):
        found = asked_of(listed, authorizations=[one], strategy=Strategy.STEALTH, url="https://example.org/x", job_type="fetch")
        assert found.rule_ids == ("tier.mode",)


def test_a_job_that_froze_an_authorization_uses_no_other():
    listed = replace(PLAIN, strategies=ALL)
    assert asked_of(listed, authorizations=[authorization()], strategy=Strategy.STEALTH, authorization="another").allowed is False
    assert asked_of(listed, authorizations=[authorization()], strategy=Strategy.STEALTH, authorization="a1").allowed


@pytest.mark.requirement("automation:AR-19", "automation:FR-P3")
@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize(("mode", "granted"), [(Mode.PUBLIC, None), (Mode.CUSTOMER, LETTER), (Mode.INTERNAL, OWN)])
def test_each_mode_opens_what_the_ladder_says(mode, granted, strategy):
    assert mode_of(granted) is mode
    rule = refusal(strategy, granted, ALL, ALL)
    assert (rule != "tier.mode") == (strategy in LADDER[mode])


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"listed": frozenset()}, "tier.policy"),
        ({"allowed": frozenset({Strategy.VANILLA})}, "tier.role"),
        ({"granted": replace(OWN, strategies=frozenset({Strategy.STEALTH}))}, "tier.authorization"),
        ({"granted": replace(OWN, approved=False)}, "tier.approval"),
        ({"granted": replace(OWN, windowed=False)}, "tier.window"),
        ({"granted": replace(OWN, bounded=False)}, "tier.ceilings"),
        ({"granted": replace(OWN, method="signed_letter")}, "tier.mode"),
        ({"granted": None}, "tier.mode"),
        ({}, ""),
    ],
)
def test_load_on_a_target_needs_all_of_ownership_list_role_window_ceilings_and_a_second_person(change, rule):
    whole = {"granted": OWN, "listed": ALL, "allowed": ALL} | change
    assert refusal(Strategy.ASSAULT, **whole) == rule


@pytest.mark.requirement("automation:FR-P2")
def test_rules_are_asked_in_one_order_and_the_first_that_refuses_is_named():
    """One target that every rule refuses: whichever is mended, the next in the order answers."""
    url, asked = "http://127.0.0.1:81/b", {"strategy": Strategy.ASSAULT, "roles_allow": frozenset({Strategy.VANILLA})}
    bad = HostPolicy("p", 1, "127.0.0.1", denied=True, paths=("/a",))
    good, windowed = replace(bad, denied=False), {"opens": NOW, "closes": NOW + timedelta(minutes=30)}
    opened = authorization("127.0.0.1", ports=frozenset({81}), granted=replace(LOOPBACK, own=False), inside=True)
    own = replace(opened, granted=replace(LOOPBACK, strategies=frozenset({Strategy.VANILLA})))
    full = replace(opened, granted=LOOPBACK, **windowed)
    listed, roles = replace(good, paths=(), strategies=ALL), {"roles_allow": ALL}
    steps = [
        ("egress.url.userinfo", asked_of(bad, url="http://u@127.0.0.1:81/b", killed=["*"], **asked)),
        ("kill_switch", asked_of(bad, url=url, killed=["*"], **asked)),
        ("policy.p", asked_of(bad, url=url, **asked)),
        ("egress.address.loopback", asked_of(good, url=url, **asked)),
        ("policy.path", asked_of(good, url=url, authorizations=[opened], **asked)),
        ("tier.mode", asked_of(replace(good, paths=()), url=url, authorizations=[opened], **asked)),
        ("tier.policy", asked_of(replace(good, paths=()), url=url, authorizations=[own], **asked)),
        ("tier.role", asked_of(listed, url=url, authorizations=[own], **asked)),
        ("tier.authorization", asked_of(listed, url=url, authorizations=[own], **{**asked, **roles})),
        ("tier.approval", asked_of(listed, url=url, authorizations=[full], **{**asked, **roles})),
    ]
    assert [found.rule_ids for _, found in steps] == [(rule,) for rule, _ in steps]
    approved = replace(full, granted=replace(LOOPBACK, approved=True))
    assert asked_of(listed, url=url, authorizations=[approved], **{**asked, **roles}).rule_ids == ("tier.window",)
    unbounded = replace(approved, granted=replace(approved.granted, windowed=True))
    assert asked_of(listed, url=url, authorizations=[unbounded], **{**asked, **roles}).rule_ids == ("tier.ceilings",)
    whole = replace(unbounded, granted=replace(unbounded.granted, bounded=True))
    assert asked_of(listed, url=url, authorizations=[whole], **{**asked, **roles}).allowed


def test_an_older_name_of_a_tier_is_understood_and_an_unknown_one_is_not():
    assert strategy_of("ultimate_stealth") is Strategy.MATRIX
    with pytest.raises(ValueError, match="ninja"):
        strategy_of("ninja")


def test_every_answer_of_the_resolver_has_to_be_a_public_place():
    found = asked_of(PLAIN)
    assert may_connect(found, [ip_address("93.184.216.34")])[0]
    assert may_connect(found, [ip_address("93.184.216.34"), ip_address("10.0.0.1")])[1] == "egress.address.private"
    assert may_connect(found, [])[1] == "egress.dns.no_answer"


def test_a_name_inside_may_lead_inside_but_never_to_a_metadata_service():
    opened = authorization("staging.example.org", granted=LOOPBACK, inside=True)
    found = asked_of(authorizations=[opened], url="https://staging.example.org/")
    assert may_connect(found, [ip_address("10.0.0.1")])[0]
    assert may_connect(found, [ip_address("169.254.169.254")])[1] == "egress.address.metadata"
    outside = asked_of(
        replace(PLAIN, pattern="staging.example.org"), authorizations=[replace(opened, inside=False)], url=found.url
    )
    assert may_connect(outside, [ip_address("10.0.0.1")])[1] == "egress.address.private"


def test_a_name_of_this_machine_leads_to_this_machine_and_nowhere_else():
    opened = authorization("app.localhost", granted=LOOPBACK, inside=True)
    found = asked_of(authorizations=[opened], url="https://app.localhost/")
    assert may_connect(found, [ip_address("127.0.0.1"), ip_address("::1")])[0]
    for elsewhere in ("10.0.0.1", "93.184.216.34"):
        assert may_connect(found, [ip_address("127.0.0.1"), ip_address(elsewhere)])[1] == "egress.name.localhost"


def test_what_robots_may_fetch_can_be_read_wherever_anything_of_the_host_may_be():
    partly = replace(PLAIN, paths=("/a",))
    assert asked_of(partly, url="https://example.org/robots.txt").allowed
    assert asked_of(partly, url="https://example.org/robots.txt.bak").rule_ids == ("policy.path",)
    assert asked_of(replace(partly, denied=True), url="https://example.org/robots.txt").rule_ids == ("policy.p1",)


def test_a_verification_that_grew_old_opens_nothing():
    old = authorization(stale=NOW)
    listed = replace(PLAIN, strategies=ALL)
    assert asked_of(listed, authorizations=[old], strategy=Strategy.STEALTH).rule_ids == ("authorization.stale",)
    young = replace(old, stale=NOW + timedelta(seconds=1))
    assert asked_of(listed, authorizations=[young], strategy=Strategy.STEALTH).allowed


def test_hosts_paths_and_patterns():
    assert covers("example.org", "www.example.org")
    assert not covers("*.example.org", "badexample.org")
    assert (within("/a", "/a/b"), within("/a", "/ab"), within("/", "/x"), within("/a/", "/a?x")) == (True, False, True, True)
    with pytest.raises(ValueError, match=r"about example\.org"):
        compiled([PLAIN, PLAIN], listing=Listing.ALLOWLIST)


@given(st.sampled_from(list(Strategy)), st.sampled_from([None, LETTER, OWN]), st.booleans(), st.integers(0, 65_535))
def test_a_further_denial_never_opens_anything(strategy, granted, listing, port):
    policies = [replace(PLAIN, strategies=ALL, ports=frozenset({443, 80}))]
    given_ = [authorization(granted=granted)] if granted else []
    mode = Listing.DENYLIST if listing else Listing.ALLOWLIST
    url = f"https://example.org:{port}/"
    more = asked_of(
        *policies, HostPolicy("d", 1, "*", denied=True), listing=mode, authorizations=given_, strategy=strategy, url=url
    )
    assert not more.allowed
