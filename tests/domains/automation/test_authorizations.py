"""Authorizations: what is not proved, not in force, or about something else opens nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.domains.automation.consent import BOUNDED
from tests.domains.automation.egress.nameserver import naming
from trueup.domains.automation import authorizations, snapshots
from trueup.domains.automation.actions_authorizations import (
    NotProved,
    RequestAuthorization,
    SubmitEvidence,
    VerifyAuthorization,
)
from trueup.domains.automation.actions_force import Activate, ActivateLoad, Resume, Revoke, Suspend
from trueup.domains.automation.actions_policies import PutPolicy
from trueup.domains.automation.engine.authorizing import State, may_become
from trueup.domains.automation.engine.decide import Asked, decide
from trueup.domains.automation.engine.tiers import Strategy
from trueup.domains.automation.models import Authorization
from trueup.kernel.actions.base import Principal
from trueup.kernel.actions.errors import Held, PolicyRefused
from trueup.kernel.errors import Conflict, NotFound, Refused, UsageError
from trueup.kernel.evidence import queries
from trueup.kernel.words import ExitCode

RECORD = "_trueup-challenge.example.org"


@pytest.fixture
def ask(run, session):
    def call(host="example.org", method="dns_txt", *, days=1.0, **more):
        expires = session.context().now + timedelta(days=days)
        return run(RequestAuthorization, host=host, method=method, expires=expires, contact="them", **more)

    return call


@pytest.fixture
def named(monkeypatch):
    """A name server with records that a test may change."""
    records = {}
    with naming(records) as (address, asked):
        monkeypatch.setenv("TRUEUP_RESOLVER", address)
        yield records
    assert asked is not None


@pytest.fixture
def proved(ask, run, named):
    """Ask, publish and verify; return what the verification says."""

    def call(host="example.org", **more):
        asked = ask(host, **more)
        named.setdefault(f"_trueup-challenge.{host.removeprefix('*.')}", []).append(asked["challenge"]["token"])
        run(SubmitEvidence, id=asked["id"])
        return run(VerifyAuthorization, id=asked["id"])

    return call


@pytest.fixture
def rules(session):
    """Say which rules decide about a URL now, or at another time."""

    def call(url="https://example.org/", strategy="stealth", *, tenant=None, **later):
        now = session.context().now + timedelta(**later)
        found = decide(snapshots.snapshot(tenant or session.tenant), url, Asked(Strategy(strategy)), now)
        return ("allowed", *found.rule_ids) if found.allowed else found.rule_ids

    return call


def listed(run, host="example.org"):
    run(PutPolicy, host=host, strategies=[str(one) for one in Strategy])


@pytest.mark.requirement("automation:AR-19")
def test_what_is_proved_and_put_into_force_opens_its_tier_for_its_host(proved, run, rules):
    listed(run)
    found = proved(strategies=["vanilla", "stealth"])
    assert (found["state"], found["version"], found["verified_by"].partition(":")[0]) == ("verified", 3, "os")
    assert rules() == ("authorization.inactive",)
    assert run(Activate, id=found["id"])["version"] == 4
    assert rules() == ("allowed", "policy.example.org", f"authorization.{found['id']}")
    assert rules(strategy="matrix")[0] != "allowed"


@pytest.mark.requirement("automation:AR-19")
def test_without_evidence_nothing_comes_into_force(ask, run, named, session):
    asked = ask()
    with pytest.raises(Conflict, match="nothing to verify"):
        run(VerifyAuthorization, id=asked["id"])
    with pytest.raises(Conflict, match="not verified"):
        run(Activate, id=asked["id"])
    run(SubmitEvidence, id=asked["id"])
    named[RECORD] = ["another token"]
    with pytest.raises(NotProved, match=RECORD) as refused:
        run(VerifyAuthorization, id=asked["id"])
    assert refused.value.exit_code is ExitCode.REFUSED
    with pytest.raises(Conflict, match="not verified"):
        run(Activate, id=asked["id"])
    assert queries.entries(session.tenant, limit=1)[0]["outcome"] in ("refused", "failed")


def test_a_challenge_of_one_authorization_proves_no_other(ask, run, proved):
    proved()
    other = ask()
    run(SubmitEvidence, id=other["id"])
    with pytest.raises(NotProved):
        run(VerifyAuthorization, id=other["id"])


def test_when_no_name_server_answers_it_is_not_known(ask, run, monkeypatch):
    from trueup.domains.automation.engine.dns import DnsFailed

    asked = ask()
    run(SubmitEvidence, id=asked["id"])
    with naming({}, reply=lambda data: [data[:2] + b"\x81\x82" + data[4:]]) as (address, _):
        monkeypatch.setenv("TRUEUP_RESOLVER", address)
        with pytest.raises(DnsFailed) as failed:
            run(VerifyAuthorization, id=asked["id"])
    assert failed.value.exit_code is ExitCode.UNKNOWN


@pytest.mark.parametrize(
    "url", ["https://example.net/", "https://a.example.org/", "https://ex\u0430mple.org/", "https://example.org.evil.net/"]
)
def test_another_host_and_one_that_looks_like_it_are_not_opened(proved, run, rules, url):
    run(PutPolicy, host="*", strategies=[str(one) for one in Strategy])
    run(Activate, id=proved(strategies=["stealth"])["id"])
    assert rules()[0] == "allowed"
    assert rules(url) == ("tier.mode",)


def test_what_has_expired_and_what_is_out_of_its_window_opens_nothing(proved, run, rules, session):
    listed(run)
    now = session.context().now
    window = {"opens": now + timedelta(hours=2), "closes": now + timedelta(hours=3)}
    run(Activate, id=proved(strategies=["stealth"], **window)["id"])
    assert rules() == rules(hours=3) == ("authorization.window",)
    assert rules(hours=2, minutes=30)[0] == "allowed"
    assert rules(days=2) == ("authorization.expired",)


def test_what_has_expired_cannot_be_moved(proved, session, acting):
    id = proved()["id"]
    later = session.context().now + timedelta(days=2)
    for action, more in ((Activate, {}), (Revoke, {"reason": "x"}), (VerifyAuthorization, {})):
        with pytest.raises(Conflict, match="expired"):
            acting(action, "owner", at=later, id=id, **more)


@pytest.mark.requirement("automation:FR-P6")
def test_what_is_revoked_or_suspended_opens_nothing_from_then_on(proved, run, rules):
    listed(run)
    id = proved(strategies=["stealth"])["id"]
    run(Activate, id=id)
    assert run(Suspend, id=id, reason="they called")["version"] == 5
    assert rules() == ("authorization.inactive",)
    assert run(Resume, id=id, reason="they agreed")["state"] == "active"
    assert rules()[0] == "allowed"
    run(Revoke, id=id, reason="over")
    assert rules() == ("authorization.inactive",)
    for action in (Resume, Suspend, Revoke):
        with pytest.raises(Conflict, match="revoked"):
            run(action, id=id, reason="again")


def test_a_verification_of_yesterday_opens_nothing_until_it_is_repeated(proved, run, rules, session, acting):
    listed(run)
    id = proved(strategies=["stealth"], days=30)["id"]
    run(Activate, id=id)
    assert rules(hours=23)[0] == "allowed"
    assert rules(hours=25) == ("authorization.stale",)
    later = session.context().now + timedelta(hours=25)
    again = acting(VerifyAuthorization, "owner", at=later, id=id)
    assert (again["state"], again["version"]) == ("active", 4)
    assert rules(hours=25)[0] == "allowed"


def test_a_fetch_verifies_again_what_it_needs_and_nothing_else(proved, run, rules, session):
    from trueup.domains.automation.cli_fetch import refresh
    from trueup.kernel.doors import App

    listed(run)
    id = proved(strategies=["stealth"])["id"]
    run(Activate, id=id)
    rows = Authorization.objects.filter(tenant=session.tenant, id=id)
    rows.update(verified_at=session.context().now - timedelta(hours=25))
    app = App(json=False, verbose=False, opener=lambda: session, key_folder=session.home.keys, product=None)
    refresh(app, ("https://example.net/", "no address"))
    assert rules() == ("authorization.stale",)
    refresh(app, ("https://example.org/a",))
    assert rules()[0] == "allowed"


def test_every_move_of_an_authorization_reaches_a_live_snapshot(proved, run, session):
    live = snapshots.Live(session.tenant)
    live()
    id = proved()["id"]
    for action, more in ((Activate, {}), (VerifyAuthorization, {}), (Suspend, {"reason": "x"}), (Revoke, {"reason": "x"})):
        before = live()
        run(action, id=id, **more)
        assert live() is not before
        assert live().digest == snapshots.snapshot(session.tenant).digest


def test_what_can_be_proved_no_more_is_suspended(proved, run, rules, named):
    listed(run)
    id = proved(strategies=["stealth"])["id"]
    run(Activate, id=id)
    named.clear()
    found = run(VerifyAuthorization, id=id)
    assert (found["state"], found["version"], found["fresh"]) == ("suspended", 5, False)
    assert rules() == ("authorization.inactive",)
    with pytest.raises(Refused, match="not verified within"):
        run(Resume, id=id, reason="please")


def window(session):
    now = session.context().now
    hour = {"opens": now, "closes": now + timedelta(hours=1), "days": 0.5}
    return {**hour, **BOUNDED, "own": True, "strategies": ["assault"]}


@pytest.mark.requirement("automation:FR-P3")
def test_load_waits_for_another_person_and_for_that_version_alone(proved, run, rules, session):
    from trueup.kernel.actions.runner import run as act
    from trueup.kernel.change.execute import vote

    listed(run)
    id = proved(**window(session))["id"]
    with pytest.raises(Refused, match="another person has to consent"):
        run(Activate, id=id)
    with pytest.raises(Conflict, match="at version 3"):
        run(ActivateLoad, id=id, version=2)
    with pytest.raises(Held) as held:
        act(ActivateLoad, session.context(), {"id": id, "version": 3})
    ballot = {"request": held.value.details["request"], "choice": "approve"}
    with pytest.raises(PolicyRefused):
        vote(session.installation, session.context(), ballot)
    assert rules(strategy="assault") == ("authorization.inactive",)
    second = replace(session.context(), principal=Principal("os:second", frozenset({"owner"})))
    voted = vote(session.installation, second, ballot)
    assert voted.problem is None, voted.problem
    assert (voted.result.value["state"], voted.result.value["approver"]) == ("active", "os:second")
    assert rules(strategy="assault")[0] == "allowed"
    assert run(Suspend, id=id, reason="noise")["approver"] == ""
    with pytest.raises(Refused, match="another person"):
        run(Resume, id=id, reason="go on")


def test_consent_to_a_version_that_was_left_opens_nothing(proved, run, session):
    from trueup.kernel.actions.runner import run as act
    from trueup.kernel.change.execute import vote

    id = proved(**window(session))["id"]
    with pytest.raises(Held) as held:
        act(ActivateLoad, session.context(), {"id": id, "version": 3})
    Authorization.objects.filter(tenant=session.tenant, id=id).update(version=4)
    second = replace(session.context(), principal=Principal("os:second", frozenset({"owner"})))
    voted = vote(session.installation, second, {"request": held.value.details["request"], "choice": "approve"})
    assert isinstance(voted.problem, Conflict)
    assert authorizations.found(session.tenant, id).state == "verified"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"days": 91}, "within 90 days"),
        ({"days": 2, "strategies": ["assault"], "own": True}, "within 24 hours"),
        ({"days": -1}, "within 90 days"),
        ({"strategies": ["custom"]}, "one's own"),
        ({"strategies": ["assault"], "own": True}, "needs a window"),
        ({"strategies": ["assault"], "own": True, "method": "signed_letter"}, "one's own"),
        ({"host": "*"}, "every host"),
        ({"host": "*.org"}, "top-level"),
        ({"host": "*.example.org", "method": "html_meta"}, "dns_txt"),
        ({"host": "10.0.0.1", "ports": [80], "method": "well_known_file"}, "no public place"),
        ({"host": "127.0.0.1", "ports": [80], "method": "html_meta"}, "use the method loopback"),
        ({"host": "intranet.corp", "method": "html_meta"}, "no public place"),
        ({"host": "10.0.0.1", "ports": [80]}, "no record"),
        ({"host": "169.254.169.254", "ports": [80], "method": "signed_letter"}, "nothing opens"),
        ({"host": "example.org", "method": "loopback"}, "loopback addresses"),
        ({"host": "127.0.0.1", "method": "loopback"}, "host and port"),
        ({"host": "example.org", "inside": True}, "host and port"),
    ],
)
def test_what_could_never_be_is_refused_at_once(ask, session, wrong, says):
    with pytest.raises(Refused, match=says):
        ask(**wrong)
    assert not Authorization.objects.filter(tenant=session.tenant).exists()


@pytest.mark.parametrize(
    "wrong", [{"method": "trust_me"}, {"ports": [0]}, {"strategies": ["ninja"]}, {"path": "x"}, {"evasion": 1}]
)
def test_what_makes_no_sense_is_a_usage_error(ask, wrong):
    with pytest.raises(UsageError):
        ask(**{"host": "example.org", **wrong})


def test_this_machine_is_opened_by_its_administrators_alone(session, acting, authorize, rules):
    expires = session.context().now + timedelta(days=1)
    asked = {"host": "127.0.0.1", "ports": [8080], "method": "loopback", "contact": "x", "expires": expires}
    with pytest.raises(Refused, match="owner or admin"):
        acting(RequestAuthorization, "operator", **asked)
    assert acting(RequestAuthorization, "admin", **asked)["inside"] is True
    authorize(8080)
    assert rules("http://127.0.0.1:8080/", "vanilla")[0] == "allowed"
    assert rules("http://127.0.0.1:8081/", "vanilla") == ("egress.address.loopback",)


def test_operators_ask_and_stop_but_put_nothing_into_force(session, acting, proved):
    id = proved()["id"]
    with pytest.raises(PolicyRefused):
        acting(Activate, "operator", id=id)
    with pytest.raises(PolicyRefused):
        acting(Revoke, "viewer", id=id, reason="x")
    assert acting(Revoke, "operator", id=id, reason="x")["state"] == "revoked"


def test_a_letter_is_kept_proves_consent_and_never_ownership(ask, run, rules, session, acting, tmp_path):
    listed(run)
    asked = ask(method="signed_letter", strategies=["stealth", "matrix"], own=True)
    with pytest.raises(Refused, match="is signed_letter"):
        run(SubmitEvidence, id=asked["id"])
    (tmp_path / "letter.pdf").write_bytes(b"we agree")
    found = run(SubmitEvidence, id=asked["id"], letter=str(tmp_path / "letter.pdf"))
    with session.ports.artifacts.open(session.tenant, found["evidence"]) as file:
        assert file.read() == b"we agree"
    with pytest.raises(Refused, match="vouches"):
        acting(VerifyAuthorization, "operator", id=asked["id"])
    run(VerifyAuthorization, id=asked["id"])
    run(Activate, id=asked["id"])
    assert rules()[0] == "allowed"
    assert rules(strategy="assault") == ("tier.mode",)
    assert rules(days=0, hours=23)[0] == "allowed"


def test_a_letter_that_is_gone_verifies_nothing(ask, run, session, tmp_path):
    asked = ask(method="signed_letter")
    (tmp_path / "letter").write_bytes(b"we agree")
    found = run(SubmitEvidence, id=asked["id"], letter=str(tmp_path / "letter"))
    session.ports.artifacts.remove(session.tenant, found["evidence"])
    with pytest.raises(NotFound):
        run(VerifyAuthorization, id=asked["id"])


def test_no_tenant_sees_moves_or_uses_what_anothers_has(proved, run, rules, session):
    listed(run)
    id = proved(strategies=["stealth"])["id"]
    run(Activate, id=id)
    with pytest.raises(NotFound):
        authorizations.found(uuid4(), id)
    assert rules(tenant=uuid4()) == ("policy.allowlist",)
    assert authorizations.listed(uuid4()) == []


HOSTS = ("a.org", "b.org", "c.org")
_now = datetime(2026, 3, 1, tzinfo=UTC)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(HOSTS), st.sampled_from([State.ACTIVE, State.REVOKED])), max_size=6))
def test_a_tenants_snapshot_holds_its_own_authorizations_and_no_others(session, rows):
    tenants = [uuid4() for _ in range(3)]
    for place, host, state in rows:
        Authorization.objects.create(
            id=uuid4(), tenant=tenants[place], state=str(state), host=host, method="signed_letter", strategies=["stealth"],
            expires=_now + timedelta(days=1), contact="x", token="x", verified_at=_now, asked_at=_now, asked_by="x",
        )  # fmt: skip
    for place, tenant in enumerate(tenants):
        mine = sorted(host for at, host, _ in rows if at == place)
        found = snapshots.snapshot(tenant).authorizations
        assert sorted(one.host for one in found) == mine
        assert sum(one.active for one in found) == sum(at == place and state is State.ACTIVE for at, _, state in rows)


@given(st.lists(st.sampled_from(list(State)), max_size=8))
def test_no_way_leads_into_force_but_over_evidence_and_verification(wanted):
    at, been = State.DRAFT, [State.DRAFT]
    for state in wanted:
        if may_become(at, state):
            at = state
            been.append(state)
    if State.ACTIVE in been:
        assert been[:4] == [State.DRAFT, State.EVIDENCE, State.VERIFIED, State.ACTIVE]
    if at in (State.REVOKED, State.EXPIRED):
        assert not any(may_become(at, state) for state in State)
