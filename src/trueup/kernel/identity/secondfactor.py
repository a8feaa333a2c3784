"""Codes of authenticator apps and recovery codes, on allauth's stores and functions.

allauth remembers used codes in a cache, which here would be one process's own; the time step of the last code that was
taken is kept with the user instead, so that none is taken twice by any process.

References:
    RFC 6238 section 5.2; RFC 4226.
"""

import base64
import hmac
import re
from dataclasses import dataclass
from datetime import datetime

from allauth.mfa import app_settings
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, generate_totp_secret, hotp_value
from allauth.mfa.utils import decrypt
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from trueup.kernel.errors import TrueupError
from trueup.kernel.identity.models import User

new_secret = generate_totp_secret


class Adapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Seals what allauth stores, under a key derived from the installation's web key."""

    def encrypt(self, text: str) -> str:
        """Seal a secret."""
        return _box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Open a sealed secret."""
        return _box().decrypt(encrypted_text.encode()).decode()

    def get_totp_issuer(self) -> str:
        """The name that an authenticator app shows."""
        return "Trueup"


def _box() -> Fernet:
    key = HKDF(SHA256(), 32, salt=None, info=b"trueup second factor").derive(str(settings.SECRET_KEY).encode())
    return Fernet(base64.urlsafe_b64encode(key))


def enabled(user: User) -> bool:
    """Tell whether a user's logins ask for a code."""
    return bool(Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists())


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is, one step early or late allowed; None when it is none's.

    Args:
        secret: Base32, as the authenticator app was given it.
        code: as a person typed it.
        now: the moment it was typed.
    """
    given = code.replace(" ", "")
    present = int(now.timestamp()) // app_settings.TOTP_PERIOD
    found = None
    for step in range(present - app_settings.TOTP_TOLERANCE, present + app_settings.TOTP_TOLERANCE + 1):
        try:
            expected = format_hotp_value(hotp_value(secret, step))
        except ValueError:  # not Base32
            return None
        if hmac.compare_digest(expected.encode(), given.encode()):
            found = step
    return found


def take(user: User, code: str, now: datetime) -> bool:
    """Use up a code of the app or a recovery code, once over all processes; tell whether it was good.

    Call it in the transaction that depends on it.
    """
    for row in Authenticator.objects.filter(user=user):
        if row.type == Authenticator.Type.RECOVERY_CODES and RecoveryCodes(row).validate_code(code):
            return True
        if row.type == Authenticator.Type.TOTP:
            step = step_of(decrypt(row.data["secret"]), code, now)
            fresh = User.objects.filter(id=user.id, totp_counter__lt=step or 0)
            if step is not None and fresh.update(totp_counter=step):
                return True
    return False


def recovery_codes(user: User) -> list[str]:
    """Return a user's recovery codes that are not used yet."""
    row = Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES).first()
    return list(RecoveryCodes(row).get_unused_codes()) if row else []


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app is shown: the address, and its QR code as the path of an SVG drawing.

    Args:
        url: ``otpauth://…``.
        path: the ``d`` of the dark squares.
        size: width and height of the drawing, in squares.
    """

    url: str
    path: str
    size: int


def enrolment(user: User, secret: str) -> Enrolment:
    """Return what an authenticator app is shown to take up a secret; the page draws it, without styles or scripts."""
    adapter = Adapter()
    url = str(adapter.build_totp_url(user, secret))
    drawn = re.search(r'viewBox="0 0 (\d+) \d+".* d="([MHVLmhvlz0-9.,]+)"', str(adapter.build_totp_svg(url)), re.DOTALL)
    if drawn is None:
        raise TrueupError("the QR code could not be drawn", remedy="type the secret into the app")
    return Enrolment(url, drawn[2], int(drawn[1]))
