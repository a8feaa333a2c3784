"""Every action says who may call it, and how much it risks."""

import ast
import json
import subprocess
import sys

import pytest

from tests.faces.test_architecture import SOURCE


def registered():
    """Return what policy and people are told of every action, read by a process of its own."""
    code = """
import json
from trueup.config.wiring import WholeProduct
WholeProduct().actions()
from trueup.kernel.actions.base import Action, Input
from trueup.kernel.actions.registry import registered
print(json.dumps([{
    "name": a.name, "summary": a.summary, "tags": sorted(a.tags), "risk": str(a.risk), "kind": a.kind,
    "doc": bool(a.__doc__), "input": issubclass(a.input, Input) and a.input.model_config.get("extra"),
    "applies": a.apply is not Action.apply, "fields": sorted(a.input.model_fields),
    "prepares": a.prepare is not Action.prepare, "row": a.prepares,
} for a in registered()]))
"""
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def actions():
    return registered()


TAGS = {"administer", "operate", "analyse", "audit", "approve", "destroy", "view"}


def test_every_action_says_who_may_call_it_what_it_does_and_how_much_it_risks(actions):
    assert len(actions) >= 14
    for action in actions:
        name = action["name"].split(".")
        assert len(name) in (2, 3), action
        assert all(part.islower() for part in name), action
        assert action["summary"], action
        assert action["summary"][0].islower(), action
        assert not action["summary"].endswith("."), action
        assert action["tags"], action
        assert set(action["tags"]) <= TAGS, action
        assert action["risk"] in ("R1", "R2", "R3"), action
        assert (action["kind"], action["doc"], action["applies"]) == ("write", True, True), action


def test_every_action_refuses_a_field_that_it_does_not_know(actions):
    assert {action["input"] for action in actions} == {"forbid"}


def test_what_cannot_be_undone_waits_for_approval(actions):
    load = "automation.authorization.activate_load"  # load and scripts on systems that others may rely on
    many_targets = "telemetry.baseline.promote"  # every run from then on is held against it
    assert [action["name"] for action in actions if action["risk"] == "R3"] == [load, "evidence.artifact.erase", many_targets]
    assert [action["name"] for action in actions if "destroy" in action["tags"]] == ["evidence.artifact.erase"]


def test_an_action_that_works_before_its_transaction_begins_an_attempt_first(actions):
    fast = {"secrets.secret.put"}  # seals a few bytes in memory
    assert [a["name"] for a in actions if a["prepares"] and not a["row"] and a["name"] not in fast] == []


def assigned(node):
    """Return the names that a class assigns in its body: an action has a name and a summary, whatever it inherits."""
    return [ast.unparse(statement.targets[0]) for statement in node.body if isinstance(statement, ast.Assign)]


def test_every_action_class_of_the_source_is_registered(actions):
    classes = {
        statement.value.value
        for path in SOURCE.rglob("actions*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and {"name", "summary"} <= set(assigned(node))
        for statement in node.body
        if isinstance(statement, ast.Assign)
        and ast.unparse(statement.targets[0]) == "name"
        and isinstance(statement.value, ast.Constant)
    }
    assert classes == {action["name"] for action in actions}
