"""What the home page shows of this room: alerts that nobody has looked at."""

from django.http import HttpRequest

from trueup.kernel.http.callers import caller_of
from trueup.kernel.http.navigation import Line
from trueup.kernel.notify.engine.alerts import Severity, State
from trueup.kernel.notify.models import Alert

_SHOWN = 4


def needs_me(request: HttpRequest) -> list[Line]:
    """Return open alerts, the gravest and newest first."""
    rows = Alert.objects.filter(tenant=caller_of(request).tenant, state=State.OPEN).order_by("-severity", "-last_at")
    return [
        Line(row.title, f"/alerts/{row.id}/", Severity(row.severity).word, row.last_at.isoformat(), row.subject)
        for row in rows[:_SHOWN]
    ]
