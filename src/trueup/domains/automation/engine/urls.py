"""One reading of a URL, for the decision and for the connection: the WHATWG standard's, without its indulgence.

What browsers forgive (backslashes, tabs, numbers as hosts) others read differently, and an address that two programs read
differently is how a decision is walked around. Such a URL is refused, even where its target would be allowed.

References:
    WHATWG URL Standard, by Ada (``ada_url``); RFC 6761 and RFC 9476 for special names.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

import ada_url

from trueup.kernel.errors import Refused

SCHEMES = {"http": 80, "https": 443, "ws": 80, "wss": 443}
"""What may be fetched, and the port where none is given."""
MAX_LENGTH = 8192
"""Characters of a URL."""

_AUTHORITY = re.compile(r"^[^:/?#]*:[/\\]*([^/\\?#]*)")
_ODD = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ufeff]")
_DOTTED = re.compile(r"^(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}$")
_LOCAL = ("local", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa", "alt", "onion", "invalid")
_METADATA = {"metadata.google.internal", "metadata.goog", "metadata", "instance-data", "instance-data.ec2.internal"}


class UrlRefused(Refused):
    """A URL that is not fetched, whatever policies say: ``rule`` is the id of what refuses it."""

    code = "POLICY_VIOLATION"

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason, remedy="give the plain form of an http or https URL", details={"rule": rule})
        self.rule = rule
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL asks for.

    Args:
        url: normalised, without its fragment.
        scheme: one of ``SCHEMES``.
        host: in lower case, ASCII, without a final dot; an IPv6 address without brackets.
        port: the one that is connected to.
        path: path and query.
        address: where the host is a literal address.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: str
    address: IPv4Address | IPv6Address | None = None

    @property
    def authority(self) -> str:
        """Host and port, as limits and breakers count them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: credentials stay within it."""
        return self.scheme, self.host, self.port


@lru_cache(maxsize=2_048)
def read(text: str) -> Target:
    """Read an absolute URL; each hop asks several times for the same.

    Raises:
        UrlRefused: it is none, or one that others could read differently.
    """
    if len(text) > MAX_LENGTH:
        raise UrlRefused("egress.url.length", f"a URL of {len(text)} characters; {MAX_LENGTH} are allowed")
    if _ODD.search(text):
        raise UrlRefused("egress.url.control", "it holds control characters or spaces")
    if "\\" in text:
        raise UrlRefused("egress.url.backslash", "it holds a backslash")
    try:
        found = ada_url.URL(text)
    except (ValueError, UnicodeError) as exc:
        raise UrlRefused("egress.url.invalid", "it is no absolute URL") from exc
    scheme = found.protocol.rstrip(":")
    if scheme not in SCHEMES:
        raise UrlRefused("egress.url.scheme", f"the scheme {scheme} is not fetched")
    raw = _AUTHORITY.match(text)
    authority = raw.group(1) if raw else ""
    if found.username or found.password or "@" in authority:
        raise UrlRefused("egress.url.userinfo", "it holds a user name or password")
    host = found.hostname.strip("[]").removesuffix(".")
    _plain_host(authority, host)
    address = _address(host)
    if isinstance(address, IPv4Address) and not _DOTTED.match(authority.partition(":")[0]):
        raise UrlRefused("egress.url.host_form", f"an unusual way to write {host}")
    found.hash = ""
    port = int(found.port) if found.port else SCHEMES[scheme]
    if not port:
        raise UrlRefused("egress.url.port", "port 0 is no port")
    return Target(found.href.removesuffix("#"), scheme, host, port, f"{found.pathname}{found.search}", address)


def _plain_host(authority: str, host: str) -> None:
    if not host or host.startswith(".") or ".." in host:
        raise UrlRefused("egress.url.host", "it names no host")
    if "%" in authority:
        raise UrlRefused("egress.url.host_encoding", "its host is percent-encoded")
    if not host.isascii() or not re.fullmatch(r"[0-9a-z._:-]+", host):
        raise UrlRefused("egress.url.host", "its host holds characters that no host has")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return IPv6Address(host) if ":" in host else IPv4Address(host)
    except ValueError:
        return None


def private_name(host: str) -> str:
    """Return the rule that refuses a name whatever it resolves to; empty where none does.

    Args:
        host: as ``Target`` has it, no literal address.
    """
    if host in _METADATA:
        return "egress.name.metadata"
    if host == "localhost" or host.endswith(".localhost"):
        return "egress.name.localhost"
    if "." not in host or any(host == name or host.endswith(f".{name}") for name in _LOCAL):
        return "egress.name.private"
    return ""
