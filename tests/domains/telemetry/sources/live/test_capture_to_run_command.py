"""A capture's window becomes a run in one step, with what is known of it; no event is made up."""

import json
import sqlite3
from contextlib import closing

import pytest

from trueup.domains.telemetry.cli_window import take
from trueup.kernel.errors import UsageError

START = 1_700_000_000


@pytest.fixture
def heard(trueup, tmp_path):
    """A capture of 40 messages a second apart: number 7 is lost, two lines make no sense."""
    path = tmp_path / "recorded.jsonl"
    lines = [json.dumps({"seq": n, "ts": START + n, "temp": 20 + n % 5, "p": n % 3}) for n in range(40) if n != 7]
    path.write_text("\n".join([*lines, "{not json", "[]"]) + "\n")
    done = trueup("--json", "telemetry", "capture", "start", "--source", "file_replay", "--name", "rig", "--path", path)
    assert done.json["dead_letters"] == 2
    return trueup, done.json


@pytest.mark.requirement("telemetry:W8.2.6")
def test_a_window_becomes_a_run_whose_facts_say_what_is_missing_from_it(heard):
    trueup, recorded = heard
    whole = trueup("--json", "telemetry", "ingest", "--capture", "rig").json
    window = whole["window"]
    assert (whole["run"], whole["rows"], window["events"], window["sha256"]) == ("rig-1-39", 39, 39, recorded["sha256"])
    assert (window["lost"], window["dead_letters"], window["duplicates"], window["delivery"]) == (1, 2, 0, "exactly-once")
    with closing(sqlite3.connect(trueup.home / "trueup.sqlite3")) as store:
        found = dict(store.execute("select predicate, value from evidence_fact where subject = 'run/rig-1-39'"))
    assert found["telemetry.capture_sha256@1"].strip('"') == recorded["sha256"]
    assert (found["telemetry.capture.lost@1"], found["telemetry.capture.dead_letters@1"]) == ("1", "2")


@pytest.mark.requirement("telemetry:Q7", "telemetry:W8.2.6")
def test_a_window_holds_its_first_moment_and_not_its_last_and_an_empty_one_is_no_data(heard):
    trueup, _ = heard
    part = trueup(
        "--json", "telemetry", "ingest", "--capture", "rig", "--from", "2023-11-14T22:13:30Z", "--to", "2023-11-14T23:13:35+01:00"
    )
    assert (part.json["rows"], part.json["started_at"][:19], part.json["ended_at"][:19]) == (
        5,
        "2023-11-14T22:13:30",
        "2023-11-14T22:13:34",
    )
    empty = trueup("--json", "telemetry", "run", "--capture", "rig", "--from", "2024-01-01T00:00:00Z")
    assert (empty.code, empty.json["verdict"], empty.json["window"]["events"]) == (30, "NO_DATA", 0)
    assert [row["run"] for row in trueup("--json", "telemetry", "runs", "list").json["runs"]] == [part.json["run"]]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (None, {}),
        ("x.csv", {"capture": "rig"}),
        ("x.csv", {"since": "2024-01-01T00:00:00Z"}),
        (None, {"capture": "rig", "sheet": "s"}),
    ],
)
def test_a_file_and_a_capture_are_not_mixed(path, said):
    with pytest.raises(UsageError):
        take(None, {}, path, **({"sheet": "", "capture": "", "since": "", "until": ""} | said))


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--capture", "rig", "--from", "2024-01-01"), 2),
        (("--capture", "rig", "--from", "2024-01-02T00:00:00Z", "--to", "2024-01-01T00:00:00Z"), 2),
        (("--capture", "none"), 4),
    ],
)
def test_what_is_no_window_is_refused(trueup, args, code):
    assert trueup("telemetry", "ingest", *args).code == code
