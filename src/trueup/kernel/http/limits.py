"""How fast callers may ask, exactly, over all threads and processes of one server.

The buckets stand in a small file that the server's processes map into memory; taking a token is one locked read and write
there, a few microseconds, no transaction and no disk. The file is made anew with each server: a restart fills all buckets.
Several servers (one on each of several machines) count each for itself.
"""

import fcntl
import mmap
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from threading import Lock

from trueup.kernel.http.engine.bucket import Draw, Level, Limit, draw
from trueup.kernel.http.problem import TooMany

WRONG_CREDENTIALS = Limit(rate=0.5, burst=30)
"""How often one address may show a credential that is none."""

_SLOT = struct.Struct("<16sdd")
_SLOTS = 8192
_PROBES = 8
_EMPTY = bytes(16)


class Buckets:
    """The buckets of all callers of one server.

    Of more than eight thousand callers at once, those that were quiet longest are forgotten.

    Args:
        path: the shared file; made if it is missing.
        clock: seconds, the same in all processes of the machine.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._file = path.open("a+b")
        with self._alone():
            if path.stat().st_size < _SLOTS * _SLOT.size:
                self._file.truncate(_SLOTS * _SLOT.size)
        self._map = mmap.mmap(self._file.fileno(), _SLOTS * _SLOT.size)

    def take(self, caller: str, limit: Limit) -> None:
        """Take one token of a caller.

        Raises:
            TooMany: the bucket is empty.
        """
        drawn = self._draw(caller, limit, keep=True)
        if not drawn.given:
            raise TooMany(drawn.wait)

    def require(self, caller: str, limit: Limit) -> None:
        """Refuse a caller whose bucket is empty; take nothing.

        Raises:
            TooMany: it is.
        """
        drawn = self._draw(caller, limit, keep=False)
        if not drawn.given:
            raise TooMany(drawn.wait)

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
        self._file.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _draw(self, caller: str, limit: Limit, *, keep: bool) -> Draw:
        name = blake2b(caller.encode(), digest_size=16).digest()
        with self._alone():
            place, level = self._find(name)
            drawn = draw(limit, level, self._clock())
            if keep:
                _SLOT.pack_into(self._map, place, name, drawn.level.tokens, drawn.level.at)
        return drawn

    def _find(self, name: bytes) -> tuple[int, Level | None]:
        """Return where a caller's bucket is, or may be: an empty slot, else that of who was quiet longest."""
        first = int.from_bytes(name[:4], "little")
        oldest, since = 0, float("inf")
        for step in range(_PROBES):
            place = (first + step) % _SLOTS * _SLOT.size
            held, tokens, at = _SLOT.unpack_from(self._map, place)
            if held == name:
                return place, Level(tokens, at)
            if held == _EMPTY:
                return place, None
            if at < since:
                oldest, since = place, at
        return oldest, None
