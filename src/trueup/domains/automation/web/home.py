"""What the home page shows of this room: what is stopped, which jobs ended badly, what ends soon, and what waits to be put into force."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.http import HttpRequest

from trueup.domains.automation import jobqueries, queries
from trueup.domains.automation.engine.authorizing import State
from trueup.domains.automation.engine.breaker import Phase
from trueup.domains.automation.engine.causes import cause_of
from trueup.domains.automation.models import Authorization
from trueup.domains.automation.web.forms import span
from trueup.domains.automation.web.tables import place
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of
from trueup.kernel.http.host import host
from trueup.kernel.http.navigation import Line

SOON, LATELY = timedelta(days=7), timedelta(days=1)
SAFETY = "/automation/safety/"
_SHOWN, _MANY = 3, 100


def needs_me(request: HttpRequest) -> list[Line]:
    """Return the room's lines, for those who operate or administer."""
    caller = caller_of(request)
    if not readers.may(caller.principal, "operate", "administer"):
        return []
    off = [
        Line(
            f"{'Everything' if one['host'] == '*' else one['host']} is switched off", SAFETY, "stopped", one["at"], one["reason"]
        )
        for one in queries.switches(caller.tenant)
    ]
    return [*off[:_SHOWN], *_jobs(request), *_authorizations(request), *_breakers(request)]


def _jobs(request: HttpRequest) -> list[Line]:
    """Return one line about the jobs that ended badly within a day."""
    caller, now = caller_of(request), host().clock()
    rows = jobqueries.dead_letters(caller.tenant).filter(finished_at__gt=now - LATELY).order_by("-finished_at")
    ended = list(rows.values_list("finished_at", "error")[:_MANY])
    if not ended:
        return []
    (newest, error), count = ended[0], len(ended)
    named = "1 job" if count == 1 else f"{_MANY} jobs or more" if count == _MANY else f"{count} jobs"
    happened = cause_of(error.partition(":")[0]).happened
    return [
        Line(
            f"{named} on pages ended badly within a day",
            "/automation/dead/",
            "failed",
            newest.isoformat() if newest else "",
            happened,
        )
    ]


def _authorizations(request: HttpRequest) -> list[Line]:
    caller, now = caller_of(request), host().clock()
    rows = list(queries.pressing(caller.tenant, now, now + SOON)[: 2 * _SHOWN])
    held = queries.consent_of(caller.tenant, rows, now)
    approver = readers.may(caller.principal, "approve")
    # what waits for the caller's own vote is among the approvals already
    return [_line(row, held, now) for row in rows if not (approver and row.id in held)]


def _line(row: Authorization, held: Mapping[UUID, str], now: datetime) -> Line:
    url, named = f"/automation/authorizations/{row.id}/", f"The authorization of {place(row)}"
    if row.state == State.ACTIVE:
        return Line(f"{named} ends {span(row.expires, now)}", url, "expiring", row.expires.isoformat())
    what = "waits for consent" if row.id in held else "can be put into force"
    return Line(f"{named} {what}", url, "waiting", row.asked_at.isoformat(), f"asked by {row.asked_by}")


def _breakers(request: HttpRequest) -> list[Line]:
    rows = queries.breakers(caller_of(request).tenant).exclude(phase=Phase.CLOSED).order_by("-at", "id")[:_SHOWN]
    return [Line(f"{row.authority} is left alone", SAFETY, row.phase, row.at.isoformat(), row.reason[:120]) for row in rows]
