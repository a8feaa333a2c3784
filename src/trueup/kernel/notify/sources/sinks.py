"""Writing one message to standard output or to a file, as one line of JSON that bears the delivery's id."""

import fcntl
import json
import os
import sys
from pathlib import Path
from uuid import UUID

_TAIL = 1 << 16


def line(delivery: UUID, body: str) -> bytes:
    """Return the line that a delivery writes; its id tells a repetition after a crash."""
    return (json.dumps({"delivery": str(delivery), **json.loads(body)}, ensure_ascii=False) + "\n").encode()


def to_stdout(delivery: UUID, body: str) -> None:
    """Write to this process's standard output."""
    sys.stdout.write(line(delivery, body).decode())
    sys.stdout.flush()


def to_file(folder: Path, target: str, delivery: UUID, body: str) -> bool:
    """Append to a file, once; tell whether it was written now.

    A line that was written before a crash is found among the last 64 KiB and not written again; a line that a crash cut
    short is closed first, so that the next one stands alone.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / target, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
        if any(str(delivery).encode() in whole for whole in tail.split(b"\n")[:-1]):
            return False
        start = b"\n" if tail and not tail.endswith(b"\n") else b""
        file.write(start + line(delivery, body))
        os.fsync(file.fileno())
    return True
