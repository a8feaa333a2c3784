"""The list of alerts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from trueup.kernel.http.tables import Column, Empty, Filter, Rows, Table
from trueup.kernel.notify.engine.alerts import LIVE, Severity
from trueup.kernel.notify.models import Alert


def _in_state(rows: Rows, value: str) -> Rows:
    return rows.filter(state__in=LIVE) if value == "live" else rows.filter(state=value)


class AlertsTable(Table):
    """All alerts of a tenant."""

    name, title = "alerts", "Alerts"
    columns = (
        Column("title", "Alert"),
        Column("severity", "Severity", kind="badge", sort=("severity", "last_at")),
        Column("state", "State", kind="badge"),
        Column("subject", "About", kind="code", narrow=False),
        Column("count", "Times", kind="number", narrow=False),
        Column("opened_at", "Opened", kind="time", narrow=False),
        Column("last_at", "Last", kind="time", sort=("last_at",)),
    )
    order = ("-last_at", "-id")
    filters = (
        Filter(
            "state",
            "State",
            _in_state,
            choices=(
                ("live", "open or acknowledged"),
                ("open", "open"),
                ("acknowledged", "acknowledged"),
                ("resolved", "resolved"),
            ),
        ),
        Filter(
            "severity",
            "Severity",
            lambda rows, value: rows.filter(severity=Severity.named(value)),
            choices=tuple((one.word, one.word) for one in Severity),
        ),
        Filter("subject", "About", lambda rows, value: rows.filter(subject=value)),
    )
    empty = Empty(
        "No alerts",
        "Nothing has asked for attention. Have alerts told somewhere, so that nobody needs to watch this page.",
        "trueup sink put log --kind file --target alerts.jsonl",
        "bell",
    )

    def rows(self, tenant: UUID) -> Rows:
        """All alerts of a tenant."""
        return Alert.objects.filter(tenant=tenant)

    def present(self, tenant: UUID, rows: Sequence[Alert]) -> list[dict[str, Any]]:
        """Show severity and state in words."""
        return [
            {
                "title": row.title,
                "title_url": f"/alerts/{row.id}/",
                "severity": Severity(row.severity).word,
                "state": row.state,
                "subject": row.subject,
                "count": row.count,
                "opened_at": row.opened_at,
                "last_at": row.last_at,
            }
            for row in rows
        ]
