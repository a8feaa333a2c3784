"""The list of requests."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from trueup.kernel.change.engine.consent import State, present
from trueup.kernel.change.models import Request, Vote
from trueup.kernel.http.host import host
from trueup.kernel.http.tables import Column, Empty, Filter, Rows, Table


def _in_state(rows: Rows, state: str) -> Rows:
    now, waiting = host().clock(), [State.OPEN, State.APPROVED]
    if state == State.EXPIRED:
        return rows.filter(state__in=[*waiting, State.EXPIRED], expires_at__lte=now)
    return rows.filter(state=state, expires_at__gt=now) if state in waiting else rows.filter(state=state)


class Requests(Table):
    """All requests of a tenant."""

    name = "requests"
    title = "Approvals"
    columns = (
        Column("action", "Action", sort=("action",)),
        Column("state", "State", "badge"),
        Column("consent", "Votes"),
        Column("resource", "On", narrow=False),
        Column("asked_by", "Asked by", "code", narrow=False),
        Column("created_at", "Asked", "time", sort=("created_at",), narrow=False),
        Column("expires_at", "Expires", "time", sort=("expires_at",), narrow=False),
    )
    order = ("-created_at", "-id")
    filters = (
        Filter(
            "state",
            "State",
            _in_state,
            choices=tuple((str(state), str(state)) for state in State),
        ),
    )
    empty = Empty(
        "No requests",
        "An action that cannot be undone waits here until somebody else consents to it.",
        "trueup evidence artifact erase SHA256 --reason WHY",
        icon="checklist",
    )

    def rows(self, tenant: UUID) -> Rows:
        """Return all requests."""
        return Request.objects.filter(tenant=tenant)

    def present(self, tenant: UUID, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """Return requests in the state they have now."""
        now = host().clock()
        consents: dict[UUID, int] = {}
        for request in Vote.objects.filter(tenant=tenant, request__in=rows, choice="approve").values_list("request", flat=True):
            consents[request] = consents.get(request, 0) + 1
        return [
            {
                "action": row.action,
                "action_url": f"/approvals/{row.id}/",
                "state": str(present(State(row.state), row.expires_at, now)),
                "consent": f"{consents.get(row.id, 0)} of {row.votes_needed}",
                "resource": row.resource,
                "asked_by": row.asked_by,
                "created_at": row.created_at,
                "expires_at": row.expires_at,
            }
            for row in rows
        ]
