"""Signing keys: one Ed25519 private key a home, 0600, and the public keys that this home trusts."""

import base64
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trueup.kernel.errors import ConfigurationError, UsageError
from trueup.kernel.evidence.engine.notes import fingerprint, note_key_hash, vkey
from trueup.kernel.evidence.engine.program import trusted_fingerprint
from trueup.kernel.files import write_atomic

_PRIVATE = "signing.pem"
_NEXT = "signing.next.pem"


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key that signs checkpoints and statements. Its repr shows the public fingerprint alone."""

    _key: Ed25519PrivateKey
    public: bytes

    @classmethod
    def of(cls, key: Ed25519PrivateKey) -> "Signer":
        """Wrap a private key."""
        return cls(key, key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"Signer({self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key, hex."""
        return fingerprint(self.public)

    def vkey(self, name: str) -> str:
        """Return the verifier-key line under a name."""
        return vkey(name, self.public)

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature, 64 bytes (deterministic, RFC 8032)."""
        return self._key.sign(message)

    def sign_note(self, text: str) -> str:
        """Return a signed note whose signer has the name of the text's first line (its origin)."""
        name = text.partition("\n")[0]
        blob = note_key_hash(name, self.public) + self.sign(text.encode())
        return f"{text}\n\u2014 {name} {base64.b64encode(blob).decode()}\n"


def private_pem(key: Ed25519PrivateKey) -> bytes:
    """Return a private key as PKCS#8 PEM."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def public_pem(signer: Signer) -> bytes:
    """Return the public key as SubjectPublicKeyInfo PEM."""
    return signer._key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


class KeyFolder:
    """The keys of one home.

    Args:
        path: the folder; ``signing.pem`` and ``trusted/<fingerprint>.pem`` stand in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trusted = path / "trusted"

    @property
    def private(self) -> Path:
        """The private key's file."""
        return self.path / _PRIVATE

    def readable(self) -> bool:
        """Whether this user may read the private key, and so is the owner of the home."""
        return os.access(self.private, os.R_OK)

    def require_present(self) -> None:
        """Refuse to act in a home whose private key is gone.

        Raises:
            ConfigurationError: it is.
        """
        if not self.private.exists():
            raise ConfigurationError(
                f"the signing key {self.private} is missing",
                remedy="restore it from its back-up; without one nothing new can be signed here: begin a new home (old packs still verify)",
            )

    def create(self) -> Signer:
        """Make the first key, or return the one that exists."""
        if self.private.exists():
            return self.signer()
        key = Ed25519PrivateKey.generate()
        self._publish(Signer.of(key))
        write_atomic(self.private, private_pem(key), mode=0o600)
        return Signer.of(key)

    def signer(self) -> Signer:
        """Load the private key.

        Raises:
            ConfigurationError: missing, unreadable, open to other users, or not Ed25519.
        """
        try:
            mode = stat.S_IMODE(self.private.stat().st_mode)
            data = self.private.read_bytes()
        except OSError as exc:
            raise ConfigurationError(
                f"cannot read the signing key {self.private}: {exc.strerror}",
                remedy="run as the user who owns the home, or restore the key from its back-up",
            ) from exc
        if mode & 0o077:
            raise ConfigurationError(
                f"the signing key {self.private} is open to other users (mode {mode:04o})", remedy=f"chmod 600 {self.private}"
            )
        try:
            key = serialization.load_pem_private_key(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise ConfigurationError(f"the signing key {self.private} is damaged", remedy="restore it from its back-up") from exc
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigurationError(
                f"the signing key {self.private} is not an Ed25519 key", remedy="restore it from its back-up"
            )
        return Signer.of(key)

    def trusted_fingerprints(self) -> set[str]:
        """Return the fingerprints of all keys that this home trusts, retired ones among them."""
        return {path.stem for path in self.trusted.glob("*.pem")} if self.trusted.is_dir() else set()

    def trusted_vkeys(self, origin: str, fingerprints: Iterable[str]) -> list[str]:
        """Return verifier-key lines for trusted keys, under an origin."""
        return sorted(vkey(origin, self.public_key(mark)) for mark in fingerprints)

    def public_key(self, mark: str) -> bytes:
        """Return the 32 bytes of a trusted public key."""
        data = (self.trusted / f"{mark}.pem").read_bytes()
        return serialization.load_pem_public_key(data).public_bytes_raw()  # type: ignore[union-attr]

    def trust(self, source: Path) -> str:
        """Trust a public key file; return its fingerprint.

        Raises:
            UsageError: not a public key, or one that must not be used.
        """
        try:
            mark = trusted_fingerprint(str(source))
            key = serialization.load_pem_public_key(source.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as exc:
            raise UsageError(f"{source}: not a usable Ed25519 public key in PEM form ({exc})") from exc
        pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.trusted.mkdir(mode=0o700, exist_ok=True)
        write_atomic(self.trusted / f"{mark}.pem", pem, mode=0o644)
        return mark

    def _publish(self, signer: Signer) -> None:
        self.trusted.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(self.trusted / f"{signer.fingerprint}.pem", public_pem(signer), mode=0o644)

    def stage_next(self) -> Signer:
        """Make the key that a rotation will put in force; nothing signs with it yet."""
        key = Ed25519PrivateKey.generate()
        write_atomic(self.path / _NEXT, private_pem(key), mode=0o600)
        return Signer.of(key)

    def staged(self) -> Signer | None:
        """Return the key of a rotation that was begun, if there is one."""
        if not (self.path / _NEXT).exists():
            return None
        key = serialization.load_pem_private_key((self.path / _NEXT).read_bytes(), password=None)
        return Signer.of(key) if isinstance(key, Ed25519PrivateKey) else None

    def promote_next(self) -> None:
        """Put the staged key in force; the retired private key is gone, its public key stays trusted."""
        staged = self.staged()
        if staged is not None:
            self._publish(staged)
            (self.path / _NEXT).replace(self.private)

    def discard_next(self) -> None:
        """Forget a staged key."""
        (self.path / _NEXT).unlink(missing_ok=True)
