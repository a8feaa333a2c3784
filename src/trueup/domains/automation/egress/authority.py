"""A certificate authority for one run: in memory, trusted by that run's browser alone, gone with the run.

Its key is never written anywhere. The one key of its leaves passes through an anonymous memory file, since OpenSSL takes keys
from files alone.

References:
    RFC 5280 (certificates); RFC 9525, section 6 (which name a certificate is for).
"""

import base64
import hashlib
import os
import ssl
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LEAVES = 1_000
"""Hosts whose certificates are kept at a time."""

_LIFE = timedelta(days=2)
_SKEW = timedelta(days=1)


class Authority:
    """Makes certificates for the hosts that one run's browser asks for."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._since = datetime.now(UTC) - _SKEW
        self._issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trueup, one run")])
        self._identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        self.certificate = self._own().public_bytes(Encoding.PEM)
        self._leaves: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    @property
    def spki(self) -> str:
        """The hash of its public key, as Chromium names keys: base64 of the SHA-256 of the SubjectPublicKeyInfo."""
        public = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(public).digest()).decode()

    def context(self, host: str) -> ssl.SSLContext:
        """Return what answers as a host, in HTTP/1.1 and under no other name.

        Args:
            host: a name in lower case, or a literal address without brackets.
        """
        found = self._leaves.get(host)
        if found is None:
            found = self._leaves[host] = self._made(host)
            if len(self._leaves) > LEAVES:
                self._leaves.popitem(last=False)
        self._leaves.move_to_end(host)
        return found

    def _made(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        key = self._leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        held = os.memfd_create("leaf", os.MFD_CLOEXEC)
        try:
            os.write(held, self._leaf(host).public_bytes(Encoding.PEM) + self.certificate + key)
            context.load_cert_chain(f"/proc/self/fd/{held}")
        finally:
            os.close(held)

        def named(_connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> int | None:
            # a hello that names another host than the tunnel was asked for would be read differently by two programs
            return None if name is None or name.lower() == host else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

        # typeshed knows the callback of a socket alone
        context.sni_callback = named
        return context

    def _own(self) -> x509.Certificate:
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
            key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        made = self._builder(self._issuer, self._key)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        made = made.add_extension(usage, critical=True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        return made.sign(self._key, hashes.SHA256())

    def _leaf(self, host: str) -> x509.Certificate:
        made = self._builder(x509.Name([]), self._leaf_key)
        made = made.add_extension(x509.SubjectAlternativeName([_name(host)]), critical=True)
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        made = made.add_extension(self._identifier, critical=False)
        return made.sign(self._key, hashes.SHA256())

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self._issuer).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number())
        return made.not_valid_before(self._since).not_valid_after(self._since + _SKEW + _LIFE)


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
