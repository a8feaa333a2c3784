"""Gates on stored facts: proven before they decide, recorded with what decided, and never opened by a changed fact."""

import contextlib
import io
import json
import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.conftest import Command, Done

GATE = """\
gate: publish
requires:
  all:
    - {id: verdict, subject: $subject, predicate: telemetry.verdict@1, in: [PASS]SIGNED}
"""
TABLE = "x\n" + "\n".join(str(i % 9) for i in range(300))


@pytest.fixture(scope="module")
def compared(template_home, tmp_path_factory):
    """A home in which a run was compared with itself and passed."""
    folder = tmp_path_factory.mktemp("compared")
    command = Command(folder / "home", folder)
    shutil.copytree(template_home, folder / "home")
    (folder / "a.csv").write_text(TABLE)
    assert command("telemetry", "compare", "--baseline", "a.csv", "--run", "a.csv", "--subject", "rig").code == 0
    return folder / "home"


@pytest.fixture
def home(compared, tmp_path):
    return shutil.copytree(compared, tmp_path / "home")


@pytest.fixture
def trueup(home, tmp_path, monkeypatch):
    """The command line on this test's home, in this process."""
    from trueup.faces.cli.main import main

    monkeypatch.chdir(tmp_path)

    def call(*args):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["--home", str(home), *map(str, args)])
        return Done(code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture
def gate(tmp_path):
    """Write the gate, asking for signers or not, and return its path."""

    def write(*signers):
        path = tmp_path / "gate.yaml"
        path.write_text(GATE.replace("SIGNED", f", signed_by: [{', '.join(signers)}]" if signers else ""))
        return path

    return write


@pytest.fixture
def evaluate(trueup):
    return lambda path, *args: trueup("gate", "evaluate", path, "--subject", "rig", "--json", *args)


def tampered(home, statement):
    """Change the store behind the guards, and put the guards back as they were."""
    with closing(sqlite3.connect(home / "trueup.sqlite3", isolation_level=None)) as store:
        guards = store.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            store.execute(f'DROP TRIGGER "{name}"')
        changed = store.execute(statement).rowcount
        for _, sql in guards:
            store.execute(sql)
    return changed


def test_a_gate_on_stored_facts_passes_and_says_which_fact_it_used(evaluate, gate):
    done = evaluate(gate())
    assert (done.code, done.json["verdict"], done.json["findings"]) == (0, "PASS", [])
    (condition,) = done.json["tree"]["children"] if "children" in done.json["tree"] else [done.json["tree"]]
    assert [used["value"] for used in condition["facts"]] == ["PASS"]


def test_the_installed_command_answers_the_same(home, tmp_path, gate):
    done = Command(home, tmp_path)("gate", "evaluate", gate(), "--subject", "rig", "--json")
    assert (done.code, done.json["verdict"]) == (0, "PASS")


def test_nothing_known_is_unknown(trueup, gate):
    done = trueup("gate", "evaluate", gate(), "--subject", "another-rig", "--json")
    assert (done.code, done.json["verdict"]) == (30, "UNKNOWN")
    assert [finding["id"] for finding in done.json["findings"]] == ["verdict"]


def test_a_fact_that_does_not_satisfy_fails_the_gate(evaluate, trueup, gate, tmp_path):
    (tmp_path / "a.csv").write_text(TABLE)
    (tmp_path / "b.csv").write_text("x\n" + "\n".join(str(i % 9 + 50) for i in range(300)))
    assert trueup("telemetry", "compare", "--baseline", "a.csv", "--run", "b.csv", "--subject", "rig").code == 10
    assert evaluate(gate()).code == 20


@pytest.mark.parametrize(
    "statement",
    [
        """UPDATE evidence_fact SET value = '"PASS"', source = 'me' WHERE predicate = 'telemetry.verdict@1'""",
        """UPDATE evidence_fact SET value = '99' WHERE predicate = 'telemetry.findings@1'""",
        "DELETE FROM evidence_fact WHERE predicate = 'telemetry.verdict@1'",
        "DELETE FROM evidence_fact",
        "UPDATE evidence_entry SET body = CAST(REPLACE(body, 'PASS', 'FAIL') AS BLOB) WHERE INSTR(body, x'{telemetry}')",
    ],
)
def test_a_gate_refuses_to_decide_on_facts_that_were_tampered_with(evaluate, gate, home, statement):
    assert tampered(home, statement.replace("{telemetry}", b"telemetry".hex())) > 0
    done = evaluate(gate())
    assert (done.code, done.json["error"]["code"]) == (20, "DAMAGED")
    assert done.json["error"]["remedy"] == "trueup evidence log verify"


def test_a_failing_fact_that_was_turned_into_a_pass_opens_nothing(evaluate, trueup, gate, home, tmp_path):
    (tmp_path / "a.csv").write_text(TABLE)
    (tmp_path / "b.csv").write_text("x\n" + "\n".join(str(i % 9 + 50) for i in range(300)))
    trueup("telemetry", "compare", "--baseline", "a.csv", "--run", "b.csv", "--subject", "rig")
    assert tampered(home, """UPDATE evidence_fact SET value = '"PASS"' WHERE value = '"PASS_WITH_DRIFT"'""") > 0
    assert evaluate(gate()).code == 20


@pytest.mark.parametrize("tail", ["", " WHERE size = (SELECT MAX(size) FROM evidence_checkpoint)"])
def test_a_log_whose_checkpoints_were_taken_away_is_damage_and_is_not_written_on(evaluate, trueup, gate, home, tail):
    trueup("evidence", "log", "checkpoint")
    assert tampered(home, f"DELETE FROM evidence_checkpoint{tail}") > 0
    for done in (evaluate(gate()), trueup("evidence", "log", "verify", "--json")):
        assert done.code == 20, done


def test_missing_guards_stop_a_gate(evaluate, gate, home):
    with closing(sqlite3.connect(home / "trueup.sqlite3", isolation_level=None)) as store:
        store.execute("DROP TRIGGER evidence_fact_no_update")
    assert evaluate(gate()).code == 3


def test_a_gate_that_asks_for_a_signature_opens_by_the_homes_own_key_alone(evaluate, trueup, gate):
    mark = trueup("evidence", "key", "show", "--json").json["fingerprint"]
    assert evaluate(gate(mark)).code == 0
    assert evaluate(gate("0" * 64, mark)).code == 0
    assert evaluate(gate("0" * 64)).code == 30


def test_given_facts_are_signed_by_nobody_whatever_they_say(trueup, gate, tmp_path):
    mark = trueup("evidence", "key", "show", "--json").json["fingerprint"]
    known = trueup("fact", "list", "--subject", "rig", "--predicate", "telemetry.verdict@1", "--json").json["facts"]
    fields = ("subject", "predicate", "value", "unit", "valid_at", "recorded_at", "source")
    fact = {name: known[0][name] for name in fields}
    for facts in ([fact], [fact | {"signers": [mark]}]):
        (tmp_path / "facts.json").write_text(json.dumps({"facts": facts}))
        asked = ("gate", "evaluate", gate(mark), "--facts", "facts.json", "--subject", "rig", "--json")
        assert trueup(*asked).code in (2, 30)
    (tmp_path / "facts.json").write_text(json.dumps({"facts": [fact]}))
    assert trueup("gate", "evaluate", gate(), "--facts", "facts.json", "--subject", "rig", "--json").code == 0


def test_a_decision_is_recorded_as_a_fact_and_an_entry_with_what_decided(evaluate, trueup, gate, tmp_path):
    path = gate()
    decided = evaluate(path)
    (entry,) = trueup("evidence", "log", "show", "--limit", "1", "--json").json["entries"]
    assert (entry["action"], entry["outcome"], entry["note"]) == (
        "gates.gate.decide",
        "done",
        {"gate": "publish", "outcome": "pass"},
    )
    (fact,) = trueup("fact", "list", "--subject", "gate:publish", "--json").json["facts"]
    assert (fact["subject"], fact["predicate"], fact["value"], fact["source"]) == (
        "gate:publish/rig",
        "gates.outcome@1",
        "pass",
        "trueup.gates",
    )
    stored = {artifact["name"]: artifact["sha256"] for artifact in entry["artifacts"]}
    for name in ("gate.yaml", "decision.json"):
        assert trueup("evidence", "artifact", "get", stored[name], "--out", f"copy-{name}").code == 0
    assert (tmp_path / "copy-gate.yaml").read_bytes() == path.read_bytes()
    kept = json.loads((tmp_path / "copy-decision.json").read_bytes())
    assert kept == {name: value for name, value in decided.json.items() if name not in ("verdict", "findings")}


def test_a_decision_goes_into_a_pack_that_verifies(evaluate, trueup, gate):
    evaluate(gate())
    assert trueup("evidence", "pack", "--subject", "gate:publish/rig", "--out", "gate.zip").code == 0
    done = trueup("evidence", "verify", "gate.zip", "--json")
    assert (done.code, done.json["facts"], done.json["artifacts"]) == (0, 1, 2)


def test_a_decision_on_given_facts_records_nothing_and_makes_no_home(elsewhere, gate, tmp_path):
    (tmp_path / "facts.json").write_text(json.dumps({"facts": []}))
    assert elsewhere("gate", "evaluate", gate(), "--facts", "facts.json", "--subject", "rig").code == 30
    assert not elsewhere.home.exists()


def test_an_unsound_gate_decides_nothing_and_its_failure_is_recorded(trueup, tmp_path):
    (tmp_path / "bad.yaml").write_text("gate: g\nrequires: {all: [{id: a, subject: s, predicate: no.such@1, equals: 1}]}\n")
    assert trueup("gate", "evaluate", "bad.yaml", "--json").code == 2
    (entry,) = trueup("evidence", "log", "show", "--limit", "1", "--json").json["entries"]
    assert (entry["action"], entry["outcome"]) == ("gates.gate.decide", "failed")
    assert trueup("fact", "list", "--predicate", "gates.outcome@1", "--json").json == {"facts": []}


@pytest.mark.parametrize(
    ("at", "code"),
    [("2999-01-01T00:00:00Z", 0), ("2000-01-01T00:00:00Z", 30), ("yesterday", 2), ("2026-01-01T00:00:00", 2)],
)
def test_a_gate_is_decided_as_of_the_moment_that_is_named(evaluate, gate, at, code):
    assert evaluate(gate(), "--now", at).code == code


def test_a_viewer_may_not_decide(session, gate):
    from dataclasses import replace

    from trueup.kernel.actions.base import Principal
    from trueup.kernel.actions.errors import PolicyRefused
    from trueup.kernel.actions.runner import run
    from trueup.kernel.gates.actions import DecideGate

    context = replace(session.context(), principal=Principal("user:v", frozenset({"viewer"})))
    with pytest.raises(PolicyRefused):
        run(DecideGate, context, {"gate": gate()})
