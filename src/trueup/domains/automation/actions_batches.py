"""Making an attempt at each of several fetch jobs, and writing all of them down at once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import Field

from trueup.domains.automation import facts, reliability
from trueup.domains.automation.actions_fetches import RECORD, RECORD_TYPE, Told, told
from trueup.domains.automation.actions_jobs import SOURCE, Performed, PerformInput, row_of, value_of
from trueup.domains.automation.egress.spool import forget
from trueup.domains.automation.jobspec import JobArgs
from trueup.domains.automation.models import Run
from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.errors import Refused
from trueup.kernel.evidence.artifacts import Artifact, Content
from trueup.kernel.evidence.engine.fact import Fact
from trueup.kernel.rows import insert
from trueup.kernel.work.errors import JobCancelled
from trueup.kernel.work.fence import JointFence

if TYPE_CHECKING:
    from trueup.domains.automation.rounds import Made, Round

MOST = 100


class FetchJobsInput(Input):
    """Which jobs, and which attempt at each."""

    jobs: tuple[PerformInput, ...] = Field(min_length=1, max_length=MOST)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt that ended by itself."""

    input: PerformInput
    args: JobArgs
    done: Performed


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of the attempts.

    Args:
        attempts: those that ended, whoever holds the jobs now.
        told: what left in all of them.
        artifacts: everything that was kept.
    """

    attempts: Sequence[_Attempt]
    told: Told
    artifacts: Sequence[Artifact]


class FetchJobs(Action[FetchJobsInput, JointFence, Fetched]):
    """Make an attempt at each of several fetch jobs, under policy at every hop; one entry names them all.

    Attempts that take long are not waited for: the same jobs are then named again, by another such action.
    """

    name = "automation.job.fetch"
    summary = "make an attempt at each of several fetch jobs, and keep what they did as evidence"
    tags = frozenset({"operate"})
    input = FetchJobsInput
    prepares = True

    def load(self, ctx: Context, input: FetchJobsInput) -> JointFence:
        """Return the hold on the jobs.

        Raises:
            Refused: it is not a worker that asks.
        """
        if not isinstance(ctx.job, JointFence):
            raise Refused("jobs are performed by workers alone", remedy="start one: trueup worker")
        return ctx.job

    def prepare(self, ctx: Context, input: FetchJobsInput, loaded: JointFence) -> Fetched:
        """Do them, and store what came.

        Raises:
            JobCancelled: none came to its own end.
        """
        from trueup.domains.automation.rounds import current  # loads what fetches

        round = current()
        made = round.collect()
        if not made:
            raise JobCancelled("no attempt came to its own end")
        return _stored(ctx, round, made)

    def apply(self, ctx: Context, input: FetchJobsInput, loaded: JointFence, prepared: Fetched) -> Outcome:
        """Write down how each ended whose job is still this worker's; the others are left out."""
        held = [one for one in prepared.attempts if one.input.job in loaded.held]
        rows = [row_of(ctx, one.input, one.args, one.done) for one in held]
        names = rows[0] if rows else ()
        insert(Run, ("tenant", *names), [(ctx.tenant, *row.values()) for row in rows])
        lowered = _settled(ctx, held)
        known = [fact for one in held for fact in _facts(ctx, one)]
        lost = [str(one.input.job) for one in prepared.attempts if one.input.job not in loaded.held]
        note = {
            "jobs": [_noted(one) for one in held],
            **({"lost": lost} if lost else {}),
            **({"limits_lowered_to": lowered} if lowered else {}),
            **prepared.told.note(),
        }
        value = {"runs": {str(one.input.job): value_of(one.done) for one in held}}
        subjects = [f"job/{one.input.job}" for one in held]
        return Outcome(value, facts=known, artifacts=prepared.artifacts, subjects=subjects, note=note)

    def settled(self, ctx: Context, outcome: Outcome) -> None:
        """Remove the lines of what was about to leave: the record replaces them."""
        forget(ctx.ports.data, *map(UUID, outcome.value["runs"]))


def _settled(ctx: Context, held: Sequence[_Attempt]) -> dict[str, float]:
    """Go easy on authorities whose runs fail of late."""
    codes = {one.args.frozen.authority: one.done.code for one in held if one.done.code}
    found = {authority: reliability.settle(ctx.tenant, authority, codes[authority], ctx.now) for authority in sorted(codes)}
    return {authority: share for authority, share in found.items() if share is not None}


def _facts(ctx: Context, one: _Attempt) -> list[Fact]:
    job = Fact(f"job/{one.input.job}", facts.JOB_ENDED.key, one.done.ended, ctx.now, ctx.now, SOURCE)
    return [job, *(Fact(page, key, value, ctx.now, ctx.now, SOURCE, unit) for page, key, value, unit in one.done.page)]


def _noted(one: _Attempt) -> dict[str, Any]:
    frozen = one.args.frozen
    return {
        "job": str(one.input.job),
        "attempt": one.input.attempt,
        "ended": one.done.ended,
        "code": one.done.code,
        "strategy": one.args.request.strategy,
        "mode": one.done.mode,
        "authorization": [frozen.authorization, frozen.authorization_version],
    }


def _stored(ctx: Context, round: "Round", made: Sequence["Made"]) -> Fetched:
    """Store the record, the manifest and the pages of attempts, all together."""
    import hashlib

    from trueup.domains.automation.egress.record import Record
    from trueup.domains.automation.performing import MANIFEST, MANIFEST_TYPE, PAGE, When, keep_cut_off, performed, run_document

    before = round.cut_off([one.errand.job for one in made])
    for one in made:
        one.found.kept += keep_cut_off(ctx, before.get(one.errand.job, ()))
    record = Record.joined(round.snapshot, {str(one.errand.job): one.reach.record for one in made}).lines()
    digest = hashlib.sha256(record).hexdigest()
    whens = [When(one.errand.job, one.errand.attempt, one.errand.failures, one.begun, one.elapsed_ms) for one in made]
    runs = {str(one.errand.job): run_document(one.reach, one.found, digest, when) for one, when in zip(made, whens, strict=True)}
    manifest = json.dumps({"runs": runs}, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    pages = {n: Content(one.body.body[:], PAGE, one.media_type) for n, one in enumerate(made) if one.body and one.body.body}
    contents = [Content(record, RECORD, RECORD_TYPE), Content(manifest.encode(), MANIFEST, MANIFEST_TYPE), *pages.values()]
    stored = ctx.ports.artifacts.put_many(ctx.tenant, contents)
    bodies: Mapping[int, Artifact] = dict(zip(pages, stored[2:], strict=True))
    left = told(ctx, digest)
    attempts = []
    for number, (one, when) in enumerate(zip(made, whens, strict=True)):
        page = bodies.get(number) or one.stored
        done = performed(one.reach, one.found, when, told=left, manifest=stored[1], page=[page] if page else [])
        attempts.append(_Attempt(PerformInput(job=one.errand.job, attempt=one.errand.attempt), one.errand.args, done))
    every = {one.sha256: one for attempt in attempts for one in attempt.done.kept}
    return Fetched(attempts, left, [stored[0], stored[1], *every.values()])


ACTIONS = (FetchJobs,)
