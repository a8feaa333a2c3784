"""The log of this room: every decision and change of automation, found by host, by what it is about, and by time."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from trueup.domains.automation.engine.hostpolicy import covers
from trueup.kernel import tenancy
from trueup.kernel.errors import UsageError
from trueup.kernel.evidence import lists
from trueup.kernel.http.engine.cells import line
from trueup.kernel.http.engine.cursor import seal, unseal
from trueup.kernel.http.paging import Asked, Page, cursor_key, scope_of

ROOM = "automation."
STEP = 200
COLUMNS = ("index", "at", "action", "outcome", "principal", "subjects", "policies", "error", "note", "attempt")


@dataclass(frozen=True, slots=True)
class Wanted(lists.Wanted):
    """Which entries are looked for; empty means all of this room.

    Args:
        host: that a change is about, by its name or a pattern that stands for it, or that a run was refused.
        since, until: moments, as entries write them; ``until`` is not among them.
    """

    action: str = ROOM
    host: str = ""
    since: str = ""
    until: str = ""

    @property
    def in_bodies(self) -> bool:
        """The bodies of entries are read."""
        return True

    def matches(self, body: Mapping[str, Any]) -> bool:
        """Tell whether an entry is one of them."""
        at = str(body["at"])
        return (
            lists.Wanted.matches(self, body)
            and (not self.since or at >= self.since)
            and (not self.until or at < self.until)
            and (not self.host or _about(body, self.host))
        )


def _about(body: Mapping[str, Any], host: str) -> bool:
    named = [subject[5:] for subject in body.get("subjects", ()) if subject.startswith("host/")]
    refused = [one.get("host") for one in body.get("note", {}).get("refused", ()) if isinstance(one, dict)]
    return any(name == host or covers(name, host) for name in named) or host in refused


def action_of(text: str) -> str:
    """Read which actions of this room are wanted: one, or the beginning of some that ends with a dot.

    Raises:
        UsageError: it names another room's.
    """
    if text and not text.startswith(ROOM):
        raise UsageError(
            f"{text[:60]!r} is no action of automation",
            remedy="other rooms' entries are at /api/v1/evidence/entries",
            details={"fields": [{"field": "action", "problem": f"begins with {ROOM}"}]},
        )
    return text or ROOM


def page(tenant: UUID, wanted: Wanted, asked: Asked) -> Page[dict[str, Any]]:
    """Return one page of entries, the newest first; ``index`` is None while an entry is not covered by a checkpoint.

    Raises:
        UsageError: the cursor is not one of this list.
    """
    scope = scope_of("automation.audit", tenant, ("-id",), wanted)
    way, beyond = unseal(cursor_key(), scope, asked.cursor, length=2) if asked.cursor else (">", None)
    back = way == "<"
    start = None if beyond is None else int(str(beyond))
    found = lists.entries(tenant, wanted, beyond=start, limit=asked.limit, oldest_first=back)
    some = found.entries[::-1] if back else found.entries
    places = lists.places_of(tenant, [id for id, _ in some])
    onward = (some[-1][0] if some else start) if back else found.reached
    behind = found.reached if back else (some[0][0] if some and start is not None else None)
    return Page(
        [_row(places.get(id), body) for id, body in some],
        next=seal(cursor_key(), scope, [">", onward]) if onward is not None else "",
        previous=seal(cursor_key(), scope, ["<", behind]) if behind is not None else "",
    )


def _row(index: int | None, body: Mapping[str, Any]) -> dict[str, Any]:
    proof = None if index is None else f"/api/v1/evidence/entries/{index}"
    return {"index": index, "covered": index is not None, "proof": proof, **body}


def every(tenant: UUID, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Yield all entries, the newest first; read after the request's own reach has ended."""
    at = Asked(STEP)
    while True:
        with tenancy.reaching(tenant):
            found = page(tenant, wanted, at)
        yield from found.rows
        if not found.next:
            return
        at = Asked(STEP, found.next)


def ndjson(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Return entries as lines of JSON."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def csv(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Return entries as records of a table that no spreadsheet runs."""
    yield line([*COLUMNS, "covered"])
    for row in rows:
        yield line([*(_cell(row.get(name)) for name in COLUMNS), "yes" if row["covered"] else "not yet"])


def _cell(value: Any) -> object:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict | list) else value
