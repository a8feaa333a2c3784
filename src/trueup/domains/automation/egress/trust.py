"""Certificates that targets may have: those that the system trusts, read once a process, since that takes some 20 ms."""

import ssl
from functools import lru_cache


@lru_cache(maxsize=1)
def system_trust() -> ssl.SSLContext:
    """Return what verifies targets; shared, so nobody changes it."""
    return ssl.create_default_context()
