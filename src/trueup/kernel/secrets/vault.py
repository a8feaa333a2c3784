"""Seal and open secrets: ChaCha20-Poly1305 under one key a home, bound to tenant, name and version.

References:
    RFC 8439.
"""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from pydantic import SecretStr

from trueup.kernel.errors import ConfigurationError, Damaged, NotFound
from trueup.kernel.files import write_atomic
from trueup.kernel.secrets.models import Secret


class Vault:
    """The key that opens a home's secrets. Its repr shows nothing.

    Args:
        path: file of 32 random bytes, mode 0600; made when it is missing and no secret exists yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return "Vault()"

    def _cipher(self) -> ChaCha20Poly1305:
        try:
            if stat.S_IMODE(self.path.stat().st_mode) & 0o077:
                raise ConfigurationError(f"the secrets key {self.path} is open to other users", remedy=f"chmod 600 {self.path}")
            key = self.path.read_bytes()
        except OSError as exc:
            raise ConfigurationError(
                f"cannot read the secrets key {self.path}: {exc.strerror}", remedy="restore it from its back-up"
            ) from exc
        if len(key) != 32:
            raise ConfigurationError(f"the secrets key {self.path} is damaged", remedy="restore it from its back-up")
        return ChaCha20Poly1305(key)

    def ensure(self) -> None:
        """Make the key if there is none and nothing was ever sealed with one.

        Raises:
            ConfigurationError: the key is gone while secrets exist: a new key would lose them in silence.
        """
        if self.path.exists():
            return
        if Secret.objects.exists():
            raise ConfigurationError(
                f"the secrets key {self.path} is missing, but secrets exist", remedy="restore it from its back-up"
            )
        made = self.path.with_name(f".{self.path.name}.{uuid4().hex}")
        write_atomic(made, secrets.token_bytes(32), mode=0o600)
        with suppress(FileExistsError):  # another process was faster: its key is the key
            os.link(made, self.path)
        made.unlink()

    def seal(self, tenant: UUID, name: str, version: int, value: SecretStr) -> tuple[bytes, bytes]:
        """Return nonce and sealed bytes."""
        self.ensure()
        nonce = os.urandom(12)
        return nonce, self._cipher().encrypt(nonce, value.get_secret_value().encode(), _bound(tenant, name, version))

    def reveal(self, tenant: UUID, name: str) -> SecretStr:
        """Open a secret; the value stays wrapped until its user unwraps it.

        Raises:
            NotFound: no such secret in this tenant.
            Damaged: the stored bytes are not what was sealed for this tenant and name.
        """
        row = Secret.objects.filter(tenant=tenant, name=name).first()
        if row is None:
            raise NotFound(f"there is no secret {name!r}", remedy="store it with 'trueup secret put'")
        return self.unseal(tenant, name, row.version, bytes(row.nonce), bytes(row.sealed))

    def unseal(self, tenant: UUID, name: str, version: int, nonce: bytes, sealed: bytes) -> SecretStr:
        """Open what was sealed for a tenant, a name and a version.

        Raises:
            Damaged: the bytes are not what was sealed for them.
        """
        try:
            opened = self._cipher().decrypt(nonce, sealed, _bound(tenant, name, version))
        except InvalidTag as exc:
            raise Damaged(f"the secret {name!r} cannot be opened: it was changed, moved, or sealed with another key") from exc
        return SecretStr(opened.decode())


def _bound(tenant: UUID, name: str, version: int) -> bytes:
    return b"trueup-secret\x00%b\x00%d\x00%b" % (tenant.bytes, version, name.encode())
