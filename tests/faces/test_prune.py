"""Pruning: only what the settings call old goes, a dry run changes nothing, and evidence never goes."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest


@pytest.fixture
def aged(trueup, home):
    """A home with an old ended job and a young one, an old revoked key, and a file that no entry names."""
    for _ in range(2):
        assert trueup("job", "submit", "work.noop").code == 0
    assert trueup("worker", "--drain").code == 0
    key = trueup("apikey", "create", "--name", "old", "--role", "viewer", "--json")
    assert key.code == 0, key.err
    assert trueup("apikey", "revoke", "old").code == 0
    long_ago = (datetime.now(UTC) - timedelta(days=400)).strftime("%Y-%m-%d %H:%M:%S.%f")
    with closing(sqlite3.connect(home / "trueup.sqlite3", isolation_level=None)) as store:
        store.execute("UPDATE work_job SET finished_at = ? WHERE id = (SELECT MIN(id) FROM work_job)", (long_ago,))
        store.execute("UPDATE identity_apikey SET revoked_at = ?", (long_ago,))
        (tenant,) = store.execute("SELECT id FROM identity_tenant WHERE slug = 'default'").fetchone()
    orphan = home / "artifacts" / tenant / "ab" / ("ab" * 32)
    orphan.parent.mkdir(parents=True)
    orphan.write_text("nobody's")
    import os

    os.utime(orphan, (0, 0))
    return trueup


def test_a_dry_run_says_what_would_go_and_changes_nothing(aged):
    first = aged("prune", "--dry-run", "--json")
    assert first.code == 0, first.err
    assert first.json["counts"] == {"sessions": 0, "failed sign-ins": 0, "keys": 1, "jobs": 1, "files": 1}
    assert aged("prune", "--dry-run", "--json").json == first.json
    assert "would go" in aged("prune", "--dry-run").out


def test_what_is_old_goes_once_and_what_is_young_and_all_evidence_stays(aged):
    before = aged("evidence", "log", "show", "--limit", "999", "--json").json["entries"]
    assert aged("prune", "--json").json["counts"] == {"sessions": 0, "failed sign-ins": 0, "keys": 1, "jobs": 1, "files": 1}
    assert set(aged("prune", "--json").json["counts"].values()) == {0}
    after = aged("evidence", "log", "show", "--limit", "999", "--json").json["entries"]
    assert [entry["attempt"] for entry in after if entry["attempt"] in {e["attempt"] for e in before}] == [
        e["attempt"] for e in before
    ]
    assert aged("evidence", "log", "verify").code == 0
    assert len(aged("job", "list", "--json").json["jobs"]) == 1


def test_what_the_settings_call_young_stays(aged, home):
    (home / "settings.yaml").write_text("retention:\n  jobs_days: 500\n  keys_days: 500\n  orphans_days: 36500\n")
    assert set(aged("prune", "--json").json["counts"].values()) == {0}
