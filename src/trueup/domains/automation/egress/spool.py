"""What is about to leave, on disk before it leaves: so that the requests of a process that is killed are known, too.

The operating system has a line as soon as it is written, so the end of the process loses none; a whole record replaces the lines
when the run is written down, and an attempt that follows a killed one takes them into its own evidence.
"""

import fcntl
import json
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from trueup.kernel.files import write_atomic

if TYPE_CHECKING:
    from trueup.domains.automation.egress.record import Hop

NAME, MEDIA_TYPE = "egress-cut-off.jsonl", "application/x-ndjson"
_ROUND = "round-"


def folder_of(data: Path) -> Path:
    """Return where the lines of a home are kept."""
    return data / "automation" / "egress"


class Spool:
    """The lines of one run; the file comes with its first line.

    Args:
        data: of the home.
        job: whose run it is.
    """

    def __init__(self, data: Path, job: UUID) -> None:
        self.path = folder_of(data) / f"{job.hex}-{uuid4().hex}.jsonl"
        self._file = -1

    def __call__(self, hop: "Hop") -> None:
        """Write down what is about to be sent."""
        if self._file < 0:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.write(self._file, _line(hop.document()))

    def close(self) -> None:
        """Close the file; it stays until the run is written down."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class RoundSpool:
    """The lines of several runs that are made at the same time: one file, and each line names its job.

    Whoever writes it holds a lock on it, which ends with the process: a file that nobody holds was cut off.

    Args:
        data: of the home.
    """

    def __init__(self, data: Path) -> None:
        self.path = folder_of(data) / f"{_ROUND}{uuid4().hex}.jsonl"
        self._file = -1

    def __call__(self, job: str, hop: "Hop") -> None:
        """Write down what is about to be sent for a job."""
        if self._file < 0:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        os.write(self._file, _line({**hop.document(), "job": job}))

    def close(self, kept: Collection[UUID]) -> None:
        """End the file; the lines of jobs stay whose runs are not written down.

        Args:
            kept: the jobs whose runs are.
        """
        if self._file >= 0:
            _drop(self.path, {str(job) for job in kept})
            os.close(self._file)
            self._file = -1


def left_over(data: Path, jobs: Collection[UUID], *, but: Path) -> dict[UUID, list[bytes]]:
    """Return what runs of jobs had sent that were never written down, of each job the oldest first.

    Args:
        data: of the home.
        jobs: whose runs.
        but: the present runs' own file.
    """
    wanted = {job.hex: job for job in jobs}
    found: dict[UUID, list[bytes]] = {}
    for path in _files(data):
        job = wanted.get(path.name.partition("-")[0])
        if job is not None and path != but:
            found.setdefault(job, []).append(path.read_bytes())
        elif path.name.startswith(_ROUND) and path != but:
            for id, lines in _cut_off(path).items():
                if (job := wanted.get(UUID(id).hex)) is not None:
                    found.setdefault(job, []).append(b"".join(lines))
    return found


def forget(data: Path, *jobs: UUID) -> None:
    """Remove the lines of jobs whose runs are written down."""
    names, ids = {job.hex for job in jobs}, {str(job) for job in jobs}
    for path in _files(data):
        if path.name.partition("-")[0] in names:
            path.unlink(missing_ok=True)
        elif path.name.startswith(_ROUND) and ids & _cut_off(path).keys():
            _drop(path, ids)


def _files(data: Path) -> list[Path]:
    try:
        with os.scandir(folder_of(data)) as rows:
            names = [row.name for row in rows]
    except FileNotFoundError:
        return []
    if len(names) < 2:  # one's own, mostly
        return [folder_of(data) / name for name in names]
    paths = [folder_of(data) / name for name in names]
    return sorted(paths, key=_age)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _cut_off(path: Path) -> dict[str, list[bytes]]:
    """Return the lines of a file of several runs by job; nothing of one that is still written."""
    found: dict[str, list[bytes]] = {}
    with suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return {}
        for line in file:
            if line.endswith(b"\n"):  # a line that was cut off itself was not sent yet
                found.setdefault(json.loads(line)["job"], []).append(line)
    return found


def _drop(path: Path, jobs: Collection[str]) -> None:
    """Take the lines of jobs out of a file; it goes when nothing is left."""
    with suppress(FileNotFoundError):
        lines = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        left = [line for line in lines if json.loads(line)["job"] not in jobs]
        if not left:
            path.unlink(missing_ok=True)
        elif len(left) < len(lines):
            write_atomic(path, b"".join(left), mode=0o600)


def _line(document: dict[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
