"""Recorded comparisons, for pages and API."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from trueup.kernel.evidence import lists
from trueup.kernel.evidence.models import ArtifactRef

REPORT = "report.html"


def comparisons(tenant: UUID) -> "QuerySet[ArtifactRef]":
    """Return the reports that a tenant's entries name."""
    return lists.artifacts(tenant, name=REPORT)


def comparison_rows(tenant: UUID, refs: Sequence[ArtifactRef]) -> list[dict[str, Any]]:
    """Return comparisons with verdict, subject, time and place in the log."""
    made = lists.named_entries(tenant, [ref.entry for ref in refs])
    rows = []
    for row, ref in zip(lists.artifact_rows(tenant, refs), refs, strict=True):
        body = made.get(ref.entry, {})
        note = body.get("note", {})
        rows.append(
            {
                "subject": ", ".join(body.get("subjects", ())),
                "verdict": note.get("verdict", "UNKNOWN"),
                "findings": note.get("findings"),
                "at": body.get("at", ""),
                "entry": row["entry"],
                "report": ref.sha256,
                "erased": row["erased"],
            }
        )
    return rows
