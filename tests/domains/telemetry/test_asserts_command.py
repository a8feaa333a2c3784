"""``trueup telemetry assert`` and ``warn``, and asserts beside a comparison, from the installed command on real files."""

import json
import os
import pty
import select
import signal
import subprocess
import time

import pytest

from tests.conftest import TRUEUP
from tests.domains.telemetry.runfiles import write_run

ASSERTS = """\
asserts:
  - {{id: high, metric: volt, op: "<=", value: {high}}}
  - {{id: low, metric: amp, op: ">", value: 1, severity: warning}}
"""
SCOPE = ("--program", "Aquila", "--subsystem", "psu", "--test-name", "burn-in")


@pytest.fixture
def stand(tmp_path):
    write_run(tmp_path / "a.csv", 1)
    write_run(tmp_path / "b.csv", 2)
    for name, high in (("holds", 20), ("breaks", 12.5)):
        (tmp_path / f"{name}.yaml").write_text(ASSERTS.format(high=high))
    (tmp_path / "gone.yaml").write_text("asserts:\n  - {id: a, metric: gone, op: <, value: 1}\n")
    (tmp_path / "odd.yaml").write_text("asserts:\n  - {id: a, metric: volt, op: <, value: 1, unit: V}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("asserts", "code", "verdict"), [("holds", 0, "PASS"), ("breaks", 20, "FAIL"), ("gone", 30, "INSUFFICIENT_DATA")]
)
def test_the_exit_code_is_that_of_the_asserts(stand, trueup, asserts, code, verdict):
    done = trueup("telemetry", "assert", "--asserts", f"{asserts}.yaml", "--run", "b.csv", "--json")
    assert (done.code, done.json["verdict"]) == (code, verdict)
    assert done.json["subject"] == f"run:{done.json['run']['sha256'][:16]}"


@pytest.mark.requirement("telemetry:S5.1")
def test_a_failure_says_where_when_and_what_and_is_packed_with_its_proof(stand, trueup):
    done = trueup("telemetry", "assert", "--asserts", "breaks.yaml", "--run", "b.csv", "--out", "out")
    assert done.code == 20
    assert "does not hold in" in done.out
    assert "s after the first row; first values 12." in done.out
    (finding,) = json.loads((stand / "out/comparison.json").read_text())["findings"]
    first, last = finding["index_range"]
    assert [round(10 * at) for at in finding["time_range"]] == [first, last]
    assert all(value > 12.5 for value in finding["run"]["first_values"])
    assert trueup("evidence", "verify", "out/pack.zip").code == 0
    fact = trueup("fact", "list", "--predicate", "telemetry.asserts.verdict@1", "--json")
    assert [item["value"] for item in fact.json["facts"]] == ["FAIL"]


def test_a_run_that_was_taken_in_is_held_by_its_name_and_keeps_its_verdict(stand, trueup):
    assert trueup("telemetry", "ingest", "b.csv", "--name", "r1", *SCOPE).code == 0
    done = trueup("telemetry", "assert", "--asserts", "breaks.yaml", "--run", "r1", "--json")
    assert (done.code, done.json["subject"]) == (20, "run/r1")
    shown = trueup("telemetry", "runs", "show", "r1", "--json").json
    assert (shown["verdict"], shown["analyses"]) == (None, [])
    (stand / "r1").write_text("t,volt\n0,1\n")
    both = trueup("telemetry", "assert", "--asserts", "holds.yaml", "--run", "r1")
    assert (both.code, "write ./r1 for the file" in both.err) == (2, True)


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("--asserts", "odd.yaml", "--run", "b.csv"), 3, "odd.yaml:2: asserts[0].unit: unknown key"),
        (("--asserts", "missing.yaml", "--run", "b.csv"), 3, "missing.yaml"),
        (("--asserts", "holds.yaml", "--run", "missing.csv"), 2, "missing.csv"),
        (("--asserts", "holds.yaml", "--run", "nobody"), 4, "there is no run 'nobody'"),
    ],
)
def test_what_cannot_be_asked_is_refused(stand, trueup, args, code, says):
    done = trueup("telemetry", "assert", *args)
    assert (done.code, says in done.err) == (code, True), done.err


def test_asserts_fail_a_comparison_and_an_analysis_without_a_baseline(stand, trueup):
    passed = trueup("telemetry", "compare", "--baseline", "a.csv", "--run", "b.csv", "--asserts", "holds.yaml")
    assert (passed.code, "asserts: 2 of 2 hold, 0 do not" in passed.out) == (0, True)
    broken = trueup("telemetry", "compare", "--baseline", "a.csv", "--run", "b.csv", "--asserts", "breaks.yaml", "--json")
    assert (broken.code, [item["kind"] for item in broken.json["findings"]]) == (20, ["assert"])
    alone = trueup("telemetry", "run", "b.csv", "--name", "r1", *SCOPE, "--asserts", "holds.yaml", "--json")
    assert (alone.code, alone.json["verdict"], alone.json["asserts_verdict"]) == (30, "NO_BASELINE", "PASS")
    failed = trueup("telemetry", "analyze", "r1", "--asserts", "breaks.yaml", "--json")
    assert (failed.code, failed.json["verdict"]) == (20, "FAIL")


def test_runs_that_creep_towards_their_limit_are_warned_of(stand, run, trueup):
    from trueup.domains.telemetry.actions_config import PutRegistry
    from trueup.domains.telemetry.actions_runs import IngestRun

    registry = {"version": 1, "metrics": {"volt": {"unit": "V", "invariant_max": 15}, "amp": {"unit": "A"}}}
    run(PutRegistry, registry=registry)
    scope = {"program": "Aquila", "subsystem": "psu", "test_name": "burn-in"}
    for place in range(7):
        path = write_run(stand / f"s{place}.csv", place, shift=0.25 * place, rows=60)
        run(IngestRun, path=path, name=f"s{place}", **scope)
    done = trueup("telemetry", "warn", "all", "--json")
    assert (done.code, [item["metric"] for item in done.json["findings"]]) == (10, ["volt"])
    (volt,) = [item for item in done.json["series"] if item["metric"] == "volt"]
    assert 0 < volt["runs_to_limit"]["low"] < volt["runs_to_limit"]["runs"] < volt["runs_to_limit"]["high"]
    calm = trueup("telemetry", "warn", "amp", "--program", "Aquila")
    assert (calm.code, "nothing to warn of" in calm.out) == (0, True)
    few = trueup("telemetry", "warn", "all", "--run", "s4")
    assert (few.code, "5 runs, at least 6 are needed" in few.out) == (30, True)
    assert trueup("telemetry", "warn", "gone").code == 4
    facts = trueup("fact", "list", "--predicate", "telemetry.series.runs_to_limit@1", "--json").json["facts"]
    assert [item["subject"] for item in facts] == ["run/s6/volt"]


def started(home, cwd, *args, **more):
    env = {**os.environ, "TRUEUP_HOME": str(home)}
    return subprocess.Popen([str(TRUEUP), "telemetry", *map(str, args)], cwd=cwd, env=env, **more)


def seen_on_a_terminal(home, cwd, *args):
    """Return what a command writes to a standard error that is a terminal."""
    ours, theirs = pty.openpty()
    child = started(home, cwd, *args, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    text = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        text += part
    child.wait(60)
    os.close(ours)
    return text.decode()


def test_progress_is_shown_to_a_terminal_and_to_nobody_else(stand, home, trueup):
    args = ("compare", "--baseline", "a.csv", "--run", "b.csv")
    shown = seen_on_a_terminal(home, stand, *args)
    assert "%  volt" in shown
    assert shown.endswith("\r\x1b[K")
    assert seen_on_a_terminal(home, stand, *args, "--quiet") == ""
    assert trueup("telemetry", *args).err == ""


def test_an_interrupted_comparison_leaves_nothing_half_written(stand, home, trueup):
    for name in ("long-a.csv", "long-b.csv"):
        line = "12.0,3.0,7.5,1.25\n"
        (stand / name).write_text("a,b,c,d\n" + line * 1_000_000)
    child = started(
        home, stand, "compare", "--baseline", "long-a.csv", "--run", "long-b.csv", "--out", "out", stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not list((home / "spool").rglob(".spool-*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 130
    assert list((stand / "out").iterdir()) == []
    assert [path for path in (home / "spool").rglob("*") if path.is_file()] == []
    assert trueup("evidence", "log", "verify").code == 0
    assert trueup("fact", "list", "--predicate", "telemetry.verdict@1", "--json").json["facts"] == []
