"""What a site asks robots not to fetch: RFC 9309, with the leniency that the web's files need.

A file is read as bytes and never refused: what makes no sense is passed over. Matching is linear in the length of pattern and
path. The most specific rule, the one with the most octets, decides; of two equally long ones the one that allows.

References:
    RFC 9309, "Robots Exclusion Protocol"; the published unit tests of Google's parser (Apache-2.0), whose assertions hold here.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

MAX_BYTES = 512_000
"""Octets of a file that are looked at; RFC 9309 asks for at least 500 KiB."""
MAX_LINE = 2083 * 8 - 1
"""Octets of a line that are looked at."""

_BOM = b"\xef\xbb\xbf"
_LINE = re.compile(rb"\r\n|\n|\r")
_ESCAPE = re.compile(rb"%[0-9a-fA-F]{2}|[\x80-\xff]")
_END = re.compile(rb"[#\0]")
_TOKEN = re.compile(rb"[a-zA-Z_-]*")
_SPACE = b" \t\n\r\x0b\x0c"
_FOR, _ALLOWS, _DISALLOWS = "for", "allow", "disallow"
# by how names begin, misspellings that are frequent among them
_BEGINNINGS = {
    _FOR: (b"user-agent", b"useragent", b"user agent"),
    _ALLOWS: (b"allow",),
    _DISALLOWS: (b"disallow", b"dissallow", b"dissalow", b"disalow", b"diasllow", b"disallaw"),
}
_KINDS = {name: kind for kind, names in _BEGINNINGS.items() for name in names}
_INDEX = b"/index.htm"


class Rule(NamedTuple):
    """One line that allows or disallows.

    Args:
        pattern: octets; ``*`` stands for any number of octets, a final ``$`` for the end.
    """

    allow: bool
    pattern: bytes

    def matches(self, path: bytes) -> int:
        """Return how many octets of pattern matched; 0 where it does not, or says nothing.

        Args:
            path: path, parameters and query, percent-encoded.
        """
        if _matches(self.pattern, path):
            return len(self.pattern)
        slash = self.pattern.rfind(b"/")
        if self.allow and slash >= 0 and self.pattern.startswith(_INDEX, slash):
            # the page that a directory shows stands for the directory
            directory = self.pattern[: slash + 1] + b"$"
            return len(directory) if _matches(directory, path) else 0
        return 0


@dataclass(frozen=True, slots=True)
class Group:
    """Rules and the product tokens, in lower case, that they are for; ``*`` for everybody."""

    agents: frozenset[bytes]
    rules: tuple[Rule, ...]


def is_allowed(robots_txt: bytes, user_agent: str, url: str) -> bool:
    r"""Say whether a robot may fetch a URL.

    Args:
        robots_txt: the file as it was served.
        user_agent: the robot's product token; what follows a slash is its version.
        url: absolute, percent-encoded.

    >>> is_allowed(b"User-agent: *\nDisallow: /private", "Trueup", "https://example.org/private/a")
    False
    """
    decides = deciding(robots_txt, user_agent, url)
    return decides is None or decides.allow


def deciding(robots_txt: bytes, user_agent: str, url: str) -> Rule | None:
    """Return the rule that decides about a URL, as ``is_allowed`` does; None where none applies."""
    path = path_of(url)
    best, most = None, 0
    for rule in _rules(robots_txt, _product(user_agent)):
        if len(rule.pattern) < most:
            break  # the longest come first: no later one can match more octets
        octets = rule.matches(path)
        if octets > most or (octets and octets == most and rule.allow):
            best, most = rule, octets
    return best


@lru_cache(maxsize=256)
def _rules(robots_txt: bytes, agent: bytes) -> tuple[Rule, ...]:
    """Return the rules for a robot, those with the longest patterns first."""
    groups = parse(robots_txt)
    own = [group for group in groups if agent and agent in group.agents]
    chosen = own or [group for group in groups if b"*" in group.agents]
    rules = [rule for group in chosen for rule in group.rules if rule.pattern]
    return tuple(sorted(rules, key=lambda rule: len(rule.pattern), reverse=True))


def _product(user_agent: str) -> bytes:
    token, slash, _ = user_agent.partition("/")
    return (token if slash else user_agent).encode().lower()


def path_of(url: str) -> bytes:
    """Return what patterns are held against: path, parameters and query of a URL; ``/`` where it has none."""
    whole = url.encode()
    start = 2 if whole.startswith(b"//") else 0
    ends = [place for mark in (b"/", b"?", b";") if (place := whole.find(mark, start)) >= 0]
    scheme = whole.find(b"://", start)
    if scheme >= 0 and not (ends and min(ends) < scheme):
        start = scheme + 3
        ends = [place for mark in (b"/", b"?", b";") if (place := whole.find(mark, start)) >= 0]
    fragment = whole.find(b"#")
    end = fragment if fragment >= 0 else len(whole)
    if not ends or min(ends) >= end:
        return b"/"
    path = _ESCAPE.sub(_upper, whole[min(ends) : end])
    return path if path.startswith(b"/") else b"/" + path


def _upper(found: re.Match[bytes]) -> bytes:
    text = found.group()
    return text.upper() if len(text) > 1 else text


def _escaped(found: re.Match[bytes]) -> bytes:
    text = found.group()
    return text.upper() if len(text) > 1 else b"%%%02X" % text[0]


def parse(robots_txt: bytes) -> tuple[Group, ...]:
    """Read a file into its groups; lines that are none of its own are passed over, and part no group."""
    groups: list[Group] = []
    agents: set[bytes] = set()
    rules: list[Rule] = []
    for key, value in _lines(robots_txt):
        kind = _KINDS.get(key) or _kind(key)
        if kind == _FOR:
            if rules:
                groups.append(Group(frozenset(agents), tuple(rules)))
                agents, rules = set(), []
            agents.add(_agent(value))
        elif kind and agents:
            plain = value.isascii() and b"%" not in value
            rules.append(Rule(kind == _ALLOWS, value if plain else _ESCAPE.sub(_escaped, value)))
    if agents:
        groups.append(Group(frozenset(agents), tuple(rules)))
    return tuple(groups)


def _kind(key: bytes) -> str:
    return next((kind for kind, names in _BEGINNINGS.items() if key.startswith(names)), "")


def _agent(value: bytes) -> bytes:
    if value[:1] == b"*" and (len(value) == 1 or value[1:2] in _SPACE):
        return b"*"
    found = _TOKEN.match(value)
    return found.group().lower() if found else b""


def _lines(robots_txt: bytes) -> Iterable[tuple[bytes, bytes]]:
    """Yield names, in lower case, and values."""
    body = robots_txt[:MAX_BYTES]
    for place in range(len(_BOM)):
        if body[:1] != _BOM[place : place + 1]:
            break
        body = body[1:]
    for line in _LINE.split(body):
        text = line[:MAX_LINE]
        if b"#" in text or b"\0" in text:
            text = _END.split(text, maxsplit=1)[0]
        key, colon, value = text.partition(b":")
        if not colon:
            # a missing colon is meant where a line has just two words
            words = text.split()
            if len(words) != 2:
                continue
            key, value = words
        if key := key.strip(_SPACE):
            yield key.lower(), value.strip(_SPACE)


def _matches(pattern: bytes, path: bytes) -> bool:
    """Hold a pattern against the beginning of a path; each part between stars is taken where it comes first."""
    anchored = pattern.endswith(b"$")
    parts = (pattern[:-1] if anchored else pattern).split(b"*")
    if not path.startswith(parts[0]):
        return False
    if len(parts) == 1:
        return not anchored or len(path) == len(parts[0])
    at = len(parts[0])
    for part in parts[1:-1]:
        at = path.find(part, at)
        if at < 0:
            return False
        at += len(part)
    if anchored:
        return len(path) - at >= len(parts[-1]) and path.endswith(parts[-1])
    return path.find(parts[-1], at) >= 0
