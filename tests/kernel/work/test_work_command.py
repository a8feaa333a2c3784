"""``trueup worker``, ``trueup job``, ``trueup schedule``."""

import os
import signal
import subprocess
import time

import pytest

from tests.conftest import TRUEUP


def test_a_job_goes_through_the_command_line_from_submit_to_log(trueup):
    submitted = trueup("--json", "job", "submit", "work.sleep", "--args", '{"seconds": 0}', "--key", "k")
    assert submitted.code == 0, submitted.err
    (id,) = submitted.json["jobs"]
    assert trueup("--json", "job", "submit", "work.sleep", "--args", '{"seconds": 0}', "--key", "k").json["jobs"] == [id]
    listed = trueup("job", "list", "--state", "queued")
    assert id in listed.out
    assert "queued 1" in listed.out
    done = trueup("--json", "worker", "--drain")
    assert (done.code, done.json["ended"]) == (0, 1)
    shown = trueup("--json", "job", "show", id).json
    assert (shown["state"], shown["result"]) == ("done", {"slept": 0.0})
    assert "done" in trueup("job", "logs", id).out
    assert trueup("job", "show", id).out.startswith("id")
    assert trueup("evidence", "log", "verify").code == 0


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["job", "submit", "no.such"], 4),
        (["job", "submit", "work.noop", "--args", "["], 2),
        (["job", "submit", "work.noop", "--args", "[]"], 2),
        (["job", "submit", "work.noop", "--args", "@/nowhere.json"], 2),
        (["job", "submit", "work.noop", "--args", '{"x": 1}'], 2),
        (["job", "show", "not-an-id"], 2),
        (["job", "show", "00000000-0000-0000-0000-000000000001"], 4),
        (["job", "cancel", "00000000-0000-0000-0000-000000000001"], 4),
        (["job", "list", "--after", "x"], 2),
        (["worker", "--once", "--drain"], 2),
        (["worker", "--only", "nobody"], 4),
        (["schedule", "put", "s", "work.noop"], 2),
        (["schedule", "pause", "s"], 4),
    ],
)
@pytest.mark.sqlite
def test_what_cannot_be_done_ends_with_the_code_of_the_table(trueup, args, code):
    done = trueup("--json", *args)
    assert (done.code, "error" in done.json) == (code, True)


@pytest.mark.sqlite
def test_jobs_are_cancelled_replayed_counted_and_pruned_from_the_command_line(trueup):
    (id,) = trueup("--json", "job", "submit", "work.noop").json["jobs"]
    assert "is cancelled" in trueup("job", "cancel", id).out
    assert trueup("job", "cancel", id).code == 7
    assert "it was cancelled" in trueup("job", "replay", id).out
    assert trueup("worker", "--once").out.strip() == "1 jobs ended"
    assert trueup("job", "replay", id).code == 7
    assert "would go" in trueup("job", "prune", "--older-than", 0, "--dry-run").out
    assert trueup("--json", "job", "prune", "--older-than", 0).json["jobs"] == 1
    assert "no jobs" in trueup("job", "list").out
    assert "at most 5" in trueup("job", "limit", 5).out
    assert "stopped" in trueup("job", "workers").out
    assert "work.noop" in trueup("job", "kinds").out


@pytest.mark.sqlite
def test_schedules_are_kept_from_the_command_line(trueup):
    assert "fires next at" in trueup("schedule", "put", "beat", "work.noop", "--every", 3600).out
    assert "paused" in trueup("schedule", "put", "later", "work.noop", "--cron", "0 3 * * *", "--paused").out
    listed = trueup("schedule", "list").out
    assert "every 3600 s" in listed
    assert "paused" in listed
    assert trueup("schedule", "pause", "beat").code == 0
    assert "fires next at" in trueup("schedule", "resume", "beat").out
    assert trueup("schedule", "remove", "beat").code == 0
    assert [row["name"] for row in trueup("--json", "schedule", "list").json["schedules"]] == ["later"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.sqlite
def test_a_signal_ends_a_worker_that_gives_its_jobs_back(trueup, home, tmp_path, number, code):
    (id,) = trueup("--json", "job", "submit", "work.sleep", "--args", '{"seconds": 60}').json["jobs"]
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRUEUP_")} | {"TRUEUP_HOME": str(home)}
    with subprocess.Popen([str(TRUEUP), "worker", "--grace", "0.2"], cwd=tmp_path, env=env, stdout=-3, stderr=-3) as child:
        end = time.monotonic() + 15
        while trueup("--json", "job", "show", id).json["state"] != "running":
            assert time.monotonic() < end
        child.send_signal(number)
        try:
            assert child.wait(10) == code
        finally:
            child.kill()
    shown = trueup("--json", "job", "show", id).json
    assert (shown["state"], shown["attempts"]) == ("queued", 0)
