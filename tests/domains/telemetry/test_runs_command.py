"""Runs and baselines from the installed command: as a test engineer, and whoever approves, would use them."""

import json
import subprocess
import zipfile

import pytest

from tests.conftest import TRUEUP
from tests.domains.telemetry.runfiles import write_run

SCOPE = ("--program", "Aquila", "--subsystem", "psu", "--test-name", "burn-in")


@pytest.fixture
def stand(tmp_path, trueup):
    """A test stand whose first run founded a version."""
    meta = {"program": "Aquila", "subsystem": "psu", "test_name": "burn-in", "run_id": "r1", "environment": "lab"}
    (tmp_path / "run_meta.json").write_text(json.dumps(meta))
    first = trueup("telemetry", "run", write_run(tmp_path / "r1.csv", 1), "--run-meta", tmp_path / "run_meta.json", "--json")
    assert (first.code, first.json["verdict"]) == (30, "NO_BASELINE")
    return tmp_path


def test_a_run_goes_from_file_to_verdict_and_pack(stand, trueup):
    taken = trueup("telemetry", "ingest", write_run(stand / "r2.csv", 2, shift=1.0), "--name", "r2", *SCOPE)
    assert taken.code == 0, taken.err
    assert "run r2: 600 rows of 2 metrics" in taken.out
    judged = trueup("telemetry", "analyze", "r2", "--baseline", "r1", "--out", stand / "out")
    assert judged.code == 10
    assert "volt rose from" in judged.out
    assert trueup("evidence", "verify", stand / "out" / "pack.zip").code == 0
    listed = trueup("--json", "telemetry", "runs", "list").json["runs"]
    assert [(row["run"], row["verdict"]) for row in listed] == [("r2", "PASS_WITH_DRIFT"), ("r1", "NO_BASELINE")]
    shown = trueup("telemetry", "runs", "show", "r2").out
    assert "against r1 (explicit), 1 findings" in shown


@pytest.mark.requirement("telemetry:W8.3.1")
def test_the_pack_of_a_run_that_failed_verifies_in_another_folder_and_one_changed_byte_is_found(stand, trueup):
    path = write_run(stand / "r2.csv", 2, shift=1.0)
    done = trueup("telemetry", "run", path, "--name", "r2", *SCOPE, "--baseline", "r1", "--drift-is-fail", "--out", stand / "out")
    assert done.code == 20
    moved = stand / "elsewhere" / "evidence.zip"
    moved.parent.mkdir()
    data = bytearray((stand / "out" / "pack.zip").read_bytes())
    moved.write_bytes(data)
    assert trueup("evidence", "verify", moved).code == 0
    data[data.index(b"volt,amp")] ^= 1
    moved.write_bytes(data)
    damaged = trueup("evidence", "verify", moved)
    assert damaged.code == 20
    assert "r1.csv" in damaged.out or "r2.csv" in damaged.out


@pytest.mark.requirement("telemetry:S5.4")
def test_a_version_waits_for_another_person_and_its_asker_cannot_be_that_person(stand, trueup):
    version = trueup("--json", "telemetry", "baseline", "create", "--run", "r1").json
    held = trueup("--json", "telemetry", "baseline", "promote", version["version"], "--reason", "certified")
    assert held.code == 6
    request = held.json["error"]["details"]["request"]
    refused = trueup("approval", "approve", request)
    assert refused.code == 5
    assert "another person has to consent" in refused.err
    assert trueup("--json", "telemetry", "baseline", "history").json["history"] == []


def test_a_policy_is_set_shown_and_followed(stand, trueup):
    (stand / "policy.yaml").write_text("version: 1\nstrategy: rolling\n")
    assert trueup("telemetry", "baseline", "policy", "set", stand / "policy.yaml").code == 0
    assert trueup("--json", "telemetry", "baseline", "policy", "show").json["policy"]["strategy"] == "rolling"
    made = trueup("--json", "telemetry", "baseline", "create", "--run", "r1").json["version"]
    done = trueup("--json", "telemetry", "run", write_run(stand / "r2.csv", 2), "--name", "r2", *SCOPE)
    assert (done.code, done.json["verdict"], done.json["baseline"]["kind"]) == (30, "NO_BASELINE", None)
    assert "none of the 1 versions of Aquila / psu / burn-in has consent" in done.json["baseline"]["reason"]
    asked = trueup("--json", "telemetry", "analyze", "r2", "--baseline", made)
    assert (asked.code, asked.json["by_policy"]) == (0, False)


def test_a_policy_that_cannot_be_understood_is_a_configuration_error_with_its_line(stand, trueup):
    (stand / "policy.yaml").write_text("version: 1\nstrategy: newest\n")
    done = trueup("telemetry", "baseline", "policy", "set", stand / "policy.yaml")
    assert done.code == 3
    assert "policy.yaml:2: strategy" in done.err


def test_a_window_takes_no_run_that_passed_only_because_it_was_asked_to(stand, trueup):
    assert trueup("telemetry", "run", write_run(stand / "r2.csv", 2), "--name", "r2", *SCOPE, "--baseline", "r1").code == 0
    assert "PASS (asked)" in trueup("telemetry", "runs", "list").out
    refused = trueup("telemetry", "baseline", "create", "--window", "24h", *SCOPE)
    assert (refused.code, "no run of Aquila / psu / burn-in can stand for a baseline" in refused.err) == (4, True), refused.err
    made = trueup("--json", "telemetry", "baseline", "create", "--run", "r1")
    listed = trueup("telemetry", "baseline", "list").out
    assert f"{made.json['version']}  no tag  Aquila / psu / burn-in  1 runs" in listed


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("ingest", "missing.csv"), 2, "No such file"),
        (("ingest", "{bad}", "--context", "lab"), 2, "NAME=VALUE"),
        (("ingest", "{bad}", "--run-meta", "{meta}"), 2, "program"),
        (("analyze", "nobody"), 4, "there is no run 'nobody'"),
        (("analyze", "r1", "--baseline", "nobody"), 4, "baseline version 'nobody'"),
        (("baseline", "create", "--window", "soon"), 2, "no length of time"),
        (("baseline", "create", "--run", "r1", "--program", "x"), 2, "go with --window"),
        (("baseline", "promote", "v_0"), 4, "no baseline version"),
        (("runs", "show", "nobody"), 4, "runs list"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_remedy(stand, trueup, args, code, says):
    (stand / "bad.csv").write_text("a\nb\n")
    (stand / "meta.json").write_text('{"subsystem": "x"}')
    done = trueup("telemetry", *(str(item).format(bad=stand / "bad.csv", meta=stand / "meta.json") for item in args))
    assert (done.code, says in done.err + done.out) == (code, True), done.err + done.out


@pytest.mark.sqlite
def test_hb_is_the_same_command_under_a_short_name(stand, home):
    hb = TRUEUP.with_name("hb")
    done = subprocess.run([hb, "runs", "list", "--json", "--home", home], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, [row["run"] for row in json.loads(done.stdout)["runs"]]) == (0, ["r1"])
    version = subprocess.run([hb, "--version"], capture_output=True, text=True, check=False, timeout=60)
    assert version.stdout.startswith("trueup, version")


def test_a_pdf_is_made_on_demand_and_is_part_of_the_evidence(stand, trueup):
    path = write_run(stand / "r2.csv", 2, shift=1.0)
    done = trueup("telemetry", "run", path, "--name", "r2", *SCOPE, "--baseline", "r1", "--pdf", "--out", stand / "out")
    assert done.code == 10
    assert (stand / "out" / "report.pdf").read_bytes().startswith(b"%PDF-")
    with zipfile.ZipFile(stand / "out" / "pack.zip") as pack:
        assert any(name.endswith("report.pdf") for name in pack.namelist())
    plain = trueup("telemetry", "analyze", "r2", "--baseline", "r1", "--out", stand / "plain")
    assert plain.code == 10
    assert not (stand / "plain" / "report.pdf").exists()


def test_runs_are_summed_up_and_the_worst_decides_the_exit_code(stand, trueup):
    trueup("telemetry", "run", write_run(stand / "r2.csv", 2), "--name", "r2", *SCOPE, "--baseline", "r1")
    trueup(
        "telemetry",
        "run",
        write_run(stand / "r3.csv", 3, shift=1.0),
        "--name",
        "r3",
        *SCOPE,
        "--baseline",
        "r1",
        "--drift-is-fail",
    )
    done = trueup("telemetry", "runs", "rollup")
    assert done.code == 20
    assert done.out.splitlines()[:2] == ["FAIL  3 runs: 1 FAIL, 2 NO_BASELINE", "  volt: drifted in 1 runs (level)"]
    assert trueup("--json", "telemetry", "runs", "rollup", "--program", "Other").json["verdict"] == "UNKNOWN"


def test_a_registry_is_set_and_shown(stand, trueup):
    (stand / "registry.yaml").write_text("version: '7'\nmetrics:\n  bus_voltage: {aliases: [volt], unit: V}\n")
    done = trueup("telemetry", "registry", "set", stand / "registry.yaml")
    assert (done.code, "metric registry of 1 metrics set" in done.out) == (0, True), done.err
    assert trueup("--json", "telemetry", "registry", "current").json["registry"]["version"] == "7"
    (stand / "registry.yaml").write_text("version: '7'\nmetrics:\n  bus_voltage: {alias: [volt]}\n")
    bad = trueup("telemetry", "registry", "set", stand / "registry.yaml")
    assert (bad.code, "registry.yaml:3" in bad.err, "aliases" in bad.err) == (3, True, True), bad.err
