"""What the home page shows of this room: jobs that failed for good."""

from django.http import HttpRequest

from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of
from trueup.kernel.http.navigation import Line
from trueup.kernel.work.engine.states import State
from trueup.kernel.work.models import Job

_SHOWN = 3


def needs_me(request: HttpRequest) -> list[Line]:
    """Return the newest dead letters, for those who may replay them."""
    caller = caller_of(request)
    if not readers.may(caller.principal, "operate"):
        return []
    rows = Job.objects.filter(tenant=caller.tenant, state=State.DEAD).order_by("-created_at", "-id")
    return [
        Line(row.kind, f"/jobs/{row.id}/", row.state, row.created_at.isoformat(), row.error.partition("\n")[0][:120])
        for row in rows[:_SHOWN]
    ]
