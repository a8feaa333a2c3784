"""Servers that a source connects to: their addresses, and whom to trust."""

import ssl
from collections.abc import Mapping
from pathlib import Path

from trueup.kernel.errors import ConfigurationError, UsageError


def server_of(text: str, schemes: Mapping[str, tuple[int, bool]], *, form: str, credentials: str) -> tuple[str, int, bool]:
    """Return host, port and whether TLS is spoken, of an address.

    Args:
        text: the address.
        schemes: to each of its possible beginnings the usual port, and whether TLS is spoken.
        form: how addresses are written, for who wrote another.
        credentials: the options that take what does not belong into an address.

    Raises:
        UsageError: it is none, or holds credentials.
    """
    scheme, colon, rest = text.partition("://")
    if "@" in text:
        raise UsageError("an address must not hold credentials", remedy=f"use {credentials}")
    if not colon or scheme not in schemes or not rest or "/" in rest.rstrip("/"):
        raise UsageError(f"{text!r} is no address of a broker", remedy=f"write {form}")
    usual, tls = schemes[scheme]
    host, separator, port = rest.rstrip("/").rpartition(":")
    if not separator or rest.endswith("]"):
        host, port = rest.rstrip("/"), str(usual)
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536 or not host:
        raise UsageError(f"{text!r} names no host and port", remedy=f"write {form}")
    return host.strip("[]"), int(port), tls


def trusted(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return a context that lets no server in whose certificate is not vouched for.

    Args:
        ca: file of the authorities to trust; None for the system's.
        certificate: to show, with ``key``; None for none.
        key: of the certificate.

    Raises:
        ConfigurationError: one of them cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        if certificate is not None:
            context.load_cert_chain(str(certificate), str(key) if key else None)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigurationError(
            f"the certificates of the broker cannot be used: {exc.strerror or type(exc).__name__}",
            remedy="name readable PEM files with --ca, --certificate and --key",
        ) from None
    return context
