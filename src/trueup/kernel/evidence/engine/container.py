"""The container of a pack: ZIP members stored in fixed order with fixed times, and no byte more.

One member list has one encoding, so a reader can refuse every byte that a writer would not have written.

References:
    PKWARE APPNOTE 6.3.3, sections 4.3.7, 4.3.12 and 4.3.16.
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple

MANIFEST = "manifest.json"


class PackError(ValueError):
    """A member of the pack is not what was written and signed."""

    def __init__(self, member: str, message: str) -> None:
        super().__init__(f"{member}: {message}")
        self.member = member
        self.message = message


_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION, _UTF8, _STORED, _TIME, _DATE, _UNIX = 20, 0x0800, 0, 0, 0x21, 3
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


def local_header(name: bytes, size: int, crc: int) -> bytes:
    """Return the one local file header that a member may have."""
    return _LOCAL + struct.pack("<5H3I2H", _VERSION, _UTF8, _STORED, _TIME, _DATE, crc, size, size, len(name), 0) + name


def central_header(name: bytes, size: int, crc: int, offset: int) -> bytes:
    """Return the one central directory header that a member may have."""
    fields = (
        _UNIX << 8 | _VERSION,
        _VERSION,
        _UTF8,
        _STORED,
        _TIME,
        _DATE,
        crc,
        size,
        size,
        len(name),
        0,
        0,
        0,
        0,
        0o100644 << 16,
        offset,
    )
    return _CENTRAL + struct.pack("<6H3I5H2I", *fields) + name


def end_record(count: int, size: int, offset: int) -> bytes:
    """Return the end-of-central-directory record."""
    return _END + struct.pack("<4H2IH", 0, 0, count, count, size, offset, 0)


def safe_name(name: str) -> bool:
    """Tell whether a member may be called so: relative, plain ASCII, no way out of the folder."""
    return bool(_NAME.fullmatch(name)) and len(name) <= 200


class Member(NamedTuple):
    """Where one member's bytes stand in the file, and what they hash to."""

    name: str
    start: int
    size: int
    crc: int
    sha256: str


def read_members(file: BinaryIO, *, order: Callable[[bytes], Sequence[str]] | None = None) -> list[Member]:
    """Read every member in file order, refusing any byte that a pack would not hold.

    Args:
        file: the pack, seekable.
        order: given the first member's bytes, the names that follow it; errors then name the member they hit.

    Raises:
        PackError: a header, name, checksum, directory or trailing byte is not as written.
    """
    members: list[Member] = []
    names: Sequence[str] = (MANIFEST,)
    offset = 0
    while True:
        file.seek(offset)
        head = file.read(30)
        expected = (
            names[len(members)] if len(members) < len(names) else f"(directory after {members[-1].name})" if members else MANIFEST
        )
        if head[:4] != _LOCAL:
            if members and len(members) >= len(names):
                break
            raise PackError(expected, "its header is damaged or missing")
        member = _read_member(file, offset, head, expected, known=len(members) < len(names))
        if any(m.name == member.name for m in (members if len(members) >= len(names) else ())):
            raise PackError(member.name, "stands in the pack twice")
        members.append(member)
        offset = member.start + member.size
        if len(members) == 1 and order is not None:
            file.seek(member.start)
            names = (MANIFEST, *order(file.read(member.size)))
    _check_directory(file, members, offset)
    return members


def _read_member(file: BinaryIO, offset: int, head: bytes, expected: str, *, known: bool) -> Member:
    crc, size, _, name_length, _ = struct.unpack("<3I2H", head[14:30]) if len(head) == 30 else (0, 0, 0, 0, 0)
    name = file.read(min(name_length, 512))
    if local_header(name, size, crc) != head + name:
        raise PackError(expected, "its header is not the one that was written")
    text = name.decode("ascii", "replace")
    if not safe_name(text):
        raise PackError(expected, f"the member name {text[:80]!r} is not allowed")
    if known and text != expected:
        raise PackError(expected, f"expected at this place, got {text}")
    digest, checksum, left = hashlib.sha256(), 0, size
    while left:
        chunk = file.read(min(left, 1 << 20))
        if not chunk:
            raise PackError(text, "is cut short")
        digest.update(chunk)
        checksum = zlib.crc32(chunk, checksum)
        left -= len(chunk)
    if checksum != crc:
        raise PackError(text, "its bytes do not fit their checksum")
    return Member(text, offset + 30 + len(name), size, crc, digest.hexdigest())


def _check_directory(file: BinaryIO, members: Sequence[Member], offset: int) -> None:
    file.seek(offset)
    length = 0
    for member in members:
        name = member.name.encode()
        wanted = central_header(name, member.size, member.crc, member.start - 30 - len(name))
        if file.read(len(wanted)) != wanted:
            raise PackError(member.name, "its directory entry is not the one that was written")
        length += len(wanted)
    wanted = end_record(len(members), length, offset)
    if file.read(len(wanted) + 1) != wanted:
        raise PackError("(end of file)", "the pack does not end where it should")
