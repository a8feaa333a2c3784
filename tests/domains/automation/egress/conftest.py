"""Certificates for servers of tests, by a CA that exists for one test alone."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@pytest.fixture
def certificate(tmp_path):
    """Return, for a name, a server's TLS context and one that trusts its CA alone."""

    def make(name):
        now = datetime.now(UTC)
        keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])

        def build(subject, key, *extensions):
            made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
            made = made.not_valid_after(now + timedelta(days=1))
            for extension, critical in extensions:
                made = made.add_extension(extension, critical)
            return made.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
            key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        identifier = x509.SubjectKeyIdentifier.from_public_key(keys[0].public_key())
        authority = build(
            issuer, keys[0], (x509.BasicConstraints(ca=True, path_length=None), True), (usage, True), (identifier, False)
        )
        leaf = build(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            keys[1],
            (x509.SubjectAlternativeName([x509.DNSName(name)]), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), False),
        )
        key = keys[1].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (tmp_path / "leaf.pem").write_bytes(leaf + key)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(tmp_path / "leaf.pem")
        return server, ssl.create_default_context(cadata=authority.decode())

    return make
