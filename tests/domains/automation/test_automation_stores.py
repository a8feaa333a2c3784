"""What pages and API read of automation is the same on both stores, and each tenant's own."""

from datetime import timedelta
from uuid import uuid4

import pytest

from trueup.domains.automation import audit, breakers, checks, meters, queries
from trueup.domains.automation.actions_authorizations import RequestAuthorization
from trueup.domains.automation.actions_policies import PutPolicy, RetirePolicy, SwitchOff
from trueup.domains.automation.engine.hostpolicy import Limits
from trueup.domains.automation.models import Authorization
from trueup.kernel.http.paging import Asked


@pytest.fixture
def stand(run, session):
    """Policies with versions, one of them retired; authorizations of which one is over; a breaker; use."""
    now = session.context().now
    run(PutPolicy, host="a.org")
    run(PutPolicy, host="a.org", denied=True)
    run(PutPolicy, host="gone.org")
    run(RetirePolicy, host="gone.org")
    run(PutPolicy, host="*.b.org", per_minute=4)
    for host in ("a.org", "over.org"):
        run(RequestAuthorization, host=host, method="dns_txt", expires=now + timedelta(days=1), contact="them")
    Authorization.objects.filter(tenant=session.tenant, host="over.org").update(expires=now)
    breakers.force_open(session.tenant, "a.org:443", "they called", now)
    breakers.failed(session.tenant, "b.org:443", "status 503", now)
    breakers.succeeded(session.tenant, "b.org:443", now)
    meters.begin(session.tenant, "x.b.org:443", Limits(), now)
    return now


def test_of_each_policy_the_newest_version_is_listed_unless_it_is_retired(stand, session):
    found = queries.policies(session.tenant).order_by("pattern")
    assert [(row.pattern, row.version) for row in found] == [("*.b.org", 1), ("a.org", 2)]
    assert [row.pattern for row in found.filter(body__denied=True)] == ["a.org"]
    assert not queries.policies(uuid4()).exists()


def test_authorizations_are_found_in_the_state_that_they_have_at_a_time(stand, session):
    rows = Authorization.objects.filter(tenant=session.tenant)

    def hosts(state, **later):
        return {row.host for row in queries.in_state(rows, state, stand + timedelta(**later))}

    assert (hosts("draft"), hosts("expired"), hosts("expired", days=2)) == ({"a.org"}, {"over.org"}, {"a.org", "over.org"})
    assert queries.authorization_documents(session.tenant, list(rows), stand)[0]["consent"] is None


def test_breakers_use_and_a_dry_run_are_read_from_what_is_stored(stand, session):
    assert [row.authority for row in queries.breakers(session.tenant)] == ["a.org:443"]
    (used,) = queries.usage(session.tenant, stand)
    assert (used.authority, used.minute, used.limits.per_minute) == ("x.b.org:443", 1, 4)
    asked = checks.CheckInput(urls=("https://a.org/", "https://x.b.org/"), proposed=PutPolicy.input(host="a.org"))
    found = checks.check(session.tenant, asked, {"operator"}, stand)
    assert [(one.found.allowed, one.now.allowed) for one in found.answers] == [(True, False), (True, True)]
    assert found.answers[0].found.policy == ("a.org", 3)


def test_the_audit_trail_is_paged_by_host(stand, session, run):
    run(SwitchOff, host="a.org", reason="tests")
    first = audit.page(session.tenant, audit.Wanted(host="a.org"), Asked(2))
    rest = audit.page(session.tenant, audit.Wanted(host="a.org"), Asked(2, first.next))
    names = [row["action"].removeprefix("automation.") for row in (*first.rows, *rest.rows)]
    assert names == ["kill.on", "authorization.request", "policy.put", "policy.put"]
    assert [row["covered"] for row in first.rows] == [True, True]
    assert audit.page(uuid4(), audit.Wanted(), Asked(2)).rows == []
