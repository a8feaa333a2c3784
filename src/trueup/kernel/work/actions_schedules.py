"""Every change to schedules that people and programs ask for; firing them is the scheduler's."""

from typing import Any
from uuid import uuid4

from pydantic import Field

from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.actions.ports import JobRequest
from trueup.kernel.errors import NotFound, Refused
from trueup.kernel.evidence.engine.encode import stamp
from trueup.kernel.work import handlers, port, scheduler
from trueup.kernel.work.engine.digest import canonical
from trueup.kernel.work.engine.order import DEFAULT, IDLE, URGENT
from trueup.kernel.work.engine.schedule import Missed, Timing, checked
from trueup.kernel.work.models import Schedule

NAME = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")
_YEAR = 366 * 24 * 3600


class PutScheduleInput(Input):
    """A name, what is done, and when."""

    name: str = NAME
    kind: str
    args: dict[str, Any] = Field(default_factory=dict)
    cron: str = Field(default="", max_length=200)
    every: int = Field(default=0, ge=0, le=_YEAR)
    jitter: int = Field(default=0, ge=0, le=_YEAR)
    timezone: str = "UTC"
    missed: Missed = Missed.ONCE
    enabled: bool = True
    priority: int = Field(default=DEFAULT, ge=URGENT, le=IDLE)
    concurrency_key: str = Field(default="", max_length=200)


class PutSchedule(Action[PutScheduleInput, Schedule | None, None]):
    """Make a schedule, or replace it; its jobs run with what the one who puts it may do when they run."""

    name = "work.schedule.put"
    summary = "make or replace a schedule"
    tags = frozenset({"operate"})
    input = PutScheduleInput

    def load(self, ctx: Context, input: PutScheduleInput) -> Schedule | None:
        """Find the schedule that would be replaced."""
        return Schedule.objects.filter(tenant=ctx.tenant, name=input.name).first()

    def resource(self, ctx: Context, input: PutScheduleInput, loaded: Schedule | None) -> Resource:
        """The schedule."""
        return Resource("schedule", input.name, ctx.tenant, created_by=loaded.principal if loaded else "")

    def check(self, ctx: Context, input: PutScheduleInput, loaded: Schedule | None) -> None:
        """Refuse what can never fire, and kinds that come from actions alone.

        Raises:
            NotFound: there is no such kind.
            Refused: its jobs come from actions alone.
            UsageError: args, cron line, interval or zone cannot be used.
        """
        if not handlers.named(input.kind).submittable:
            raise Refused(f"jobs of the kind {input.kind} come from actions alone")
        port.checked(JobRequest(input.kind, input.args, priority=input.priority))
        checked(_timing(ctx, input))

    def apply(self, ctx: Context, input: PutScheduleInput, loaded: Schedule | None, prepared: None) -> Outcome:
        """Write it; it is counted from now."""
        timing = _timing(ctx, input)
        row = loaded or Schedule(id=uuid4(), tenant=ctx.tenant, name=input.name)
        planned = timing.next(ctx.now)
        row.kind, row.args, row.principal = input.kind, canonical(input.args), ctx.principal.id
        row.cron, row.every, row.jitter, row.timezone = timing.cron, timing.every, timing.jitter, timing.timezone
        row.missed, row.enabled = str(input.missed), input.enabled
        row.priority, row.concurrency_key = input.priority, input.concurrency_key
        row.anchor, row.planned_at, row.next_at = ctx.now, planned, timing.fires_at(planned, seed=str(row.id))
        row.version += 1
        row.save(force_insert=loaded is None, force_update=loaded is not None)
        return _outcome(row, {"next_at": stamp(planned), "enabled": input.enabled, "kind": input.kind})


def _timing(ctx: Context, input: PutScheduleInput) -> Timing:
    return Timing(input.cron.strip(), input.every, input.jitter, input.timezone, ctx.now)


def _outcome(row: Schedule, more: dict[str, Any]) -> Outcome:
    note = {"schedule": str(row.id), "name": row.name, **more}
    return Outcome(note, subjects=[scheduler.subject(row)], note=note)


class ScheduleInput(Input):
    """Which schedule."""

    name: str = NAME


class _OnSchedule(Action[ScheduleInput, Schedule, None]):
    """What actions on one schedule share."""

    tags = frozenset({"operate"})
    input = ScheduleInput

    def load(self, ctx: Context, input: ScheduleInput) -> Schedule:
        """Find it in this tenant."""
        row = Schedule.objects.filter(tenant=ctx.tenant, name=input.name).first()
        if row is None:
            raise NotFound(f"there is no schedule {input.name!r}", remedy="list them with 'trueup schedule list'")
        return row

    def resource(self, ctx: Context, input: ScheduleInput, loaded: Schedule) -> Resource:
        """The schedule."""
        return Resource("schedule", loaded.name, loaded.tenant, created_by=loaded.principal)


class RemoveSchedule(_OnSchedule, Action[ScheduleInput, Schedule, None]):
    """Remove a schedule; jobs that it made stay."""

    name = "work.schedule.remove"
    summary = "remove a schedule"

    def apply(self, ctx: Context, input: ScheduleInput, loaded: Schedule, prepared: None) -> Outcome:
        """Remove the row."""
        Schedule.objects.filter(tenant=ctx.tenant, id=loaded.id).delete()
        return _outcome(loaded, {"removed": True})


class PauseSchedule(_OnSchedule, Action[ScheduleInput, Schedule, None]):
    """Let a schedule fire no more until it is resumed."""

    name = "work.schedule.pause"
    summary = "pause a schedule"

    def apply(self, ctx: Context, input: ScheduleInput, loaded: Schedule, prepared: None) -> Outcome:
        """Disable the row."""
        Schedule.objects.filter(tenant=ctx.tenant, id=loaded.id).update(enabled=False)
        return _outcome(loaded, {"enabled": False})


class ResumeSchedule(_OnSchedule, Action[ScheduleInput, Schedule, None]):
    """Let a schedule fire again, from now on: what it missed meanwhile was meant to be missed.

    This also puts a schedule right that ran ahead with a clock that was wrong.
    """

    name = "work.schedule.resume"
    summary = "resume a schedule"

    def apply(self, ctx: Context, input: ScheduleInput, loaded: Schedule, prepared: None) -> Outcome:
        """Enable the row and plan from now."""
        timing = scheduler.timing(loaded)
        planned = timing.next(ctx.now)
        Schedule.objects.filter(tenant=ctx.tenant, id=loaded.id).update(
            enabled=True,
            planned_at=planned,
            next_at=timing.fires_at(planned, seed=str(loaded.id)),
            version=loaded.version + 1,
        )
        return _outcome(loaded, {"enabled": True, "next_at": stamp(planned)})


ACTIONS = (PutSchedule, RemoveSchedule, PauseSchedule, ResumeSchedule)
