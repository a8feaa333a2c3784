"""Trying to cross: whatever identity offers, in whatever order, nothing of one tenant is read or changed from another."""

from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kernel.identity.people import People
from trueup.kernel.errors import TrueupError

ROLES = ("owner", "admin", "operator", "analyst", "approver", "auditor", "viewer")


@pytest.fixture
def world(session):
    """Two tenants with people of every role, keys and sessions, and one person who belongs to both."""
    return World(session)


class World:
    def __init__(self, session):
        from allauth.usersessions.models import UserSession
        from django.contrib.sessions.backends.db import SessionStore

        from trueup.kernel.identity.models import ApiKey

        self.session, self.people = session, People(session)
        self.tenants = [self.people.tenant("one"), self.people.tenant("two")]
        self.users, self.keys, self.sessions = {}, {}, {}
        for n, tenant in enumerate(self.tenants):
            mine = {role: self.people.add(f"{role}{n}@example.org", role, tenant=tenant) for role in ROLES}
            self.users[n] = mine
            self.people.key(mine["owner"], "owner", tenant=tenant, name=f"key of {n}")
            self.keys[n] = ApiKey.objects.filter(tenant=tenant).get()
            store = SessionStore()
            store.create()
            self.sessions[n] = UserSession.objects.create(user=mine["viewer"], ip="192.0.2.1", session_key=store.session_key)
        self.both = self.people.add("both@example.org", "viewer", tenant=self.tenants[0])
        self.people.add("both@example.org", "viewer", tenant=self.tenants[1])

    def state(self, n):
        """Return everything of one tenant that identity stores."""
        from allauth.usersessions.models import UserSession

        from trueup.kernel.identity.models import ApiKey, Membership, User

        tenant = self.tenants[n]
        ids = [user.id for user in self.users[n].values()]
        return (
            sorted(map(str, Membership.objects.filter(tenant=tenant).values_list("user", "roles"))),
            sorted(map(str, ApiKey.objects.filter(tenant=tenant).values_list())),
            sorted(map(str, User.objects.filter(id__in=[*ids, self.both.id]).values_list())),
            sorted(map(str, UserSession.objects.filter(user__in=ids).values_list())),
        )

    def actions(self):
        """Return every action of identity with an input that names things of the tenant ``n``."""
        from trueup.kernel.identity import actions_account as own
        from trueup.kernel.identity import actions_keys, actions_members, actions_users

        def inputs(n, role):
            user = self.users[n][role].id
            return {
                actions_users.DisableUser: {"user": user},
                actions_users.EnableUser: {"user": user},
                actions_users.UnlockUser: {"user": user},
                actions_users.LockUser: {"user": user},
                actions_users.BeginSession: {"user": user},
                actions_users.ResetPassword: {"user": user, "password": "one-time-of-this-test"},
                actions_members.GrantRoles: {"user": user, "roles": ["viewer"]},
                actions_members.RevokeRoles: {"user": user, "roles": [role]},
                actions_keys.RotateApiKey: {"key": self.keys[n].id, "secret": "a" * 43},
                actions_keys.RevokeApiKey: {"key": self.keys[n].id},
                own.EndSession: {"session": self.sessions[n].id},
                own.EndSessions: {"user": user},
            }

        return inputs


def test_every_action_that_names_somebody_or_a_key_is_tried(world):
    from trueup.kernel.actions.registry import registered

    tried = {action.name for action in world.actions()(0, "viewer")}
    others = {"identity.tenant.create", "identity.user.add", "identity.apikey.create"}  # these name nothing that exists
    own = {a.name for a in registered() if a.name.startswith(("identity.password", "identity.totp"))}  # nor these: oneself alone
    by_age = {"identity.session.prune", "identity.apikey.prune"}  # these name nothing either
    assert {a.name for a in registered() if a.name.startswith("identity.")} == tried | others | own | by_age


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 11), st.sampled_from(ROLES), st.sampled_from(ROLES), st.sampled_from(["user", "key"]))
@pytest.mark.requirement("kernel:tenants.no-crossing")
def test_no_action_reaches_into_another_tenant(world, which, actor, target, through):
    from trueup.kernel.identity.authenticate import key_principal

    inputs = world.actions()(1, target)
    action = list(inputs)[which]
    before = world.state(1)
    if through == "key":
        principal = key_principal(world.keys[0], world.session.now())
    else:
        principal = world.people.principal(world.users[0][actor], world.tenants[0])
    with pytest.raises(TrueupError):
        world.people.run_as(principal, action, world.tenants[0], **inputs[action])
    assert world.state(1) == before


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(ROLES), st.integers(0, 1))
def test_nobody_has_rights_in_a_tenant_they_do_not_belong_to(world, role, n):
    from trueup.kernel.errors import NotFound
    from trueup.kernel.identity.authenticate import by_session

    user, other = world.users[n][role], world.tenants[1 - n]
    assert world.session.installation.principal(f"user:{user.id}", other) is None
    assert world.session.installation.principal(f"key:{world.keys[n].id}", other) is None
    with pytest.raises(NotFound):
        by_session(user, ("one", "two")[1 - n], mfa=False, now=world.session.now())


def test_no_reading_tells_of_another_tenant(world):
    from trueup.kernel.identity import queries

    now = world.session.now()
    for n, tenant in enumerate(world.tenants):
        other = world.users[1 - n]
        seen = str(
            [
                queries.users(tenant, now=now),
                queries.api_keys(tenant, now=now),
                queries.tenant_sessions(tenant, now=now),
                queries.has_owner(tenant),
            ]
        )
        foreign = [user.email for user in other.values()] + [str(user.id) for user in other.values()] + [f"key of {1 - n}"]
        assert [mark for mark in foreign if mark in seen] == []
        assert f"viewer{n}@example.org" in seen
        for name in (other["viewer"].email, str(other["viewer"].id)):
            with pytest.raises(TrueupError):
                queries.user(tenant, name, now=now)


def test_who_belongs_to_two_tenants_may_in_each_what_they_are_there(world):
    from trueup.kernel.identity import queries
    from trueup.kernel.identity.models import Membership

    Membership.objects.filter(user=world.both, tenant=world.tenants[1]).update(roles=["owner"])
    assert world.people.principal(world.both, world.tenants[0]).roles == {"viewer"}
    assert [(row["slug"], row["roles"]) for row in queries.tenants_of(UUID(str(world.both.id)))] == [
        ("one", ["viewer"]),
        ("two", ["owner"]),
    ]


@pytest.mark.parametrize("page", ["/users/{user}/", "/keys/{key}/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_page_shows_or_changes_what_is_another_tenants(world, signed_in, page, method):
    client = signed_in(world.users[0]["owner"])
    before = world.state(1)
    url = page.format(user=world.users[1]["viewer"].id, key=world.keys[1].id)
    data = {"do": "revoke", "roles": ["viewer"], "overlap": "0"}
    assert getattr(client, method)(url, data).status_code in (400, 404)
    assert world.state(1) == before


@pytest.mark.parametrize("part", ["users", "keys", "sessions"])
@pytest.mark.requirement("kernel:tenants.no-crossing")
def test_no_list_of_the_api_or_the_pages_tells_of_another_tenant(world, signed_in, part):
    client = signed_in(world.users[0]["owner"])
    signed_in(world.users[1]["viewer"])
    for url in (f"/api/v1/identity/{part}", f"/{part}/", *((f"/{part}/?format=csv",) if part != "sessions" else ())):
        found = client.get(url)
        text = b"".join(found.streaming_content).decode() if found.streaming else found.content.decode()
        assert found.status_code == 200
        assert "1@example.org" not in text
        assert "key of 1" not in text


def test_a_session_cannot_choose_a_tenant_its_user_does_not_belong_to(world, signed_in):
    client = signed_in(world.users[0]["owner"])
    assert client.post("/tenant/", {"tenant": "two"}).status_code == 404
    store = client.session
    store["trueup_tenant"] = "two"
    store.save()
    assert "1@example.org" not in client.get("/api/v1/identity/users").content.decode()
    assert client.get("/api/v1/identity/me").json().get("tenant_slug") != "two"


@pytest.mark.parametrize("command", ["grant", "revoke"])
@pytest.mark.requirement("kernel:tenants.no-crossing")
def test_no_command_of_one_tenant_finds_a_person_of_another(world, trueup, command):
    before = world.state(1)
    done = trueup("user", command, world.users[1]["viewer"].email, "viewer", "--tenant", "one")
    assert done.code == 4
    assert world.state(1) == before
