"""What is about to leave, on disk before it leaves: so that the requests of a process that is killed are known, too.

The operating system has a line as soon as it is written, so the end of the process loses none; a whole record replaces the lines
when the run is written down, and an attempt that follows a killed one takes them into its own evidence.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from trueup.domains.automation.egress.record import Hop

NAME, MEDIA_TYPE = "egress-cut-off.jsonl", "application/x-ndjson"


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
        os.write(self._file, json.dumps(hop.document(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Close the file; it stays until the run is written down."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def left_over(data: Path, job: UUID, *, but: Path) -> list[bytes]:
    """Return what runs of a job had sent that were never written down, the oldest first.

    Args:
        data: of the home.
        job: whose runs.
        but: the present run's own file.
    """
    files = sorted(folder_of(data).glob(f"{job.hex}-*.jsonl"), key=lambda path: path.stat().st_mtime)
    return [path.read_bytes() for path in files if path != but]


def forget(data: Path, job: UUID) -> None:
    """Remove the lines of a job whose runs are written down."""
    for path in folder_of(data).glob(f"{job.hex}-*.jsonl"):
        path.unlink(missing_ok=True)
