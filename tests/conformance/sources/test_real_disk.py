"""Real disks that fail: full, read-only, slow. Nothing acknowledged is lost, nothing is acknowledged that was not written.

Each capture has a small file system of its own where captures are kept, in a mount namespace of its own: where the machine
allows none, these tests fail.
"""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conformance.sources.rigs import number, numbered
from tests.conformance.sources.running import Captures, Running, until
from tests.conformance.sources.test_full_disk import MANY, alerts, feed, rig  # noqa: F401 - a fixture
from tests.conftest import TRUEUP

MIB = 1 << 20
SCRIPT = 'mkdir -p "$0" && mount -t tmpfs -o size=64m,mode=700 none "$0" && exec "$@"'


@dataclass
class Disk:
    """The file system of one capture, seen from outside."""

    captures: Captures
    running: Running

    @property
    def folder(self):
        inside = self.captures.home / "telemetry" / "captures"
        return Path(f"/proc/{self.running.child.pid}/root{inside}")

    def fill(self, left):
        """Leave so many bytes."""
        with (self.folder / "ballast").open("wb") as file:
            file.write(b"\0" * (64 * MIB - left - self.used()))

    def used(self):
        return sum(path.stat().st_blocks * 512 for path in self.folder.rglob("*") if path.is_file())

    def empty(self):
        (self.folder / "ballast").unlink()

    def mount(self, options):
        inside = self.captures.home / "telemetry" / "captures"
        args = [
            "nsenter",
            "-t",
            str(self.running.child.pid),
            "-U",
            "-m",
            "--preserve-credentials",
            "mount",
            "-o",
            options,
            str(inside),
        ]
        subprocess.run(args, check=True, capture_output=True)

    def payloads(self):
        """Read what is stored from a copy; one that was made at a bad moment is made again."""
        (path,) = self.folder.glob("*/it.sqlite3")
        with TemporaryDirectory() as folder:
            for suffix in ("", "-wal"):
                shutil.copy(f"{path}{suffix}", f"{folder}/it.sqlite3{suffix}")
            with closing(sqlite3.connect(f"{folder}/it.sqlite3")) as copy:
                return [row[0] for row in copy.execute("select payload from event")]

    def holds(self, many):
        try:
            return len(self.payloads()) == many
        except (OSError, sqlite3.Error):
            return False


@pytest.fixture
def disk(rig, captures):
    captures.program = ["unshare", "-rm", "sh", "-c", SCRIPT, str(captures.home / "telemetry" / "captures"), str(TRUEUP)]
    return Disk(captures, captures.start(*rig.args()).live())


@pytest.mark.requirement("telemetry:S4.1")
def test_a_full_disk_degrades_the_capture_with_an_alert_and_with_room_again_nothing_is_lost(disk, rig, captures):
    disk.fill(2 * MIB)
    feed(rig, 0, MANY)
    disk.running.says("degraded: no room left")
    until(lambda: alerts(captures.home), "the alert is there")
    assert alerts(captures.home) == [("telemetry.capture.degraded", "capture:it", "open")]
    assert len(disk.payloads()) < MANY
    disk.empty()
    until(lambda: disk.holds(MANY), "all is stored")
    assert sorted(map(number, disk.payloads())) == list(range(MANY))
    code, document = disk.running.stop()
    assert (code, document["not_stored"], document["received"]) == (0, 0, MANY)
    assert alerts(captures.home) == [("telemetry.capture.degraded", "capture:it", "resolved")]


@pytest.mark.parametrize("rig", ["mqtt 3.1.1", "nats"], indirect=True)
def test_what_a_full_disk_did_not_take_was_never_acknowledged_to_the_broker(disk, rig, captures, tmp_path):
    disk.fill(2 * MIB)
    feed(rig, 0, MANY)
    disk.running.says("degraded: no room left")
    kept = set(map(number, disk.payloads()))
    disk.running.kill()  # and its disk is gone with it
    captures.program = [str(TRUEUP)]
    captures.start(*rig.args()).live()
    missing = set(range(MANY)) - kept
    until(lambda: missing <= set(map(number, captures.payloads())), "what was not stored came again")


def test_a_disk_that_turns_read_only_degrades_the_capture_and_writable_again_nothing_is_lost(disk, rig, captures):
    disk.running.room(128 << 10)  # first it fails to write, and lets go of its files
    feed(rig, 0, 200)
    disk.running.says("degraded: ")
    until(lambda: not _try(lambda: disk.mount("remount,ro")), "nobody writes to it any more")
    disk.running.room(-1)
    disk.running.says("read-only")
    feed(rig, 200, 300)
    disk.mount("remount,rw")
    until(lambda: disk.holds(300), "all is stored")
    assert sorted(map(number, disk.payloads())) == list(range(300))
    assert disk.running.stop()[0] == 0


def _try(do):
    try:
        do()
    except subprocess.CalledProcessError as error:
        return error
    return None


@pytest.mark.parametrize(("options", "words"), [("ro", "read-only"), ("size=16k", "no room left")])
def test_a_capture_that_cannot_be_kept_at_all_is_not_begun(captures, tmp_path, options, words):
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(b"\n".join(numbered(0, 5)) + b"\n")
    script = f'mkdir -p "$0" && mount -t tmpfs -o {options} none "$0" && exec "$@"'
    captures.program = ["unshare", "-rm", "sh", "-c", script, str(captures.home / "telemetry" / "captures"), str(TRUEUP)]
    code, document = captures.start("--source", "file_replay", "--path", path).ended()
    assert code in (1, 3)
    assert words in document["error"]["message"]
    assert document["error"]["remedy"]
    assert captures.entries("telemetry.capture.start") == []


def test_what_was_captured_is_told_even_where_no_room_is_left_at_its_end(captures, tmp_path):
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(b"\n".join(numbered(0, 5)) + b"\n")
    folder = captures.home / "telemetry" / "captures"
    captures.program = ["unshare", "-rm", "sh", "-c", SCRIPT, str(folder), str(TRUEUP)]
    disk = Disk(captures, captures.start("--source", "file_replay", "--path", path, "--follow").live())
    until(lambda: disk.holds(5), "all is stored")
    with (disk.folder / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    code, document = disk.running.stop()
    assert (code, document["stored"], document["not_stored"]) == (0, 5, 0)


@pytest.mark.parametrize("rig", ["mqtt 3.1.1", "nats"], indirect=True)
def test_on_a_slow_disk_nothing_is_acknowledged_before_it_is_written(rig, captures):
    captures.program = [sys.executable, str(Path(__file__).with_name("slow.py"))]
    running = captures.start(*rig.args()).live()
    rig.feed(0, 300)
    until(lambda: captures.counters()["stored"] > 0, "some of it is stored")
    running.kill()
    captures.program = [str(TRUEUP)]
    captures.start(*rig.args()).live()
    until(lambda: captures.counters()["stored"] == 300, "all is stored")
    assert sorted(map(number, captures.payloads())) == list(range(300))
