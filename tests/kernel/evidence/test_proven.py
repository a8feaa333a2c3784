"""Proven facts: what the ledger holds is handed on with its signer, and anything else is a problem, never a fact."""

import base64
import sqlite3
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@pytest.fixture
def recorded(session, run):
    """Three batches of facts in the log."""
    from tests.support.actions import Observe

    for number in range(3):
        run(Observe, subject=f"thing-{number}", state=f"state-{number}", parts=2)


@pytest.fixture
def proven(session):
    from trueup.kernel.evidence.proven import proven_facts

    return lambda: proven_facts(session.tenant, keys=session.ports.keys)


@pytest.fixture
def shell(recorded, home):
    """A raw SQL shell from which the guards were taken."""
    with closing(sqlite3.connect(home / "trueup.sqlite3", isolation_level=None)) as store:
        for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            store.execute(f'DROP TRIGGER "{name}"')
        yield store


@pytest.fixture
def entry(session, shell):
    """The id of the second batch's entry."""
    (found,) = shell.execute('SELECT entry FROM evidence_leaf WHERE tenant = ? AND "index" = 1', (session.tenant.hex,)).fetchone()
    return found


def test_a_clean_store_is_silent_and_names_the_signer_of_every_fact(recorded, proven, session):
    facts, problems = proven()
    assert problems == []
    assert len(facts) == 9
    assert {fact.signers for fact in facts} == {(session.ports.keys.signer().fingerprint,)}
    assert sorted(fact.value for fact in facts if "/" not in fact.subject) == ["state-0", "state-1", "state-2"]


def test_an_empty_tenant_is_silent(session, proven):
    assert proven() == ([], [])


@pytest.mark.sqlite
def test_dropped_guards_alone_change_no_fact(shell, proven):
    facts, problems = proven()
    assert (len(facts), problems) == (9, [])


TAMPERINGS = {
    "a changed value": ("""UPDATE evidence_fact SET value = '"better"' WHERE entry = {e} AND "index" = 1""", "entry 1"),
    "a changed subject": ("""UPDATE evidence_fact SET subject = 'x' WHERE entry = {e} AND "index" = 0""", "entry 1"),
    "a changed time": ("UPDATE evidence_fact SET valid_at = '2020-01-01 00:00:00' WHERE entry = {e}", "entry 1"),
    "a changed source": ("UPDATE evidence_fact SET source = 'me' WHERE entry = {e}", "entry 1"),
    "a changed unit": ("UPDATE evidence_fact SET unit = 'V' WHERE entry = {e}", "entry 1"),
    "a correction made up": ("UPDATE evidence_fact SET supersedes = 'x' WHERE entry = {e}", "entry 1"),
    "two facts in another order": ("""UPDATE evidence_fact SET "index" = 2 - "index" WHERE entry = {e}""", "entry 1"),
    "a deleted fact": ("""DELETE FROM evidence_fact WHERE entry = {e} AND "index" = 1""", "entry 1"),
    "a deleted batch": ("DELETE FROM evidence_fact WHERE entry = {e}", "entry 1"),
    "a batch moved to another entry": ("UPDATE evidence_fact SET entry = {e} + 1 WHERE entry = {e}", "entry 1"),
    "a batch of an entry that is none": ("UPDATE evidence_fact SET entry = 99999 WHERE entry = {e}", "entry 1"),
    "an added fact": (
        """INSERT INTO evidence_fact SELECT 'ffffffffffff4fffbfffffffffffffff', tenant, subject, predicate, value, unit, valid_at,
        recorded_at, source, supersedes, entry, 9 FROM evidence_fact WHERE entry = {e} AND "index" = 0""",
        "entry 1",
    ),
    "an added fact of an entry that is none": (
        """INSERT INTO evidence_fact SELECT 'ffffffffffff4fffbfffffffffffffff', tenant, subject, predicate, value, unit, valid_at,
        recorded_at, source, supersedes, 99999, 9 FROM evidence_fact WHERE entry = {e} AND "index" = 0""",
        "recorded none",
    ),
    "a changed entry": ("UPDATE evidence_entry SET body = CAST(REPLACE(body, 'done', 'gone') AS BLOB) WHERE id = {e}", "entry 1"),
    "an emptied entry": ("UPDATE evidence_entry SET body = x'' WHERE id = {e}", "entry 1"),
    "a deleted entry": ("DELETE FROM evidence_entry WHERE id = {e}", "entry 1"),
    "a changed leaf": ("UPDATE evidence_leaf SET hash = zeroblob(32) WHERE entry = {e}", "entry 1"),
    "a deleted leaf": ("DELETE FROM evidence_leaf WHERE entry = {e}", "does not cover"),
    "deleted checkpoints": ("DELETE FROM evidence_checkpoint", "no checkpoint covers"),
    "a deleted newest checkpoint": ("DELETE FROM evidence_checkpoint WHERE size = 3", "recorded none"),
    "a broken signature": (
        "UPDATE evidence_checkpoint SET note = SUBSTR(note, 1, LENGTH(note) - 6) || 'AAAA=' || CHAR(10) WHERE size = 3",
        "no key that this home trusts",
    ),
    "a checkpoint that says it is larger": ("UPDATE evidence_checkpoint SET size = 4 WHERE size = 3", "does not cover"),
    "an older note under a newer size": (
        """UPDATE evidence_checkpoint SET note = (SELECT note FROM evidence_checkpoint WHERE size = 2
        AND tenant = (SELECT tenant FROM evidence_entry WHERE id = {e})) WHERE size = 3""",
        "does not cover",
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
@pytest.mark.sqlite
def test_every_tampering_is_a_problem_and_its_facts_are_not_handed_on(shell, entry, proven, tampering):
    statement, said = TAMPERINGS[tampering]
    before = {fact.id: fact for fact in proven()[0]}
    shell.execute(statement.format(e=entry))
    facts, problems = proven()
    assert any(said in problem for problem in problems), problems
    assert all(before.get(fact.id) == fact for fact in facts)


def rewritten(shell, session, entry, signer):
    """Change a fact, its entry, its leaf and the checkpoint, all to fit each other, and sign with a given key."""
    from trueup.kernel.evidence import facts as factstore
    from trueup.kernel.evidence import ledger
    from trueup.kernel.evidence.engine.encode import encode
    from trueup.kernel.evidence.engine.verifier import strict_json
    from trueup.kernel.evidence.merkle import Tree, leaf_hash

    shell.execute("UPDATE evidence_fact SET value = '\"forged\"' WHERE entry = ?", (entry,))
    body = strict_json("entry", shell.execute("SELECT body FROM evidence_entry WHERE id = ?", (entry,)).fetchone()[0])
    data = encode(body | {"facts": factstore.digest(factstore.of_entry(session.tenant, entry))})
    shell.execute("UPDATE evidence_entry SET body = ?, hash = ? WHERE id = ?", (data, leaf_hash(data), entry))
    shell.execute("UPDATE evidence_leaf SET hash = ? WHERE entry = ?", (leaf_hash(data), entry))
    root = Tree(ledger.hashes(session.tenant, 3)).root()
    note = ledger.checkpoint_note(ledger.origin(session.tenant), 3, root, signer)
    shell.execute(
        "UPDATE evidence_checkpoint SET note = ?, root = ? WHERE size = 3 AND tenant = ?", (note, root, session.tenant.hex)
    )


@pytest.mark.sqlite
def test_a_store_rewritten_throughout_and_signed_by_a_stranger_is_a_problem(shell, entry, proven, session):
    from trueup.kernel.evidence.keys import Signer

    rewritten(shell, session, entry, Signer.of(Ed25519PrivateKey.generate()))
    assert proven() == ([], ["the newest checkpoint is signed by no key that this home trusts"])


@pytest.mark.sqlite
def test_the_same_rewriting_by_the_holder_of_the_key_cannot_be_told(shell, entry, proven, session):
    rewritten(shell, session, entry, session.ports.keys.signer())
    facts, problems = proven()
    assert problems == []
    assert "forged" in {fact.value for fact in facts}, "the tests above fail for the signature alone"


def test_facts_of_a_key_that_was_retired_are_still_proven_by_it(recorded, proven, session, run):
    from tests.support.actions import Observe
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.evidence.actions import RotateKey

    old = session.ports.keys.signer().fingerprint
    run_action(RotateKey, session.context(system=True), {})
    new = session.ports.keys.signer().fingerprint
    assert old != new
    assert {fact.signers for fact in proven()[0]} == {(old,)}
    run(Observe, subject="later")
    facts, problems = proven()
    assert problems == []
    assert {fact.signers for fact in facts} == {(new,)}


def test_a_key_that_is_no_longer_trusted_proves_nothing(recorded, proven, session):
    mark = session.ports.keys.signer().fingerprint
    (session.ports.keys.trusted / f"{mark}.pem").unlink()
    assert proven() == ([], ["the newest checkpoint is signed by no key that this home trusts"])


def test_facts_that_wait_for_a_checkpoint_are_not_yet_proven_and_no_problem(recorded, proven, session):
    from tests.support.actions import Observe
    from trueup.kernel.actions.runner import run as run_action

    run_action(Observe, session.context(), {"subject": "waiting"})
    facts, problems = proven()
    assert (len(facts), problems) == (9, [])
    assert "waiting" not in {fact.subject for fact in facts}
    session.sequence()
    assert "waiting" in {fact.subject for fact in proven()[0]}


@pytest.mark.sqlite
def test_the_checkpoint_of_another_log_proves_nothing(shell, proven, session):
    from trueup.kernel.evidence import ledger

    (note,) = shell.execute(
        "SELECT note FROM evidence_checkpoint WHERE size = 3 AND tenant = ?", (session.tenant.hex,)
    ).fetchone()
    origin, size, root = note.split("\n")[:3]
    other = ledger.checkpoint_note(origin[:-1] + "0", int(size), base64.b64decode(root), session.ports.keys.signer())
    assert other != note
    shell.execute("UPDATE evidence_checkpoint SET note = ? WHERE size = 3 AND tenant = ?", (other, session.tenant.hex))
    facts, problems = proven()
    assert (facts, len(problems)) == ([], 1)
