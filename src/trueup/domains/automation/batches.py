"""Fetch jobs, many at once: one action makes an attempt at each, and each ends by itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from trueup.domains.automation import snapshots
from trueup.domains.automation.actions_authorizations import VerifyAuthorization
from trueup.domains.automation.actions_batches import FetchJobs
from trueup.domains.automation.actions_fetches import RecordEgress, kept
from trueup.domains.automation.engine.decide import Asked, decide
from trueup.domains.automation.engine.hostpolicy import Snapshot
from trueup.domains.automation.engine.tiers import Strategy, may_open, strategy_of
from trueup.domains.automation.jobs import done, over, postponed
from trueup.domains.automation.jobspec import JobArgs, Watch
from trueup.domains.automation.reach import LEFT_OVER
from trueup.domains.automation.rounds import Errand, Made, Round, ongoing
from trueup.domains.automation.standings import Standing, standings
from trueup.domains.automation.turns import Wanted, take_many
from trueup.kernel.actions.base import Context
from trueup.kernel.actions.runner import run
from trueup.kernel.errors import TrueupError
from trueup.kernel.work.context import JobContext
from trueup.kernel.work.errors import JobCancelled, StaleFence
from trueup.kernel.work.handlers import Portion

type Outcome = Mapping[str, Any] | BaseException | None


def together(jobs: Sequence[JobContext]) -> Iterator[Portion]:
    """Make an attempt at each of several fetch jobs of one tenant and principal; yield how each ended, as they do."""
    ctx = jobs[0].context
    stood = standings(ctx.tenant, [job.job.id for job in jobs])
    ended: list[tuple[JobContext, Outcome]] = []
    fresh = []
    for job in jobs:
        row = stood[job.job.id].over
        if row is None:
            fresh.append(job)
        else:
            ended.append((job, _outcome(lambda row=row: over(row))))
    live = snapshots.current(ctx.tenant)
    args = {job.job.id: JobArgs.model_validate(job.args) for job in fresh}
    if _verified_again(live, ctx, fresh, args, stood):
        live = snapshots.current(ctx.tenant)
    errands, held_back = _errands(live, ctx, fresh, args, stood)
    ended += held_back
    if ended:
        yield ended
    if errands:
        yield from _made(Round(ctx, errands, live), {job.job.id: job for job in fresh})


def _errands(
    live: Snapshot, ctx: Context, jobs: Sequence[JobContext], args: Mapping[UUID, JobArgs], stood: Mapping[UUID, Standing]
) -> tuple[list[Errand], list[tuple[JobContext, Outcome]]]:
    """Take the first turn of each job at its target; return what is to be done, and the jobs that limits hold back."""
    roles = may_open(ctx.principal.roles)
    wanted: dict[UUID, Wanted] = {}
    for job in jobs:
        one = args[job.job.id]
        decision = decide(live, one.request.url, _asked(one, roles), ctx.now)
        if decision.allowed and not _unsure(one, stood[job.job.id]):
            lasts = timedelta(seconds=one.request.timeout_seconds) + LEFT_OVER
            wanted[job.job.id] = Wanted(decision, lasts, job.job.id.hex)
    turns = dict(zip(wanted, take_many(ctx.tenant, list(wanted.values()), ctx.now), strict=True))
    errands, held_back = [], list[tuple[JobContext, Outcome]]()
    for job in jobs:
        id, turn = job.job.id, turns.get(job.job.id)
        later = postponed(args[id].frozen.authority, turn, ctx.now) if turn else None
        if later is not None:
            held_back.append((job, later))
            continue
        watch = Watch(_gone(job), job.progress, turn.lease if turn else "")
        before = stood[id]
        errands.append(Errand(id, len(before.runs) + 1, args[id], watch, before.failures, _unsure(args[id], before)))
    return errands, held_back


def _gone(job: JobContext) -> Any:
    return lambda: "cancelled" if job.cancelled() else ""


def _asked(one: JobArgs, roles: frozenset[Strategy]) -> Asked:
    return Asked(strategy_of(one.request.strategy), roles, authorization=one.frozen.authorization, job_type=one.request.job_type)


def _unsure(one: JobArgs, before: Standing) -> bool:
    return before.in_transit and not one.request.repeatable and one.frozen.mode != "internal"


def _verified_again(
    live: Snapshot, ctx: Context, jobs: Sequence[JobContext], args: Mapping[UUID, JobArgs], stood: Mapping[UUID, Standing]
) -> bool:
    """Look again for the evidence of authorizations that nobody looked at for a day, once each; tell whether there was one."""
    named, looked = {args[job.job.id].frozen.authorization: job for job in reversed(jobs)}, False
    for one in live.authorizations:
        job = named.get(one.id)
        if job is not None and one.state(ctx.now) == "authorization.stale":
            number, looked = len(stood[job.job.id].runs) + 1, True
            try:
                job.run(VerifyAuthorization, {"id": one.id}, step=f"verify-{number}")
            except TrueupError as exc:  # the attempts are then refused by it
                job.log(f"authorization {one.id} was not verified again: {exc.code}")
    return looked


def _made(round: Round, jobs: Mapping[UUID, JobContext]) -> Iterator[Portion]:
    """Make attempts; those that end first are written down first."""
    try:
        while waiting := round.open():
            yield _portion(round, waiting, jobs)
    finally:
        round.stop()
        _keep_records(round, jobs)
        round.end()


def _portion(round: Round, waiting: Sequence[Errand], jobs: Mapping[UUID, JobContext]) -> Portion:
    """Write down what has ended, by one action; return the outcome of each job in it."""
    held = [jobs[errand.job] for errand in waiting]
    asked = {"jobs": [{"job": errand.job, "attempt": errand.attempt} for errand in waiting]}
    value: Mapping[str, Any] = {}
    problem: BaseException = StaleFence("the job was given to another worker, or cancelled")
    try:
        with ongoing(round):
            value = run(FetchJobs, held[0].joint(held), asked).value
    except Exception as exc:  # noqa: BLE001 - whatever it is, each of the jobs ends by it
        problem = exc
    stopped = {made.errand.job: _why(made) for made in round.aside}
    _keep_records(round, jobs)
    round.kept(map(UUID, value.get("runs", ())))
    still = {errand.job for errand in round.open()}
    if len(still) == len(waiting):  # nothing was made, and nothing will be
        round.stop()
        still = set()
    found: list[tuple[JobContext, Outcome]] = []
    for job in held:
        id = job.job.id
        if id not in still:
            said = value.get("runs", {}).get(str(id))
            found.append((job, stopped.get(id) or (_outcome(lambda said=said: done(said)) if said else problem)))
    return found


def _outcome(what: Any) -> Outcome:
    """Return what something gives, or how it failed."""
    try:
        found: Outcome = what()
    except TrueupError as exc:
        return exc
    return found


def _why(made: Made) -> BaseException:
    if made.problem is not None:
        return made.problem
    if made.stopped == "lost":
        return StaleFence(f"job {made.errand.job} was given to another worker")
    return JobCancelled(f"job {made.errand.job} must stop: {made.stopped}")


def _keep_records(round: Round, jobs: Mapping[UUID, JobContext]) -> None:
    """Write down what had left of jobs that were ended from outside: they hold nothing any more, so it is no step of them."""
    for made in round.aside:
        held = jobs[made.errand.job].job
        if made.reach.record.hops:
            alone = replace(round.ctx, job=None, key=f"egress:{held.id}:{held.fence}")
            run(RecordEgress, alone, {"run": str(held.id), "sha256": kept(round.ctx, made.reach.record).sha256})
        round.kept([held.id])
    round.aside.clear()
