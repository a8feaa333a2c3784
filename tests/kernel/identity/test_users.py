"""People and their roles: who may add, change and close accounts, and what nobody may."""

import json

import pytest

from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.errors import Conflict, NotFound, Refused, UsageError

ONE_TIME = "one-time-password-of-a-test"


@pytest.fixture
def owner(people):
    return people.add("owner@example.org", "owner")


@pytest.fixture
def admin(people):
    return people.add("admin@example.org", "admin")


@pytest.fixture
def viewer(people):
    return people.add("viewer@example.org", "viewer")


def users():
    from trueup.kernel.identity import actions_users

    return actions_users


def roles():
    from trueup.kernel.identity import actions_members

    return actions_members


def fresh(user):
    from trueup.kernel.identity.models import User

    return User.objects.get(id=user.id)


def test_an_admin_takes_a_person_in_whose_password_must_be_changed(people, admin, session):
    from trueup.kernel.identity import queries

    value = people.run(admin, users().AddUser, email="New@Example.org", roles=["viewer", "auditor"], password=ONE_TIME)
    found = queries.user(session.tenant, "new@example.org", now=session.now())
    assert (found["id"], found["roles"], found["must_change_password"]) == (value["id"], ["auditor", "viewer"], True)
    assert value["created"]


def test_neither_password_nor_address_stands_in_the_log_or_the_result(people, admin, log, session):
    from trueup.kernel.actions.models import Attempt

    people.run(admin, users().AddUser, email="new@example.org", roles=["viewer"], password=ONE_TIME)
    text = json.dumps(log())
    assert ONE_TIME not in text
    assert "new@example.org" not in text
    rows = list(Attempt.objects.filter(tenant=session.tenant, action="identity.user.add").values_list("input", "result"))
    assert rows
    assert ONE_TIME not in str(rows)


def test_not_even_a_digest_of_a_chosen_password_is_stored(people, admin, session):
    from trueup.kernel.actions.models import Attempt
    from trueup.kernel.evidence.engine.encode import encode, salted

    people.run(admin, users().AddUser, email="new@example.org", roles=["viewer"], password=ONE_TIME)
    row = Attempt.objects.filter(tenant=session.tenant, action="identity.user.add").order_by("-started_at")[0]
    guess = {"email": "new@example.org", "name": "", "roles": ["viewer"], "password": ONE_TIME}
    assert row.input_digest != salted(row.salt, encode(guess))


def test_a_person_with_an_account_joins_a_second_tenant_with_the_password_they_have(people, viewer, session):
    other = people.tenant("other")
    head = people.add("head@example.org", "owner", tenant=other)
    value = people.run(head, users().AddUser, other, email=viewer.email, roles=["operator"], password=ONE_TIME)
    assert not value["created"]
    assert fresh(viewer).password == viewer.password


def test_a_member_is_not_taken_in_twice(people, admin, viewer):
    with pytest.raises(Conflict):
        people.run(admin, users().AddUser, email=viewer.email, roles=["viewer"], password=ONE_TIME)


@pytest.mark.parametrize("email", ["", "nobody", "a@b@c", "x" * 300 + "@example.org"])
def test_what_is_no_address_is_refused(people, admin, email):
    with pytest.raises(UsageError, match="email"):
        people.run(admin, users().AddUser, email=email, roles=["viewer"], password=ONE_TIME)


@pytest.mark.parametrize("password", ["tiny", "password1234", "new@example.org", "123456789012345"])
def test_a_password_that_can_be_guessed_is_refused_and_not_repeated(people, admin, password):
    with pytest.raises(UsageError) as caught:
        people.run(admin, users().AddUser, email="new@example.org", roles=["viewer"], password=password)
    assert password not in caught.value.message


def test_a_new_account_needs_a_password(people, admin):
    with pytest.raises(Refused, match="one-time password"):
        people.run(admin, users().AddUser, email="new@example.org", roles=["viewer"])


def test_a_role_that_nobody_declared_is_not_granted(people, admin, viewer):
    with pytest.raises(NotFound, match="role"):
        people.run(admin, roles().GrantRoles, user=viewer.id, roles=["emperor"])


@pytest.mark.parametrize("action", ["AddUser", "GrantRoles"])
def test_nobody_grants_a_role_that_they_lack(people, admin, viewer, action):
    input = {"email": "new@example.org", "password": ONE_TIME} if action == "AddUser" else {"user": viewer.id}
    chosen = getattr(users() if action == "AddUser" else roles(), action)
    with pytest.raises(Refused, match="owner"):
        people.run(admin, chosen, roles=["owner"], **input)


def test_nobody_takes_a_role_away_that_they_lack(people, admin, owner):
    with pytest.raises(Refused, match="owner"):
        people.run(admin, roles().RevokeRoles, user=owner.id, roles=["owner"])


def test_roles_are_granted_and_taken_away(people, owner, viewer, session):
    assert people.run(owner, roles().GrantRoles, user=viewer.id, roles=["auditor"])["roles"] == ["auditor", "viewer"]
    assert people.run(owner, roles().RevokeRoles, user=viewer.id, roles=["viewer"])["roles"] == ["auditor"]
    assert people.principal(viewer).roles == {"auditor"}


def test_a_member_without_roles_is_none(people, owner, viewer, session):
    from trueup.kernel.identity import queries

    people.run(owner, roles().RevokeRoles, user=viewer.id, roles=["viewer"])
    assert viewer.email not in {row["email"] for row in queries.users(session.tenant, now=session.now())}
    assert session.installation.principal(f"user:{viewer.id}", session.tenant) is None


def only_owner(people):
    tenant = people.tenant("small")
    return tenant, people.add("only@example.org", "owner", tenant=tenant)


@pytest.mark.parametrize("how", ["disable", "revoke"])
def test_the_last_owner_of_a_tenant_stays(people, how):
    tenant, owner = only_owner(people)
    action, more = (users().DisableUser, {}) if how == "disable" else (roles().RevokeRoles, {"roles": ["owner"]})
    with pytest.raises(Refused, match="last owner"):
        people.run(owner, action, tenant, user=owner.id, **more)
    assert fresh(owner).is_active
    people.add("second@example.org", "owner", tenant=tenant)
    people.run(owner, roles().RevokeRoles, tenant, user=owner.id, roles=["owner"])


def test_a_disabled_owner_does_not_count_as_one(people):
    tenant, owner = only_owner(people)
    second = people.add("second@example.org", "owner", tenant=tenant)
    people.run(owner, users().DisableUser, tenant, user=second.id)
    with pytest.raises(Refused, match="last owner"):
        people.run(owner, users().DisableUser, tenant, user=owner.id)


def test_not_even_the_owner_of_the_home_disables_the_last_owner_of_a_tenant(people):
    _, owner = only_owner(people)
    with pytest.raises(Refused, match="last owner"):
        people.as_home(users().DisableUser, user=owner.id)


@pytest.mark.parametrize("action", ["DisableUser", "ResetPassword", "UnlockUser", "EnableUser"])
def test_an_admin_does_not_touch_an_owners_account(people, admin, owner, action):
    more = {"password": ONE_TIME} if action == "ResetPassword" else {}
    with pytest.raises(Refused, match="owner"):
        people.run(admin, getattr(users(), action), user=owner.id, **more)
    assert fresh(owner).password == owner.password


@pytest.mark.parametrize("action", ["DisableUser", "ResetPassword"])
def test_an_account_that_reaches_into_another_tenant_is_not_this_tenants_to_change(people, owner, viewer, action):
    people.add(viewer.email, "viewer", tenant=people.tenant("other"))
    more = {"password": ONE_TIME} if action == "ResetPassword" else {}
    with pytest.raises(Refused, match="other tenants"):
        people.run(owner, getattr(users(), action), user=viewer.id, **more)
    people.as_home(getattr(users(), action), user=viewer.id, **more)


@pytest.mark.parametrize("action", ["DisableUser", "EnableUser", "UnlockUser", "ResetPassword", "LockUser", "AddUser"])
def test_a_viewer_administers_nobody(people, viewer, admin, action):
    with pytest.raises(PolicyRefused):
        people.run(viewer, getattr(users(), action), user=admin.id)


def test_what_the_installation_itself_writes_nobody_else_can_write(people, owner, viewer):
    for action in (users().LockUser, users().BeginSession):
        with pytest.raises(PolicyRefused):
            people.run(owner, action, user=viewer.id)


def test_a_disabled_person_has_no_rights_and_gets_them_back(people, admin, viewer, session):
    people.run(admin, users().DisableUser, user=viewer.id)
    assert session.installation.principal(f"user:{viewer.id}", session.tenant) is None
    people.run(admin, users().EnableUser, user=viewer.id)
    assert people.principal(viewer).roles == {"viewer"}


def test_a_reset_password_is_one_time_and_ends_a_lock_out(people, admin, viewer, session):
    from trueup.kernel.identity.models import User

    User.objects.filter(id=viewer.id).update(failures=3, lockouts=2, locked_until=session.now())
    people.run(admin, users().ResetPassword, user=viewer.id, password=ONE_TIME)
    found = fresh(viewer)
    assert (found.must_change_password, found.failures, found.lockouts, found.locked_until) == (True, 0, 0, None)
    assert found.check_password(ONE_TIME)


@pytest.mark.parametrize("id", ["user:", "user:nobody", "key:7", "os:", "robot:00000000-0000-0000-0000-000000000000", "", "user"])
def test_a_principal_that_cannot_be_is_none(session, id):
    from trueup.kernel.identity import queries

    assert queries.principal(id, session.tenant, now=session.now()) is None


def test_people_join_tenants_and_not_the_installation(people, viewer):
    with pytest.raises(Refused, match="tenant"):
        people.as_home(users().AddUser, email="new@example.org", roles=["viewer"], password=ONE_TIME)
    with pytest.raises(Refused, match="tenant"):
        people.as_home(roles().GrantRoles, user=viewer.id, roles=["viewer"])
