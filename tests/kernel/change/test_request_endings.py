"""How requests end: run once, withdrawn, expired, and what a dead process leaves."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.kernel.change.test_requests import ines, olga, otto, rule  # noqa: F401 - fixtures
from tests.support.actions import Remove
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.errors import Conflict, NotFound, Refused


def test_what_has_run_is_not_withdrawn(people, olga, ines, ask, vote):
    from trueup.kernel.change.actions import WithdrawRequest

    request = ask(olga)
    vote(ines, request)
    with pytest.raises(Conflict, match="done"):
        people.run(olga, WithdrawRequest, request=request)


def test_nobody_but_the_installation_writes_down_what_became_of_a_request(people, olga, ask):
    from trueup.kernel.change.actions import SettleRequest

    with pytest.raises(PolicyRefused, match="machine"):
        people.run(olga, SettleRequest, request=ask(olga))


def test_what_became_of_a_request_follows_from_the_facts_alone(people, olga, ask, session):
    from trueup.kernel.actions.runner import run
    from trueup.kernel.change.actions import SettleRequest

    request = ask(olga)
    with pytest.raises(Conflict, match="nothing new"):
        run(SettleRequest, session.context(), {"request": request})


def test_a_run_that_a_dead_process_left_is_closed_and_the_request_is_void(olga, ask, session, found, ran):
    from trueup.kernel.actions.models import Attempt
    from trueup.kernel.change.execute import carry_out
    from trueup.kernel.change.models import Request

    request = ask(olga)
    Request.objects.filter(id=request, tenant=session.tenant).update(state="approved")
    Attempt.objects.filter(id=found(request)["attempt"], tenant=session.tenant).update(state="running", owner="")
    session.installation.recover(session.tenant)
    with pytest.raises(Conflict, match="failed"):
        carry_out(session.installation, session.tenant, request)
    assert (found(request)["state"], found(request)["outcome"], ran()) == ("void", "failed", 0)


def test_what_ran_before_a_process_died_is_written_down_by_the_next_try(olga, ask, session, found):
    from trueup.kernel.actions.models import Attempt
    from trueup.kernel.change.execute import carry_out
    from trueup.kernel.change.models import Request

    request = ask(olga)
    Request.objects.filter(id=request, tenant=session.tenant).update(state="approved")
    Attempt.objects.filter(id=found(request)["attempt"], tenant=session.tenant).update(state="done")
    with pytest.raises(Conflict, match="once"):
        carry_out(session.installation, session.tenant, request)
    assert found(request)["state"] == "done"


RACE = """
import sys, time
from uuid import UUID
from trueup.config.home import find_home
from trueup.config.installation import Installation
made = Installation(find_home())
from tests.support.actions import ACTIONS, PREDICATES
from trueup.kernel.actions.registry import register
from trueup.kernel.evidence import predicates
register(ACTIONS); predicates.register(PREDICATES)
from dataclasses import replace
from trueup.kernel.actions.registry import registered
from trueup.kernel.policy.load import load_policies
from trueup.config.wiring import policy_folders
made.ports = replace(made.ports, policies=load_policies(policy_folders(), actions=[a.spec() for a in registered()]))
from trueup.kernel.change.execute import carry_out
from trueup.kernel.errors import Conflict
print("ready", flush=True)
sys.stdin.readline()
try:
    carry_out(made, UUID(sys.argv[1]), UUID(sys.argv[2]))
    print("ran")
except Conflict:
    print("conflict")
"""


@pytest.mark.requirement("kernel:change.runs-once")
def test_of_two_processes_one_runs_it(olga, ask, session, found, ran, home, database):
    from tests.conftest import ROOT
    from trueup.kernel.change.models import Request

    request = ask(olga)
    Request.objects.filter(id=request, tenant=session.tenant).update(state="approved")
    env = os.environ | {"TRUEUP_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", RACE, str(session.tenant), str(request)]
    racers = [
        subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    ends = sorted(racer.communicate(timeout=60)[0].strip() for racer in racers)
    assert ends == ["conflict", "conflict", "ran"]
    assert (ran(), found(request)["state"]) == (1, "done")


def test_the_inbox_holds_what_waits_for_ones_own_vote_alone(people, olga, ines, otto, ask, vote, session, rule, clock):
    from trueup.kernel.change import queries

    rule(votes=2)
    first = ask(olga, "first")
    clock.step(seconds=1)
    second = ask(olga, "second")

    def inbox(user):
        principal = people.principal(user)
        return [row["id"] for row in queries.inbox(session.tenant, principal, now=clock())]

    assert inbox(ines) == [str(first), str(second)]
    assert inbox(olga) == []
    vote(ines, first)
    vote(otto, second, "reject")
    assert (inbox(ines), inbox(otto)) == ([], [str(first)])
    assert queries.inbox(session.tenant, replace(people.principal(otto), is_agent=True), now=clock()) == []
    clock.step(days=4)
    assert inbox(otto) == []


def test_requests_are_listed_by_the_state_they_have_now(olga, ines, ask, vote, session, clock):
    from trueup.kernel.change import queries

    done, rejected, waits = ask(olga, "a"), ask(olga, "b"), ask(olga, "c")
    vote(ines, done)
    vote(ines, rejected, "reject")

    def listed(state):
        return {row["id"] for row in queries.requests(session.tenant, now=clock(), state=state)}

    assert listed("") == {str(done), str(rejected), str(waits)}
    assert (listed("done"), listed("rejected"), listed("open")) == ({str(done)}, {str(rejected)}, {str(waits)})
    clock.step(days=3)
    assert (listed("open"), listed("expired")) == (set(), {str(waits)})


def test_a_request_belongs_to_its_tenant(people, olga, ask, session):
    from trueup.kernel.change import queries
    from trueup.kernel.change.actions import CastVote, RemoveRule, WithdrawRequest
    from trueup.kernel.change.execute import carry_out

    request = ask(olga)
    other = people.tenant("other")
    head = people.add("head@example.org", "owner", tenant=other)
    for action, more in ((CastVote, {"choice": "approve"}), (WithdrawRequest, {})):
        with pytest.raises(NotFound):
            people.run(head, action, other, request=request, **more)
    with pytest.raises(NotFound):
        carry_out(session.installation, other, request)
    assert queries.requests(other, now=session.now()) == []
    for id in (request, "nonsense"):
        with pytest.raises(NotFound):
            queries.request(other, id, now=session.now())
    with pytest.raises(NotFound):
        people.run(head, RemoveRule, other, applies_to="R3")


def test_rules_are_put_replaced_and_removed_and_open_requests_keep_theirs(people, olga, ask, found, rule, session):
    from trueup.kernel.change import queries
    from trueup.kernel.change.actions import RemoveRule

    rule(votes=2)
    request = ask(olga)
    rule(votes=3, roles=["approver"])
    assert [(row["applies_to"], row["votes"], row["roles"]) for row in queries.rules(session.tenant)] == [("R3", 3, ["approver"])]
    assert found(request)["votes_needed"] == 2
    people.run(olga, RemoveRule, applies_to="R3")
    assert queries.rules(session.tenant) == []


@pytest.mark.parametrize("input", [{"roles": ["emperor"]}, {"applies_to": "testing.thing.fly"}])
def test_a_rule_speaks_of_roles_and_actions_that_there_are(rule, input):
    with pytest.raises(NotFound):
        rule(**input)


def test_secrets_are_not_shown_to_those_who_vote(people, olga):
    with pytest.raises(Refused, match="secret"):
        people.run(olga, Remove, subject="thing", token="a planted secret")


def test_the_log_names_the_request_the_votes_and_the_run(olga, ines, ask, vote, log):
    request = ask(olga)
    vote(ines, request, comment="a comment stays out of the log")
    entries = {entry["action"]: entry for entry in log() if entry["action"].startswith("change.")}
    assert entries["change.request.vote"]["note"]["request"] == str(request)
    assert entries["change.request.settle"]["note"]["state"] == "done"
    assert "a comment" not in json.dumps(log())
    held = next(entry for entry in log() if entry["outcome"] == "held")
    assert held["note"]["request"] == str(request)
