"""The text of an API key: ``tru_<prefix>_<secret>``. The prefix finds the key, the secret proves it."""

import hashlib
import hmac
import re
from dataclasses import dataclass

PREFIX = r"^[a-z2-7]{10}$"
SECRET = r"^[A-Za-z0-9_-]{43}$"  # noqa: S105 - the form of a secret, not one
_TEXT = re.compile(r"tru_([a-z2-7]{10})_([A-Za-z0-9_-]{43})")
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key in its two halves; the secret is left out of its printed form."""

    prefix: str
    secret: str

    def __repr__(self) -> str:
        return f"KeyText(prefix={self.prefix!r})"

    @property
    def text(self) -> str:
        """The key as a person copies it."""
        return f"tru_{self.prefix}_{self.secret}"


def parse(text: str) -> KeyText | None:
    """Return the halves of a key; None for what is none."""
    found = _TEXT.fullmatch(text.strip())
    return KeyText(found.group(1), found.group(2)) if found else None


def digest(secret: str) -> str:
    """Return SHA-256 (hex) of a secret. 256 random bits need no slow hash: they cannot be guessed from a fast one."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, stored: str) -> bool:
    """Compare a secret with a stored digest in constant time; an empty digest matches nothing."""
    return hmac.compare_digest(digest(secret), stored or "-" * 64)
