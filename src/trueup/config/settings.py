"""Django's settings: one store, our rooms, nothing that is not used."""

from pathlib import Path
from typing import Any

ROOMS = (
    "trueup.kernel.evidence",
    "trueup.kernel.actions",
    "trueup.kernel.identity",
    "trueup.kernel.secrets",
)


def database(path: Path) -> dict[str, Any]:
    """Return Django's description of the embedded store.

    Every commit reaches the disk (``synchronous=FULL``) before a caller is told that it happened, and a
    transaction takes the write lock at its start, so it never fails half-way for want of it.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    }


def settings(path: Path) -> dict[str, Any]:
    """Return all settings for a store at a path."""
    return {
        "INSTALLED_APPS": list(ROOMS),
        "DATABASES": {"default": database(path)},
        "AUTH_USER_MODEL": "identity.User",
        "USE_TZ": True,
        "TIME_ZONE": "UTC",
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "LOGGING_CONFIG": None,
    }
