"""Reading a file's lines for good: where it stands, appended lines, rotation by renaming and by truncating.

A place in a file is its inode, a digest of its first bytes, and an offset. A file that was renamed is finished under its new
name before its successor is begun; one that was copied and truncated is finished in the copy, where the copy is found.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b
from io import FileIO
from pathlib import Path

from trueup.domains.telemetry.sources.live.event import KEPT_OF_DEAD, MAX_PAYLOAD
from trueup.kernel.errors import UnreadableInput

HEAD = 256
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading stands.

    Args:
        inode: of the file.
        offset: bytes of whole lines that were read.
        head: hex digest of its first bytes, empty while it has none.
        size: how many bytes that digest covers.
        turn: how many files came before it.
    """

    inode: int = 0
    offset: int = 0
    head: str = ""
    size: int = 0
    turn: int = 0

    def text(self) -> str:
        """Return it as a cursor."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Return the place of a cursor."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file.

    Args:
        data: without its line feed; of one that is too long, the first bytes.
        offset: of its first byte.
        end: of the byte after it.
        size: bytes that it had, without the line feed.
        turn: which file of the run of files.
    """

    data: bytes
    offset: int
    end: int
    size: int
    turn: int

    @property
    def too_long(self) -> bool:
        """Whether only its beginning is here."""
        return self.size > MAX_PAYLOAD


class Follower:
    """The lines of a file and of those that take its name.

    Args:
        path: the name that is followed.
        place: where to go on; None for the beginning.

    Raises:
        UnreadableInput: the file cannot be read.
    """

    def __init__(self, path: Path, place: Place | None = None) -> None:
        self.path = path
        self.notes: list[str] = []
        self._file: FileIO | None = None
        self._buffer, self._start = bytearray(), 0  # bytes read beyond the last whole line, and where they begin
        self._skipping = 0  # bytes of a line that is too long which are not kept
        self._head, self._inode, self._turn = ("", 0), 0, 0
        if place is None or place.inode == 0:
            self._open(path, 0, place.turn if place else 0)
        else:
            self._resume(place)

    @property
    def place(self) -> Place:
        """Where reading stands: after the last whole line."""
        self._look_at_head()
        return Place(self._inode, self._start, self._head[0], self._head[1], self._turn)

    def lines(self, most: int) -> Iterator[Line]:
        """Yield up to ``most`` whole lines that are there now; none of a file that was truncated (see ``turned``)."""
        given = 0
        self._look_at_head()
        if self._file is not None and self._truncated(self._file):
            return
        while given < most:
            line = self._next_line()
            if line is None:
                return
            given += 1
            yield line

    def rest(self) -> Line | None:
        """Return what stands after the last line feed, at the end of a file to which nothing more is written."""
        size = self._skipping + len(self._buffer)
        if not size:
            return None
        line = Line(
            bytes(self._buffer[: KEPT_OF_DEAD if size > MAX_PAYLOAD else None]), self._start, self._start + size, size, self._turn
        )
        self._start += size
        self._buffer.clear()
        self._skipping = 0
        return line

    def turned(self) -> tuple[Line | None] | None:
        """At the end of what is there: go on to the file that took the name, or to the beginning of a truncated one.

        Returns:
            None where there is nothing to go on to; else what stood at the end of the file before.
        """
        if self._file is None:
            return self._opened_late()
        now = _stat(self.path)
        if now is None:
            return None  # renamed, and nothing has taken the name yet
        if now.st_ino != self._inode:
            return self._to_successor()
        return self._to_beginning() if self._truncated(self._file) else None

    def _opened_late(self) -> tuple[Line | None] | None:
        if _stat(self.path) is None:
            return None
        self._open(self.path, 0, self._turn)
        return (None,)

    def _to_successor(self) -> tuple[Line | None] | None:
        if self._fill():
            return None  # the writer had not let go of it yet
        last = self.rest()
        self._open(self.path, 0, self._turn + 1)
        return (last,)

    def _to_beginning(self) -> tuple[Line | None]:
        copy = self._sibling(Place(0, self._start, *self._head, self._turn))
        if copy is not None:
            self._open(copy, self._start, self._turn)  # finished there; then its successor is the truncated file
            return (None,)
        self.notes.append("truncated: what was written between the last look and the truncation is not there any more")
        last = self.rest()
        self._open(self.path, 0, self._turn + 1)
        return (last,)

    def _resume(self, place: Place) -> None:
        now = _stat(self.path)
        self._head, self._turn = (place.head, place.size), place.turn
        if now is not None and now.st_ino == place.inode and now.st_size >= place.offset and self._matches(self.path, place):
            self._open(self.path, place.offset, place.turn)
            return
        found = self._sibling(place)
        if found is not None:
            self._open(found, place.offset, place.turn)
            return
        self.notes.append("the file that was read is gone: its successor is read from the beginning")
        if now is not None:
            self._open(self.path, 0, place.turn + 1)

    def _sibling(self, place: Place) -> Path | None:
        """Return the file beside it that holds what was read so far, and may hold more."""
        stem = self.path.name
        with suppress(OSError):
            for path in sorted(self.path.parent.iterdir()):
                if path.name != stem and path.name.startswith(stem.partition(".")[0]) and path.is_file():
                    found = path.stat()
                    same = not place.inode or found.st_ino == place.inode or place.size >= HEAD
                    if same and place.size and found.st_size >= place.offset and self._matches(path, place):
                        return path
        return None

    def _matches(self, path: Path, place: Place) -> bool:
        try:
            with path.open("rb") as file:
                return _digest(file.read(place.size)) == place.head or not place.size
        except OSError:
            return False

    def _open(self, path: Path, offset: int, turn: int) -> None:
        try:
            file = path.open("rb", buffering=0)
        except OSError as exc:
            raise UnreadableInput(f"{path}: {exc.strerror}", remedy="name a readable file") from None
        if self._file is not None:
            self._file.close()
        self._file = file
        file.seek(offset)
        self._inode = os.fstat(file.fileno()).st_ino
        self._buffer.clear()
        self._start, self._turn, self._skipping = offset, turn, 0
        self._head = ("", 0) if offset == 0 else self._head
        self._look_at_head()

    def _look_at_head(self) -> None:
        if self._file is not None and self._head[1] < HEAD and self._head[1] < self._start:
            data = os.pread(self._file.fileno(), min(HEAD, self._start), 0)
            self._head = (_digest(data), len(data))

    def _truncated(self, file: FileIO) -> bool:
        digest, size = self._head
        if os.fstat(file.fileno()).st_size < self._start:
            return True
        return bool(size) and _digest(os.pread(file.fileno(), size, 0)) != digest

    def _fill(self) -> bool:
        if self._file is None:
            return False
        data = self._file.read(CHUNK)
        if data:
            self._buffer += data
        return bool(data)

    def _next_line(self) -> Line | None:
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if end >= 0:
                return self._cut(end)
            searched = len(self._buffer)
            if searched > MAX_PAYLOAD:
                self._skipping += searched - KEPT_OF_DEAD
                del self._buffer[KEPT_OF_DEAD:]
                searched = KEPT_OF_DEAD
            if not self._fill():
                return None

    def _cut(self, end: int) -> Line:
        size = self._skipping + end
        kept = min(end, KEPT_OF_DEAD) if size > MAX_PAYLOAD else end
        line = Line(bytes(self._buffer[:kept]), self._start, self._start + size + 1, size, self._turn)
        del self._buffer[: end + 1]
        self._start += size + 1
        self._skipping = 0
        return line

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=12).hexdigest()
