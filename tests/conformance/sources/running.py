"""A capture as people run it: the installed command in a process of its own, which can be killed."""

import json
import os
import resource
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from tests.conftest import TRUEUP
from trueup.domains.telemetry.sources.live.reading import CaptureFile

LONG = 30.0


def until(happened, what, seconds=LONG):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.02)


@dataclass
class Running:
    """One ``trueup telemetry capture start``."""

    child: subprocess.Popen
    said: Path
    out: Path

    def tell(self):
        return self.said.read_text()

    def live(self):
        until(lambda: "live\n" in self.tell() or self.child.poll() is not None, "the source is live")
        assert self.child.poll() is None or "live" in self.tell(), self.tell()
        return self

    def says(self, words):
        until(lambda: words in self.tell(), f"it says {words!r}; it said {self.tell()!r}")

    def listens(self):
        self.live()
        return [line.removeprefix("listening on ") for line in self.tell().splitlines() if line.startswith("listening on ")]

    def kill(self):
        self.child.kill()
        self.child.wait()

    def stop(self, number=signal.SIGTERM):
        if self.child.poll() is None:
            self.child.send_signal(number)
        return self.ended()

    def ended(self):
        code = self.child.wait(LONG)
        text = self.out.read_text()
        assert text, self.tell()
        return code, json.loads(text)

    def room(self, size):
        """Let no file of it grow beyond so many bytes; -1 for no limit."""
        _, hard = resource.prlimit(self.child.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.child.pid, resource.RLIMIT_FSIZE, (size if size >= 0 else hard, hard))


@dataclass
class Captures:
    """The captures of a home."""

    home: Path
    program: list = field(default_factory=lambda: [str(TRUEUP)])
    started: list = field(default_factory=list)

    def start(self, *args, name="it", env=None):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("TRUEUP_")} | (env or {})
        turn = len(self.started)
        said, out = self.home.parent / f"{name}-{turn}.err", self.home.parent / f"{name}-{turn}.out"
        with said.open("w") as err, out.open("w") as document:
            child = subprocess.Popen(
                [
                    *self.program,
                    "--home",
                    str(self.home),
                    "--json",
                    "telemetry",
                    "capture",
                    "start",
                    "--name",
                    name,
                    *map(str, args),
                ],
                stdout=document,
                stderr=err,
                env=clean,
                cwd=self.home.parent,
            )
        self.started.append(child)
        return Running(child, said, out)

    def file(self, name="it"):
        paths = list((self.home / "telemetry" / "captures").glob(f"*/{name}.sqlite3"))
        return CaptureFile(paths[0], UUID(paths[0].parent.name), name) if paths else None

    def payloads(self, name="it"):
        """Return what is stored, in its order."""
        file = self.file(name)
        try:
            return [row.payload for row in file.events()] if file else []
        except Exception:  # noqa: BLE001 - the file is just being made
            return []

    def counters(self, name="it"):
        return self.file(name).summary()["counters"]

    def entries(self, action):
        """Return the notes of an action's entries."""
        with closing(sqlite3.connect(self.home / "trueup.sqlite3")) as store:
            bodies = [json.loads(row[0]) for row in store.execute("select body from evidence_entry order by id")]
        return [body.get("note", {}) for body in bodies if body["action"] == action and body["outcome"] == "done"]

    def close(self):
        for child in self.started:
            if child.poll() is None:
                child.kill()
                child.wait()
