"""What the home page shows of this room: requests that wait for the caller's vote."""

from django.http import HttpRequest

from trueup.kernel.change import queries
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of
from trueup.kernel.http.host import host
from trueup.kernel.http.navigation import Line


def needs_me(request: HttpRequest) -> list[Line]:
    """Return the requests that wait for the caller's vote, the oldest first."""
    caller = caller_of(request)
    if not readers.may(caller.principal, "approve"):
        return []
    found = queries.inbox(caller.tenant, caller.principal, now=host().clock())
    return [Line(row["action"], f"/approvals/{row['id']}/", row["state"], row["created_at"], row["resource"]) for row in found]
