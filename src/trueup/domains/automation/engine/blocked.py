"""Whether a target asks to be left alone: what it says, how it says it, and for how long.

Only what is plainly a refusal counts: a page that merely has a form with a puzzle in it is an ordinary page.

References:
    RFC 9110, section 10.2.3 (Retry-After); RFC 6585, section 4 (429); the documents of the services that send such pages.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from mmap import mmap

LONGEST = timedelta(days=366)
"""How long a target can ask to be left alone; what is longer, or beyond the calendar, counts as this."""
_STATUS = {403: "it forbids this (403)", 429: "it asks for fewer requests (429)"}
_HEADERS = {"cf-mitigated": ("challenge",), "x-amzn-waf-action": ("challenge", "captcha"), "x-datadome": ("protected",)}
_PAGES = (
    b"_cf_chl_",  # also what its forms and links carry on: __cf_chl_tk and the like
    b"cf-browser-verification",
    b"cf-challenge-running",
    b"captcha-delivery.com",
    b"px-captcha",
    b"gokuprops",
    b"incapsula incident id",
    b"_incapsula_resource?cwudnsai",
    b"sec-if-cpt-container",
    b"the requested url was rejected. please consult with your administrator",
)
_SCRIPT = b"/cdn-cgi/challenge-platform/"
# ordinary pages have scripts from there, too, but none that orchestrates
_ORCHESTRATES = re.compile(rb"""src\s*=\s*["']?[^"'\s>]{0,200}/cdn-cgi/challenge-platform/(?:h/[a-z]/)?orchestrate\b""")
_TITLES = frozenset(
    {
        b"just a moment...",
        b"attention required! | cloudflare",
        b"please wait... | cloudflare",
        b"access to this page has been denied",
        b"access to this page has been denied.",
        b"pardon our interruption",
        b"pardon our interruption...",
        b"ddos-guard",
        b"one moment, please...",
        b"radware bot manager captcha",
    }
)
_TITLE = re.compile(rb"<title\b[^>]{0,200}>([^<]{0,200})</title")
_LOOKED_AT = 1 << 16


def blocked(status: int, headers: Mapping[str, str], body: bytes | mmap) -> str:
    """Say how a target asks to be left alone; empty where it does not.

    Args:
        status: of the last answer.
        headers: with names in lower case.
        body: unpacked; its beginning is looked at.
    """
    if status in _STATUS:
        return _STATUS[status]
    for name, values in _HEADERS.items():
        if headers.get(name, "").strip().lower() in values and (name != "x-datadome" or status >= 400):
            return "it answers with a challenge"
    if status == 503 and "retry-after" in headers:
        return "it asks to come again later (503)"
    if "html" in headers.get("content-type", "").lower():
        return "it answers with a challenge" if _is_challenge(body[:_LOOKED_AT].lower()) else ""
    return ""


def _is_challenge(start: bytes) -> bool:
    """Whether the beginning of a page is that of one which stands before the page that was asked for."""
    if any(mark in start for mark in _PAGES) or (_SCRIPT in start and _ORCHESTRATES.search(start)):
        return True
    title = _TITLE.search(start)
    return title is not None and b" ".join(title[1].replace(b"\xe2\x80\xa6", b"...").split()) in _TITLES


def retry_after(value: str, now: datetime) -> datetime | None:
    """Return until when a target asks to be left alone, by a number of seconds or a date; None where it says neither."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return now + (timedelta(seconds=int(text)) if len(text) < 9 else LONGEST)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
    return min(max(until, now), now + LONGEST)
