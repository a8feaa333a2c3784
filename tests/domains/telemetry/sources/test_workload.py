"""The load is real, and nothing of it outlives its time or its parent."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from trueup.domains.telemetry.sources.workload import burn, hold, main

WORKLOAD = [sys.executable, "-m", "trueup.domains.telemetry.sources.workload"]


def test_held_memory_is_resident() -> None:
    before = psutil.Process().memory_info().rss
    block = hold(32)
    assert len(block) == 32 << 20
    assert psutil.Process().memory_info().rss - before > 30 << 20


def test_burning_stops_when_told() -> None:
    answers = iter([False, False, True])
    burn(lambda: next(answers))
    assert next(answers, None) is None


def test_it_ends_by_itself_with_all_its_children() -> None:
    process = subprocess.Popen([*WORKLOAD, "--seconds", "1.2", "--memory-mib", "1", "--cpu", "2"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    assert process.wait(timeout=10) == 0
    process.stdout.close()
    assert psutil.wait_procs(children, timeout=5)[1] == []


def test_it_ends_when_its_parent_is_killed() -> None:
    load = [*WORKLOAD, "--seconds", "60", "--memory-mib", "1", "--cpu", "1"]
    code = f"import subprocess\np=subprocess.Popen({load!r})\nprint(p.pid, flush=True)\np.wait()"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.stdout.readline()
    family = [child, *child.children(recursive=True)]
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    assert psutil.wait_procs(family, timeout=8)[1] == []


def test_an_idle_load_says_ready_and_holds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before, started = psutil.Process().memory_info().rss, time.monotonic()
    assert main(["--seconds", "0.2", "--idle"]) == 0
    assert capsys.readouterr().out == "ready\n"
    assert time.monotonic() - started < 2
    assert psutil.Process().memory_info().rss - before < 8 << 20


@pytest.mark.parametrize(
    "arguments", [["--seconds", "0"], ["--seconds", "1", "--cpu", "-1"], ["--seconds", "1", "--memory-mib", "-1"], []]
)
def test_a_load_that_makes_no_sense_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
