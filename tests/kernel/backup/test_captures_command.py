"""Captures are in back-ups, each as of one moment, also one that is being written."""

import json
import sqlite3
from contextlib import closing

import pytest

from tests.conftest import Command
from trueup.kernel.backup.databases import captures, copy_database


@pytest.mark.requirement("kernel:backup.restore")
def test_a_capture_comes_back_and_goes_on_where_it_stopped(trueup, tmp_path):
    path, out = tmp_path / "recorded.jsonl", tmp_path / "backup.tar"
    start = ("--json", "telemetry", "capture", "start", "--source", "file_replay", "--name", "rig", "--path", path)
    path.write_text("".join(json.dumps({"seq": n, "temp": n}) + "\n" for n in range(50)))
    recorded = trueup(*start, "--max-events", 30).json
    told = trueup.home / "outbox" / "00000000000000000000000000000001"
    told.mkdir(parents=True)
    (told / "alerts.jsonl").write_text("{}\n")
    (told / "somebody's notes.txt").write_text("not ours")
    assert trueup("backup", out).code == 0
    place = Command(tmp_path / "restored", tmp_path, "")
    assert place("restore", out).code == 0
    assert (place.home / "outbox" / told.name / "alerts.jsonl").read_text() == "{}\n"
    rest = place(*start).json
    assert (rest["stored"], rest["after"], rest["until"]) == (20, 30, 50)
    whole = place("--json", "telemetry", "ingest", "--capture", "rig").json["window"]
    assert (whole["events"], recorded["until"]) == (50, 30)
    assert place("evidence", "log", "verify").code == 0


def test_a_copy_of_a_database_that_is_being_written_is_of_one_moment_and_one_file(tmp_path):
    source, target = tmp_path / "telemetry" / "captures" / "t" / "x.sqlite3", tmp_path / "copy"
    source.parent.mkdir(parents=True)
    with closing(sqlite3.connect(source, isolation_level=None)) as writer:
        writer.execute("pragma journal_mode = wal")
        writer.execute("create table event(seq integer)")
        writer.executemany("insert into event values (?)", [(n,) for n in range(100)])
        writer.execute("begin immediate")
        writer.execute("insert into event values (100)")
        assert list(captures(tmp_path)) == [source]
        copy_database(source, target)
        writer.execute("commit")
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["copy"]
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("select count(*) from event").fetchone() == (100,)
