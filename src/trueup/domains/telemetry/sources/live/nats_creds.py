"""A file of NATS credentials: the token that names a user, and the key that proves it.

References:
    NATS documentation, "JWT Authentication" and "NKeys": a seed is base32 of two bytes of prefix, 32 bytes of an Ed25519 key and a
    CRC-16 (XMODEM), the lowest byte first.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trueup.kernel.errors import ConfigurationError

_BEGIN = re.compile(r"-{3,}BEGIN ([A-Z ]+)-{3,}")
_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_JWT, _SEED = "NATS USER JWT", "USER NKEY SEED"
_USER_SEED = b"\x95\x00"  # "SU" in base32
_REMEDY = "name the .creds file that was made for this user"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who somebody is, and how it is proven; the key itself is never shown.

    Args:
        token: the user's JWT.
        sign: from the server's nonce to its signature, base64.
    """

    token: bytes = field(repr=False)
    sign: Callable[[str], bytes] = field(repr=False)


def credentials(path: Path) -> Credentials:
    """Read a file of credentials.

    Raises:
        ConfigurationError: it cannot be read, or does not hold what it should; the message names file and line, never what stands there.
    """
    try:
        lines = path.read_text("ascii").splitlines()
    except OSError as exc:
        raise ConfigurationError(f"{path}: cannot be read ({exc.strerror})", remedy=_REMEDY) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: is no file of credentials", remedy=_REMEDY) from None
    found: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines, 1):
        begun = _BEGIN.fullmatch(line.strip())
        if begun and number < len(lines):
            found[begun[1]] = (number + 1, lines[number].strip())
    for name in (_JWT, _SEED):
        if name not in found:
            raise ConfigurationError(f"{path}: has no part {name!r}", remedy=_REMEDY)
    number, token = found[_JWT]
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError(f"{path}, line {number}: is no JWT", remedy=_REMEDY)
    number, seed = found[_SEED]
    key = _key(seed)
    if key is None:
        raise ConfigurationError(f"{path}, line {number}: is no seed of a user's key", remedy=_REMEDY)
    return Credentials(token.encode(), lambda nonce: base64.b64encode(key.sign(nonce.encode())))


def _key(seed: str) -> Ed25519PrivateKey | None:
    """Return the key of a user's seed; None where it is none."""
    try:
        raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    except binascii.Error:
        return None
    if len(raw) != 36 or raw[:2] != _USER_SEED or binascii.crc_hqx(raw[:34], 0) != int.from_bytes(raw[34:], "little"):
        return None
    return Ed25519PrivateKey.from_private_bytes(raw[2:34])
