"""Syslog over a stream: where one message ends. Pure: bytes in, messages out.

References:
    RFC 6587, sections 3.4.1 (octet counting) and 3.4.2 (a line feed); RFC 5425, section 4.3.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from trueup.domains.telemetry.sources.live.event import KEPT_OF_DEAD, MAX_PAYLOAD

_DIGITS = b"0123456789"
_LENGTH_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of a stream.

    Args:
        data: its bytes; of one that is too long, the first.
        size: how many it had.
        whole: False where the stream ended before the message did.
    """

    data: bytes
    size: int
    whole: bool = True

    @property
    def too_long(self) -> bool:
        """Whether only its beginning is here."""
        return self.size > MAX_PAYLOAD


class Deframer:
    """Finds the messages of one connection.

    The first byte says how the sender frames: a digit other than 0, it counts octets; anything else, it ends messages with a
    line feed. Where a sender that counts sends no count, what follows is taken up to the next line feed, so that nothing
    is lost, and ``irregular`` grows.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._counting: bool | None = None
        self._left = -1  # octets of the counted message that is under way; -1 for none
        self._size, self._skipped = 0, 0
        self.irregular = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take what came, and yield what is whole now."""
        self._buffer += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | None:
        if self._left >= 0:
            return self._counted()
        if not self._buffer and not self._skipped:
            return None
        if self._counting is None:
            self._counting = self._buffer[0] in b"123456789"
        if self._counting and not self._skipped:
            header = self._header()
            if header is None:
                return None
            if header:
                return self._counted()
            self.irregular += 1
            return self._line()
        return self._line()

    def _header(self) -> bool | None:
        """Read a count; None where more bytes must come, False where there is none."""
        end = self._buffer.find(b" ", 0, _LENGTH_DIGITS + 1)
        digits = bytes(self._buffer[: end if end >= 0 else _LENGTH_DIGITS + 1])
        sound = digits[:1] not in (b"", b"0") and all(digit in _DIGITS for digit in digits)
        if end < 0:
            return None if sound and len(digits) <= _LENGTH_DIGITS else False
        if not sound:
            return False
        self._left = self._size = int(digits)
        del self._buffer[: end + 1]
        return True

    def _counted(self) -> Frame | None:
        if self._size <= MAX_PAYLOAD:
            if len(self._buffer) < self._size:
                return None
            frame = Frame(bytes(self._buffer[: self._size]), self._size)
            del self._buffer[: self._size]
            self._left = -1
            return frame
        if self._left == self._size:
            if len(self._buffer) < KEPT_OF_DEAD:
                return None
            self._kept = bytes(self._buffer[:KEPT_OF_DEAD])
        gone = min(self._left, len(self._buffer))
        del self._buffer[:gone]
        self._left -= gone
        if self._left:
            return None
        self._left = -1
        return Frame(self._kept, self._size)

    def _line(self) -> Frame | None:
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > MAX_PAYLOAD:
                self._skipped += len(self._buffer) - KEPT_OF_DEAD
                del self._buffer[KEPT_OF_DEAD:]
            return None
        size = self._skipped + end
        frame = Frame(bytes(self._buffer[: min(end, KEPT_OF_DEAD) if size > MAX_PAYLOAD else end]), size)
        del self._buffer[: end + 1]
        self._skipped = 0
        return frame

    def end(self) -> Frame | None:
        """Return what is left where the connection ends in the middle of a message."""
        if self._left >= 0 and self._size > MAX_PAYLOAD:
            kept = bytes(self._buffer[:KEPT_OF_DEAD]) if self._left == self._size else self._kept
            return Frame(kept, self._size, whole=False)
        if not self._buffer and self._left < 0:
            return None
        size = self._skipped + len(self._buffer)
        data = bytes(self._buffer[: KEPT_OF_DEAD if size > MAX_PAYLOAD else None])
        self._buffer.clear()
        if not data:
            return None
        return Frame(data, size, whole=False)
