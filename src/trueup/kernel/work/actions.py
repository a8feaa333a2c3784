"""Every change to jobs that people and programs ask for."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import Field

from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.actions.ports import JobRequest
from trueup.kernel.errors import Conflict, NotFound, Refused
from trueup.kernel.work import handlers, port, wake
from trueup.kernel.work.actions_batch import ACTIONS as BATCHES
from trueup.kernel.work.actions_schedules import ACTIONS as SCHEDULES
from trueup.kernel.work.engine.order import DEFAULT, IDLE, URGENT, rank
from trueup.kernel.work.engine.states import ENDED, Move, State, after
from trueup.kernel.work.models import Delivery, Job, JobEvent, OutboxEvent, TenantLimit

MOST = 1000


class JobItem(Input):
    """One job that is asked for."""

    args: dict[str, Any] = Field(default_factory=dict)
    key: str | None = Field(default=None, min_length=1, max_length=200)
    priority: int = Field(default=DEFAULT, ge=URGENT, le=IDLE)
    concurrency_key: str = Field(default="", max_length=200)
    not_before: datetime | None = None
    max_attempts: int | None = Field(default=None, ge=1, le=100)


class SubmitJobsInput(Input):
    """A kind, and up to 1,000 jobs of it."""

    kind: str
    jobs: tuple[JobItem, ...] = Field(default=(JobItem(),), min_length=1, max_length=MOST)


class SubmitJobs(Action[SubmitJobsInput, None, None]):
    """Ask for jobs of one kind; a key that was used before answers with its first job."""

    name = "work.job.submit"
    summary = "submit jobs of one kind"
    tags = frozenset({"operate"})
    input = SubmitJobsInput

    def check(self, ctx: Context, input: SubmitJobsInput, loaded: None) -> None:
        """Let only kinds through that may be asked for from outside, with args that fit.

        Raises:
            NotFound: there is no such kind.
            Refused: the kind's jobs come from actions alone.
            UsageError: args that do not fit.
        """
        kind = handlers.named(input.kind)
        if not kind.submittable:
            raise Refused(
                f"jobs of the kind {input.kind} come from actions alone", remedy="call the action that causes such a job"
            )
        for request in _requests(input):
            port.checked(request)

    def apply(self, ctx: Context, input: SubmitJobsInput, loaded: None, prepared: None) -> Outcome:
        """Have the rows written with the entry."""
        note = {"kind": input.kind, "count": len(input.jobs)}
        return Outcome(note, jobs=_requests(input), note=note)


def _requests(input: SubmitJobsInput) -> list[JobRequest]:
    return [
        JobRequest(
            input.kind,
            item.args,
            key=item.key,
            priority=item.priority,
            concurrency_key=item.concurrency_key,
            not_before=item.not_before,
            max_attempts=item.max_attempts,
        )
        for item in input.jobs
    ]


class JobInput(Input):
    """Which job."""

    id: UUID


def _job(ctx: Context, input: JobInput) -> Job:
    row = Job.objects.filter(id=input.id, tenant=ctx.tenant).first()
    if row is None:
        raise NotFound(f"there is no job {input.id}", remedy="list them with 'trueup job list'")
    return row


def _moved(job: Job, words: str) -> Conflict:
    return Conflict(f"job {job.id} is {job.state}: {words}", details={"job": str(job.id), "state": job.state})


class _OnJob(Action[JobInput, Job, None]):
    """What actions on one job share."""

    tags = frozenset({"operate"})
    input = JobInput

    def load(self, ctx: Context, input: JobInput) -> Job:
        """Find it in this tenant."""
        return _job(ctx, input)

    def resource(self, ctx: Context, input: JobInput, loaded: Job) -> Resource:
        """The job."""
        return Resource("job", str(loaded.id), loaded.tenant, created_by=loaded.principal)


class CancelJob(_OnJob, Action[JobInput, Job, None]):
    """Cancel a job: at once while it waits; one that runs is asked to stop and can record nothing any more."""

    name = "work.job.cancel"
    summary = "cancel a job"

    def apply(self, ctx: Context, input: JobInput, loaded: Job, prepared: None) -> Outcome:
        """Move the row, in whichever state it is now.

        Raises:
            Conflict: it has ended.
        """
        mine = Job.objects.filter(id=loaded.id, tenant=ctx.tenant)
        if mine.filter(state=State.QUEUED).update(
            state=State.CANCELLED, finished_at=ctx.now, error="CANCELLED: cancelled while it waited"
        ):
            state, asked = State.CANCELLED, False
        elif mine.filter(state=State.RUNNING).update(cancel_asked=True):
            state, asked = State.RUNNING, True
        else:
            raise _moved(loaded, "it cannot be cancelled")
        _note(ctx, loaded, "cancel", "asked to stop" if asked else "")
        wake.announce()
        note = {"job": str(loaded.id), "kind": loaded.kind}
        return Outcome({**note, "state": str(state), "asked": asked}, note=note)


class ReplayJob(_OnJob, Action[JobInput, Job, None]):
    """Try a job again that failed, died or was cancelled; its attempts are counted anew."""

    name = "work.job.replay"
    summary = "try an ended job again"

    def check(self, ctx: Context, input: JobInput, loaded: Job) -> None:
        """Refuse what has nothing to be tried again.

        Raises:
            Conflict: the job is done, or has not ended.
        """
        if after(State(loaded.state), Move.REPLAY) is None:
            raise _moved(loaded, "only a job that failed, died or was cancelled can be tried again")

    def apply(self, ctx: Context, input: JobInput, loaded: Job, prepared: None) -> Outcome:
        """Queue it.

        Raises:
            Conflict: somebody else was faster.
        """
        moved = Job.objects.filter(id=loaded.id, tenant=ctx.tenant, state=loaded.state, fence=loaded.fence).update(
            state=State.QUEUED,
            attempts=0,
            cancel_asked=False,
            not_before=ctx.now,
            rank=rank(loaded.priority, ctx.now),
            finished_at=None,
            error="",
            progress=0.0,
            words="",
        )
        if not moved:
            raise _moved(loaded, "it was moved meanwhile")
        _note(ctx, loaded, "replay", f"was {loaded.state}")
        wake.announce()
        note = {"job": str(loaded.id), "kind": loaded.kind, "was": loaded.state}
        return Outcome({**note, "state": str(State.QUEUED)}, note=note)


def _note(ctx: Context, job: Job, what: str, words: str) -> None:
    JobEvent.objects.create(tenant=ctx.tenant, job=job.id, at=ctx.now, what=what, words=words, fence=job.fence, digest="")


class PruneJobsInput(Input):
    """Which jobs go: those that ended so many days ago."""

    older_than_days: int = Field(default=30, ge=0)
    dry_run: bool = False


class PruneJobs(Action[PruneJobsInput, None, None]):
    """Remove the rows of jobs that are done, failed or cancelled, and of delivered events; what the ledger says of them stays.

    Dead letters stay, and so does whatever is not in the ledger yet.
    """

    name = "work.job.prune"
    summary = "remove the rows of jobs that ended long ago"
    tags = frozenset({"administer"})
    input = PruneJobsInput

    def apply(self, ctx: Context, input: PruneJobsInput, loaded: None, prepared: None) -> Outcome:
        """Remove up to 10,000 jobs with their events."""
        before = ctx.now - timedelta(days=input.older_than_days)
        states = sorted(ENDED - {State.DEAD})
        open = JobEvent.objects.filter(tenant=ctx.tenant, batch__isnull=True).exclude(digest="").values("job")
        jobs = Job.objects.filter(tenant=ctx.tenant, state__in=states, finished_at__lt=before).exclude(id__in=open)
        ids = list(jobs.values_list("id", flat=True)[:10_000])
        events = OutboxEvent.objects.filter(tenant=ctx.tenant, dispatched=True, at__lt=before).exclude(
            id__in=Delivery.objects.filter(tenant=ctx.tenant, open=True).values("event")
        )
        gone = list(events.values_list("id", flat=True)[:10_000])
        if not input.dry_run:
            for some in (ids[at : at + 500] for at in range(0, len(ids), 500)):
                JobEvent.objects.filter(tenant=ctx.tenant, job__in=some).delete()
                Job.objects.filter(tenant=ctx.tenant, id__in=some).delete()
            for few in (gone[at : at + 500] for at in range(0, len(gone), 500)):
                Delivery.objects.filter(tenant=ctx.tenant, event__in=few).delete()
                OutboxEvent.objects.filter(tenant=ctx.tenant, id__in=few).delete()
        note = {"jobs": len(ids), "events": len(gone), "dry_run": input.dry_run, "older_than_days": input.older_than_days}
        return Outcome(note, note=note)


class SetLimitInput(Input):
    """How many jobs of the tenant may run at once."""

    running: int = Field(ge=1, le=10_000)


class SetLimit(Action[SetLimitInput, None, None]):
    """Set how many jobs of this tenant run at once, over all workers."""

    name = "work.limit.set"
    summary = "set how many jobs of the tenant run at once"
    tags = frozenset({"administer"})
    input = SetLimitInput

    def apply(self, ctx: Context, input: SetLimitInput, loaded: None, prepared: None) -> Outcome:
        """Write the limit."""
        TenantLimit.objects.update_or_create(tenant=ctx.tenant, defaults={"running": input.running})
        return Outcome({"running": input.running}, note={"running": input.running})


ACTIONS = (SubmitJobs, CancelJob, ReplayJob, PruneJobs, SetLimit, *BATCHES, *SCHEDULES)
