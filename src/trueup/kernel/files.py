"""Files that are there whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from trueup.kernel.errors import StorageFull, UsageError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def replacing(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Open a file that takes its name only when the block ends well and its bytes are on the disk.

    The file has no name while it is written, where the file system can do that: a killed writer leaves nothing behind.

    Args:
        path: the name; an older file of that name is replaced in one step.
        mode: permissions of the new file.

    Raises:
        StorageFull: no room; nothing of the new file is left, the older one stands.
        UsageError: the place cannot be written, or is a device, a pipe or the like, which a file must not take the place of.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"cannot write {path}: it is no regular file", remedy="choose a place you can write")
    scratch = path.with_name(f".{path.name[:100]}.{uuid4().hex}.part")
    try:
        handle, named = _unnamed(scratch, mode)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if not named:
                os.link(f"/proc/self/fd/{file.fileno()}", scratch, src_dir_fd=file.fileno(), follow_symlinks=True)
        scratch.replace(path)
        sync_folder(path.parent)
    except OSError as exc:
        if exc.errno in _FULL:
            raise StorageFull(
                f"no room to write {path}", remedy="free some space and run the command again; nothing was written"
            ) from exc
        if exc.filename and Path(str(exc.filename)) not in (scratch, path, path.parent):
            raise
        raise UsageError(f"cannot write {path}: {exc.strerror}", remedy="choose a place you can write") from exc
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def _unnamed(scratch: Path, mode: int) -> tuple[int, bool]:
    """Open a file without a name in the folder; where that cannot be, with the scratch name. Tell which."""
    try:
        return os.open(scratch.parent, os.O_WRONLY | os.O_TMPFILE, mode), False
    except OSError as exc:
        if exc.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
    return os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), True


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a small file in one step."""
    with replacing(path, mode=mode) as file:
        file.write(data)


def sync_folder(path: Path) -> None:
    """Make a folder's names durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_full(path: Path) -> bool:
    """Tell whether the disk under a folder has no room left to speak of (64 KiB)."""
    try:
        found = os.statvfs(path)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < 1 << 16
