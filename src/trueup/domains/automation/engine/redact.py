"""What must not be read in evidence: values of secrets in all forms that pages and protocols write them, headers, password fields.

References:
    HTML Standard, 13.3 (serialising); RFC 3986, section 2.1, and the URL Standard (forms); RFC 4648 (base64); RFC 8259, section 7.
"""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key", "x-auth-token"})
"""Headers whose values are never written down; names in lower case."""

_SHORT = 4
_INPUT = re.compile(r'<input(?=[\s/>])((?:"[^"]*"|[^">])*)>', re.IGNORECASE)
_PASSWORD = re.compile(r"""\btype\s*=\s*["']?password\b""", re.IGNORECASE)
_VALUE = re.compile(r'(\svalue\s*=\s*)"[^"]*"', re.IGNORECASE)


class Redactor:
    """Knows the secrets of one run, and takes them out of what is written down."""

    def __init__(self) -> None:
        self._values: dict[str, None] = {}
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    @property
    def knows(self) -> bool:
        """Whether there is anything to take out."""
        return bool(self._forms)

    @property
    def values(self) -> list[str]:
        """What is taken out and long enough to be told from an ordinary word."""
        return [value for value in self._values if len(value) >= _SHORT]

    def learn(self, value: str) -> None:
        """Take a value out from now on."""
        new = _forms(value) - self._forms
        if new:
            self._values[value.strip()] = None
            self._forms |= new
            longest = sorted(self._forms, key=lambda form: (-len(form), form))
            self._pattern = re.compile("|".join(_matcher(form) for form in longest))

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def data(self, value: Any) -> Any:
        """Return JSON-able data without secrets, in values and in keys."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.data(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(one) for one in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return MASK if self._pattern.fullmatch(str(value)) else value
        return value


def headers(given: Mapping[str, str]) -> dict[str, str]:
    """Return headers with the values of those that carry credentials masked."""
    return {name: MASK if name.lower() in HEADERS else value for name, value in given.items()}


def without_passwords(html: str) -> str:
    """Return serialised HTML in which no password field shows its value."""
    if "password" not in html.lower():
        return html
    return _INPUT.sub(_masked, html)


def _masked(match: re.Match[str]) -> str:
    if not _PASSWORD.search(match.group(1)):
        return match.group(0)
    return _VALUE.sub(lambda value: f'{value.group(1)}"{MASK}"', match.group(0))


def _matcher(form: str) -> str:
    # a short value is one by itself only: "on" is not taken out of "phone"
    return re.escape(form) if len(form) >= _SHORT else rf"(?<!\w){re.escape(form)}(?!\w)"


def _forms(value: str) -> set[str]:
    """Return all ways in which a value is written down."""
    if not value.strip():
        return set()
    whole, ends = value.replace("&", "&amp;"), value.strip()
    angles = whole.replace("<", "&lt;").replace(">", "&gt;")
    encoded = value.encode()
    plain = {
        value,
        ends,
        value.replace("\n", "\r\n"),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        whole,
        angles,
        whole.replace('"', "&quot;"),
        angles.replace('"', "&quot;"),
        angles.replace('"', "&quot;").replace("'", "&#x27;"),
        angles.replace('"', "&quot;").replace("'", "&#39;"),
        quote(value),
        quote(value, safe=""),
        quote(value, safe="!'()*-._~"),  # encodeURIComponent
        quote_plus(value),
        quote_plus(value, safe="*-._"),  # forms
    }
    folded = {re.sub(r"%[0-9A-F]{2}", lambda match: match.group(0).lower(), form) for form in plain}
    if len(value) < _SHORT:
        return plain | folded
    coded = {base64.b64encode(encoded).decode(), base64.urlsafe_b64encode(encoded).decode()}
    return plain | folded | coded | {form.rstrip("=") for form in coded}
