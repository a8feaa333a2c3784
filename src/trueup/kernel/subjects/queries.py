"""Every reading of subjects."""

import json
from typing import Any
from uuid import UUID

from trueup.kernel.errors import NotFound, UsageError
from trueup.kernel.evidence.engine.encode import stamp
from trueup.kernel.subjects.engine.matching import Match, compare
from trueup.kernel.subjects.engine.names import NAMESPACES, normal
from trueup.kernel.subjects.models import Alias, Merge, Subject

_DEPTH = 100  # merges can be chained; a chain this long is no chain but a damaged table


def find(tenant: UUID, name: str) -> Subject:
    """Return a subject by its id, merged or not.

    Raises:
        NotFound: this tenant has none of that id.
    """
    row = Subject.objects.filter(tenant=tenant, name=name).first()
    if row is None:
        raise NotFound(f"there is no subject {name!r}", remedy="list them with 'trueup subject list'")
    return row


def canonical(tenant: UUID, name: str) -> str:
    """Return the id that a subject goes by now: its own, or the one it was merged into."""
    row = find(tenant, name)
    for _ in range(_DEPTH):
        if not row.merged_into:
            return row.name
        row = find(tenant, row.merged_into)
    raise NotFound(f"the merges of {name!r} lead in a circle", remedy="see 'trueup subject show', and split one of them")


def family(tenant: UUID, name: str) -> list[str]:
    """Return the id that a subject goes by, and every id that was merged into it, the canonical one first."""
    found = [canonical(tenant, name)]
    for member in found:
        rows = Subject.objects.filter(tenant=tenant, merged_into=member).order_by("name")
        found += [row.name for row in rows if row.name not in found]
    return found


def resolve(tenant: UUID, namespace: str, value: str) -> list[str]:
    """Return the canonical ids of the subjects that bear an alias; more than one only for weak ones.

    Raises:
        UsageError: no such namespace, or no such value.
    """
    rows = Alias.objects.filter(tenant=tenant, namespace=namespace, value=normal(namespace, value))
    return sorted({canonical(tenant, row.subject) for row in rows})


def bearing(tenant: UUID, value: str) -> list[str]:
    """Return the canonical ids of the subjects that bear a name in any namespace, or whose id it is."""
    found: set[str] = set()
    for namespace in NAMESPACES:
        try:
            found.update(resolve(tenant, namespace, value))
        except UsageError:
            continue  # no name of that namespace
    if Subject.objects.filter(tenant=tenant, name=value).exists():
        found.add(canonical(tenant, value))
    return sorted(found)


def aliases(tenant: UUID, name: str) -> list[tuple[str, str]]:
    """Return the aliases of a subject and of all that were merged into it: namespace and normal value."""
    rows = Alias.objects.filter(tenant=tenant, subject__in=family(tenant, name)).order_by("namespace", "value")
    return [(row.namespace, row.value) for row in rows]


def likeness(tenant: UUID, one: str, other: str) -> Match:
    """Compare two subjects by their aliases."""
    return compare(aliases(tenant, one), aliases(tenant, other))


def listing(tenant: UUID, *, kind: str = "", limit: int = 100) -> list[dict[str, Any]]:
    """Return subjects that were not merged away, by id."""
    rows = Subject.objects.filter(tenant=tenant, merged_into="").order_by("name")
    if kind:
        rows = rows.filter(name__startswith=f"{kind}/")
    chosen = list(rows[:limit])
    named = Alias.objects.filter(tenant=tenant, subject__in=[row.name for row in chosen]).order_by("namespace", "value")
    known: dict[str, list[str]] = {}
    for alias in named:
        known.setdefault(alias.subject, []).append(f"{alias.namespace}:{alias.value}")
    return [{"subject": row.name, "label": row.label, "aliases": known.get(row.name, [])} for row in chosen]


def one(tenant: UUID, name: str) -> dict[str, Any]:
    """Return all that is stored of a subject: what it goes by, its aliases, and its merges with their reasons."""
    members = family(tenant, name)
    row = find(tenant, members[0])
    merges = Merge.objects.filter(tenant=tenant, into__in=members).order_by("at")
    return {
        "subject": row.name,
        "asked": name,
        "label": row.label,
        "created_at": stamp(row.created_at),
        "also": members[1:],
        "aliases": [
            {"namespace": a.namespace, "value": a.value, "of": a.subject, "strong": a.strong, "source": a.source}
            for a in Alias.objects.filter(tenant=tenant, subject__in=members).order_by("namespace", "value")
        ],
        "merges": [_merge(merge) for merge in merges],
    }


def _merge(row: Merge) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "gone": row.gone,
        "into": row.into,
        "likeness": row.likeness,
        "reasons": json.loads(row.reasons),
        "comment": row.comment,
        "by": row.principal,
        "at": stamp(row.at),
        "undone_at": stamp(row.undone_at) if row.undone_at else None,
    }
