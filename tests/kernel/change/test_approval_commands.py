"""Consent from the command line: held with exit 6, not by oneself, run once after somebody else approved."""

import hashlib
import json
from uuid import uuid4

import pytest


@pytest.fixture
def artifact(session, run):
    """A stored file that an entry names."""
    from tests.support.actions import Observe

    content = f"content {uuid4()}"
    run(Observe, subject="x", files={"a.txt": content})
    return hashlib.sha256(content.encode()).hexdigest()


@pytest.fixture
def ines(people):
    return people.add("ines@example.org", "approver")


@pytest.mark.requirement("kernel:change.runs-once")
def test_an_erasure_is_held_not_approved_by_its_asker_and_runs_once_after_another_person_approved(trueup, artifact, ines, vote):
    held = trueup("evidence", "artifact", "erase", artifact, "--reason", "asked to", "--json")
    assert held.code == 6
    error = json.loads(held.out)["error"]
    request = error["details"]["request"]
    assert request in error["remedy"]
    assert trueup("evidence", "artifact", "get", artifact, "--out", "copy").code == 0
    own = trueup("approval", "approve", request)
    assert (own.code, "asked for themselves" in own.err) == (5, True)
    assert trueup("approval", "run", request).code == 6
    assert request in trueup("approval", "list").out
    assert trueup("approval", "list", "--mine").out == "no requests\n"
    assert "asked to" in trueup("approval", "show", request).out

    voted = vote(ines, request, comment="seen")
    assert dict(voted.result.value) == {"erased": artifact}

    assert trueup("evidence", "artifact", "get", artifact, "--out", "copy2").code == 4
    shown = trueup("approval", "show", request, "--json").json
    assert (shown["state"], [v["choice"] for v in shown["votes"]]) == ("done", ["approve"])
    assert trueup("approval", "run", request).code == 7
    verified = trueup("evidence", "log", "verify", "--json").json
    assert verified["verdict"] == "PASS"


def test_the_command_approves_and_rejects_what_somebody_else_asked_for(trueup, people, artifact, session):
    from trueup.kernel.actions.errors import Held
    from trueup.kernel.evidence.actions import EraseArtifact

    olga = people.add("olga@example.org", "owner")

    def ask():
        with pytest.raises(Held) as caught:
            people.run(olga, EraseArtifact, sha256=artifact, reason="asked to")
        return caught.value.details["request"]

    first, second, third = ask(), ask(), ask()
    rejected = trueup("approval", "reject", first, "--comment", "no")
    assert (rejected.code, "rejected" in rejected.out) == (0, True)
    assert trueup("approval", "approve", first).code == 7
    assert trueup("approval", "withdraw", second).code == 0
    done = trueup("approval", "approve", third, "--json").json
    assert (done["state"], done["result"]) == ("done", {"erased": artifact})
    states = {row["id"]: row["state"] for row in trueup("approval", "list", "--json").json["requests"]}
    assert states == {first: "rejected", second: "void", third: "done"}


def test_rules_are_put_listed_and_removed(trueup):
    assert trueup("approval", "rule", "list").out.startswith("no rules")
    assert trueup("approval", "rule", "put", "evidence.artifact.erase", "--votes", "2", "--hours", "24").code == 0
    assert "evidence.artifact.erase" in trueup("approval", "rule", "list").out
    assert trueup("approval", "rule", "remove", "evidence.artifact.erase").code == 0
    assert trueup("approval", "rule", "remove", "evidence.artifact.erase").code == 4
    assert trueup("approval", "rule", "put", "no.such.action").code == 4
    assert trueup("approval", "rule", "put", "R3", "--hours", "0").code == 2


@pytest.mark.parametrize("command", ["show", "approve", "reject", "run", "withdraw"])
def test_a_request_that_is_not_there_is_said_so(trueup, command):
    assert trueup("approval", command, str(uuid4())).code == 4
    assert trueup("approval", command, "nonsense").code == 2


@pytest.mark.requirement("kernel:change.no-self-approval")
def test_the_owners_account_and_the_owner_of_the_machine_are_one_person(trueup, session, home):
    from trueup.kernel.identity.models import User

    assert trueup("init").code == 0
    user = User.objects.get(email="owner@localhost")
    assert user.person == session.context().principal.id
    principal = session.installation.principal(f"user:{user.id}", session.tenant)
    assert principal.who == session.context().principal.who
