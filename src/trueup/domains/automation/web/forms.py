"""Forms of these pages: what was typed becomes an action's input, and what is wrong with it is said beside its field."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.http import QueryDict

from trueup.domains.automation.engine.tiers import NEEDS_APPROVAL, Strategy
from trueup.kernel.errors import UsageError

LONGEST_BOX = 200_000
TIERS = tuple(str(one) for one in Strategy)
METHODS = (
    ("dns_txt", "a TXT record in the DNS"),
    ("well_known_file", "a file on the site"),
    ("html_meta", "an element in the head of the front page"),
    ("signed_letter", "a signed letter"),
    ("loopback", "none: it is a port of this machine"),
)
UNITS = (("d", "days"), ("h", "hours"))


def by_field(error: UsageError) -> dict[str, str]:
    """Return what is wrong with each field; of a list, whichever item it is."""
    found: dict[str, str] = {}
    for one in error.details.get("fields", ()):
        found.setdefault(str(one["field"]).partition(".")[0], str(one["problem"]).removeprefix("Value error, "))
    return found


def lines(text: str) -> list[str]:
    """Return the lines that hold something."""
    return [line.strip() for line in text[:LONGEST_BOX].splitlines() if line.strip()]


def words(text: str) -> list[str]:
    """Return what stands between commas, semicolons and spaces."""
    return [word for word in re.split(r"[\s,;]+", text[:LONGEST_BOX]) if word]


def policy_typed(form: QueryDict) -> dict[str, Any]:
    """Return what was typed about a policy, to be shown again."""
    return {
        "host": form.get("host", "").strip(),
        "denied": form.get("denied") == "yes",
        "ports": form.get("ports", ""),
        "paths": form.get("paths", ""),
        "strategies": form.getlist("strategies"),
        "per_minute": form.get("per_minute", ""),
        "per_hour": form.get("per_hour", ""),
        "concurrent": form.get("concurrent", ""),
        "notes": form.get("notes", "").strip(),
        "after": form.get("after", "0"),
    }


def policy_input(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was typed about a policy as the input of an action."""
    lists = {"ports": words(typed["ports"]), "paths": lines(typed["paths"])}
    return {**typed, **lists, "allowed": not typed["denied"]}


def policy_shown(host: str, body: Mapping[str, Any], after: int) -> dict[str, Any]:
    """Return a stored policy as the form shows it."""
    return {
        **body,
        "host": host,
        "denied": body["denied"] or not body["allowed"],
        "ports": ", ".join(map(str, body["ports"])),
        "paths": "\n".join(body["paths"]),
        "after": after,
    }


NEW_POLICY: Mapping[str, Any] = {
    "allowed": True,
    "denied": False,
    "ports": [],
    "paths": [],
    "strategies": ["vanilla"],
    "per_minute": 5,
    "per_hour": 30,
    "concurrent": 1,
    "notes": "",
}


def request_typed(form: QueryDict) -> dict[str, Any]:
    """Return what was typed about an authorization, to be shown again."""
    texts = (
        "host",
        "method",
        "ports",
        "path",
        "job_types",
        "max_rps",
        "max_concurrent",
        "max_requests",
        "opens",
        "closes",
        "contact",
    )
    typed: dict[str, Any] = {name: form.get(name, "").strip() for name in texts}
    typed |= {name: form.get(name) == "yes" for name in ("own", "inside")}
    return typed | {"strategies": form.getlist("strategies"), "lasts": form.get("lasts", ""), "unit": form.get("unit", "d")}


def request_input(typed: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return what was typed about an authorization as the input of an action.

    Raises:
        UsageError: how long it lasts is no number.
    """
    lasts = str(typed["lasts"])
    if not (lasts.isascii() and lasts.isdigit() and len(lasts) < 5):
        problem = "Write a whole number"
        raise UsageError(f"lasts: {problem}", details={"fields": [{"field": "lasts", "problem": problem}]})
    given = {name: typed[name] for name in ("host", "method", "contact", "own", "inside", "strategies")}
    given |= {"ports": words(typed["ports"]), "job_types": words(typed["job_types"])}
    given |= {name: typed[name] for name in ("path", "max_rps", "max_concurrent", "max_requests") if typed[name]}
    given |= {name: f"{typed[name]}:00Z" for name in ("opens", "closes") if typed[name]}
    span = timedelta(hours=int(lasts)) if typed["unit"] == "h" else timedelta(days=int(lasts))
    return {**given, "expires": now + span}


NEW_REQUEST: Mapping[str, Any] = {
    "method": "dns_txt",
    "path": "/",
    "strategies": ["vanilla"],
    "lasts": "30",
    "unit": "d",
}


def tiers(chosen: Iterable[str]) -> list[dict[str, Any]]:
    """Return the tiers as boxes to tick."""
    picked = set(chosen)
    return [{"name": name, "on": name in picked, "consent": Strategy(name) in NEEDS_APPROVAL} for name in TIERS]


def span(until: datetime, now: datetime) -> str:
    """Return how far off a moment is, in words.

    >>> span(datetime(2026, 1, 6), datetime(2026, 1, 1)), span(datetime(2026, 1, 1, 5), datetime(2026, 1, 1, 2, 30))
    ('in 5 days', 'in 2 hours')
    """
    seconds = int((until - now).total_seconds())
    if seconds <= 0:
        return "over"
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = seconds // length
        if count >= (2 if name != "minute" else 1):
            return f"in {count} {name}{'' if count == 1 else 's'}"
    return "in less than a minute"
