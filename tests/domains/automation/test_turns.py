"""Turns of several jobs at once are exactly those that they would get one by one, also while others ask."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.domains.automation.test_meters import at_once
from trueup.config.store import configure

configure(None)

from trueup.domains.automation import breakers, meters  # noqa: E402 - models need a store
from trueup.domains.automation.engine.breaker import Phase  # noqa: E402
from trueup.domains.automation.engine.decide import Asked, decide  # noqa: E402
from trueup.domains.automation.engine.hostpolicy import (  # noqa: E402
    Authorization,
    Ceilings,
    HostPolicy,
    Limits,
    Listing,
    compiled,
)
from trueup.domains.automation.engine.tiers import Granted, Strategy  # noqa: E402
from trueup.domains.automation.tolls import take  # noqa: E402
from trueup.domains.automation.turns import Wanted, end_many, take_many  # noqa: E402

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LASTS = timedelta(minutes=5)


def decided(host="example.org", limits=Limits(1_000, 1_000, 1_000), **ceilings):  # noqa: B008 - frozen
    granted = Granted("dns_txt", frozenset(Strategy), own=True)
    given = [Authorization("a1", 3, host, frozenset(), granted, NOW + timedelta(days=1), ceilings=Ceilings(**ceilings))]
    there = compiled([HostPolicy("p", 1, host, limits=limits)], listing=Listing.ALLOWLIST, authorizations=given)
    return decide(there, f"https://{host}/", Asked(), NOW)


def wanted(decision, count):
    return [Wanted(decision, LASTS, uuid4().hex) for _ in range(count)]


@pytest.mark.parametrize(
    ("limits", "ceilings", "rule"),
    [
        (Limits(3, 30, 100), {}, "limit.minute"),
        (Limits(30, 3, 100), {}, "limit.hour"),
        (Limits(30, 30, 3), {}, "limit.concurrent"),
        (Limits(30, 30, 30), {"requests": 3}, "ceiling.requests"),
        (Limits(30, 30, 30), {"rps": 3.0}, "ceiling.rps"),
        (Limits(30, 30, 30), {"concurrent": 3}, "ceiling.concurrent"),
    ],
)
def test_of_several_that_ask_together_the_first_begin_and_the_rest_are_held_back(session, limits, ceilings, rule):
    asked = decided(limits=limits, **ceilings)
    together = take_many(session.tenant, wanted(asked, 5), NOW)
    other = uuid4()
    alone = [take(other, asked, NOW) for _ in range(5)]
    assert [turn.rule for turn in together] == ["", "", "", rule, rule] == [turn.rule for turn in alone]
    assert [turn.again for turn in together] == [turn.again for turn in alone]
    for name in ("example.org:443", meters.key_of("a1")):
        assert list(meters.usage(session.tenant, name, NOW).begun) == list(meters.usage(other, name, NOW).begun)
    end_many(session.tenant, [(asked, turn.lease) for turn in together if turn.allowed])
    assert meters.usage(session.tenant, "example.org:443", NOW).running == 0
    assert meters.usage(session.tenant, meters.key_of("a1"), NOW).running == 0


def test_limits_hold_over_all_that_ask_together_at_once(session):
    asked = decided(limits=Limits(30, 1_000, 1_000))
    found = at_once(session.tenant, 40, lambda: take_many(session.tenant, wanted(asked, 5), NOW))
    assert sum(turn.allowed for turns in found for turn in turns) == 30
    assert len(meters.usage(session.tenant, "example.org:443", NOW).begun) == 30


def test_those_that_share_places_in_any_order_never_wait_in_a_ring(session):
    hosts = [f"h{n}.example.org" for n in range(6)]
    asked = {host: decided(host, requests=10_000) for host in hosts}
    orders = iter([hosts, hosts[::-1], hosts[3:] + hosts[:3]] * 8)

    def ask():
        mine = [Wanted(asked[host], LASTS, uuid4().hex) for host in next(orders)]
        for turn, one in zip(take_many(session.tenant, mine, NOW), mine, strict=True):
            assert turn.allowed
            end_many(session.tenant, [(one.decision, turn.lease)])
        return take(session.tenant, asked[hosts[0]], NOW).allowed

    assert all(at_once(session.tenant, 24, ask))
    assert len(meters.usage(session.tenant, meters.key_of("a1"), NOW).begun) == 24 * 7


def test_of_several_one_alone_is_the_probe_and_the_others_are_not_counted(session):
    for _ in range(3):
        breakers.failed(session.tenant, "example.org:443", "status 503", NOW)
    again = breakers.of(session.tenant, "example.org:443").until
    found = take_many(session.tenant, wanted(decided(), 4), again)
    assert [turn.rule for turn in found] == ["", *["breaker.open"] * 3]
    assert len(meters.usage(session.tenant, "example.org:443", again).begun) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(st.sampled_from(["", "status 503", "reset"]), min_size=1, max_size=8))
def test_what_is_told_together_leaves_the_breaker_as_one_by_one(session, told):
    one, other = uuid4(), uuid4()
    breakers.noted(one, {"a.org:443": told}, NOW)
    for reason in told:
        if reason:
            breakers.failed(other, "a.org:443", reason, NOW)
        else:
            breakers.succeeded(other, "a.org:443", NOW)
    assert breakers.of(one, "a.org:443") == breakers.of(other, "a.org:443")
    if told[:3] == ["status 503"] * 3:
        assert breakers.of(one, "a.org:443").phase is Phase.OPEN


def test_nothing_is_wanted_and_nothing_ends(session):
    assert take_many(session.tenant, [], NOW) == []
    end_many(session.tenant, [(decided(), "no such lease")])
