"""New credentials, from the operating system's randomness. They are made here, shown once by a door, and stored as digests."""

import secrets

from trueup.kernel.identity.engine.keytext import ALPHABET, KeyText

_WORD = 5


def new_key(*, prefix: str = "") -> KeyText:
    """Return a new API key of 256 random bits, under a prefix that a rotated key keeps."""
    return KeyText(prefix or _letters(10), secrets.token_urlsafe(32))


def one_time_password() -> str:
    """Return a password of 125 random bits that can be read out: five words of five letters."""
    return "-".join(_letters(_WORD) for _ in range(_WORD))


def _letters(count: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(count))
