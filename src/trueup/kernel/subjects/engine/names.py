"""Names of things, brought to the one form in which they are compared.

References:
    IEEE 802 (EUI-48 text forms), RFC 5321 section 2.4 (the domain of a mailbox is compared without case; mailboxes are, in
    practice, too), RFC 4343 (DNS names are compared without case), RFC 9562 section 4 (UUID text form).
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from trueup.kernel.errors import UsageError

KINDS = ("device", "person", "application", "page", "model", "service", "organisation")
"""What a subject can be."""

_KIND_AND_ID = re.compile(rf"({'|'.join(KINDS)})/[A-Za-z0-9][A-Za-z0-9._:@-]{{0,199}}")


class Strength(StrEnum):
    """What it means that two subjects bear the same alias."""

    STRONG = "strong"  # one thing alone has it: the same alias is the same thing
    WEAK = "weak"  # things share it, or lend it on: a hint, never proof


@dataclass(frozen=True, slots=True)
class Namespace:
    """Where an alias comes from, and what it is worth.

    Args:
        name: short (``serial``).
        strength: strong aliases belong to one subject alone.
        form: brings a value to the form in which it is compared; raises ValueError for what cannot be one.
    """

    name: str
    strength: Strength
    form: Callable[[str], str]


def _folded(value: str) -> str:
    return unicodedata.normalize("NFKC", value).strip().casefold()


def _serial(value: str) -> str:
    plain = re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", value)).upper()
    if len(plain) < 4 or plain in _PLACEHOLDERS or len(set(plain)) == 1:
        raise ValueError("is a placeholder that many devices share, not a serial number")
    return plain


def _mac(value: str) -> str:
    plain = re.sub(r"[^0-9a-f]", "", value.strip().lower())
    if len(plain) != 12 or plain in ("0" * 12, "f" * 12):
        raise ValueError("is no EUI-48 address")
    if int(plain[:2], 16) & 0b10:
        raise ValueError("is locally administered (random or virtual): it does not tell devices apart")
    return ":".join(plain[i : i + 2] for i in range(0, 12, 2))


def _email(value: str) -> str:
    plain = _folded(value)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", plain):
        raise ValueError("is no mail address")
    return plain


def _uuid(value: str) -> str:
    plain = re.sub(r"[^0-9a-f]", "", value.strip().lower())
    if len(plain) != 32 or len(set(plain)) == 1:
        raise ValueError("is no UUID that tells anything apart")
    return plain


def _text(value: str) -> str:
    plain = _folded(value)
    if not plain:
        raise ValueError("is empty")
    return plain


_PLACEHOLDERS = {
    "TOBEFILLEDBYO.E.M.",
    "DEFAULTSTRING",
    "SYSTEMSERIALNUMBER",
    "NOTSPECIFIED",
    "NOTAPPLICABLE",
    "NONE",
    "UNKNOWN",
    "INVALID",
    "123456789",
    "0123456789",
}

NAMESPACES: Mapping[str, Namespace] = {
    space.name: space
    for space in (
        Namespace("serial", Strength.STRONG, _serial),
        Namespace("uuid", Strength.STRONG, _uuid),
        Namespace("mac", Strength.STRONG, _mac),
        Namespace("email", Strength.STRONG, _email),
        Namespace("directory", Strength.STRONG, _text),
        Namespace("vendor", Strength.STRONG, _text),
        Namespace("url", Strength.STRONG, lambda value: _text(value).rstrip("/")),
        Namespace("hostname", Strength.WEAK, lambda value: _text(value).rstrip(".")),
        Namespace("asset_tag", Strength.WEAK, _text),
        Namespace("login", Strength.WEAK, _text),
        Namespace("name", Strength.WEAK, _text),
    )
}
"""The namespaces of aliases, by name. ``vendor`` values carry their system (``jamf:1234``)."""


def normal(namespace: str, value: str) -> str:
    """Return an alias in the form in which it is compared.

    >>> normal("mac", "00-1B-63-84-45-E6")
    '00:1b:63:84:45:e6'

    Raises:
        UsageError: no such namespace, or a value that cannot be one of it.
    """
    space = NAMESPACES.get(namespace)
    if space is None:
        raise UsageError(f"there is no namespace {namespace!r}", remedy=f"one of: {', '.join(NAMESPACES)}")
    try:
        return space.form(value)
    except ValueError as exc:
        raise UsageError(f"{namespace} {value!r} {exc}", remedy="leave this alias out") from None


def checked_id(subject: str) -> str:
    """Return a canonical id if it is one: ``kind/id``.

    Raises:
        UsageError: it is not.
    """
    if not _KIND_AND_ID.fullmatch(subject):
        raise UsageError(
            f"{subject!r} is no subject", remedy=f"write kind/id with a kind out of: {', '.join(KINDS)} (device/C02XK1)"
        )
    return subject
