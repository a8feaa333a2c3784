"""The one way to change anything: order of checks, idempotency, holds, refusals, and what is recorded of each."""

import json
from dataclasses import replace
from uuid import uuid4

import pytest

from trueup.kernel.errors import Conflict, NotFound, TrueupError, UsageError


@pytest.fixture
def log(session):
    from trueup.kernel.evidence import queries

    return lambda: queries.entries(session.tenant, limit=50)


@pytest.fixture
def act(session):
    """Run an action in a context that may be changed."""
    from trueup.kernel.actions.runner import run as run_action

    def call(action, input, **changes):
        return run_action(action, replace(session.context(), **changes), input)

    return call


@pytest.fixture
def viewer():
    from trueup.kernel.actions.base import Principal

    return Principal("user:v", frozenset({"viewer"}))


def actions():
    from tests.support import actions as found

    return found


def test_a_done_action_leaves_one_entry_that_says_who_what_and_by_which_policy(act, log):
    result = act(actions().Observe, {"subject": "x"})
    (entry,) = log()
    assert (entry["action"], entry["outcome"], entry["attempt"]) == ("testing.thing.observe", "done", str(result.attempt))
    assert entry["principal"].startswith("os:")
    assert entry["policies"] == ["owner-everything"]
    assert entry["facts"]["count"] == 1


def test_a_role_that_may_not_is_refused_before_the_input_is_looked_at(act, log, viewer):
    from trueup.kernel.actions.errors import PolicyRefused

    with pytest.raises(PolicyRefused, match="roles that may") as caught:
        act(actions().Observe, {"not": "an input"}, principal=viewer)
    assert caught.value.exit_code == 5
    (entry,) = log()
    assert (entry["outcome"], entry["error"], entry["principal"]) == ("refused", "POLICY_REFUSED", "user:v")


def test_a_role_that_may_is_not_refused(act):
    from trueup.kernel.actions.base import Principal

    operator = Principal("user:o", frozenset({"operator"}))
    assert act(actions().Observe, {"subject": "x"}, principal=operator).value == {"subject": "x"}


def test_nobody_without_a_role_may_do_anything(act):
    from trueup.kernel.actions.base import Principal
    from trueup.kernel.actions.errors import PolicyRefused

    with pytest.raises(PolicyRefused):
        act(actions().Observe, {"subject": "x"}, principal=Principal("os:stranger", frozenset()))


def test_a_resource_of_another_tenant_is_refused_and_recorded(act, log, session):
    from trueup.kernel.actions.errors import PolicyRefused

    assert act(actions().Touch, {"tenant": str(session.tenant)}).value == {"touched": True}
    with pytest.raises(PolicyRefused, match="one tenant into another"):
        act(actions().Touch, {"tenant": str(uuid4())})
    assert log()[0]["policies"] == ["tenants-apart"]


def test_an_invalid_input_names_its_field_and_begins_nothing(act, log):
    with pytest.raises(UsageError, match="parts") as caught:
        act(actions().Observe, {"subject": "x", "parts": "many"})
    assert caught.value.details["fields"][0]["field"] == "parts"
    with pytest.raises(UsageError, match="surprise"):
        act(actions().Observe, {"subject": "x", "surprise": 1})
    assert log() == []


def test_the_same_key_and_input_give_the_first_result_and_run_once(act, log):
    before = actions().Observe.calls
    first = act(actions().Observe, {"subject": "x"}, key="k1")
    again = act(actions().Observe, {"subject": "x"}, key="k1")
    assert (again.value, again.attempt, again.replayed, first.replayed) == (first.value, first.attempt, True, False)
    assert actions().Observe.calls == before + 1
    assert len(log()) == 1


def test_the_same_key_with_another_input_is_a_conflict(act):
    from trueup.kernel.actions.errors import IdempotencyConflict

    act(actions().Observe, {"subject": "x"}, key="k1")
    with pytest.raises(IdempotencyConflict):
        act(actions().Observe, {"subject": "y"}, key="k1")


def test_a_key_whose_first_call_still_runs_is_in_progress(act, session):
    from trueup.kernel.actions.errors import InProgress
    from trueup.kernel.actions.models import Attempt

    first = act(actions().Observe, {"subject": "x"}, key="k1")
    Attempt.objects.filter(id=first.attempt).update(state="running")
    with pytest.raises(InProgress):
        act(actions().Observe, {"subject": "x"}, key="k1")


def test_a_key_whose_first_call_failed_answers_with_that_failure(act):
    from trueup.kernel.actions.errors import AttemptFailed

    with pytest.raises(TrueupError, match="prepare failed"):
        act(actions().Break, {"how": "prepare"}, key="k1")
    with pytest.raises(AttemptFailed, match="failed"):
        act(actions().Break, {"how": "prepare"}, key="k1")


def test_a_key_belongs_to_its_tenant(act, session, run):
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.identity.actions import CreateTenant

    other = run_action(CreateTenant, session.context(system=True), {"slug": "other"}).value["id"]
    from uuid import UUID

    act(actions().Observe, {"subject": "x"}, key="k1")
    assert not act(actions().Observe, {"subject": "y"}, key="k1", tenant=UUID(other)).replayed


@pytest.mark.parametrize(
    ("how", "error", "outcome", "code"),
    [
        ("check", TrueupError, "refused", "SEPARATION_OF_DUTIES"),
        ("prepare", TrueupError, "failed", "INTERNAL"),
        ("bug", ZeroDivisionError, "failed", "INTERNAL"),
        ("fact", UsageError, "failed", "BAD_REQUEST"),
    ],
)
def test_every_bad_end_is_recorded_with_its_attempt(act, log, how, error, outcome, code):
    from trueup.kernel.actions.models import Attempt

    with pytest.raises(error):
        act(actions().Break, {"how": how})
    (entry,) = log()
    assert (entry["outcome"], entry["error"]) == (outcome, code)
    assert Attempt.objects.get(id=entry["attempt"]).state == outcome


def test_an_action_that_fails_in_apply_leaves_nothing_but_its_failure(act, session):
    from trueup.kernel.evidence.models import Fact

    with pytest.raises(UsageError):
        act(actions().Break, {"how": "fact"})
    assert Fact.objects.count() == 0


def test_an_irreversible_action_is_held_and_its_exact_input_is_kept(act, log):
    from trueup.kernel.actions.errors import Held
    from trueup.kernel.actions.models import Attempt

    with pytest.raises(Held) as caught:
        act(actions().Remove, {"subject": "x"})
    assert caught.value.exit_code == 6
    row = Attempt.objects.get(id=caught.value.details["attempt"])
    assert (row.state, json.loads(row.input)["subject"]) == ("held", "x")
    assert log()[0]["outcome"] == "held"


@pytest.fixture
def held(act, session):
    from trueup.kernel.actions.errors import Held

    with pytest.raises(Held) as caught:
        act(actions().Remove, {"subject": "x"})
    from uuid import UUID

    return UUID(caught.value.details["attempt"])


class Approved:
    """An approval room in which every held action was approved."""

    def request(self, tenant, hold, now):
        return "asked"

    def approved(self, tenant, attempt, digest, now):
        return True


@pytest.fixture
def with_approval(session):
    return replace(session.context(), ports=replace(session.ports, approvals=Approved()))


def test_a_held_action_does_not_run_without_approval(session, held):
    from trueup.kernel.actions.errors import Held
    from trueup.kernel.actions.runner import release

    with pytest.raises(Held):
        release(session.context(), held)


def test_an_approved_action_runs_exactly_once(with_approval, held, log):
    from trueup.kernel.actions.runner import release

    assert release(with_approval, held).value == {"removed": "x"}
    with pytest.raises(Conflict):
        release(with_approval, held)
    assert [entry["outcome"] for entry in log()] == ["done", "held"]


def test_a_held_input_that_was_changed_is_void(with_approval, held):
    from trueup.kernel.actions.models import Attempt
    from trueup.kernel.actions.runner import release

    Attempt.objects.filter(id=held).update(input=json.dumps({"subject": "y", "token": None}))
    with pytest.raises(Conflict, match="void"):
        release(with_approval, held)


def test_an_approved_action_is_checked_again_before_it_runs(with_approval, held, viewer):
    from trueup.kernel.actions.errors import PolicyRefused
    from trueup.kernel.actions.runner import release

    with pytest.raises(PolicyRefused):
        release(replace(with_approval, principal=viewer), held)


def test_there_is_nothing_to_release_in_another_tenant(with_approval, held):
    from trueup.kernel.actions.runner import release

    with pytest.raises(NotFound):
        release(replace(with_approval, tenant=uuid4()), held)


def test_an_input_with_a_secret_is_refused_rather_than_held(act):
    from trueup.kernel.errors import Refused

    with pytest.raises(Refused, match="secret"):
        act(actions().Remove, {"subject": "x", "token": "s3cr3t-planted"})


def test_a_planted_secret_reaches_no_row_no_entry_and_no_file(act, session, home):
    act(actions().Observe, {"subject": "x", "secret": "s3cr3t-planted"})
    with pytest.raises(UsageError) as caught:
        act(actions().Observe, {"subject": "x", "secret": {"s3cr3t-planted": 1}})
    assert "s3cr3t-planted" not in json.dumps(caught.value.as_dict())
    session.sequence()
    from django.db import connection

    connection.close()
    for path in home.rglob("*"):
        if path.is_file():
            assert b"s3cr3t-planted" not in path.read_bytes(), path


@pytest.mark.sqlite
def test_guards_that_were_taken_away_stop_every_action(act, session):
    from django.db import connection

    from trueup.kernel.errors import ConfigurationError

    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER evidence_entry_no_delete")
    with pytest.raises(ConfigurationError, match="evidence_entry_no_delete"):
        act(actions().Observe, {"subject": "x"})


@pytest.mark.parametrize(("owner", "closed"), [("", 1), ("another0home-1-dead", 0)])
def test_of_attempts_from_elsewhere_only_restored_ones_are_closed(act, session, owner, closed):
    from trueup.kernel.actions.attempts import recover
    from trueup.kernel.actions.models import Attempt

    left = act(actions().Observe, {"subject": "x"})
    Attempt.objects.filter(id=left.attempt).update(state="running", owner=owner)
    assert recover(session.context(), session.home.run) == closed


def test_an_attempt_of_a_dead_process_is_closed_as_failed_and_recorded(act, session, log):
    from trueup.kernel.actions.attempts import place_of, recover
    from trueup.kernel.actions.models import Attempt

    alive, dead = act(actions().Observe, {"subject": "x"}), act(actions().Observe, {"subject": "y"})
    Attempt.objects.filter(id=alive.attempt).update(state="running")
    Attempt.objects.filter(id=dead.attempt).update(state="running", owner=f"{place_of(session.home.run)}-1-dead")
    assert recover(session.context(), session.home.run) == 1
    assert Attempt.objects.get(id=dead.attempt).state == "failed"
    assert Attempt.objects.get(id=alive.attempt).state == "running"
    assert (log()[0]["attempt"], log()[0]["error"]) == (str(dead.attempt), "ABANDONED")
    assert recover(session.context(), session.home.run) == 0


def test_an_agent_is_held_where_a_person_is_not():
    from tests.support.actions import Touch
    from trueup.kernel.actions.base import Principal
    from trueup.kernel.actions.runner import needs_approval
    from trueup.kernel.policy.engine.model import Risk

    person, agent = Principal("user:p", frozenset()), Principal("user:p", frozenset(), is_agent=True)
    variants = {risk: type("A", (Touch,), {"risk": risk}) for risk in Risk}
    cases = {(risk, who.is_agent): needs_approval(use, who) for risk, use in variants.items() for who in (person, agent)}
    assert cases == {
        (Risk.R1, False): False,
        (Risk.R1, True): False,
        (Risk.R2, False): False,
        (Risk.R2, True): True,
        (Risk.R3, False): True,
        (Risk.R3, True): True,
    }


def test_two_actions_cannot_have_one_name():
    from tests.support.actions import Touch
    from trueup.kernel.actions.registry import named, register
    from trueup.kernel.errors import ConfigurationError

    with pytest.raises(ConfigurationError):
        register([type("Other", (Touch,), {})])
    with pytest.raises(NotFound):
        named("no.such.action")
