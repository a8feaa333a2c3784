"""The lists of jobs and schedules."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from trueup.kernel.http.tables import Column, Empty, Filter, Rows, Table
from trueup.kernel.work.engine.states import State
from trueup.kernel.work.models import Job, Schedule


class JobsTable(Table):
    """All jobs of a tenant."""

    name, title = "jobs", "Jobs"
    columns = (
        Column("kind", "Kind", kind="code", sort=("kind", "created_at")),
        Column("state", "State", kind="badge"),
        Column("words", "Progress"),
        Column("attempts", "Tries", narrow=False),
        Column("principal", "Asked by", kind="code", narrow=False),
        Column("created_at", "Submitted", kind="time", sort=("created_at",)),
        Column("finished_at", "Ended", kind="time", narrow=False),
    )
    order = ("-created_at", "-id")
    filters = (
        Filter("state", "State", lambda rows, value: rows.filter(state=value), choices=tuple((s.value, s.value) for s in State)),
        Filter("kind", "Kind", lambda rows, value: rows.filter(kind=value), hint="work.noop"),
        Filter("key", "Key", lambda rows, value: rows.filter(key=value)),
    )
    empty = Empty(
        "No jobs yet", "Work that takes longer runs as jobs, which survive a crash.", "trueup job submit work.noop", "bolt"
    )

    def rows(self, tenant: UUID) -> Rows:
        """All jobs of a tenant, without what a list does not show."""
        return Job.objects.filter(tenant=tenant).defer("args", "result")

    def present(self, tenant: UUID, rows: Sequence[Job]) -> list[dict[str, Any]]:
        """Show how far a job is, or how it failed."""
        return [
            {
                "kind": row.kind,
                "kind_url": f"/jobs/{row.id}/",
                "state": row.state,
                "words": progress_words(row.state, row.progress, row.words, row.error),
                "attempts": f"{row.attempts} of {row.max_attempts}",
                "principal": row.principal,
                "created_at": row.created_at,
                "finished_at": row.finished_at,
            }
            for row in rows
        ]


def progress_words(state: str, progress: float, words: str, error: str) -> str:
    """Return how far a job is, or how it failed, in a few words."""
    if state in (State.FAILED, State.DEAD, State.QUEUED) and error:
        return error.partition("\n")[0][:120]
    if state == State.RUNNING:
        return f"{progress:.0%} {words}".strip()
    return words


class SchedulesTable(Table):
    """All schedules of a tenant."""

    name, title = "schedules", "Schedules"
    columns = (
        Column("name", "Name", sort=("name",)),
        Column("kind", "Kind", kind="code"),
        Column("plan", "When"),
        Column("state", "State", kind="badge"),
        Column("next_at", "Next", kind="time"),
        Column("last_at", "Last", kind="time", narrow=False),
        Column("missed", "If missed", narrow=False),
        Column("principal", "As", kind="code", narrow=False),
    )
    order = ("name", "id")
    empty = Empty(
        "No schedules yet",
        "A schedule submits a job by the clock, once, however many servers run.",
        "trueup schedule put NAME work.noop --cron '0 6 * * *'",
        "calendar-time",
    )

    def rows(self, tenant: UUID) -> Rows:
        """All schedules of a tenant."""
        return Schedule.objects.filter(tenant=tenant)

    def present(self, tenant: UUID, rows: Sequence[Schedule]) -> list[dict[str, Any]]:
        """Say when in words."""
        return [
            {
                "name": row.name,
                "kind": row.kind,
                "plan": plan_words(row),
                "state": "enabled" if row.enabled else "paused",
                "next_at": row.next_at if row.enabled else None,
                "last_at": row.last_at,
                "missed": row.missed,
                "principal": row.principal,
            }
            for row in rows
        ]


def plan_words(row: Schedule) -> str:
    """Return when a schedule fires, in words."""
    jitter = f" ± {row.jitter} s" if row.jitter else ""
    return f"{row.cron} ({row.timezone}){jitter}" if row.cron else f"every {row.every} s{jitter}"
