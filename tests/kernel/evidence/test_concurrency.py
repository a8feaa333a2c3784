"""Several processes on one home: one continuous log, nothing lost, nothing done twice."""

import contextlib
import io
import json
import os
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, URL, Done

WORKER = """
import json, sys, time
from pathlib import Path
from trueup.config.home import Home
from trueup.config.session import HomeSession
from trueup.config.store import configure, database

home, flags, number, count, key = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
early = sys.argv[6] == "early"

def wait():
    (flags / f"ready-{number}").touch()
    while not (flags / "go").exists():
        time.sleep(0.001)

if early:
    wait()
configure(database(Home(home)))
from tests.support.actions import ACTIONS, PREDICATES, Observe
from trueup.kernel.actions.registry import register
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import TrueupError
from trueup.kernel.evidence import predicates

register(ACTIONS)
predicates.register(PREDICATES)
session = HomeSession(Home(home))
if not early:
    wait()
ends = []
for n in range(count):
    name = key or f"thing-{number}-{n}"
    files = {"a.txt": name, "shared.txt": "the same"}
    try:
        done = run(Observe, session.context(key=key or None), {"subject": name, "files": files})
        ends.append("replayed" if done.replayed else "done")
    except TrueupError as exc:
        ends.append(exc.code)
    if n % 3 == number % 3:
        session.sequence()
session.sequence()
session.close()
print(json.dumps(ends))
"""


@pytest.fixture
def together(tmp_path):
    """Start workers at one moment on one home and return how each of their calls ended."""

    def work(home, *, workers, count, key="", early=False):
        flags = tmp_path / "flags"
        flags.mkdir()
        env = {k: v for k, v in os.environ.items() if k == URL or not k.startswith("TRUEUP_")} | {"PYTHONPATH": str(ROOT)}
        said = [str(home), str(flags)]
        started = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, *said, str(n), str(count), key, "early" if early else "late"],
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for n in range(workers)
        ]
        deadline = time.monotonic() + 60
        while len(list(flags.glob("ready-*"))) < workers and time.monotonic() < deadline:
            time.sleep(0.01)
        (flags / "go").touch()
        ends = []
        for worker in started:
            out, err = worker.communicate(timeout=120)
            assert worker.returncode == 0, err
            ends.append(json.loads(out))
        return ends

    return work


def asking(home):
    """Return the command line on a home, in this process."""
    from trueup.faces.cli.main import main

    def call(*args):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = main(["--home", str(home), *map(str, args)])
        return Done(code, out.getvalue(), "")

    return call


def continuous(command, done):
    """Check that a home's log has so many done entries, one after the other, and verifies."""
    shown = command("evidence", "log", "show", "--limit", "9999", "--json").json
    entries = shown["entries"]
    assert (shown["size"], shown["pending"]) == (len(entries), 0)
    assert sorted(entry["index"] for entry in entries) == list(range(len(entries)))
    assert [entry["outcome"] for entry in entries] == ["done"] * done
    assert len({entry["attempt"] for entry in entries}) == done
    verified = command("evidence", "log", "verify", "--json")
    assert (verified.code, verified.json["findings"], verified.json["pending"]) == (0, [], 0)
    return verified.json


@pytest.mark.parametrize("early", [False, True], ids=["on an open home", "on an empty home"])
def test_four_processes_lose_nothing_and_write_one_continuous_log(together, home, tmp_path, early, monkeypatch):
    place = tmp_path / "new-home" if early else home
    if early:
        monkeypatch.delenv(URL, raising=False)  # a new home has a new store: the embedded one
    assert together(place, workers=4, count=8, early=early) == [["done"] * 8] * 4
    command = asking(place)
    report = continuous(command, 32)
    assert (report["facts"], report["artifacts"]) == (32, 33)
    subjects = {fact["subject"] for fact in command("fact", "list", "--limit", "999", "--json").json["facts"]}
    assert subjects == {f"thing-{worker}-{n}" for worker in range(4) for n in range(8)}
    system = command("evidence", "log", "show", "--tenant", "system", "--limit", "999", "--json").json["entries"]
    assert [entry["action"] for entry in system].count("system.init") == 1
    assert {entry["outcome"] for entry in system} == {"done"}
    assert command("evidence", "log", "verify", "--tenant", "system").code == 0
    assert len(list((place / "keys" / "trusted").glob("*.pem"))) == 1
    assert list((place / "run").glob("*.owner")) == []
    assert list((place / "spool").iterdir()) == []


def test_eight_processes_with_one_key_do_it_once(together, session, home):
    ends = [end for worker in together(home, workers=8, count=1, key="only-once") for end in worker]
    assert ends.count("done") == 1
    assert set(ends) <= {"done", "replayed", "IN_PROGRESS"}
    command = asking(home)
    continuous(command, 1)
    from django.db.models import Count

    from trueup.kernel.actions.models import Attempt

    found = Attempt.objects.filter(key="only-once").values_list("state").annotate(Count("id"))
    assert list(found) == [("done", 1)]


def test_commands_that_race_to_make_a_home_make_one(elsewhere):
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRUEUP_")} | {"TRUEUP_HOME": str(elsewhere.home)}
    command = [sys.executable, "-m", "trueup", "init", "--json"]
    racing = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ended = [(*child.communicate(timeout=60), child.returncode) for child in racing]
    assert [code for _, _, code in ended] == [0] * 4, ended
    assert len({json.loads(out)["fingerprint"] for out, _, _ in ended}) == 1
    assert sum("made a new home" in err for _, err, _ in ended) == 1
    assert elsewhere("evidence", "log", "verify", "--tenant", "system").code == 0


def test_a_log_that_others_write_to_verifies_at_every_moment(home, session, tmp_path):
    from trueup.kernel.evidence import queries
    from trueup.kernel.evidence.proven import proven_facts

    env = {k: v for k, v in os.environ.items() if k == URL or not k.startswith("TRUEUP_")} | {"PYTHONPATH": str(ROOT)}
    (tmp_path / "go").touch()
    writing = subprocess.Popen([sys.executable, "-c", WORKER, str(home), str(tmp_path), "0", "120", "", "late"], env=env)
    sizes, wrong = set(), []
    while writing.poll() is None:
        report = queries.verify(session, [])
        sizes.add(report.size)
        wrong += report.findings + proven_facts(session.tenant, keys=session.ports.keys)[1]
    assert (writing.returncode, wrong) == (0, [])
    assert len(sizes) > 5


SWEEPER = """
import sys
from contextlib import suppress
from pathlib import Path
from trueup.config.store import configure, database
configure(None)
from trueup.kernel.actions.attempts import alive
folder = Path(sys.argv[1])
(folder / "ready").touch()
while not (folder / "stop").exists():
    for path in folder.glob("*.owner"):
        if not alive(folder, path.stem):
            with suppress(FileNotFoundError):
                path.unlink()
"""


def test_the_lock_of_a_living_process_is_never_taken_for_a_dead_ones(session, tmp_path):
    from trueup.kernel.actions.attempts import OwnerLock

    sweeping = subprocess.Popen([sys.executable, "-c", SWEEPER, str(tmp_path)])
    deadline = time.monotonic() + 30
    while not (tmp_path / "ready").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    lost, until = 0, time.monotonic() + 1.5
    while time.monotonic() < until:
        lock = OwnerLock(tmp_path)
        lost += not lock.path.exists()
        lock.release()
    (tmp_path / "stop").touch()
    assert (sweeping.wait(20), lost) == (0, 0)
