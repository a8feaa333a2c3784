"""Questions and answers of the DNS about TXT records, as messages; who carries them is no matter here.

References:
    RFC 1035, section 4 (messages), 3.3.14 (TXT); RFC 5452, section 9.1 (which answers are believed).
"""

import struct

from trueup.kernel.errors import TrueupError
from trueup.kernel.words import ExitCode

TXT, CNAME, IN = 16, 5, 1
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_RESPONSE, _TRUNCATED, _RCODE, _OPCODE = 0x8000, 0x0200, 0x000F, 0x7800
_NO_SUCH_NAME = 3
_MAX_JUMPS = 64


class DnsFailed(TrueupError):
    """What came back answers nothing: the name may have the record, or not."""

    code = "DNS_FAILED"
    exit_code = ExitCode.UNKNOWN


class Cut(Exception):
    """The answer did not fit; ask again over TCP."""


def question(name: str, number: int) -> bytes:
    """Return the message that asks for a name's TXT records.

    Args:
        name: in ASCII, without its final dot.
        number: of the question, 16 bits that nobody can guess.

    Raises:
        DnsFailed: it is no name.
    """
    labels = [label.encode("ascii", "replace") for label in name.split(".")]
    if len(name) > 253 or any(not 0 < len(label) < 64 for label in labels):
        raise DnsFailed(f"{name} is no name that can be asked for")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _HEADER.pack(number, 0x0100, 1, 0, 0, 0) + encoded + struct.pack("!HH", TXT, IN)


def answers(message: bytes, name: str, number: int) -> tuple[str, ...] | None:
    """Return the TXT records of an answer, each with its strings joined; None for one that is to another question.

    Raises:
        Cut: it did not fit.
        DnsFailed: the server could not answer, or the message is broken.
    """
    if len(message) < _HEADER.size:
        return None
    try:
        return _answers(message, name.lower(), number)
    except (struct.error, IndexError) as exc:
        raise DnsFailed("the name server's answer is broken") from exc


def _answers(message: bytes, name: str, number: int) -> tuple[str, ...] | None:
    found, flags, questions, count, _, _ = _HEADER.unpack_from(message)
    if found != number or not flags & _RESPONSE or flags & _OPCODE or questions != 1:
        return None
    asked, at = _name(message, _HEADER.size)
    if asked != name or struct.unpack_from("!HH", message, at) != (TXT, IN):
        return None
    if flags & _TRUNCATED:
        raise Cut
    if flags & _RCODE == _NO_SUCH_NAME:
        return ()
    if flags & _RCODE:
        raise DnsFailed(f"the name server answers with error {flags & _RCODE}")
    return _records(message, at + 4, count, name)


def _records(message: bytes, at: int, count: int, name: str) -> tuple[str, ...]:
    texts: list[tuple[str, str]] = []
    aliases: dict[str, str] = {}
    for _ in range(count):
        owner, at = _name(message, at)
        kind, group, _, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        if at + length > len(message):
            raise IndexError(at)
        if group == IN and kind == TXT:
            texts.append((owner, _text(message[at : at + length])))
        elif group == IN and kind == CNAME:
            aliases[owner] = _name(message, at)[0]
        at += length
    for _ in range(len(aliases)):
        name = aliases.get(name, name)
    return tuple(text for owner, text in texts if owner == name)


def _text(data: bytes) -> str:
    parts, at = [], 0
    while at < len(data):
        length = data[at]
        if at + 1 + length > len(data):
            raise IndexError(at)
        parts.append(data[at + 1 : at + 1 + length])
        at += 1 + length
    return b"".join(parts).decode(errors="replace")


def _name(message: bytes, at: int) -> tuple[str, int]:
    """Read a name, following pointers; return it in lower case, and where what comes after it begins."""
    labels: list[str] = []
    after = -1
    for _ in range(_MAX_JUMPS + 128):
        length = message[at]
        if length & 0xC0 == 0xC0:
            after = at + 2 if after < 0 else after
            at = (length & 0x3F) << 8 | message[at + 1]
        elif length & 0xC0:
            raise IndexError(at)
        elif not length:
            return ".".join(labels), at + 1 if after < 0 else after
        else:
            if at + 1 + length > len(message):
                raise IndexError(at)
            labels.append(message[at + 1 : at + 1 + length].decode("latin-1").lower())
            at += 1 + length
    raise IndexError(at)
