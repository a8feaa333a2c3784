"""What every page shows around its content: navigation, the tenants to switch to, who is signed in."""

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.http import HttpRequest

from trueup.kernel.http import readers
from trueup.kernel.http.callers import Caller
from trueup.kernel.http.navigation import Item

ROOMS = (
    "trueup.kernel.evidence.web.urls",
    "trueup.domains.telemetry.web.urls",
    "trueup.domains.automation.web.urls",
    "trueup.kernel.work.web.urls",
    "trueup.kernel.change.web.urls",
    "trueup.kernel.notify.web.urls",
    "trueup.kernel.subjects.web.urls",
    "trueup.kernel.identity.web.urls",
    "trueup.kernel.policy.web.urls",
)
"""Where each room's pages are, in the order of the navigation."""
SECTIONS = ("", "Evidence", "Telemetry", "Automation", "Work", "Approvals", "Alerts", "Administration")
HOME = Item("", "Home", "/", "home")


def there(module: str) -> bool:
    """Tell whether a module exists; none of its parents need to."""
    parts = module.split(".")
    return all(find_spec(".".join(parts[: n + 1])) is not None for n in range(len(parts)))


@lru_cache(maxsize=1)
def rooms() -> tuple[Any, ...]:
    """Return the address tables of the rooms that have pages."""
    return tuple(import_module(name) for name in ROOMS if there(name))


@lru_cache(maxsize=1)
def items() -> tuple[Item, ...]:
    """Return all entries of the side navigation, in order."""
    brought = [item for room in rooms() for item in getattr(room, "NAVIGATION", ())]
    place = {name: n for n, name in enumerate(SECTIONS)}
    return (HOME, *sorted(brought, key=lambda item: place.get(item.section, len(SECTIONS))))


@dataclass(frozen=True, slots=True)
class Link:
    """One entry of the side navigation on one page."""

    item: Item
    here: bool


def navigation(caller: Caller, path: str) -> list[tuple[str, list[Link]]]:
    """Return the sections of the side navigation for a caller, with the entry that a page belongs to."""
    seen = [item for item in items() if not item.tags or readers.may(caller.principal, *sorted(item.tags))]
    under = [item for item in seen if path == item.url or (item.url != "/" and path.startswith(item.url))]
    here = max(under, key=lambda item: len(item.url), default=None)
    sections: dict[str, list[Link]] = {}
    for item in seen:
        sections.setdefault(item.section, []).append(Link(item, item is here))
    return list(sections.items())


def shell(request: HttpRequest) -> dict[str, Any]:
    """Return what the base template needs; nothing for somebody who is not signed in."""
    caller: Caller | None = getattr(request, "caller", None)
    if caller is None:
        return {"base": "trueup/door.html"}
    return {
        "base": "trueup/base.html",
        "caller": caller,
        "navigation": navigation(caller, request.path),
        "places": getattr(caller, "memberships", ()),
    }
