"""A first look at a text file's bytes: is it text, how are its lines ended, how many records does it hold.

This is the independent witness of the fast reader: a reader that drops a row in silence is found by counting.
"""

import codecs
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trueup.kernel.errors import UnreadableInput

_CHUNK = 1 << 18
_LF, _CR, _QUOTE = 10, 13, 34
EXPORT_REMEDY = "export it as UTF-8 text (CSV, TSV or JSON lines) or as Parquet"


@dataclass(frozen=True, slots=True)
class Scan:
    """What the bytes of a text file say.

    Args:
        bom: it begins with a UTF-8 byte order mark.
        lines: physical lines, an unfinished last one included.
        records: records that hold something; a line break inside quotes ends none.
        blank: records that hold nothing.
        mixed_endings: line ends are not of one kind, or are lone carriage returns.
        underscores: there are ``_`` after the first line (some readers take ``1_000`` for a number).
    """

    bom: bool
    lines: int
    records: int
    blank: int
    mixed_endings: bool
    underscores: bool


def scan(path: Path, *, named: str) -> Scan:
    """Read a file once and say what its bytes say.

    Args:
        path: the file.
        named: how errors call it.

    Raises:
        UnreadableInput: it is not UTF-8 text; the message gives the line.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    counter = _Records()
    feeds = returns = pairs = first_line_end = 0
    bom = underscores = False
    last = b""
    with path.open("rb") as stream:
        offset = 0
        while chunk := stream.read(_CHUNK):
            if not offset:
                bom = _checked_start(chunk, named)
            if b"\0" in chunk:
                line = feeds + chunk[: chunk.index(b"\0")].count(b"\n") + 1
                raise UnreadableInput(f"{named}: line {line}: holds binary data (a zero byte)", remedy=EXPORT_REMEDY)
            if not chunk.isascii() or decoder.getstate()[0]:
                _checked_text(decoder, chunk, feeds, named)
            if not first_line_end and b"\n" in chunk:
                first_line_end = offset + chunk.index(b"\n") + 1
            underscores = underscores or (bool(first_line_end) and chunk.find(b"_", max(0, first_line_end - offset)) >= 0)
            feeds += counter.add(chunk)
            if b"\r" in chunk or last == b"\r":
                returns += chunk.count(b"\r")
                pairs += chunk.count(b"\r\n") + (last == b"\r" and chunk[:1] == b"\n")
            last = chunk[-1:]
            offset += len(chunk)
    if decoder.getstate()[0]:
        raise _not_utf8(named, feeds + 1)
    unfinished = bool(last) and last != b"\n"
    return Scan(
        bom=bom,
        lines=feeds + unfinished,
        records=counter.full + (unfinished and not counter.at_blank),
        blank=counter.blank,
        mixed_endings=returns > 0 and not (returns == pairs == feeds),
        underscores=underscores,
    )


def _checked_start(chunk: bytes, named: str) -> bool:
    for mark, encoding in ((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16")):
        if chunk.startswith(mark):
            raise UnreadableInput(f"{named}: line 1: is {encoding}, not UTF-8", remedy=EXPORT_REMEDY)
    return chunk.startswith(codecs.BOM_UTF8)


def _checked_text(decoder: codecs.IncrementalDecoder, chunk: bytes, feeds: int, named: str) -> None:
    pending = len(decoder.getstate()[0])
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError as error:
        raise _not_utf8(named, feeds + chunk[: max(0, error.start - pending)].count(b"\n") + 1) from None


def _not_utf8(named: str, line: int) -> UnreadableInput:
    return UnreadableInput(f"{named}: line {line}: is not UTF-8 text", remedy=EXPORT_REMEDY)


class _Records:
    """Counts records over chunks; quotes and blank lines are only looked at where there are any."""

    def __init__(self) -> None:
        self.full = 0
        self.blank = 0
        self._tail = b"\n"  # the last two bytes: before the first one a line has ended
        self._inside = 0

    @property
    def at_blank(self) -> bool:
        """Nothing stands after the last line end (a carriage return is nothing)."""
        return self._tail in {b"\n", b"\n\r"} or self._tail.endswith(b"\n")

    def add(self, chunk: bytes) -> int:
        """Count a chunk; return the line feeds in it."""
        data = np.frombuffer(chunk, dtype=np.uint8)
        feed = data == _LF
        feeds = int(np.count_nonzero(feed))
        if self._inside or b'"' in chunk or b"\r" in chunk or feed[0] or bool((feed[1:] & feed[:-1]).any()):
            self._careful(chunk, data, feed)
        else:
            self.full += feeds
        self._tail = (self._tail + chunk[-2:])[-2:]
        return feeds

    def _careful(self, chunk: bytes, data: NDArray[np.uint8], feed: NDArray[np.bool_]) -> None:
        before = np.concatenate((np.frombuffer((b"\0" + self._tail)[-2:], dtype=np.uint8), data))
        ends = np.flatnonzero(feed)
        if self._inside or b'"' in chunk:
            quotes = np.cumsum(data == _QUOTE, dtype=np.int32) + self._inside
            self._inside = int(quotes[-1]) & 1
            ends = ends[(quotes[ends] & 1) == 0]
        one, two = before[ends + 1], before[ends]
        blank = int(((one == _LF) | ((one == _CR) & (two == _LF))).sum())
        self.blank += blank
        self.full += len(ends) - blank
