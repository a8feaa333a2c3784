"""Who we say we are, to every site alike."""

import os
from importlib.util import find_spec
from urllib.parse import urlsplit

from trueup import __version__
from trueup.kernel.errors import ConfigurationError

SETTING = "TRUEUP_CONTACT_URL"
UNSANDBOXED, CHROMIUM = "TRUEUP_ALLOW_UNSANDBOXED", "TRUEUP_CHROMIUM"
"""Settings of a worker: that browsers may be started without their sandbox (``1``), and where Chromium is."""
TOKEN = "Trueup"  # noqa: S105 - a product token, by which robots files name us
NO_CONTACT = "agent.contact"
"""The rule by which no public place is reached by somebody who cannot be asked about it."""


def contact() -> str:
    """Return the address under which sites find out about us; empty where none was set.

    Raises:
        ConfigurationError: it is no web address.
    """
    text = os.environ.get(SETTING, "")
    parts = urlsplit(text)
    sound = parts.scheme in ("http", "https") and parts.hostname and len(text) <= 200
    if text and not (sound and text.isascii() and text.isprintable() and not set(text) & set(' ()<>"')):
        raise ConfigurationError(f"{SETTING} is no web address", remedy="write https://example.org/about-our-robot")
    return text


def user_agent(address: str) -> str:
    """Return the name that every request bears: product, version, and where to ask about us.

    >>> user_agent("https://example.org/bot").partition("/")[0]
    'Trueup'
    """
    return f"{TOKEN}/{__version__} (+{address})" if address else f"{TOKEN}/{__version__}"


def require_extra() -> None:
    """Refuse to fetch without the libraries that fetch.

    Raises:
        ConfigurationError: they are not installed.
    """
    if find_spec("aiohttp") is None:
        raise ConfigurationError(
            "pages are fetched by an optional part", remedy="install trueup with its extra: trueup[automation]"
        )
