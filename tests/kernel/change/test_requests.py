"""Consent: nobody's own, as many people as needed, bound to the exact input, for a time; and then it runs once."""

import pytest

from tests.support.actions import Remove
from trueup.kernel.actions.errors import Held, PolicyRefused
from trueup.kernel.errors import Conflict, Refused


@pytest.fixture
def olga(people):
    return people.add("olga@example.org", "owner")


@pytest.fixture
def ines(people):
    return people.add("ines@example.org", "approver")


@pytest.fixture
def otto(people):
    return people.add("otto@example.org", "approver")


@pytest.fixture
def rule(people):
    from trueup.kernel.change.actions import PutRule

    boss = people.add("boss@example.org", "owner")
    return lambda **input: people.run(boss, PutRule, **{"applies_to": "R3", "votes": 1} | input)


def attempt_of(found):
    from trueup.kernel.actions.models import Attempt

    return Attempt.objects.get(id=found["attempt"])


def test_a_held_action_runs_once_as_its_asker_after_another_person_consents(olga, ines, ask, vote, found, ran, log):
    request = ask(olga)
    assert (found(request)["state"], ran()) == ("open", 0)
    voted = vote(ines, request, comment="agreed")
    assert dict(voted.result.value) == {"removed": "thing"}
    assert (found(request)["state"], found(request)["outcome"], ran()) == ("done", "done", 1)
    done = next(entry for entry in log() if entry["action"] == "testing.thing.remove" and entry["outcome"] == "done")
    assert done["principal"] == f"user:{olga.id}"
    (kept,) = found(request)["votes"]
    assert (kept["person"], kept["comment"]) == (f"user:{ines.id}", "agreed")


@pytest.mark.requirement("kernel:change.no-self-approval")
def test_nobody_approves_what_they_asked_for(people, olga, ask, vote, found, ran):
    request = ask(olga)
    with pytest.raises(PolicyRefused, match="asked for themselves"):
        vote(olga, request)
    assert (found(request)["state"], ran()) == ("open", 0)


@pytest.mark.parametrize("who", ["asker", "voter"])
@pytest.mark.requirement("kernel:change.no-self-approval")
def test_a_key_is_the_person_who_made_it(people, olga, ask, vote, found, session, who):
    from trueup.kernel.identity.authenticate import by_key

    key = by_key(people.key(olga, "owner"), now=session.now()).principal
    if who == "voter":
        request = ask(olga)
        with pytest.raises(PolicyRefused, match="asked for themselves"):
            vote(None, request, principal=key)
        return
    with pytest.raises(Held) as caught:
        people.run_as(key, Remove, subject="thing")
    with pytest.raises(PolicyRefused, match="asked for themselves"):
        vote(olga, caught.value.details["request"])


def test_an_agent_gives_no_consent(people, olga, ask, vote, session):
    from trueup.kernel.identity.authenticate import by_key

    admin = people.add("admin@example.org", "admin")
    agent = by_key(people.key(admin, "approver", agent=True), now=session.now()).principal
    with pytest.raises(PolicyRefused, match="agent"):
        vote(None, ask(olga), principal=agent)


@pytest.mark.requirement("kernel:change.quorum-is-persons")
def test_two_votes_are_two_different_people(people, olga, ines, otto, ask, vote, found, ran, rule, session):
    from trueup.kernel.identity.authenticate import by_key

    rule(votes=2)
    request = ask(olga)
    maker = people.add("admin@example.org", "admin")
    assert vote(maker, request).result is None
    with pytest.raises(Conflict, match="voted"):
        vote(maker, request)
    key = by_key(people.key(maker, "approver"), now=session.now()).principal
    with pytest.raises(Conflict, match="voted"):
        vote(None, request, principal=key)
    assert (found(request)["state"], ran()) == ("open", 0)
    assert vote(otto, request).result is not None
    assert ran() == 1


def test_one_refusal_ends_a_request_and_its_action_never_runs(people, olga, ines, otto, ask, vote, found, ran, rule, session):
    from trueup.kernel.change.execute import carry_out

    rule(votes=2)
    request = ask(olga)
    vote(ines, request)
    vote(otto, request, "reject", comment="no")
    assert (found(request)["state"], attempt_of(found(request)).state) == ("rejected", "refused")
    with pytest.raises(Conflict, match="rejected"):
        vote(people.add("late@example.org", "approver"), request)
    with pytest.raises(Conflict, match="rejected"):
        carry_out(session.installation, session.tenant, request)
    assert ran() == 0


@pytest.mark.parametrize("roles", [["viewer"], ["operator"], ["auditor"], []])
def test_who_may_not_approve_does_not(people, olga, ask, vote, roles):
    with pytest.raises(PolicyRefused):
        vote(people.add("somebody@example.org", *roles), ask(olga))


def test_a_rule_can_leave_the_vote_to_a_role(people, olga, ask, vote, rule):
    rule(roles=["approver"])
    request = ask(olga)
    with pytest.raises(Refused, match="approver"):
        vote(people.add("admin@example.org", "admin"), request)
    assert vote(people.add("ines@example.org", "approver"), request).result


@pytest.mark.parametrize("when", ["before the vote", "after the vote"])
@pytest.mark.parametrize("change", ["input", "input and its digest", "action", "principal"])
@pytest.mark.requirement("kernel:change.changed-input-void")
def test_an_input_that_changed_is_void_and_that_is_recorded(
    olga, ines, otto, ask, vote, found, ran, rule, session, log, when, change
):
    from trueup.kernel.actions.models import Attempt
    from trueup.kernel.change.execute import carry_out
    from trueup.kernel.evidence.engine.encode import salted

    rule(votes=2)
    request = ask(olga)
    held = attempt_of(found(request))
    other = held.input.replace("thing", "other")
    changes = {
        "input": {"input": other},
        "input and its digest": {"input": other, "input_digest": salted(held.salt, other.encode())},
        "action": {"action": "testing.thing.observe"},
        "principal": {"principal": f"user:{ines.id}"},
    }
    vote(ines, request)
    if when == "after the vote":
        from trueup.kernel.change.models import Request

        Request.objects.filter(id=request, tenant=session.tenant).update(state="approved")
    Attempt.objects.filter(id=held.id, tenant=session.tenant).update(**changes[change])
    assert found(request)["unchanged"] is False
    if when == "before the vote":
        with pytest.raises(Conflict, match="void"):
            vote(otto, request)
    with pytest.raises(Conflict, match="void"):
        carry_out(session.installation, session.tenant, request)
    assert (found(request)["state"], found(request)["outcome"]) == ("void", "input_changed")
    assert log()[0]["note"]["outcome"] == "input_changed"
    assert ran("thing") == ran("other") == 0


def test_consent_ends_at_its_time(olga, ines, otto, ask, vote, found, ran, rule, session, clock):
    from trueup.kernel.change.execute import carry_out

    rule(votes=2, expires_after=3600)
    request = ask(olga)
    vote(ines, request)
    clock.step(seconds=3600)
    assert found(request)["state"] == "expired"
    with pytest.raises(Conflict, match="expired"):
        vote(otto, request)
    with pytest.raises(Refused, match="expired"):
        carry_out(session.installation, session.tenant, request)
    assert (found(request)["outcome"], attempt_of(found(request)).state, ran()) == ("expired", "refused", 0)


def test_what_was_approved_in_time_and_not_run_expires_too(olga, ask, ran, rule, session, clock):
    from trueup.kernel.change.execute import carry_out
    from trueup.kernel.change.models import Request

    rule(expires_after=3600)
    request = ask(olga)
    Request.objects.filter(id=request, tenant=session.tenant).update(state="approved")
    clock.step(seconds=3600)
    with pytest.raises(Refused, match="expired"):
        carry_out(session.installation, session.tenant, request)
    assert ran() == 0


def test_what_is_open_does_not_run(olga, ask, session, ran):
    from trueup.kernel.actions.runner import release
    from trueup.kernel.change.execute import carry_out

    request = ask(olga)
    with pytest.raises(Held):
        carry_out(session.installation, session.tenant, request)
    from trueup.kernel.change import queries

    attempt = queries.request(session.tenant, request, now=session.now())["attempt"]
    with pytest.raises(Held):
        release(session.context(), attempt)
    assert ran() == 0


@pytest.mark.requirement("kernel:change.runs-once")
def test_it_does_not_run_a_second_time(olga, ines, ask, vote, session, ran):
    from trueup.kernel.change.execute import carry_out

    request = ask(olga)
    vote(ines, request)
    for _ in range(3):
        with pytest.raises(Conflict, match="done"):
            carry_out(session.installation, session.tenant, request)
    assert ran() == 1


@pytest.mark.parametrize("gone", ["disabled", "no member"])
def test_it_does_not_run_for_somebody_who_is_gone_and_that_is_recorded(olga, ines, ask, vote, session, ran, found, log, gone):
    from trueup.kernel.identity.models import Membership, User

    request = ask(olga)
    if gone == "disabled":
        User.objects.filter(id=olga.id).update(is_active=False)
    else:
        Membership.objects.filter(user=olga, tenant=session.tenant).delete()
    voted = vote(ines, request)
    assert voted.result is None
    assert "gone" in voted.problem.message
    assert log()[0]["note"]["refused"] == "principal_gone"
    assert (found(request)["state"], ran()) == ("approved", 0)


def test_it_does_not_run_with_rights_that_the_asker_has_lost(olga, ines, ask, vote, session, ran, found, log):
    from trueup.kernel.identity.models import Membership

    request = ask(olga)
    Membership.objects.filter(user=olga, tenant=session.tenant).update(roles=["admin"])
    voted = vote(ines, request)
    assert isinstance(voted.problem, PolicyRefused)
    assert log()[0]["note"]["refused"] == "policy_refused"
    assert ran() == 0
    Membership.objects.filter(user=olga, tenant=session.tenant).update(roles=["owner"])
    from trueup.kernel.change.execute import carry_out

    carry_out(session.installation, session.tenant, request)
    assert (found(request)["state"], ran()) == ("done", 1)


def test_a_request_is_withdrawn_by_its_asker_or_an_admin_and_by_nobody_else(people, olga, ines, ask, vote, found, ran):
    from trueup.kernel.change.actions import WithdrawRequest
    from trueup.kernel.identity.models import Membership

    first, second = ask(olga, "first"), ask(olga, "second")
    with pytest.raises(PolicyRefused):
        people.run(ines, WithdrawRequest, request=first)
    Membership.objects.filter(user=olga).update(roles=["viewer"])
    people.run(olga, WithdrawRequest, request=first)
    people.run(people.add("admin@example.org", "admin"), WithdrawRequest, request=second)
    for request in (first, second):
        assert (found(request)["state"], found(request)["outcome"]) == ("void", "withdrawn")
        with pytest.raises(Conflict):
            vote(ines, request)
    with pytest.raises(Conflict, match="void"):
        people.run(people.add("admin@example.org"), WithdrawRequest, request=first)
    assert ran("first") == ran("second") == 0
