"""Django's settings: one store, our rooms, and the parts of Django and allauth that logins need."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from trueup.config.web import web
from trueup.kernel.errors import ConfigurationError

ROOMS = (
    "trueup.kernel.evidence",
    "trueup.kernel.actions",
    "trueup.kernel.identity",
    "trueup.kernel.change",
    "trueup.kernel.secrets",
    "trueup.kernel.subjects",
    "trueup.kernel.notify",
    "trueup.kernel.work",
    "trueup.domains.telemetry",
    "trueup.domains.automation",
)
LIBRARIES = (
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
)


FACES = ("trueup.faces.web",)


def sqlite(path: Path) -> dict[str, Any]:
    """Return Django's description of the embedded store.

    Every commit reaches the disk (``synchronous=FULL``) before a caller is told that it happened, and a
    transaction takes the write lock at its start, so it never fails half-way for want of it.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "CONN_MAX_AGE": 600,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    }


def postgresql(url: str) -> dict[str, Any]:
    """Return Django's description of a PostgreSQL store.

    Args:
        url: ``postgresql://user:password@host:port/name``; a UNIX socket is ``postgresql:///name?host=/folder&user=u``.

    Raises:
        ConfigurationError: not such an address; the message never holds the password.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ConfigurationError(
            "TRUEUP_DATABASE_URL is no PostgreSQL address", remedy="write postgresql://user:password@host:5432/name, or unset it"
        )
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or options.pop("user", "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or options.pop("port", "")),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


def settings(database: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings for a store."""
    return {
        "INSTALLED_APPS": [*LIBRARIES, *ROOMS, *FACES],
        "DATABASES": {"default": dict(database)},
        "AUTH_USER_MODEL": "identity.User",
        "USE_TZ": True,
        "TIME_ZONE": "UTC",
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "LOGGING_CONFIG": None,
        **logins(),
        **web(),
    }


def logins() -> dict[str, Any]:
    """Return the settings of passwords, second factors and sessions.

    Passwords are hashed with scrypt, which costs memory as well as time. Sessions stand in the store, so that ending one
    holds for every process at its next request.
    """
    rules = "django.contrib.auth.password_validation"
    return {
        "AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.ModelBackend"],
        "PASSWORD_HASHERS": [
            "django.contrib.auth.hashers.ScryptPasswordHasher",
            "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        ],
        "AUTH_PASSWORD_VALIDATORS": [
            {"NAME": f"{rules}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
            {"NAME": f"{rules}.CommonPasswordValidator"},
            {"NAME": f"{rules}.NumericPasswordValidator"},
            {"NAME": f"{rules}.UserAttributeSimilarityValidator", "OPTIONS": {"user_attributes": ("email", "name")}},
        ],
        "SESSION_ENGINE": "django.contrib.sessions.backends.db",
        "SESSION_COOKIE_AGE": 12 * 3600,
        "MFA_ADAPTER": "trueup.kernel.identity.secondfactor.Adapter",
        "MFA_SUPPORTED_TYPES": ["totp", "recovery_codes"],
        "MFA_TOTP_TOLERANCE": 1,
    }
