"""The list of subjects."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from trueup.kernel.http.tables import Column, Empty, Filter, Rows, Table
from trueup.kernel.subjects.engine.names import KINDS
from trueup.kernel.subjects.models import Alias, Subject

_SHOWN = 3


def _kind(rows: Rows, value: str) -> Rows:
    return rows.filter(name__startswith=f"{value}/")


class SubjectsTable(Table):
    """The subjects of a tenant that were not merged into others."""

    name, title = "subjects", "Subjects"
    columns = (
        Column("subject", "Subject", kind="code", sort=("name",)),
        Column("label", "Called"),
        Column("aliases", "Names"),
        Column("created_at", "Known since", kind="time", sort=("created_at",), narrow=False),
    )
    order = ("name", "id")
    filters = (
        Filter("kind", "Kind", _kind, choices=tuple((kind, kind) for kind in KINDS)),
        Filter("label", "Called", lambda rows, value: rows.filter(label__icontains=value)),
    )
    empty = Empty(
        "No subjects yet",
        "A subject is one device, person, application or page under one id, however many names it goes by.",
        "trueup subject put device/ID --alias serial=SERIAL",
        "device-desktop",
    )

    def rows(self, tenant: UUID) -> Rows:
        """Subjects that stand for themselves."""
        return Subject.objects.filter(tenant=tenant, merged_into="")

    def present(self, tenant: UUID, rows: Sequence[Subject]) -> list[dict[str, Any]]:
        """Show the first names of each."""
        known: dict[str, list[str]] = {}
        for alias in Alias.objects.filter(tenant=tenant, subject__in=[row.name for row in rows]).order_by("namespace", "value"):
            known.setdefault(alias.subject, []).append(f"{alias.namespace} {alias.value}")
        return [
            {
                "subject": row.name,
                "subject_url": f"/subjects/{row.name}/",
                "label": row.label,
                "aliases": _few(known.get(row.name, [])),
                "created_at": row.created_at,
            }
            for row in rows
        ]


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
