"""kill -9 of workers at random moments: each recorded effect exactly once, nothing stuck, nothing lost."""

import os
import random
import select
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, URL

JOBS, KILLS = 500, 100
CREW = [sys.executable, "-m", "tests.kernel.work.crew"]


def environment(database):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TRUEUP_")}
    return clean | {"PYTHONPATH": str(ROOT)} | ({URL: database} if database else {})


def crew(home, database, *args):
    return subprocess.run(
        [*CREW, "--home", str(home), *args],
        cwd=ROOT,
        env=environment(database),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def started(home, database):
    command = [*CREW, "--home", str(home), "worker", "--concurrency", "2", "--lease", "2"]
    return subprocess.Popen(command, cwd=ROOT, env=environment(database), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def at_work(child):
    """Wait until the worker says that it claims jobs: a slow machine must not turn the kills into kills of imports."""
    ready, _, _ = select.select([child.stderr], [], [], 120)
    said = child.stderr.readline() if ready else b""
    assert said.startswith(b"worker "), f"the worker did not start: {said!r}"


def end(child):
    child.kill()
    child.wait()
    child.stderr.close()


def report(home, database):
    import json

    done = crew(home, database, "report")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def kill_suite(home, database, trueup, *, jobs, kills):
    rng = random.Random(9)
    assert crew(home, database, f"submit:{jobs}").returncode == 0
    assert trueup("schedule", "put", "beat", "work.noop", "--every", 1, "--missed", "all").code == 0
    pair = [started(home, database), started(home, database)]
    try:
        for number in range(kills):
            which = number % 2
            at_work(pair[which])
            time.sleep(rng.uniform(0.0, 0.6))
            assert pair[which].poll() is None, "a worker ended by itself"
            end(pair[which])
            pair[which] = started(home, database)
    finally:
        for child in pair:
            end(child)
    assert trueup("schedule", "remove", "beat").code == 0
    done = crew(home, database, "worker", "--drain", "--lease", "2")
    assert done.returncode == 0, done.stderr
    return report(home, database)


def check(found, trueup, jobs):
    assert found["counts"]["done"] >= jobs
    assert {state: n for state, n in found["counts"].items() if n and state != "done"} == {}
    expected = {f"effect/{n}/{part}": 1 for n in range(jobs) for part in "ab"}
    assert found["effects"] == expected
    assert found["attempts"].get("running", 0) == 0
    assert found["unrecorded"] == 0
    assert len(found["scheduled"]) == len(set(found["scheduled"]))
    assert found["scheduled"] or jobs < JOBS, "the schedule never fired: the test proves nothing"
    assert trueup("evidence", "log", "verify").code == 0


def test_kills_of_workers_leave_each_recorded_effect_exactly_once(home, database, trueup):
    found = kill_suite(home, database, trueup, jobs=60, kills=4)
    check(found, trueup, 60)


@pytest.mark.slow
@pytest.mark.requirement("kernel:work.kill-9")
def test_a_hundred_kills_over_five_hundred_jobs_leave_each_recorded_effect_exactly_once(home, database, trueup):
    found = kill_suite(home, database, trueup, jobs=JOBS, kills=KILLS)
    assert found["events"]["claim"] > found["counts"]["done"], "no kill met a running job: the test proves nothing"
    check(found, trueup, JOBS)
