"""The pages of telemetry: recorded comparisons, and their reports as they were recorded."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.domains.telemetry import lists
from trueup.kernel.errors import NotFound
from trueup.kernel.evidence import queries
from trueup.kernel.evidence.models import ArtifactRef
from trueup.kernel.http.callers import Acting, caller_of
from trueup.kernel.http.tables import Column, Empty, Rows, Table

FRAMED = "sandbox; frame-ancestors 'self'"
"""Beside the report's own policy: it runs nothing, reaches nothing, and is shown in our own pages alone."""


class ComparisonsTable(Table):
    """Recorded comparisons."""

    name, title = "comparisons", "Comparisons"
    columns = (
        Column("verdict", "Verdict", kind="badge"),
        Column("subject", "Subject"),
        Column("findings", "Findings", kind="number"),
        Column("at", "When", kind="time"),
        Column("entry", "Entry", kind="number", narrow=False),
        Column("report", "Report", kind="digest", narrow=False),
    )
    order = ("-id",)
    empty = Empty(
        "Nothing has been compared yet",
        "Compare a run with the baseline that was certified; the verdict, its report and its proof are then here.",
        "trueup telemetry compare --baseline BASELINE --run RUN",
        "chart-line",
    )

    def rows(self, tenant: UUID) -> Rows:
        """All comparisons of a tenant."""
        return lists.comparisons(tenant)

    def present(self, tenant: UUID, rows: Sequence[ArtifactRef]) -> list[dict[str, Any]]:
        """Link to the report and to the entry."""
        found = lists.comparison_rows(tenant, rows)
        for row in found:
            row["subject_url"] = f"/telemetry/{row['report']}/"
            if row["entry"] is not None:
                row["entry_url"] = f"/log/{row['entry']}/"
        return found


COMPARISONS = ComparisonsTable()


def comparisons(request: HttpRequest) -> HttpResponseBase:
    """List comparisons."""
    return COMPARISONS.respond(request, "telemetry/comparisons.html")


def comparison(request: HttpRequest, sha256: str) -> HttpResponse:
    """Show one comparison with its report.

    Raises:
        NotFound: there is none.
    """
    tenant = caller_of(request).tenant
    ref = lists.comparisons(tenant).filter(sha256=sha256).order_by("-id").first()
    if ref is None:
        raise NotFound("there is no such comparison")
    return render(request, "telemetry/comparison.html", {"comparison": lists.comparison_rows(tenant, [ref])[0]})


def report(request: HttpRequest, sha256: str) -> HttpResponse:
    """Send a report as it was recorded, after checking that it is that.

    Raises:
        NotFound: no entry of this tenant names such a report.
        Damaged: its bytes have changed.
    """
    data = queries.read_artifact(Acting(request), sha256, media_type="text/html")
    response = HttpResponse(data, content_type="text/html; charset=utf-8")
    response["Content-Security-Policy"] = FRAMED
    response["X-Frame-Options"] = "SAMEORIGIN"
    return response
