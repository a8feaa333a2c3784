"""The challenge by which somebody shows that a host is theirs: where it has to stand, and whether it does."""

import hmac
from collections.abc import Iterable
from html.parser import HTMLParser

RECORD = "_trueup-challenge"
PATH = "/.well-known/trueup-challenge.txt"
META = "trueup-challenge"
MAX_PAGE = 1 << 18
"""Octets of a front page that are looked at."""

_IN_HEAD = frozenset({"html", "head", "meta", "link", "base", "title", "script", "style", "noscript", "template"})
_HOLDS_TEXT = frozenset({"title", "script", "style", "noscript", "template"})


def base_of(host: str) -> str:
    """Return the name that a host or ``*.`` pattern is proved at."""
    return host.removeprefix("*.")


def record_name(host: str) -> str:
    """Return the name of the TXT record.

    >>> record_name("*.example.org")
    '_trueup-challenge.example.org'
    """
    return f"{RECORD}.{base_of(host)}"


def front(host: str, ports: Iterable[int]) -> str:
    """Return the address that files and pages are looked for under: https, but where port 80 alone is asked for."""
    named = f"[{host}]" if ":" in host else host
    return f"{'http' if set(ports) == {80} else 'https'}://{named}"


def in_records(records: Iterable[str], token: str) -> bool:
    """Whether a TXT record is the token, and nothing else."""
    return any(_same(record.strip(), token) for record in records)


def in_file(body: bytes, token: str) -> bool:
    """Whether a file holds the token, and nothing else."""
    return len(body) <= 1024 and _same(body.decode(errors="replace").strip(), token)


def in_page(body: bytes, token: str) -> bool:
    """Whether the head of a page has the token in its ``meta`` element.

    The body does not count, nor do texts within the head: those are places where visitors can leave words.
    """
    reader = _Head()
    reader.feed(body[:MAX_PAGE].decode(errors="replace"))
    reader.close()
    return any(_same(found, token) for found in reader.found)


def _same(found: str, token: str) -> bool:
    return bool(token) and hmac.compare_digest(found.encode(), token.encode())


class _Head(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._within: list[str] = []
        self._over = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._over |= tag not in _IN_HEAD and not self._within
        if self._over:
            return
        if tag in _HOLDS_TEXT:
            self._within.append(tag)
        given = dict(reversed(attrs))  # of an attribute that is given twice the first counts
        if tag == "meta" and not self._within and (given.get("name") or "").lower() == META:
            self.found.append((given.get("content") or "").strip())

    def handle_endtag(self, tag: str) -> None:
        if tag in self._within:
            del self._within[self._within.index(tag) :]
        self._over |= tag == "head" and not self._within

    def handle_data(self, data: str) -> None:
        self._over |= bool(data.strip()) and not self._within
