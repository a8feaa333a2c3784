"""The doctor: silent on a sound installation, and one finding with a remedy for each thing that is wrong."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest


@pytest.fixture
def doctor(trueup):
    def call():
        done = trueup("doctor", "--json")
        return done.code, {(one["check"], one["state"]): one for one in done.json["findings"]}

    return call


@pytest.fixture
def trueup(trueup):
    """The command on a home with an owner, as ``init`` leaves it."""
    assert trueup("init").code == 0
    return trueup


def test_a_sound_installation_has_no_finding(doctor):
    assert doctor() == (0, {})


def test_a_home_in_which_nobody_can_sign_in_is_warned_of(elsewhere):
    assert elsewhere("fact", "list").code == 0
    (found,) = elsewhere("doctor", "--json").json["findings"]
    assert (found["check"], found["remedy"]) == ("people", "trueup init")


def raw(home, *statements):
    with closing(sqlite3.connect(home / "trueup.sqlite3", isolation_level=None)) as store:
        for statement in statements:
            store.execute(statement)


@pytest.mark.parametrize(
    ("harm", "check", "code"),
    [
        (lambda home: home.chmod(0o755), ("home", "warning"), 10),
        (lambda home: (home / "settings.yaml").write_text("x: 1\n"), ("settings", "bad"), 3),
        (lambda home: (home / "keys" / "signing.pem").chmod(0o644), ("key", "bad"), 20),
        (lambda home: (home / "keys" / "signing.pem").unlink(), ("key", "bad"), 20),
        (lambda home: (home / "trueup.sqlite3").unlink(), ("store", "bad"), 20),
        (lambda home: (home / "trueup.sqlite3").write_bytes(b"x" * 5000), ("store", "bad"), 20),
        (lambda home: raw(home, "PRAGMA user_version = 1"), ("store", "warning"), 10),
        (lambda home: raw(home, "PRAGMA user_version = 9999"), ("store", "bad"), 20),
        (lambda home: raw(home, "DROP TRIGGER evidence_entry_no_update"), ("guards", "bad"), 20),
    ],
    ids=["an open home", "settings", "an open key", "no key", "no store", "a damaged store", "older", "newer", "guards"],
)
def test_what_is_wrong_is_found_with_its_remedy(trueup, home, harm, check, code):
    harm(home)
    done = trueup("doctor", "--json")
    assert done.code == code, done.out + done.err
    if code == 3:
        assert "settings.yaml:1" in done.json["error"]["message"]
        return
    (found,) = [one for one in done.json["findings"] if (one["check"], one["state"]) == check]
    assert found["remedy"]


def test_jobs_that_wait_without_a_worker_and_dead_ones_are_warned_of(trueup, home, doctor):
    for _ in range(2):
        assert trueup("job", "submit", "work.noop").code == 0
    long_ago = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
    raw(home, f"UPDATE work_job SET not_before = '{long_ago}'")
    code, found = doctor()
    assert (code, "2 jobs wait" in found["work", "warning"]["words"]) == (10, True)
    raw(home, "UPDATE work_job SET state = 'dead'")
    assert "failed for good" in doctor()[1]["work", "warning"]["words"]


def test_entries_that_wait_for_a_checkpoint_and_a_clock_that_was_set_back_are_warned_of(session, doctor):
    from trueup.kernel.evidence import ledger

    now = datetime.now(UTC)
    ledger.append(session.tenant, {"at": (now - timedelta(hours=1)).isoformat()})
    code, found = doctor()
    assert (code, "waited" in found["logs", "warning"]["words"]) == (10, True)
    ledger.sequence(session.tenant, session.ports.keys.signer())
    ledger.append(session.tenant, {"at": (now + timedelta(hours=1)).isoformat()})
    assert "clock" in doctor()[1]["logs", "warning"]["remedy"]


@pytest.mark.postgresql
def test_a_postgresql_store_is_examined_and_its_looseness_is_named(trueup, doctor):
    code, found = doctor()
    assert code == 10
    assert "fsync off" in found["store", "warning"]["words"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_ask_how_a_command_line_goes_on(trueup, shell):
    assert "_TRUEUP_COMPLETE" in trueup("completion", shell).out
    asked = trueup(
        env={
            "_TRUEUP_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": "trueup evid",
            "COMP_CWORD": "evid" if shell == "fish" else "1",
        }
    )
    assert (asked.code, "evidence" in asked.out) == (0, True), asked.err
