"""The tables of jobs: all of them, and those that ended badly."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from trueup.domains.automation import jobqueries, queries
from trueup.domains.automation.engine.causes import cause_of
from trueup.domains.automation.engine.endings import State
from trueup.domains.automation.engine.jobtypes import FETCH, TYPES
from trueup.domains.automation.engine.tiers import Strategy
from trueup.domains.automation.jobspec import KIND
from trueup.kernel.http.tables import Column, Empty, Filter, Rows, Table
from trueup.kernel.work.models import Job

AT = "/automation/jobs/"


def job_url(id: object) -> str:
    """Return the address of a job's page."""
    return f"{AT}{id}/"


def _in_state(rows: Rows, value: str) -> Rows:
    return rows.filter(jobqueries.of_state(State(value)))


def _on(rows: Rows, value: str) -> Rows:
    return jobqueries.on_host(rows, queries.host_of(value))


class JobsTable(Table):
    """All jobs of a tenant."""

    name, title = "automation-jobs", "Page jobs"
    columns = (
        Column("url", "Address"),
        Column("state", "State", kind="badge"),
        Column("error", "Error", kind="code"),
        Column("what", "Type, tier", narrow=False),
        Column("attempts", "Tries", kind="number", narrow=False),
        Column("took", "Took", narrow=False),
        Column("created_at", "Asked for", kind="time", sort=("created_at",), narrow=False),
    )
    order = ("-created_at", "-id")
    filters = (
        Filter("state", "State", _in_state, tuple((str(one), str(one).replace("_", " ")) for one in State)),
        Filter("host", "Host", _on, hint="www.example.org"),
    )
    empty = Empty(
        "No job was asked for yet",
        "A job opens a page under policy, does what it is told, and keeps what it saw as evidence.",
        "trueup automation job submit https://www.example.org/",
        "device-desktop",
    )

    def rows(self, tenant: UUID) -> Rows:
        """All jobs of automation."""
        return Job.objects.filter(tenant=tenant, kind=KIND).defer("result")

    def present(self, tenant: UUID, rows: Sequence[Job]) -> list[dict[str, Any]]:
        """Show where each stands."""
        return [shown(row) for row in rows]


def shown(row: Job) -> dict[str, Any]:
    """Return a job as the tables show it."""
    request = json.loads(row.args)["request"]
    state = jobqueries.shown_state(row)
    moving = state is State.RUNNING
    took = row.finished_at - row.started_at if row.finished_at and row.started_at else None
    return {
        "url": request["url"][:300],
        "url_url": job_url(row.id),
        "state": str(state),
        "error": row.error.partition(":")[0],
        "what": f"{request['job_type']}, {request['strategy']}",
        "attempts": row.attempts,
        "took": f"{100 * row.progress:.0f} % {row.words}".strip()[:80] if moving else span(took) if took is not None else "",
        "created_at": row.created_at,
    }


def span(took: timedelta) -> str:
    """Return a length of time in few words.

    >>> span(timedelta(milliseconds=480)), span(timedelta(seconds=75)), span(timedelta(hours=2, minutes=5))
    ('0.5 s', '1 min 15 s', '2 h 5 min')
    """
    seconds = took.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class DeadTable(Table):
    """Jobs that ended badly."""

    name, title = "automation-dead", "Dead letters"
    columns = (
        Column("url", "Address"),
        Column("state", "State", kind="badge"),
        Column("error", "Error", kind="code"),
        Column("happened", "What happened", narrow=False),
        Column("finished_at", "Ended", kind="time", narrow=False),
    )
    order = ("-created_at", "-id")
    filters = (Filter("host", "Host", _on, hint="www.example.org"),)
    empty = Empty(
        "No job ended badly", "What fails, is refused or runs out of time is found here, and can be tried again.", "", "inbox"
    )

    def rows(self, tenant: UUID) -> Rows:
        """All dead letters."""
        return jobqueries.dead_letters(tenant).defer("result").order_by()

    def present(self, tenant: UUID, rows: Sequence[Job]) -> list[dict[str, Any]]:
        """Say what happened in words."""
        return [
            {**(one := shown(row)), "happened": cause_of(one["error"]).happened, "finished_at": row.finished_at} for row in rows
        ]


JOBS, DEAD = JobsTable(), DeadTable()
TYPE_NAMES = (FETCH, *TYPES)
TIER_NAMES = tuple(str(one) for one in Strategy)
