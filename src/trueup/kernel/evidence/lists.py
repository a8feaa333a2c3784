"""Long lists of evidence, for pages and API: queries to page through, and rows as they are shown."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from trueup.kernel.evidence import facts as factstore
from trueup.kernel.evidence import models
from trueup.kernel.evidence.engine.encode import raw

SCANNED = 20_000
"""Entries that one page of a filtered log looks through; a page may be short, and the next goes on from there."""
_COLUMNS = ("id", "subject", "predicate", "value", "unit", "source", "supersedes", "entry", "index")
_TIMES = {name: Cast(name, TextField()) for name in ("valid_at", "recorded_at")}
_STEP = 1000
_DAMAGED = {"at": "", "action": "", "principal": "", "outcome": "damaged"}


def facts(tenant: UUID, *, subject: str = "", predicate: str = "") -> "QuerySet[models.Fact]":
    """Return a tenant's facts: of a subject and its parts, of a predicate, or all."""
    rows = models.Fact.objects.filter(tenant=tenant)
    if subject:
        rows = rows.filter(factstore.about(subject))
    return rows.filter(predicate=predicate) if predicate else rows


def plain(rows: "QuerySet[models.Fact]") -> "QuerySet[models.Fact, dict[str, Any]]":
    """Return facts as dictionaries, with times as the database's text.

    A list of the API holds a hundred times: parsing them, only to write them again, would be a tenth of the whole request.
    """
    found: QuerySet[models.Fact, dict[str, Any]] = rows.values(*_COLUMNS, **{f"{name}_text": t for name, t in _TIMES.items()})
    return found


def fact_rows(tenant: UUID, rows: "Sequence[models.Fact | dict[str, Any]]") -> list[dict[str, Any]]:
    """Return facts, as rows or :func:`plain`, with the place of each in the log (None while its entry is pending)."""
    found = [row if isinstance(row, dict) else _plain(row) for row in rows]
    places = places_of(tenant, [row["entry"] for row in found])
    return [
        {
            "id": str(row["id"]),
            "subject": row["subject"],
            "predicate": row["predicate"],
            "value": json.loads(row["value"]),
            "unit": row["unit"],
            "valid_at": stamp_of(row["valid_at_text"]),
            "recorded_at": stamp_of(row["recorded_at_text"]),
            "source": row["source"],
            "supersedes": row["supersedes"],
            "entry": places.get(row["entry"]),
            "index": row["index"],
        }
        for row in found
    ]


def _plain(row: models.Fact) -> dict[str, Any]:
    times = {f"{name}_text": getattr(row, name).astimezone(UTC).isoformat(" ") for name in _TIMES}
    return {name: getattr(row, name) for name in _COLUMNS} | times


def stamp_of(text: str) -> str:
    """Return a moment that a database wrote as text, in UTC, as ``stamp`` writes it.

    >>> stamp_of("2026-01-31 12:00:00.25+00"), stamp_of("2026-01-31 12:00:00")
    ('2026-01-31T12:00:00.250000Z', '2026-01-31T12:00:00.000000Z')
    """
    moment = text.partition("+")[0]
    return f"{moment[:10]}T{moment[11:19]}.{moment[20:].ljust(6, '0')}Z"


def places_of(tenant: UUID, entries: Sequence[int]) -> dict[int, int]:
    """Return the index in the log of each entry that has one; asked with every list, so without the ORM's compiler."""
    wanted = sorted(set(entries))
    if not wanted:
        return {}
    owner = models.Leaf._meta.get_field("tenant").get_db_prep_value(tenant, connection)
    marks = ", ".join(["%s"] * len(wanted))
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT entry, "index" FROM evidence_leaf WHERE tenant = %s AND entry IN ({marks})', [owner, *wanted])  # noqa: S608 - marks alone
        return dict(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are looked for; empty means all.

    Args:
        subject: named by the entry, or by its facts.
        action: name, or the beginning of one that ends with a dot (``evidence.``).
        outcome: ``done``, ``failed``, ``refused`` or ``held``.
        principal: who acted.
    """

    subject: str = ""
    action: str = ""
    outcome: str = ""
    principal: str = ""

    @property
    def in_bodies(self) -> bool:
        """Whether the bodies of entries must be read to know."""
        return bool(self.action or self.outcome or self.principal)

    def matches(self, body: Mapping[str, Any]) -> bool:
        """Tell whether an entry is one of them."""
        action = str(body["action"])
        named = action.startswith(self.action) if self.action.endswith(".") else action == self.action
        return (
            (named or not self.action)
            and (not self.outcome or body["outcome"] == self.outcome)
            and (not self.principal or body["principal"] == self.principal)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """Entries of one page, each with its id, and the id up to which the log was looked through (None: to its end)."""

    entries: list[tuple[int, dict[str, Any]]]
    reached: int | None


def entries(tenant: UUID, wanted: Wanted, *, beyond: int | None, limit: int, oldest_first: bool = False) -> Found:
    """Look for entries from an id on, the newest first.

    Args:
        tenant: whose log.
        wanted: which.
        beyond: id after which to begin; None for the beginning.
        limit: at most so many.
        oldest_first: go the other way.
    """
    found: list[tuple[int, dict[str, Any]]] = []
    reached = None
    for seen, (id, body) in enumerate(_walk(tenant, wanted, beyond, limit, oldest_first=oldest_first)):
        if len(found) == limit or (wanted.in_bodies and seen == SCANNED):
            return Found(found, reached)
        reached = id
        if not wanted.in_bodies or wanted.matches(body):
            found.append((id, body))
    return Found(found, None)


def _walk(
    tenant: UUID, wanted: Wanted, beyond: int | None, limit: int, *, oldest_first: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = models.Entry.objects.filter(tenant=tenant)
    if wanted.subject:
        named = models.EntrySubject.objects.filter(factstore.about(wanted.subject), tenant=tenant).values("entry")
        rows = rows.filter(id__in=named)
    step = _STEP if wanted.in_bodies else limit + 1
    while True:
        some = rows if beyond is None else rows.filter(id__gt=beyond) if oldest_first else rows.filter(id__lt=beyond)
        chunk = list(some.order_by("id" if oldest_first else "-id").values_list("id", "body")[:step])
        for id, body in chunk:
            yield id, document(body)
        if len(chunk) < step:
            return
        beyond = chunk[-1][0]


def document(body: object) -> dict[str, Any]:
    """Return an entry's content; of one whose bytes were changed, only that it is damaged."""
    try:
        found = json.loads(raw(body))
    except ValueError:
        return dict(_DAMAGED)
    return _DAMAGED | found if isinstance(found, dict) else dict(_DAMAGED)


def artifacts(tenant: UUID, *, name: str = "") -> "QuerySet[models.ArtifactRef]":
    """Return the artifacts that a tenant's entries name: of one name, or all."""
    rows = models.ArtifactRef.objects.filter(tenant=tenant)
    return rows.filter(name=name) if name else rows


def artifact_rows(tenant: UUID, rows: Sequence[models.ArtifactRef]) -> list[dict[str, Any]]:
    """Return artifacts with the place of their entry in the log, and whether their bytes were erased on purpose."""
    places = places_of(tenant, [row.entry for row in rows])
    hashes = {row.sha256 for row in rows}
    gone = set(models.Erasure.objects.filter(tenant=tenant, sha256__in=hashes).values_list("sha256", flat=True))
    return [
        {
            "sha256": row.sha256,
            "name": row.name,
            "size": row.size,
            "media_type": row.media_type,
            "entry": places.get(row.entry),
            "erased": row.sha256 in gone,
        }
        for row in rows
    ]


def named_entries(tenant: UUID, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return the contents of entries by their ids."""
    rows = models.Entry.objects.filter(tenant=tenant, id__in=set(ids)).values_list("id", "body")
    return {id: document(body) for id, body in rows}
