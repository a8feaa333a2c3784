"""Asking for jobs, and writing down what one attempt at a job did."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from pydantic import Field

from trueup.domains.automation import facts, jobqueries, reliability
from trueup.domains.automation.actions_fetches import Told
from trueup.domains.automation.egress.spool import forget
from trueup.domains.automation.engine.tiers import Strategy, strategy_of
from trueup.domains.automation.jobspec import KIND, JobArgs, JobRequestIn
from trueup.domains.automation.models import Run
from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.actions.ports import JobRequest
from trueup.kernel.errors import Refused, UsageError
from trueup.kernel.evidence.artifacts import Artifact
from trueup.kernel.evidence.engine.fact import Fact

if TYPE_CHECKING:
    from trueup.domains.automation.engine.decide import Decision

SOURCE = "trueup.automation.job"
MOST = 1_000
ATTEMPTS = 8
"""Times that a job is begun at most, crashes counted; how often it may fail depends on its tier."""


class PolicyViolation(Refused):
    """A rule does not allow a job: nothing was written but the refusal."""

    code = "POLICY_VIOLATION"


class JobItem(JobRequestIn):
    """One job that is asked for, and how it is queued."""

    key: str | None = Field(default=None, min_length=1, max_length=200, description="the same key again is the same job")
    priority: int = Field(default=5, ge=0, le=9, description="0 is urgent, 9 is when there is nothing else")
    not_before: str | None = Field(default=None, description="ISO 8601, with its zone")
    authorization_mode: str = Field(default="", max_length=40, description="derived, never claimed: another one is refused")

    def request(self) -> JobRequestIn:
        """Return what is asked for, without how it is queued."""
        return JobRequestIn(**self.model_dump(exclude={"key", "priority", "not_before", "authorization_mode"}))


class SubmitInput(Input):
    """Up to 1,000 jobs."""

    jobs: tuple[JobItem, ...] = Field(min_length=1, max_length=MOST)


@dataclass(frozen=True, slots=True)
class _Decided:
    """A job that is allowed: as it will be stored, and how many may run at its authority at once."""

    args: JobArgs
    at_once: int


class SubmitJobs(Action[SubmitInput, list[_Decided], None]):
    """Ask for jobs: each is decided about by its own URL now, and again at every hop when it runs."""

    name = "automation.job.submit"
    summary = "ask for jobs on web pages, decided about by policy"
    tags = frozenset({"operate"})
    input = SubmitInput

    def load(self, ctx: Context, input: SubmitInput) -> list[_Decided]:
        """Read each job, and decide about it.

        Raises:
            UsageError: one cannot be understood.
            PolicyViolation: a rule refuses one.
        """
        from trueup.domains.automation.submitting import decided

        found = [_Decided(args, at_once) for args, at_once in decided(ctx, [item.request() for item in input.jobs])]
        for item, one in zip(input.jobs, found, strict=True):
            _require_mode(item.authorization_mode, one.args.frozen.mode)
        return found

    def apply(self, ctx: Context, input: SubmitInput, loaded: list[_Decided], prepared: None) -> Outcome:
        """Have the rows written with the entry."""
        jobs = [_queued(item, one, number) for number, (item, one) in enumerate(zip(input.jobs, loaded, strict=True))]
        hosts = sorted({one.args.frozen.host for one in loaded})
        note = {
            "count": len(jobs),
            "hosts": hosts[:50],
            "strategies": sorted({one.args.request.strategy for one in loaded}),
            "snapshot": loaded[0].args.frozen.snapshot,
            "authorizations": sorted({one.args.frozen.authorization for one in loaded} - {""})[:50],
        }
        return Outcome({"count": len(jobs)}, jobs=jobs, note=note)


def _queued(item: JobItem, one: _Decided, number: int) -> JobRequest:
    seat = int.from_bytes(hashlib.sha256((item.key or f"{number}-{uuid4()}").encode()).digest()[:4]) % max(1, one.at_once)
    return JobRequest(
        KIND,
        one.args.model_dump(mode="json"),
        key=item.key,
        priority=item.priority,
        # as many keys as may run at once: a queue for one host never fills the worker
        concurrency_key=f"automation/{one.args.frozen.authority}/{seat}",
        not_before=_moment(item.not_before),
        max_attempts=ATTEMPTS,
        same=("request",),
    )


def _require_mode(said: str, derived: str) -> None:
    if said and said != derived:
        raise UsageError(
            f"authorization_mode: the mode of this job is {derived}: it is derived from what was authorized",
            remedy="leave it out",
            details={"field": "authorization_mode"},
        )


def _moment(text: str | None) -> Any:
    from datetime import datetime

    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"not_before: {text!r} is no time", remedy="write 2026-01-31T08:00:00Z") from None
    if found.tzinfo is None:
        raise UsageError(f"not_before: {text!r} has no zone", remedy="write 2026-01-31T08:00:00Z")
    return found


def tier_of(name: str) -> Strategy:
    """Return a tier by its name or older name.

    Raises:
        UsageError: there is none.
    """
    try:
        return strategy_of(name)
    except ValueError:
        raise UsageError(f"strategy: there is no tier {name!r}", remedy=f"use one of {', '.join(Strategy)}") from None


def violation(decision: "Decision") -> PolicyViolation:
    """Return what says that a rule refuses a job."""
    details = {"url": decision.url, "rule_ids": list(decision.rule_ids), "reason": decision.reason}
    host = decision.target.host if decision.target else ""
    return PolicyViolation(
        f"{decision.url}: {decision.reason}",
        remedy="see which rule refused it: trueup automation decide URL",
        details={**details, "entry": {"host": host, "rule_ids": list(decision.rule_ids)}},
    )


class PerformInput(Input):
    """Which job, and which attempt at it."""

    job: UUID
    attempt: int = Field(ge=1, le=1_000)


@dataclass(frozen=True, slots=True)
class Performed:
    """What one attempt did.

    Args:
        ended: see ``engine.endings.Ending``.
        final: no further attempt is made.
        told: what left.
        manifest: the whole run, step by step.
        kept: every other artifact.
        page: subject of the page, with what is known of it now.
    """

    ended: str
    final: bool
    code: str
    reason: str
    executor: str
    mode: str
    begun: Any
    elapsed_ms: int
    steps: int
    summary: Mapping[str, Any]
    told: Told
    manifest: Artifact
    kept: Sequence[Artifact]
    page: Sequence[tuple[str, str, str | int, str]] = ()


class PerformJob(Action[PerformInput, tuple[JobArgs, int], Performed]):
    """Make one attempt at a job, under policy at every hop, and write down what it did and what left."""

    name = "automation.job.perform"
    summary = "make one attempt at a job, and keep what it did as evidence"
    tags = frozenset({"operate"})
    input = PerformInput
    prepares = True

    def load(self, ctx: Context, input: PerformInput) -> tuple[JobArgs, int]:
        """Read the job, and how often it failed before.

        Raises:
            NotFound: there is none in this tenant.
            Refused: it is not a worker that asks.
        """
        if ctx.job is None:
            raise Refused("jobs are performed by workers alone", remedy="start one: trueup worker")
        return jobqueries.args_of(ctx.tenant, input.job), jobqueries.failures(ctx.tenant, input.job)

    def resource(self, ctx: Context, input: PerformInput, loaded: tuple[JobArgs, int]) -> Resource:
        """The job."""
        return Resource("job", str(input.job), ctx.tenant)

    def prepare(self, ctx: Context, input: PerformInput, loaded: tuple[JobArgs, int]) -> Performed:
        """Do it."""
        from trueup.domains.automation.performing import perform  # loads what fetches

        return perform(ctx, input.job, input.attempt, *loaded)

    def apply(self, ctx: Context, input: PerformInput, loaded: tuple[JobArgs, int], prepared: Performed) -> Outcome:
        """Write down how it ended."""
        args = loaded[0]
        Run.objects.create(tenant=ctx.tenant, **row_of(ctx, input, args, prepared))
        lowered = reliability.settle(ctx.tenant, args.frozen.authority, prepared.code, ctx.now)
        subject = f"job/{input.job}"
        known = [Fact(subject, facts.JOB_ENDED.key, prepared.ended, ctx.now, ctx.now, SOURCE)]
        known += [Fact(page, key, value, ctx.now, ctx.now, SOURCE, unit) for page, key, value, unit in prepared.page]
        note = {
            "job": str(input.job),
            "attempt": input.attempt,
            "ended": prepared.ended,
            "code": prepared.code,
            "strategy": args.request.strategy,
            "mode": prepared.mode,
            "authorization": [args.frozen.authorization, args.frozen.authorization_version],
            **({"limits_lowered_to": lowered} if lowered else {}),
            **prepared.told.note(),
        }
        kept = {one.sha256: one for one in (prepared.manifest, prepared.told.artifact, *prepared.kept)}
        return Outcome(value_of(prepared), facts=known, artifacts=tuple(kept.values()), subjects=[subject], note=note)

    def settled(self, ctx: Context, outcome: Outcome) -> None:
        """Remove the lines of what was about to leave: the record replaces them."""
        forget(ctx.ports.data, UUID(outcome.note["job"]))


def value_of(done: Performed) -> dict[str, Any]:
    """Return what an attempt's caller is told."""
    return {
        "ended": done.ended,
        "final": done.final,
        "code": done.code,
        "reason": done.reason,
        "manifest": done.manifest.sha256,
        "record": done.told.artifact.sha256,
        "elapsed_ms": done.elapsed_ms,
        "summary": dict(done.summary),
    }


def row_of(ctx: Context, input: PerformInput, args: JobArgs, done: Performed) -> dict[str, Any]:
    """Return what is stored of an attempt."""
    return {
        "id": uuid4(),
        "job": input.job,
        "attempt": input.attempt,
        "authority": args.frozen.authority,
        "url": args.request.url,
        "job_type": args.request.job_type,
        "strategy": args.request.strategy,
        "mode": done.mode,
        "executor": done.executor,
        "ended": done.ended,
        "final": done.final,
        "code": done.code,
        "reason": done.reason[:2_000],
        "begun": done.begun,
        "at": ctx.now,
        "elapsed_ms": done.elapsed_ms,
        "steps": done.steps,
        "summary": dict(done.summary),
        "manifest": done.manifest.sha256,
        "record": done.told.artifact.sha256,
    }


ACTIONS = (SubmitJobs, PerformJob)
