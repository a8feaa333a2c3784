"""Limits and breakers, stored: exact however many ask at once, on both stores, and safe against crashes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import uuid4

import pytest

from trueup.config.store import configure

configure(None)

from trueup.domains.automation import breakers, meters  # noqa: E402 - models need a store
from trueup.domains.automation.actions_breakers import OpenBreaker, ResetBreaker, authority_of  # noqa: E402
from trueup.domains.automation.engine.breaker import Breaker, Phase  # noqa: E402
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
from trueup.domains.automation.models import Meter  # noqa: E402
from trueup.domains.automation.tolls import take  # noqa: E402
from trueup.kernel import tenancy  # noqa: E402
from trueup.kernel.errors import Conflict, UsageError  # noqa: E402

NOW = datetime(2026, 3, 1, tzinfo=UTC)
A = "example.org:443"
FREE = Limits(1_000, 1_000, 1_000)


def at_once(tenant, count, ask):
    """Call something from many threads, 40 of which begin together, each with a connection of its own."""
    from django.db import connection

    together = Barrier(min(40, count))

    def call(number):
        tenancy.reach(tenant)
        if number < 40:
            together.wait(30)
        try:
            return ask()
        finally:
            connection.close()

    with ThreadPoolExecutor(min(40, count)) as threads:
        return list(threads.map(call, range(count)))


@pytest.mark.requirement("automation:FR-P5", "automation:W8")
def test_of_200_parallel_callers_exactly_the_limit_begins(session):
    turns = at_once(session.tenant, 200, lambda: meters.begin(session.tenant, A, Limits(7, 30, 1_000), NOW))
    assert sum(turn.allowed for turn in turns) == 7
    assert {turn.rule for turn in turns} == {"", "limit.minute"}
    assert len({turn.lease for turn in turns if turn.allowed}) == 7


@pytest.mark.requirement("automation:FR-O7")
def test_no_more_run_at_once_than_the_limit_and_what_ends_makes_room(session):
    tenant, one = session.tenant, Limits(100, 100, 1)
    first = meters.begin(tenant, A, one, NOW)
    assert meters.begin(tenant, A, one, NOW).rule == "limit.concurrent"
    meters.end(tenant, decision(), "some other lease")
    assert meters.begin(tenant, A, one, NOW).rule == "limit.concurrent"
    meters.end(tenant, decision(), first.lease)
    assert meters.begin(tenant, A, one, NOW).allowed


def test_what_a_crash_left_running_ends_with_its_lease(session):
    tenant, one = session.tenant, Limits(100, 100, 1)
    assert meters.begin(tenant, A, one, NOW, lease=timedelta(minutes=5)).allowed
    assert not meters.begin(tenant, A, one, NOW + timedelta(minutes=4, seconds=59)).allowed
    assert meters.begin(tenant, A, one, NOW + timedelta(minutes=5)).allowed


def test_a_target_that_asked_to_wait_is_waited_for(session):
    meters.asked_to_wait(session.tenant, A, NOW + timedelta(hours=1))
    meters.asked_to_wait(session.tenant, A, NOW + timedelta(minutes=1))
    turn = meters.begin(session.tenant, A, FREE, NOW + timedelta(minutes=30))
    assert (turn.rule, turn.again) == ("limit.retry_after", NOW + timedelta(hours=1))
    assert meters.begin(session.tenant, A, FREE, NOW + timedelta(hours=1)).allowed


def test_a_meter_is_a_tenants_and_an_authoritys_own(session):
    meters.begin(session.tenant, A, Limits(1, 1, 1), NOW)
    assert meters.begin(session.tenant, "example.org:80", Limits(1, 1, 1), NOW).allowed
    assert meters.begin(uuid4(), A, Limits(1, 1, 1), NOW).allowed
    assert not meters.begin(session.tenant, A, Limits(1, 1, 1), NOW).allowed


def test_what_a_meter_keeps_does_not_grow_beyond_its_hour(session):
    for hours in range(5):
        assert meters.begin(session.tenant, A, Limits(1, 1, 1), NOW + timedelta(hours=hours)).allowed
    (row,) = Meter.objects.filter(tenant=session.tenant)
    assert (len(row.usage["begun"]), len(row.usage["leases"]), row.usage["total"]) == (1, 1, 5)


def test_usage_is_read_as_it_was_written(session):
    meters.begin(session.tenant, A, FREE, NOW + timedelta(microseconds=1))
    found = meters.usage(session.tenant, A, NOW)
    assert (list(found.begun), found.running, found.not_before) == ([NOW + timedelta(microseconds=1)], 1, None)
    assert len(meters.usage(session.tenant, "never.org:80", NOW).begun) == 0


def decision(**ceilings):
    granted = Granted("dns_txt", frozenset(Strategy), own=True)
    opened = Authorization("a1", 3, "example.org", frozenset(), granted, NOW + timedelta(days=1), ceilings=Ceilings(**ceilings))
    policies = [HostPolicy("p", 1, "example.org", limits=FREE)]
    return decide(compiled(policies, listing=Listing.ALLOWLIST, authorizations=[opened]), "https://example.org/", Asked(), NOW)


@pytest.mark.parametrize(
    ("ceilings", "rule"),
    [({"max": 2}, "ceiling.requests"), ({"rps": 2.0}, "ceiling.rps"), ({"concurrent": 2}, "ceiling.concurrent")],
)
def test_nothing_goes_over_a_ceiling_and_what_it_holds_back_is_not_counted(session, ceilings, rule):
    asked = decision(**({"requests": 2} if "max" in ceilings else ceilings))
    turns = [take(session.tenant, asked, NOW) for _ in range(4)]
    assert [turn.rule for turn in turns] == ["", "", rule, rule]
    assert len(meters.usage(session.tenant, A, NOW).begun) == 2
    meters.end(session.tenant, asked, turns[0].lease)
    assert meters.usage(session.tenant, A, NOW).running == meters.usage(session.tenant, meters.key_of("a1"), NOW).running == 1


def test_what_is_done_at_once_holds_as_much_as_limits_and_ceilings_leave_and_no_more(session):
    asked, names = decision(concurrent=4), ["a", *(f"a/{number}" for number in range(2, 7))]
    assert take(session.tenant, asked, NOW, within="a").allowed
    assert meters.hold(session.tenant, asked, names, NOW) == meters.hold(session.tenant, asked, names, NOW) == 4
    assert take(session.tenant, asked, NOW, within="b").rule == "ceiling.concurrent"
    assert take(session.tenant, asked, NOW, within="a").allowed
    meters.end(session.tenant, asked, "a/4")
    assert take(session.tenant, asked, NOW, within="b").allowed
    assert meters.hold(session.tenant, asked, names, NOW) == 3
    for name in ("a", "a/2", "a/3", "b"):
        meters.end(session.tenant, asked, name)
    for name in (A, meters.key_of("a1")):
        assert meters.usage(session.tenant, name, NOW).running == 0
    assert len(meters.usage(session.tenant, A, NOW).begun) == 3


def test_what_is_refused_is_not_counted(session):
    refused = decide(compiled([], listing=Listing.ALLOWLIST), "https://example.org/", Asked(), NOW)
    with pytest.raises(ValueError, match="not counted"):
        take(session.tenant, refused, NOW)


def opened(tenant, at=NOW):
    for _ in range(3):
        breakers.failed(tenant, A, "status 503", at)


@pytest.mark.requirement("automation:W14")
def test_of_many_callers_one_alone_is_the_probe(session):
    opened(session.tenant)
    again = breakers.of(session.tenant, A).until
    found = at_once(session.tenant, 60, lambda: breakers.enter(session.tenant, A, again)[0])
    assert sum(found) == 1
    assert breakers.of(session.tenant, A).phase is Phase.HALF_OPEN


def test_while_a_breaker_is_open_nothing_is_counted(session):
    opened(session.tenant)
    turn = take(session.tenant, decision(), NOW)
    assert (turn.rule, turn.again) == ("breaker.open", NOW + timedelta(hours=1))
    assert len(meters.usage(session.tenant, A, NOW).begun) == 0


def test_a_probe_that_answers_closes_it_and_one_that_fails_opens_it_for_longer(session):
    opened(session.tenant)
    at = breakers.of(session.tenant, A).until
    assert take(session.tenant, decision(), at).allowed
    assert breakers.failed(session.tenant, A, "reset", at).until == at + timedelta(hours=6)
    at += timedelta(hours=6)
    assert take(session.tenant, decision(), at).allowed
    assert breakers.succeeded(session.tenant, A, at) == Breaker()
    assert breakers.listed(session.tenant) == []


def test_one_that_somebody_opened_stays_open_until_it_is_reset(session, run):
    run(OpenBreaker, authority="Example.org", reason="they called")
    breakers.succeeded(session.tenant, A, NOW)
    assert take(session.tenant, decision(), NOW + timedelta(days=400)).rule == "breaker.open"
    (row,) = breakers.listed(session.tenant)
    assert (row.authority, row.forced, row.reason) == (A, True, "they called")
    assert take(uuid4(), decision(), NOW).allowed
    run(ResetBreaker, authority=A, reason="they agreed")
    assert take(session.tenant, decision(), NOW).allowed
    with pytest.raises(Conflict, match="is closed"):
        run(ResetBreaker, authority=A, reason="again")


@pytest.mark.parametrize("wrong", ["https://a.org", "a.org/x", "", "0x7f.1", "a b"])
def test_what_is_no_authority_is_refused(run, wrong):
    with pytest.raises(UsageError):
        run(OpenBreaker, authority=wrong, reason="x")


def test_an_authority_has_one_form():
    assert [authority_of(text) for text in ("A.org.", "a.org:8080", "::1", "[::1]:80")] == [
        "a.org:443", "a.org:8080", "[::1]:443", "[::1]:80",
    ]  # fmt: skip
