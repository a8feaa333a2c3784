"""Policies of hosts: versions, what holds for the rest, the kill switch; each tenant's own."""

from uuid import uuid4

import pytest

from trueup.config.store import configure

configure(None)

from trueup.domains.automation import snapshots  # noqa: E402 - models need a store
from trueup.domains.automation.actions_breakers import OpenBreaker, ResetBreaker  # noqa: E402
from trueup.domains.automation.actions_policies import (  # noqa: E402
    PutPolicy,
    RetirePolicy,
    SetListing,
    SwitchOff,
    SwitchOn,
    pattern_of,
)
from trueup.domains.automation.models import PolicyVersion  # noqa: E402
from trueup.kernel.errors import Conflict, NotFound, UsageError  # noqa: E402
from trueup.kernel.evidence import queries  # noqa: E402


def test_each_change_is_a_version_and_the_newest_holds(run, session):
    run(PutPolicy, host="Example.ORG.")
    run(PutPolicy, host="example.org", per_minute=9)
    (row,) = snapshots.policies_in_force(session.tenant)
    assert (row.pattern, row.version, row.body["per_minute"]) == ("example.org", 2, 9)
    assert [one.version for one in snapshots.policy_versions(session.tenant, "example.org")] == [2, 1]


def test_the_same_again_is_no_new_version(run, session):
    assert run(PutPolicy, host="a.org")["version"] == run(PutPolicy, host="a.org")["version"] == 1


def test_a_policy_out_of_force_decides_nothing_and_can_come_back(run, session):
    run(PutPolicy, host="a.org")
    run(RetirePolicy, host="a.org")
    assert snapshots.policies_in_force(session.tenant) == []
    with pytest.raises(NotFound, match=r"no policy of a\.org is in force"):
        run(RetirePolicy, host="a.org")
    assert run(PutPolicy, host="a.org")["version"] == 3


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"host": "http://a.org/"}, "names no host"),
        ({"host": "a.org:8080"}, "field of their own"),
        ({"host": "*.10.0.0.1"}, "field of their own"),
        ({"host": "0x7f.1"}, "unusual way"),
        ({"host": "a.org", "ports": [0]}, "1 to 65535"),
        ({"host": "a.org", "paths": ["news"]}, "begins with /"),
        ({"host": "a.org", "strategies": ["ninja"]}, "there are vanilla"),
        ({"host": "a.org", "evasion": 1}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_written(run, session, wrong, says):
    with pytest.raises(UsageError, match=says):
        run(PutPolicy, **wrong)
    assert not PolicyVersion.objects.filter(tenant=session.tenant).exists()


def test_a_pattern_has_one_form():
    assert [pattern_of(text) for text in ("*", "*.A.org", "B\u00fccher.example", "::1", "8.8.8.8")] == [
        "*", "*.a.org", "xn--bcher-kva.example", "::1", "8.8.8.8",
    ]  # fmt: skip


def test_hosts_that_no_policy_names_are_refused_until_somebody_says_otherwise(run, session):
    assert str(snapshots.snapshot(session.tenant).listing) == "allowlist"
    run(SetListing, listing="denylist")
    assert str(snapshots.snapshot(session.tenant).listing) == "denylist"


def test_what_is_switched_off_is_off_until_it_is_switched_on(run, session):
    run(SwitchOff, host="a.org", reason="they asked")
    assert snapshots.snapshot(session.tenant).is_killed("www.a.org")
    run(SwitchOn, host="a.org", reason="they agreed")
    assert not snapshots.snapshot(session.tenant).is_killed("a.org")
    with pytest.raises(Conflict, match="not switched off"):
        run(SwitchOn, host="a.org", reason="again")


def test_entries_of_switches_and_breakers_say_why(run, session):
    run(SwitchOff, host="*", reason="incident 7")
    run(SwitchOn, host="*", reason="over")
    run(OpenBreaker, authority="a.org", reason="they called")
    run(ResetBreaker, authority="a.org", reason="they agreed")
    notes = [entry["note"] for entry in reversed(queries.entries(session.tenant, limit=4))]
    assert notes == [
        {"off": True, "reason": "incident 7"},
        {"off": False, "reason": "over"},
        {"authority": "a.org:443", "open": True, "reason": "they called"},
        {"authority": "a.org:443", "open": False, "reason": "they agreed"},
    ]


def test_no_tenant_sees_anothers_policies_or_switches(run, session):
    run(PutPolicy, host="a.org")
    run(SwitchOff, host="*", reason="x")
    other = snapshots.snapshot(uuid4())
    assert (other.policies("a.org"), other.killed) == ([], frozenset())


def test_a_snapshot_is_named_by_what_it_holds(run, session):
    first = snapshots.snapshot(session.tenant).digest
    assert snapshots.snapshot(session.tenant).digest == first
    run(PutPolicy, host="a.org")
    assert snapshots.snapshot(session.tenant).digest != first


def test_a_live_snapshot_is_compiled_again_when_anything_changed_and_only_then(run, session):
    live = snapshots.Live(session.tenant)
    first = live()
    assert live() is first
    for action, input in (
        (PutPolicy, {"host": "a.org"}),
        (RetirePolicy, {"host": "a.org"}),
        (SetListing, {"listing": "denylist"}),
        (SwitchOff, {"host": "a.org", "reason": "x"}),
        (SwitchOn, {"host": "a.org", "reason": "x"}),
    ):
        before = live()
        run(action, **input)
        assert live() is not before
        assert live().digest == snapshots.snapshot(session.tenant).digest
    assert snapshots.Live(uuid4())().killed == frozenset()
