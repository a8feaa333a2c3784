"""The web part of Django's settings: layers, templates, policies of content, cookies; and where a proxy stands in front.

Four variables of the environment say how the server is reached:

- ``TRUEUP_PUBLIC_URL``: the address that people use (``https://trueup.example.org``). With ``https`` cookies are sent over
  TLS alone and browsers are told to stay with it.
- ``TRUEUP_BEHIND_PROXY=1``: a proxy of ours stands in front and sets ``X-Forwarded-For`` and ``X-Forwarded-Proto``.
- ``TRUEUP_RATE_LIMIT=RATE:BURST``: requests a second, and at once, of one caller.
- ``TRUEUP_METRICS_OPEN=loopback``: the figures need no credential on this machine.

References:
    W3C Content Security Policy Level 3; OWASP Secure Headers; RFC 6265bis section 4.1.3 (cookie name prefixes).
"""

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from trueup.config.home import Home
from trueup.config.options import flag
from trueup.kernel.errors import ConfigurationError, UsageError
from trueup.kernel.files import write_atomic
from trueup.kernel.http.options import Options

SOURCE = Path(__file__).parent.parent
LOCAL = ("localhost", "127.0.0.1", "[::1]")
LOGIN_PATHS = ("/login/", "/login/code/", "/logout/", "/password/")
PASSWORD_PATHS = ("/password/",)
OWN = ("/account/", "/password/", "/tenant/")
_RATE = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,3})?):([0-9]{1,6})")
_YEAR = 31_536_000


def layers() -> list[str]:
    """Return the layers of a request, the outermost first."""
    return [
        "trueup.kernel.http.middleware.Edge",
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "django.middleware.csp.ContentSecurityPolicyMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "allauth.account.middleware.AccountMiddleware",
        "trueup.kernel.identity.web.middleware.SignedIn",
        "trueup.kernel.http.middleware.Door",
    ]


def web(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the web settings.

    Raises:
        ConfigurationError: a variable of the environment that cannot be understood.
    """
    public = urlsplit(environ.get("TRUEUP_PUBLIC_URL", ""))
    if public.geturl() and (public.scheme not in ("http", "https") or not public.hostname):
        raise ConfigurationError("TRUEUP_PUBLIC_URL is no web address", remedy="write https://trueup.example.org, or unset it")
    rate, burst = rate_limit(environ.get("TRUEUP_RATE_LIMIT", "50:200"))
    behind = flag("TRUEUP_BEHIND_PROXY", environ.get("TRUEUP_BEHIND_PROXY", ""))
    return {
        "MIDDLEWARE": layers(),
        "ROOT_URLCONF": "trueup.faces.web.urls",
        "TEMPLATES": [_templates()],
        "CSRF_FAILURE_VIEW": "trueup.kernel.http.middleware.out_of_date",
        "STATIC_URL": "/static/",
        "STATICFILES_DIRS": _libraries_static(),
        "STORAGES": {
            "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
            "staticfiles": {"BACKEND": "trueup.faces.web.assets.AssetStorage"},
        },
        "LOGIN_URL": "/login/",
        "LOGIN_REDIRECT_URL": "/",
        "DATA_UPLOAD_MAX_MEMORY_SIZE": 10 << 20,
        "MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage",
        "USE_I18N": False,
        "SECURE_CSP": content_policy(),
        "X_FRAME_OPTIONS": "DENY",
        "SECURE_REFERRER_POLICY": "same-origin",
        "TRUEUP_DOORS": Options(
            login_paths=LOGIN_PATHS,
            password_paths=PASSWORD_PATHS,
            own_prefixes=OWN,
            behind_proxy=behind,
            rate=rate,
            burst=burst,
            expects_worker=environ.get("TRUEUP_NO_WORKER", "") != "1",
            metrics_to_loopback=environ.get("TRUEUP_METRICS_OPEN", "") == "loopback",
        ),
        "ALLOWED_HOSTS": [*LOCAL, *([public.hostname] if public.hostname else []), *environ.get("TRUEUP_HOSTS", "").split()],
        "CSRF_TRUSTED_ORIGINS": [f"{public.scheme}://{public.netloc}"] if public.hostname else [],
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https") if behind else None,
        **_cookies(secure=public.scheme == "https"),
    }


def content_policy() -> dict[str, list[str]]:
    """Return what pages may load: their own files, no inline script, no inline style; ``data:`` for the small pictures of style sheets."""
    return {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "frame-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }


def rate_limit(text: str) -> tuple[float, int]:
    """Read ``RATE:BURST``.

    Raises:
        ConfigurationError: it is not that.

    >>> rate_limit("50:200")
    (50.0, 200)
    """
    found = _RATE.fullmatch(text)
    if found is None or float(found[1]) <= 0 or int(found[2]) < 1:
        raise ConfigurationError(
            f"TRUEUP_RATE_LIMIT {text[:40]!r} is no rate", remedy="write requests a second and at once, as 50:200"
        )
    return float(found[1]), int(found[2])


def _cookies(*, secure: bool) -> dict[str, Any]:
    prefix = "__Host-" if secure else ""
    return {
        "SESSION_COOKIE_NAME": f"{prefix}trueup_session",
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "CSRF_COOKIE_NAME": f"{prefix}trueup_csrf",
        "CSRF_COOKIE_SECURE": secure,
        "CSRF_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_SAMESITE": "Lax",
        "SECURE_HSTS_SECONDS": _YEAR if secure else 0,
    }


def _templates() -> dict[str, Any]:
    return {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": sorted(str(path) for floor in ("kernel", "domains") for path in (SOURCE / floor).glob("*/web/templates")),
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "trueup.faces.web.shell.shell",
            ],
        },
    }


def _libraries_static() -> list[tuple[str, str]]:
    """Return the files of the API's documentation page, which the API library brings; it is found, not imported."""
    found = find_spec("ninja")
    places = list(found.submodule_search_locations or ()) if found else []
    return [("ninja", str(Path(place) / "static" / "ninja")) for place in places]


def secret_key(home: Home) -> str:
    """Return the key that seals sessions, tokens and cursors of an installation; made at first use, readable by its owner.

    A user of the machine who may not read it seals with a key of the process's own, which opens nothing of others.

    Raises:
        ConfigurationError: it cannot be made.
    """
    path = home.keys / "web.key"
    try:
        if not path.exists():
            made = path.with_name(f".{path.name}.{uuid4().hex}")
            write_atomic(made, secrets.token_urlsafe(48).encode(), mode=0o600)
            with suppress(FileExistsError):  # another process was faster: its key is the key
                os.link(made, path)
            made.unlink()
        return path.read_text()
    except (OSError, UsageError) as exc:
        reason = exc.__cause__ if isinstance(exc, UsageError) else exc
        if isinstance(reason, PermissionError):
            return secrets.token_urlsafe(48)
        raise ConfigurationError(
            f"cannot make the web key {path}", remedy="make the home's folder keys one that its owner can write"
        ) from exc
