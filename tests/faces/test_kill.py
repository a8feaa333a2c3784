"""kill -9 at random moments: nothing half-written, the log verifies, every attempt has an outcome."""

import os
import random
import sqlite3
import subprocess
import time
from contextlib import closing

import numpy as np
import pytest

from tests.conftest import TRUEUP
from trueup.kernel.evidence.engine.verifier import verify_pack

KILLS = 100


def killed(command, home, cwd, after):
    """Start a command, kill it after so many seconds; tell whether it was still running."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRUEUP_")} | {"TRUEUP_HOME": str(home)}
    child = subprocess.Popen(
        [str(TRUEUP), *map(str, command)], cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        child.wait(after)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return True
    return False


def lasting(command, home, cwd):
    """Run a command as it is killed later, whole; return how many seconds it takes."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRUEUP_")} | {"TRUEUP_HOME": str(home)}
    began = time.monotonic()
    subprocess.run([str(TRUEUP), *map(str, command)], env=env, cwd=cwd, check=True, capture_output=True)
    return time.monotonic() - began


@pytest.mark.slow
@pytest.mark.requirement("kernel:crash.kill-9")
def test_a_hundred_kills_of_compare_and_pack_leave_nothing_half_done(trueup, home, tmp_path):
    rng = random.Random(9)
    numbers = np.random.default_rng(1)
    for name in ("a.csv", "b.csv"):
        np.savetxt(tmp_path / name, numbers.normal(10, 1, (3000, 4)), delimiter=",", header="w,x,y,z", comments="")
    compare = [
        "telemetry",
        "compare",
        "--baseline",
        tmp_path / "a.csv",
        "--run",
        tmp_path / "b.csv",
        "--subject",
        "run",
        "--out",
        tmp_path / "out",
    ]
    pack = ["evidence", "pack", "--subject", "run", "--out", tmp_path / "pack.zip"]
    lasts = {name: lasting(command, home, tmp_path) for name, command in (("compare", compare), ("pack", pack))}
    died = 0
    for _ in range(KILLS):
        command, name = rng.choice([(compare, "compare"), (pack, "pack")])
        died += killed(command, home, tmp_path, rng.uniform(0.05, lasts[name] * 1.1))
        whole = verify_pack(tmp_path / "pack.zip", {p.stem for p in (home / "keys" / "trusted").iterdir()})
        assert whole.verdict == "PASS"
        assert verify_pack(tmp_path / "out" / "pack.zip", {whole.fingerprint}).verdict == "PASS"
        assert b"</html>" in (tmp_path / "out" / "report.html").read_bytes()[-20:]
        for left in [*tmp_path.glob(".*"), *(tmp_path / "out").glob(".*")]:
            assert left.stat().st_size > 0, f"{left} is half-written"
            left.unlink()
    assert died > KILLS // 2
    done = trueup("--json", "evidence", "log", "verify")
    assert done.code == 0, done.out
    with closing(sqlite3.connect(home / "trueup.sqlite3")) as store:
        states = dict(store.execute("SELECT state, COUNT(*) FROM actions_attempt GROUP BY state").fetchall())
        attempts = {row[0] for row in store.execute("SELECT id FROM actions_attempt")}
        bodies = [row[0] for row in store.execute("SELECT body FROM evidence_entry")]
    assert states.get("running", 0) == 0
    assert states["failed"] > 0
    import json

    assert {json.loads(body)["attempt"].replace("-", "") for body in bodies} == attempts
    assert list((home / "spool").iterdir()) == []
    assert list((home / "run").glob("*.owner")) == []
    assert trueup("evidence", "artifact", "collect", "--older-than", 0).code == 0
    assert trueup("--json", "evidence", "artifact", "collect", "--older-than", 0).json["orphans"] == []
    assert trueup("evidence", "log", "verify").code == 0


def begun(home):
    """Tell whether a command has written its attempt down."""
    with closing(sqlite3.connect(home / "trueup.sqlite3")) as store:
        return bool(store.execute("SELECT COUNT(*) FROM actions_attempt WHERE state = 'running'").fetchone()[0])


def test_a_command_that_dies_leaves_an_attempt_that_the_next_one_closes(trueup, home, tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRUEUP_")} | {"TRUEUP_HOME": str(home)}
    command = [str(TRUEUP), "telemetry", "host", "--seconds", "60", "--out", str(tmp_path / "x.parquet")]
    child = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 50
    while not begun(home) and time.monotonic() < until:
        time.sleep(0.05)
    child.kill()
    assert child.wait() == -9
    assert not (tmp_path / "x.parquet").exists()
    entries = trueup("--json", "evidence", "log", "show").json["entries"]
    assert [(e["action"], e["outcome"], e["error"]) for e in entries] == [("telemetry.host.sample", "failed", "ABANDONED")]
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_interrupted_command_exits_130_and_records_it(trueup, home, tmp_path):
    import signal

    env = {k: v for k, v in os.environ.items() if not k.startswith("TRUEUP_")} | {"TRUEUP_HOME": str(home)}
    command = [str(TRUEUP), "telemetry", "host", "--seconds", "30", "--out", str(tmp_path / "x.parquet")]
    child = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 25
    while not begun(home) and time.monotonic() < until:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    assert child.wait(20) == 130
    entries = trueup("--json", "evidence", "log", "show").json["entries"]
    assert [(e["outcome"], e["error"]) for e in entries] == [("failed", "INTERRUPTED")]
    assert not (tmp_path / "x.parquet").exists()
