"""API keys: shown once, stored as digests, never more than their maker may."""

from datetime import timedelta
from uuid import UUID

import pytest

from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.errors import Conflict, NotFound, Refused, UsageError


@pytest.fixture
def maker(people):
    return people.add("maker@example.org", "admin")


def actions():
    from trueup.kernel.identity import actions_keys

    return actions_keys


def by_key(text, now):
    from trueup.kernel.identity.authenticate import by_key as ask

    return ask(text, now=now)


def row_of(session):
    from trueup.kernel.identity.models import ApiKey

    return ApiKey.objects.filter(tenant=session.tenant).order_by("-created_at")[0]


def test_a_key_lets_a_program_in_as_its_maker_in_one_tenant(people, maker, session):
    caller = by_key(people.key(maker, "operator"), session.now())
    row = row_of(session)
    assert (caller.tenant, caller.tenant_slug, caller.key_id) == (session.tenant, "default", row.id)
    assert (caller.principal.id, caller.principal.person) == (f"key:{row.id}", f"user:{maker.id}")
    assert caller.principal.roles == {"operator"}
    assert not caller.principal.is_agent


def test_an_agents_key_says_so(people, maker, session):
    assert by_key(people.key(maker, "operator", agent=True), session.now()).principal.is_agent


@pytest.mark.requirement("kernel:identity.keys-hashed", "automation:AR-8")
def test_the_secret_is_stored_nowhere(people, maker, session, home, log):
    from django.apps import apps

    text = people.key(maker, "viewer")
    secret = text.partition("_")[2].partition("_")[2]
    everything = [str(list(model.objects.values_list())) for model in apps.get_models() if hasattr(model, "objects")]
    assert len(everything) > 15
    assert not any(secret in content for content in everything)
    assert secret not in str(log())


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1] + ("a" if t[-1] != "a" else "b"), lambda t: t[:-1], lambda t: "", lambda t: "x" + t]
)
def test_a_key_that_is_not_exactly_it_is_none(people, maker, session, change):
    assert by_key(change(people.key(maker, "viewer")), session.now()) is None


def test_an_unknown_key_is_none(session):
    from trueup.kernel.identity.credentials import new_key

    assert by_key(new_key().text, session.now()) is None


@pytest.mark.requirement("automation:AR-8")
def test_a_key_ends_when_it_expires(people, maker, session):
    until = session.now() + timedelta(hours=1)
    text = people.key(maker, "viewer", expires_at=until)
    assert by_key(text, until - timedelta(seconds=1)) is not None
    assert by_key(text, until) is None


@pytest.mark.requirement("automation:AR-8")
def test_a_key_ends_when_it_is_revoked_and_stays_so(people, maker, session):
    text = people.key(maker, "viewer")
    key = row_of(session).id
    people.run(maker, actions().RevokeApiKey, key=key)
    assert by_key(text, session.now()) is None
    with pytest.raises(Conflict, match="revoked"):
        people.run(maker, actions().RotateApiKey, key=key, secret="a" * 43)


@pytest.mark.requirement("automation:AR-8")
@pytest.mark.parametrize(("overlap", "works"), [(0, False), (3600, True)])
def test_after_a_rotation_the_old_secret_works_for_the_overlap_alone(people, maker, session, overlap, works):
    from trueup.kernel.identity.credentials import new_key

    old = people.key(maker, "viewer")
    row = row_of(session)
    new = new_key(prefix=row.prefix)
    people.run(maker, actions().RotateApiKey, key=row.id, secret=new.secret, overlap=overlap)
    now = session.now()
    assert by_key(new.text, now).key_id == row.id
    assert (by_key(old, now) is not None) is works
    assert by_key(old, now + timedelta(seconds=3601)) is None


def test_a_key_may_never_more_than_its_maker_may_now(people, maker, session):
    from trueup.kernel.identity.models import Membership

    text = people.key(maker, "operator", "viewer")
    Membership.objects.filter(user=maker, tenant=session.tenant).update(roles=["analyst"])
    assert by_key(text, session.now()).principal.roles == {"viewer"}


@pytest.mark.parametrize("gone", ["disabled", "no member"])
def test_a_key_ends_with_its_maker(people, maker, session, gone):
    from trueup.kernel.identity.models import Membership, User

    text = people.key(maker, "viewer")
    if gone == "disabled":
        User.objects.filter(id=maker.id).update(is_active=False)
    else:
        Membership.objects.filter(user=maker, tenant=session.tenant).delete()
    assert by_key(text, session.now()) is None
    assert session.installation.principal(f"key:{row_of(session).id}", session.tenant) is None


def test_what_runs_later_for_a_key_runs_with_its_present_rights_in_its_own_tenant(people, maker, session):
    people.key(maker, "operator", agent=True)
    id = f"key:{row_of(session).id}"
    found = session.installation.principal(id, session.tenant)
    assert (found.roles, found.is_agent, found.person) == ({"operator"}, True, f"user:{maker.id}")
    assert session.installation.principal(id, people.tenant("other")) is None


def test_a_key_of_the_homes_owner_has_no_account_behind_it(run, session):
    from trueup.kernel.identity.credentials import new_key

    key = new_key()
    run(actions().CreateApiKey, name="ci", prefix=key.prefix, secret=key.secret, roles=["operator"])
    caller = by_key(key.text, session.now())
    assert caller.principal.person.startswith("os:")
    assert caller.principal.roles == {"operator"}


def test_nobody_makes_a_key_that_may_more_than_they(people, maker):
    with pytest.raises(Refused, match="owner"):
        people.key(maker, "owner")


def test_nobody_renews_a_key_that_may_more_than_they(people, maker, session):
    people.key(people.add("owner@example.org", "owner"), "owner")
    with pytest.raises(Refused, match="owner"):
        people.run(maker, actions().RotateApiKey, key=row_of(session).id, secret="a" * 43)


def test_who_made_a_key_may_revoke_it_whatever_their_roles_now(people, maker, session):
    from trueup.kernel.identity.models import Membership

    people.key(maker, "viewer")
    Membership.objects.filter(user=maker, tenant=session.tenant).update(roles=["viewer"])
    assert people.run(maker, actions().RevokeApiKey, key=row_of(session).id)["id"]
    other = people.add("viewer@example.org", "viewer")
    with pytest.raises(PolicyRefused):
        people.run(other, actions().RevokeApiKey, key=row_of(session).id)


def test_a_viewer_makes_no_keys(people):
    with pytest.raises(PolicyRefused):
        people.key(people.add("viewer@example.org", "viewer"), "viewer")


@pytest.mark.parametrize(
    ("module", "action"),
    [
        ("actions_keys", "CreateApiKey"),
        ("actions_users", "AddUser"),
        ("actions_users", "ResetPassword"),
        ("actions_account", "ChangePassword"),
        ("actions_account", "ActivateTotp"),
        ("actions_account", "DeactivateTotp"),
        ("actions_account", "RenewRecoveryCodes"),
    ],
)
def test_not_even_an_owners_key_makes_credentials_and_that_is_known_before_the_input_is_read(people, session, module, action):
    from importlib import import_module

    owner = people.add("owner@example.org", "owner")
    caller = by_key(people.key(owner, "owner"), session.now())
    with pytest.raises(PolicyRefused, match="API key"):
        people.run_as(caller.principal, getattr(import_module(f"trueup.kernel.identity.{module}"), action), not_read=1)


@pytest.mark.parametrize("secret", ["", "short", "a" * 42, "a" * 44, "ü" * 43])
def test_a_secret_that_is_not_256_bits_is_refused_and_not_repeated(people, maker, secret):
    with pytest.raises(UsageError) as caught:
        people.run(maker, actions().CreateApiKey, name="x", prefix="a" * 10, secret=secret, roles=["viewer"])
    assert "256 random bits" in caught.value.message
    assert not secret or secret not in str(caught.value.details)


def test_a_key_does_not_begin_expired_or_under_a_taken_prefix(people, maker, session):
    with pytest.raises(UsageError, match="past"):
        people.key(maker, "viewer", expires_at=session.now())
    people.key(maker, "viewer", prefix="b" * 10)
    with pytest.raises(Conflict, match="prefix"):
        people.key(maker, "viewer", prefix="b" * 10)


def test_a_key_of_another_tenant_is_not_found(people, maker, session):
    people.key(maker, "viewer")
    key = row_of(session).id
    other = people.tenant("other")
    head = people.add("head@example.org", "owner", tenant=other)
    for action, more in ((actions().RevokeApiKey, {}), (actions().RotateApiKey, {"secret": "a" * 43})):
        with pytest.raises(NotFound):
            people.run(head, action, other, key=key, **more)


def test_the_last_use_is_noted_once_a_minute(people, maker, session):
    text, now = people.key(maker, "viewer"), session.now()
    by_key(text, now)
    by_key(text, now + timedelta(seconds=59))
    assert row_of(session).last_used_at == now
    by_key(text, now + timedelta(seconds=60))
    assert row_of(session).last_used_at == now + timedelta(seconds=60)


def test_a_key_is_checked_in_two_queries(people, maker, session):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    text, now = people.key(maker, "viewer"), session.now()
    by_key(text, now)
    with CaptureQueriesContext(
        connection,
    ) as seen:
        by_key(text, now)
    assert len(seen) == 2


def test_keys_are_listed_without_secrets_and_named_by_id_prefix_or_name(people, maker, session):
    from trueup.kernel.identity import queries

    text = people.key(maker, "viewer", name="nightly")
    (row,) = queries.api_keys(session.tenant, now=session.now())
    assert (row["name"], row["state"], row["maker"]) == ("nightly", "active", f"user:{maker.id}")
    assert not any(text.rpartition("_")[2] in str(value) for value in row.values())
    for name in (row["id"], row["prefix"], "nightly"):
        assert queries.api_key(session.tenant, name, now=session.now())["id"] == row["id"]
    people.key(maker, "viewer", name="nightly")
    with pytest.raises(NotFound, match="2 keys"):
        queries.api_key(session.tenant, "nightly", now=session.now())
    assert UUID(row["id"])


def test_a_key_belongs_to_a_tenant_and_not_to_the_installation(people):
    with pytest.raises(Refused, match="tenant"):
        people.as_home(actions().CreateApiKey, name="x", prefix="a" * 10, secret="a" * 43, roles=["viewer"])
