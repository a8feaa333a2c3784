"""The stored log: insert-only against a raw SQL shell, and every change found and located when the guards are gone."""

import sqlite3
from contextlib import closing, nullcontext

import pytest


@pytest.fixture
def shell_on(backend):
    """How to open a raw shell on a home's SQLite store; none on PostgreSQL, which has tests of its own."""
    return lambda home: (
        closing(sqlite3.connect(home / "trueup.sqlite3", isolation_level=None)) if backend == "sqlite" else nullcontext()
    )


@pytest.fixture
def store(session, run, home, shell_on):
    """A home with five entries, facts and files in its log, and a raw SQL shell on it."""
    from tests.support.actions import Observe

    for number in range(5):
        run(Observe, subject=f"thing-{number}", files={"a.txt": f"file {number}"})
    with shell_on(home) as shell:
        yield shell


@pytest.fixture
def verify(session):
    from trueup.kernel.evidence import queries

    return lambda against=(): queries.verify(session, against)


TABLES = ("install", "entry", "leaf", "checkpoint", "entrysubject", "fact", "artifactref")


def test_a_sound_log_passes(store, verify):
    report = verify()
    assert (report.verdict, report.size, report.facts, report.artifacts, report.findings) == ("PASS", 5, 5, 5, [])


def test_an_empty_log_is_no_data(session, verify):
    assert verify().verdict == "NO_DATA"


@pytest.mark.requirement("kernel:evidence.insert-only")
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.sqlite
def test_a_raw_shell_cannot_update_delete_or_replace(store, verify, table):
    name = f"evidence_{table}"
    first = store.execute(f"SELECT rowid, * FROM {name} LIMIT 1").fetchone()
    columns = [row[1] for row in store.execute(f"PRAGMA table_info({name})")]
    for statement, values in (
        (f'UPDATE {name} SET "{columns[-1]}" = "{columns[-1]}"', ()),
        (f"DELETE FROM {name}", ()),
        (f"REPLACE INTO {name} VALUES ({','.join('?' * len(columns))})", first[1:]),
        (f"INSERT OR REPLACE INTO {name} VALUES ({','.join('?' * len(columns))})", first[1:]),
    ):
        with pytest.raises(sqlite3.IntegrityError, match="insert-only"):
            store.execute(statement, values)
    assert verify().verdict == "PASS"


@pytest.fixture
def unguarded(store):
    """The shell, with every guard of an SQLite store dropped."""
    for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        store.execute(f'DROP TRIGGER "{name}"')
    return store


@pytest.mark.sqlite
def test_dropped_guards_alone_are_found(unguarded, verify):
    report = verify()
    assert report.verdict == "FAIL"
    assert [f["sequence"] for f in report.findings] == [None]
    assert "evidence_entry_no_delete" in report.findings[0]["problem"]


CHANGES = {
    "an entry's bytes": ("UPDATE evidence_entry SET body = CAST(REPLACE(body, 'done', 'gone') AS BLOB) WHERE id = {e}", 2),
    "an entry's bytes and hash": ("UPDATE evidence_entry SET body = x'7b7d', hash = x'00' WHERE id = {e}", 2),
    "a leaf's hash": ("UPDATE evidence_leaf SET hash = zeroblob(32) WHERE entry = {e}", 2),
    "a deleted entry": ("DELETE FROM evidence_entry WHERE id = {e}", 2),
    "a deleted leaf": ("DELETE FROM evidence_leaf WHERE entry = {e}", 2),
    "a fact's value": ("""UPDATE evidence_fact SET value = '"better"' WHERE entry = {e}""", 2),
    "a fact's time": ("UPDATE evidence_fact SET valid_at = '2020-01-01 00:00:00' WHERE entry = {e}", 2),
    "a deleted fact": ("DELETE FROM evidence_fact WHERE entry = {e}", 2),
    "an added fact": (
        """INSERT INTO evidence_fact SELECT 'ffffffffffff4fffbfffffffffffffff', tenant, subject, predicate, value, unit, valid_at,
        recorded_at, source, supersedes, entry, 1 FROM evidence_fact WHERE entry = {e}""",
        2,
    ),
    "an entry turned into text": ("UPDATE evidence_entry SET body = REPLACE(body, 'done', 'gone') WHERE id = {e}", 2),
    "an entry turned into a number": ("UPDATE evidence_entry SET body = 5 WHERE id = {e}", 2),
    "a hash turned into text": ("UPDATE evidence_leaf SET hash = 'abc' WHERE entry = {e}", 2),
    "a fact's value that is no JSON": ("UPDATE evidence_fact SET value = 'better' WHERE entry = {e}", 2),
    "a fact's time that is none": ("UPDATE evidence_fact SET valid_at = 'soon' WHERE entry = {e}", 2),
    "a fact's id that is none": ("UPDATE evidence_fact SET id = 'x' WHERE entry = {e}", 2),
    "a checkpoint's root": ("UPDATE evidence_checkpoint SET root = zeroblob(32) WHERE size = 3", 2),
    "a checkpoint's note": ("UPDATE evidence_checkpoint SET note = REPLACE(note, 'trueup', 'trueUp') WHERE size = 3", 2),
}


@pytest.mark.requirement("kernel:evidence.tamper-located")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.sqlite
def test_a_change_behind_the_guards_is_found_and_located(unguarded, verify, session, change):
    statement, sequence = CHANGES[change]
    (entry,) = unguarded.execute(
        'SELECT l.entry FROM evidence_leaf l JOIN evidence_fact f ON f.entry = l.entry WHERE l."index" = 2'
    ).fetchone()
    unguarded.execute(statement.format(e=entry))
    report = verify()
    assert report.verdict == "FAIL"
    assert sequence in [finding["sequence"] for finding in report.findings]
    from trueup.kernel.evidence import queries

    assert len(queries.entries(session.tenant, limit=9)) >= 4


@pytest.mark.requirement("telemetry:W8.3.5")
@pytest.mark.sqlite
def test_a_log_cut_at_its_end_is_found_only_against_a_kept_checkpoint(unguarded, verify, session):
    from trueup.kernel.evidence import ledger
    from trueup.kernel.evidence.engine.notes import parse_checkpoint, split_note

    kept = parse_checkpoint(split_note(ledger.newest(session.tenant).note)[0])
    tenant = session.tenant.hex
    (last,) = unguarded.execute("SELECT MAX(entry) FROM evidence_leaf WHERE tenant = ?", (tenant,)).fetchone()
    for table in ("leaf", "fact", "artifactref", "entrysubject"):
        unguarded.execute(f"DELETE FROM evidence_{table} WHERE entry = ?", (last,))
    unguarded.execute("DELETE FROM evidence_entry WHERE id = ?", (last,))
    unguarded.execute("DELETE FROM evidence_checkpoint WHERE tenant = ? AND size = 5", (tenant,))
    assert all("guards" in f["problem"] for f in verify().findings), "without a kept checkpoint nobody can tell"
    findings = verify([kept]).findings
    assert any("truncated" in f["problem"] and f["sequence"] == 4 for f in findings)


def test_a_changed_artifact_is_found(store, verify, home):
    stored = min(p for p in (home / "artifacts").rglob("*") if p.is_file())
    stored.write_bytes(b"changed")
    (finding,) = verify().findings
    assert "a.txt of entry" in finding["problem"]
    stored.unlink()
    (finding,) = verify().findings
    assert "not stored here" in finding["problem"]


@pytest.mark.sqlite
def test_an_entry_that_never_got_an_index_is_found(unguarded, verify, session):
    unguarded.execute("INSERT INTO evidence_entry (tenant, body, hash) VALUES (?, x'7b7d', x'00')", (session.tenant.hex,))
    assert any("has no index" in f["problem"] for f in verify().findings)


def test_pending_entries_are_shown_as_not_yet_covered(store, verify, session):
    from trueup.kernel.evidence import ledger

    ledger.append(session.tenant, {"v": 1})
    report = verify()
    assert (report.verdict, report.pending) == ("PASS", 1)
    assert "not yet covered" in report.notes[0]


def test_entries_get_their_index_once_in_order(session):
    from trueup.kernel.evidence import ledger

    ledger.append_many(session.tenant, [{"n": n} for n in range(25)])
    first = ledger.sequence(session.tenant, session.ports.keys.signer())
    again = ledger.sequence(session.tenant, session.ports.keys.signer())
    assert (first.size, first.id) == (25, again.id)
    from trueup.kernel.evidence import queries

    bodies = sorted((e["index"], e["n"]) for e in queries.entries(session.tenant, limit=99))
    assert bodies == [(n, n) for n in range(25)]


def test_logs_of_two_tenants_do_not_mix(session, run):
    from uuid import UUID

    from tests.support.actions import Observe
    from trueup.kernel.actions.runner import run as run_action
    from trueup.kernel.evidence import ledger
    from trueup.kernel.identity.actions import CreateTenant

    other = UUID(run_action(CreateTenant, session.context(system=True), {"slug": "other"}).value["id"])
    ledger.append_many(other, [{"n": n} for n in range(3)])
    run(Observe, subject="mine")
    signer = session.ports.keys.signer()
    assert ledger.sequence(session.tenant, signer).size == 1
    assert ledger.sequence(other, signer).size == 3
    assert ledger.origin(other) != ledger.origin(session.tenant)


@pytest.mark.parametrize("value", ["x'00'", "'text'", "7", "NULL"])
@pytest.mark.sqlite
def test_a_damaged_frontier_stops_the_sequencer_instead_of_forking_the_log(unguarded, session, run, value):
    from tests.support.actions import Observe
    from trueup.kernel.errors import Damaged

    if value == "NULL":
        unguarded.execute("DELETE FROM evidence_checkpoint WHERE size = 5")
    else:
        unguarded.execute(f"UPDATE evidence_checkpoint SET frontier = {value} WHERE size = 5")
    from trueup.kernel.evidence.guards import assert_guards

    assert_guards()
    with pytest.raises(Damaged):
        run(Observe, subject="next")
