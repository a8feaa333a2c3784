"""What everybody may do with their own account, and with nobody else's."""

from datetime import UTC, datetime

import pytest

from tests.kernel.identity.people import PASSWORD
from tests.kernel.identity.test_signin import code_of
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.errors import Conflict, NotFound, Refused, UsageError

NEW = "another horse, another battery"


def actions():
    from trueup.kernel.identity import actions_account

    return actions_account


@pytest.fixture
def user(people):
    return people.add("vera@example.org", "viewer")


def fresh(user):
    from trueup.kernel.identity.models import User

    return User.objects.get(id=user.id)


@pytest.fixture
def sessions(session):
    """Begin sessions of a user; return their rows."""
    from allauth.usersessions.models import UserSession
    from django.contrib.sessions.backends.db import SessionStore

    def begin(user, count=1):
        made = []
        for _ in range(count):
            store = SessionStore()
            store["x"] = 1
            store.create()
            made.append(UserSession.objects.create(user=user, ip="192.0.2.1", session_key=store.session_key, user_agent="t"))
        return made

    return begin


def live(row):
    from django.contrib.sessions.backends.db import SessionStore

    return SessionStore().exists(row.session_key)


@pytest.mark.parametrize("roles", [["viewer"], ["owner"], []])
def test_everybody_changes_their_own_password_and_all_their_sessions_end(people, sessions, session, roles):
    user = people.add("somebody@example.org", *roles, must_change=True)
    rows = sessions(user, 2)
    assert people.run(user, actions().ChangePassword, current=PASSWORD, new=NEW)["sessions_ended"] == 2
    assert fresh(user).check_password(NEW)
    assert not fresh(user).must_change_password
    assert not any(live(row) for row in rows)


def test_the_present_password_is_needed_and_can_be_guessed_ten_times(people, user):
    for _ in range(10):
        with pytest.raises(Refused, match="present password"):
            people.run(user, actions().ChangePassword, current="wrong", new=NEW)
    with pytest.raises(Refused, match="too many"):
        people.run(user, actions().ChangePassword, current=PASSWORD, new=NEW)


@pytest.mark.parametrize(("new", "words"), [(PASSWORD, "the old one"), ("password1234", "common"), ("tiny", "short")])
def test_a_bad_new_password_is_refused(people, user, new, words):
    with pytest.raises(UsageError, match=words):
        people.run(user, actions().ChangePassword, current=PASSWORD, new=new)


def test_the_operating_systems_user_has_no_password_here(run):
    with pytest.raises(Refused, match="signed-in user"):
        run(actions().ChangePassword, current=PASSWORD, new=NEW)


@pytest.fixture
def enrol(people):
    from trueup.kernel.identity.secondfactor import new_secret

    def call(user):
        secret = new_secret()
        people.run(user, actions().ActivateTotp, secret=secret, code=code_of(secret, datetime.now(UTC)))
        return secret

    return call


def test_an_authenticator_app_is_put_to_use_with_a_code_it_shows(people, user, enrol):
    from trueup.kernel.identity import secondfactor

    secret = secondfactor.new_secret()
    with pytest.raises(Refused, match="code"):
        people.run(user, actions().ActivateTotp, secret=secret, code="000000x")
    assert not secondfactor.enabled(user)
    enrol(user)
    assert secondfactor.enabled(user)
    assert len(secondfactor.recovery_codes(user)) == 10
    with pytest.raises(Conflict, match="already"):
        enrol(user)


def test_the_code_that_put_the_app_to_use_signs_nobody_in(people, user, enrol, session):
    from trueup.kernel.identity import secondfactor

    secret = enrol(user)
    assert not secondfactor.take(user, code_of(secret, datetime.now(UTC)), datetime.now(UTC))


def test_the_app_is_removed_with_a_code_alone(people, user, enrol):
    from trueup.kernel.identity import secondfactor

    enrol(user)
    with pytest.raises(Refused, match="code"):
        people.run(user, actions().DeactivateTotp, code="nonsense")
    people.run(user, actions().DeactivateTotp, code=secondfactor.recovery_codes(user)[0])
    assert not secondfactor.enabled(user)
    with pytest.raises(NotFound, match="authenticator"):
        people.run(user, actions().DeactivateTotp, code="123456")


def test_new_recovery_codes_replace_the_old_ones(people, user, enrol):
    from trueup.kernel.identity import secondfactor

    enrol(user)
    before = secondfactor.recovery_codes(user)
    people.run(user, actions().RenewRecoveryCodes, code=before[0])
    after = secondfactor.recovery_codes(user)
    assert len(after) == 10
    assert not set(before) & set(after)


def test_a_reset_can_drop_the_second_factor(people, user, enrol):
    from trueup.kernel.identity import secondfactor
    from trueup.kernel.identity.actions_users import ResetPassword

    enrol(user)
    admin = people.add("admin@example.org", "admin")
    assert not people.run(admin, ResetPassword, user=user.id, password=NEW)["second_factor_dropped"]
    assert secondfactor.enabled(user)
    assert people.run(admin, ResetPassword, user=user.id, password=NEW, drop_second_factor=True)["second_factor_dropped"]
    assert not secondfactor.enabled(user)


def test_a_viewer_ends_own_sessions_and_nobody_elses(people, user, sessions):
    other = people.add("other@example.org", "viewer")
    (mine,), (others,) = sessions(user), sessions(other)
    people.run(user, actions().EndSession, session=mine.id)
    assert not live(mine)
    for action, input in ((actions().EndSession, {"session": others.id}), (actions().EndSessions, {"user": other.id})):
        with pytest.raises(PolicyRefused):
            people.run(user, action, **input)
    assert live(others)


def test_all_other_sessions_end_and_the_present_one_stays(people, user, sessions):
    first, second, third = sessions(user, 3)
    people.run(user, actions().EndSessions, user=user.id, keep=second.session_key)
    assert [live(row) for row in (first, second, third)] == [False, True, False]


def test_an_admin_ends_the_sessions_of_members_alone(people, user, sessions):
    admin = people.add("admin@example.org", "admin")
    stranger = people.add("stranger@example.org", "viewer", tenant=people.tenant("other"))
    (one,), (far,) = sessions(user), sessions(stranger)
    people.run(admin, actions().EndSession, session=one.id)
    for action, input in ((actions().EndSession, {"session": far.id}), (actions().EndSessions, {"user": stranger.id})):
        with pytest.raises(NotFound):
            people.run(admin, action, **input)
    assert live(far)


def test_the_keys_of_sessions_stand_in_no_entry_and_no_attempt(people, user, sessions, session, log):
    from trueup.kernel.actions.models import Attempt

    first, second = sessions(user, 2)
    people.run(user, actions().EndSessions, user=user.id, keep=second.session_key)
    text = str(log()) + str(list(Attempt.objects.filter(tenant=session.tenant).values_list()))
    assert first.session_key not in text
    assert second.session_key not in text


@pytest.mark.parametrize("action", ["ChangePassword", "ActivateTotp", "DeactivateTotp", "RenewRecoveryCodes"])
def test_policy_lets_nobody_change_the_password_or_codes_of_another(session, action):
    from trueup.kernel.policy.engine.decide import decide
    from trueup.kernel.policy.engine.model import Principal, PrincipalKind, Request, Resource

    owner = Principal(PrincipalKind.USER, "1", "here", frozenset({"owner"}))
    name, now = getattr(actions(), action).name, datetime.now(UTC)

    def allowed(whose):
        resource = Resource("user", "2", "here", owner=whose)
        return decide(session.ports.policies, Request(owner, name, resource, now)).allowed

    assert allowed("user:1")
    assert not allowed("user:2")
    assert not allowed("")


def test_a_session_is_asked_for_its_tenant_and_rights_in_one_query(people, user, session):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from trueup.kernel.identity.authenticate import by_session

    other = people.tenant("other")
    people.add(user.email, "auditor", tenant=other)
    with CaptureQueriesContext(connection) as seen:
        caller = by_session(user, None, mfa=True, now=session.now())
    assert len(seen) == 1
    assert (caller.tenant_slug, caller.principal.roles, caller.principal.mfa) == ("default", {"viewer"}, True)
    assert [(place.slug, place.roles) for place in caller.memberships] == [("default", {"viewer"}), ("other", {"auditor"})]
    assert by_session(user, "other", mfa=False, now=session.now()).tenant == other


def test_a_session_leads_nowhere_that_its_user_does_not_belong(people, user, session):
    from trueup.kernel.identity.authenticate import by_session

    people.tenant("other")
    with pytest.raises(NotFound):
        by_session(user, "other", mfa=False, now=session.now())
    with pytest.raises(Refused, match="no tenant"):
        by_session(people.add("nobody@example.org"), None, mfa=False, now=session.now())


def test_a_one_time_password_leads_nowhere(people, session):
    from trueup.kernel.identity.authenticate import MustChangePassword, by_session

    with pytest.raises(MustChangePassword):
        by_session(people.add("new@example.org", "owner", must_change=True), None, mfa=False, now=session.now())
