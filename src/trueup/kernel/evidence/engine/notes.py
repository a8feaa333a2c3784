"""Keys, signed notes, checkpoints and DSSE: what a signature in Trueup is over.

References:
    C2SP signed-note and tlog-checkpoint, DSSE protocol v1.0.2, RFC 8032.
"""

import base64
import binascii
import hashlib
import re
from typing import NamedTuple

ED25519 = b"\x01"

# Public keys of small order verify signatures that nobody made (order 1, 2, 4, 8; both signs of x).
_P = 2**255 - 19
_ORDER_8 = (
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)
_SMALL_Y = (0, 1, _P - 1, *(int.from_bytes(bytes.fromhex(y), "little") for y in _ORDER_8))


def check_public_key(raw: bytes) -> None:
    """Refuse Ed25519 public keys that are not 32 bytes, not canonical, or of small order.

    Raises:
        ValueError: the key must not be used.
    """
    if len(raw) != 32:
        raise ValueError(f"expected an Ed25519 public key of 32 bytes, got {len(raw)}")
    y = int.from_bytes(raw, "little") & ((1 << 255) - 1)
    if y >= _P:
        raise ValueError("the Ed25519 public key is not canonical")
    if y in _SMALL_Y:
        raise ValueError("the Ed25519 public key is of small order: anybody can sign for it")


def fingerprint(raw: bytes) -> str:
    """Return a public key's fingerprint: lower-case hex SHA-256 of its 32 bytes."""
    return hashlib.sha256(raw).hexdigest()


def note_key_hash(name: str, raw: bytes) -> bytes:
    """Return the four bytes that name a key in a signed note: SHA-256(name || LF || type || key)[:4]."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + raw).digest()[:4]


def vkey(name: str, raw: bytes) -> str:
    """Return the verifier-key line ``name+hash+key`` of an Ed25519 key (C2SP signed-note)."""
    return f"{name}+{note_key_hash(name, raw).hex()}+{base64.b64encode(ED25519 + raw).decode()}"


def parse_vkey(line: str) -> tuple[str, bytes]:
    """Read a verifier-key line into the key's name and its 32 bytes.

    Raises:
        ValueError: not such a line, another algorithm, or a key that must not be used.
    """
    name, _, rest = line.strip().partition("+")
    hashed, _, encoded = rest.partition("+")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error as exc:
        raise ValueError("the verifier key is not base64") from exc
    if not name or blob[:1] != ED25519:
        raise ValueError("expected a verifier key 'name+hash+base64' of an Ed25519 key")
    check_public_key(blob[1:])
    if note_key_hash(name, blob[1:]).hex() != hashed:
        raise ValueError("the verifier key's hash does not belong to its name and key")
    return name, blob[1:]


def verify_signature(raw: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether an Ed25519 signature over a message is by this key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        check_public_key(raw)
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class Checkpoint(NamedTuple):
    """A log's size and root hash, as a signed note states them."""

    origin: str
    size: int
    root: bytes


def split_note(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Split a signed note into its text and its signatures ``(key name, key hash, signature)``.

    Raises:
        ValueError: not a signed note.

    References:
        C2SP signed-note: text ends in a newline, an empty line, then lines of em dash, name and base64.
    """
    if any(ord(c) < 0x20 and c != "\n" for c in note):
        raise ValueError("a signed note holds no control characters")
    text, found, tail = note.rpartition("\n\n")
    if not found or not tail.endswith("\n") or not text:
        raise ValueError("expected a text, an empty line and signature lines")
    signatures = []
    for line in tail[:-1].split("\n"):
        match = re.fullmatch(r"\u2014 (\S+) ([A-Za-z0-9+/]+={0,2})", line)
        if not match or "+" in match[1]:
            raise ValueError(f"not a signature line: {line[:80]!r}")
        try:
            blob = base64.b64decode(match[2], validate=True)
        except binascii.Error as exc:
            raise ValueError("a signature line is not base64") from exc
        if len(blob) < 5 or base64.b64encode(blob).decode() != match[2]:
            raise ValueError("a signature line is not canonical base64 of a key hash and a signature")
        signatures.append((match[1], blob[:4], blob[4:]))
    return text + "\n", signatures


def verify_note(note: str, name: str, raw: bytes) -> str:
    """Return the text of a signed note after checking that the named key signed it.

    Raises:
        ValueError: malformed, not signed by that key, or wrongly signed in its name.
    """
    text, signatures = split_note(note)
    wanted = note_key_hash(name, raw)
    mine = [sig for signer, hashed, sig in signatures if signer == name and hashed == wanted]
    if len(mine) != 1:
        raise ValueError(f"expected one signature by {name}, got {len(mine)}")
    if not verify_signature(raw, mine[0], text.encode()):
        raise ValueError(f"the signature by {name} does not fit the text")
    return text


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's text: origin, tree size, base64 root hash (C2SP tlog-checkpoint).

    Raises:
        ValueError: not a checkpoint.
    """
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] != "" or not lines[0]:
        raise ValueError("expected three lines: origin, size, root")
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
        raise ValueError("the tree size is not a decimal number")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except binascii.Error as exc:
        raise ValueError("the root hash is not base64") from exc
    if len(root) != 32 or base64.b64encode(root).decode() != lines[2]:
        raise ValueError("the root hash is not 32 bytes in canonical base64")
    return Checkpoint(lines[0], int(lines[1]), root)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding, the bytes that are signed (DSSE protocol, v1.0.2)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
