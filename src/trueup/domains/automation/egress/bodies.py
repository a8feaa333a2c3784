"""A body as it comes: in memory while it is small, and on disk from then on, so that many large ones at once fill no memory."""

import errno
import mmap
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from trueup.kernel.errors import StorageFull, TrueupError

HELD = 256 << 10
"""Bytes of one body that are held in memory, at most."""

type Body = bytes | mmap.mmap
"""What is read alike, by ``len`` and slices (``body[:]`` is all of it, as bytes)."""


def folder_of(data: Path) -> Path:
    """Return where large bodies of a home lie while they are looked at; the files have no names, and end with the process."""
    return data / "automation" / "bodies"


class Gathered:
    """The parts of one body; used as a context manager.

    Args:
        folder: for what is large; None to hold all of it in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self.size = 0
        self._folder = folder
        self._parts: list[bytes] = []
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, _kind: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None) -> None:
        """Let go of the file: what :meth:`whole` returned stays readable."""
        if self._file is not None:
            with suppress(OSError):  # of what could not be written, which was said already
                self._file.close()

    def add(self, part: bytes) -> None:
        """Add a part.

        Raises:
            StorageFull: there is no room for it.
            TrueupError: it cannot be written.
        """
        self.size += len(part)
        self._parts.append(part)
        if self._folder is not None and (self._file is not None or self.size > HELD):
            self._write(self._folder)

    def whole(self) -> Body:
        """Return the body.

        Raises:
            StorageFull: there is no room for it.
            TrueupError: it cannot be written.
        """
        if self._file is None:
            return b"".join(self._parts)
        try:
            self._file.flush()
            return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as exc:
            raise _said(exc) from exc

    def _write(self, folder: Path) -> None:
        try:
            if self._file is None:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed at the end of the block
            self._file.writelines(self._parts)
        except OSError as exc:
            raise _said(exc) from exc
        self._parts.clear()


def _said(exc: OSError) -> TrueupError:
    """Return what an error of the disk is called: it is none of the target's."""
    if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageFull("no room for a page that is being fetched", remedy="free some space, and ask for it again")
    return TrueupError(f"a page that is being fetched cannot be written: {exc.strerror}")
