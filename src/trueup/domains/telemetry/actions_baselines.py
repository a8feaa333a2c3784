"""Every change to baselines: versions are made, given a tag with the consent of another person, and rolled back."""

from dataclasses import asdict
from datetime import timedelta
from uuid import UUID, uuid4

from pydantic import Field, model_validator

from trueup.domains.telemetry import configuring, measured, queries, trust
from trueup.domains.telemetry.engine.circumstances import CONTEXT, Circumstances, Scope
from trueup.domains.telemetry.engine.quality import quality
from trueup.domains.telemetry.models import Baseline, BaselineTag, Run
from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.errors import Conflict, NotFound, Refused
from trueup.kernel.policy.engine.model import Risk
from trueup.kernel.words import Verdict

TAG = r"^[a-z][a-z0-9_-]{0,39}$"
_USABLE = (Verdict.PASS, Verdict.NO_BASELINE)


class CreateBaselineInput(Input):
    """Which runs: those that are named, or those of a scope and window that can stand for a baseline."""

    runs: tuple[str, ...] = Field(default=(), max_length=1000)
    program: str = Field(default="", max_length=120)
    subsystem: str = Field(default="", max_length=120)
    test_name: str = Field(default="", max_length=120)
    window_hours: float | None = Field(default=None, gt=0, le=876_000)

    @model_validator(mode="after")
    def _either(self) -> "CreateBaselineInput":
        if bool(self.runs) == (self.window_hours is not None):
            raise ValueError("name either runs or a window")
        return self


class CreateBaseline(Action[CreateBaselineInput, list[Run], None]):
    """Make a version of a baseline."""

    name = "telemetry.baseline.create"
    summary = "make a version of a baseline from runs"
    tags = frozenset({"operate"})
    input = CreateBaselineInput

    def load(self, ctx: Context, input: CreateBaselineInput) -> list[Run]:
        """Find the runs.

        Raises:
            NotFound: a run that is named is not there, or no run of the window can stand for a baseline.
        """
        if input.runs:
            return [queries.find_run(ctx.tenant, name) for name in dict.fromkeys(input.runs)]
        scope = Scope(input.program, input.subsystem, input.test_name)
        found = trust.eligible(ctx.tenant, scope, ctx.now - timedelta(hours=input.window_hours or 0.0))
        if not found:
            raise NotFound(
                f"no run of {scope} can stand for a baseline in the last {input.window_hours:g} hours",
                remedy="name the runs of a first baseline with --run, or choose a longer --window",
            )
        return found

    def check(self, ctx: Context, input: CreateBaselineInput, loaded: list[Run]) -> None:
        """Refuse runs that did not pass what the policy held them against, and runs of different tests.

        A run that there was no baseline for may found one; whoever gives it the tag vouches for it.
        """
        for run in loaded:
            if run.verdict not in _USABLE or not run.by_policy:
                what = f"is {run.verdict}" if run.verdict else "was never analysed"
                what += "" if run.by_policy or not run.verdict else " by a comparison that was asked for, not by the policy"
                raise Refused(
                    f"run {run.name} {what}",
                    remedy=f"make a baseline of runs that passed; analyse it first: trueup telemetry analyze {run.name}",
                )
            if queries.circumstances(run).scope != queries.circumstances(loaded[0]).scope:
                raise Refused(f"{run.name} and {loaded[0].name} are not of one program, subsystem and test")

    def apply(self, ctx: Context, input: CreateBaselineInput, loaded: list[Run], prepared: None) -> Outcome:
        """Write the version, with the quality that its runs' numbers give; the same of the same runs is the same version."""
        first = queries.circumstances(loaded[0])
        shared = {
            name: first.context[name]
            for name in CONTEXT
            if first.context.get(name) and all(run.context.get(name) == first.context[name] for run in loaded)
        }
        of = Circumstances(first.scope, shared)
        parts = queries.manifest(loaded)
        digest = queries.baseline_digest(of, parts)
        rules, _ = configuring.policy(ctx)
        found = asdict(quality(measured.run_numbers(ctx.tenant, loaded), rules.quality))
        there = queries.same_baseline(ctx.tenant, digest, found)
        if there is not None:
            bears = queries.tags(ctx.tenant).get(there.id, ())
            return Outcome(queries.baseline_document(there, bears), subjects=[f"baseline/{there.name}"], note={"digest": digest})
        row = Baseline.objects.create(
            id=uuid4(),
            tenant=ctx.tenant,
            name=f"v_{ctx.now:%Y%m%dT%H%M%S%f}_{digest[:8]}",
            program=of.scope.program,
            subsystem=of.scope.subsystem,
            test_name=of.scope.test_name,
            context=shared,
            manifest=parts,
            digest=digest,
            quality=found,
            founding=[run.name for run in loaded if run.verdict != Verdict.PASS],
            created_at=ctx.now,
            created_by=ctx.principal.id,
        )
        value = queries.baseline_document(row)
        note = {"digest": digest, "runs": len(parts), "quality": row.quality["passed"], "founding": len(row.founding)}
        return Outcome(value, subjects=[f"baseline/{row.name}"], note=note)


class PromoteInput(Input):
    """Which version gets which tag.

    Args:
        digest: of the version; consent is bound to it, and so to the data of its runs.
    """

    version: str = Field(max_length=100)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    tag: str = Field(default="golden", pattern=TAG)
    reason: str = Field(default="", max_length=1000)
    skip_quality: bool = False

    @model_validator(mode="after")
    def _said_why(self) -> "PromoteInput":
        if self.skip_quality and not self.reason:
            raise ValueError("passing over the quality gate needs a reason")
        return self


class PromoteBaseline(Action[PromoteInput, Baseline, None]):
    """Give a version a tag: from then on runs are held against it. Needs the consent of another person."""

    name = "telemetry.baseline.promote"
    summary = "hold runs against this version from now on"
    risk = Risk.R3
    tags = frozenset({"operate"})
    input = PromoteInput

    def load(self, ctx: Context, input: PromoteInput) -> Baseline:
        """Find the version and hold its runs against what it was bound to."""
        row = queries.find_baseline(ctx.tenant, input.version)
        queries.baseline_runs(ctx.tenant, row)
        return row

    def resource(self, ctx: Context, input: PromoteInput, loaded: Baseline) -> Resource:
        """Policy decides about the version."""
        return Resource("baseline", loaded.name, loaded.tenant, created_by=loaded.created_by)

    def check(self, ctx: Context, input: PromoteInput, loaded: Baseline) -> None:
        """Refuse a version that is another than was looked at, or that is not fit."""
        if loaded.digest != input.digest:
            raise Conflict(
                f"version {loaded.name} has the digest {loaded.digest}", remedy="look at the version again, and ask anew"
            )
        rules, _ = configuring.policy(ctx)
        found = quality(measured.run_numbers(ctx.tenant, queries.baseline_runs(ctx.tenant, loaded)), rules.quality)
        if not found.passed and not input.skip_quality:
            failed = [f"{part.name}: {part.words}" for part in found.parts if not part.passed]
            raise Refused(
                f"version {loaded.name} is not fit to be a baseline: {'; '.join(failed)}",
                remedy="make one of more or steadier runs, or pass the gate over with --skip-quality-gate and a --reason",
            )

    def apply(self, ctx: Context, input: PromoteInput, loaded: Baseline, prepared: None) -> Outcome:
        """Move the tag."""
        return moved(ctx, loaded, input.tag, "promote", input.reason)


def moved(ctx: Context, to: Baseline, tag: str, kind: str, reason: str) -> Outcome:
    """Write down that a tag of the version's scope now is the version's."""
    of = queries.circumstances(to)
    here = Baseline.objects.filter(
        tenant=ctx.tenant, program=of.scope.program, subsystem=of.scope.subsystem, test_name=of.scope.test_name
    )
    # moves of one test's tags wait for each other, so that each knows which version came before
    list(here.select_for_update().order_by("id").values_list("id"))
    scope = queries.scope_key(of)
    now_at = queries.tag_history(ctx.tenant, tag=tag, scope=scope, limit=1)
    previous: UUID | None = now_at[0].baseline if now_at else None
    if previous == to.id:
        raise Conflict(f"{to.name} is {tag} already")
    BaselineTag.objects.create(
        tenant=ctx.tenant,
        tag=tag,
        scope=scope,
        baseline=to.id,
        previous=previous,
        kind=kind,
        reason=reason,
        at=ctx.now,
        by=ctx.principal.id,
    )
    before = Baseline.objects.filter(tenant=ctx.tenant, id=previous).first() if previous else None
    value = {"version": to.name, "tag": tag, "digest": to.digest, "previous": before.name if before else None}
    return Outcome(value, subjects=[f"baseline/{to.name}"], note={"tag": tag, "kind": kind, "digest": to.digest})


class RollBackInput(Input):
    """Which tag of which version to give back."""

    version: str = Field(max_length=100)
    tag: str = Field(default="golden", pattern=TAG)
    reason: str = Field(min_length=1, max_length=1000)


class RollBackBaseline(Action[RollBackInput, tuple[Baseline, Baseline], None]):
    """Give a tag back to the version that bore it before: consent to that one was given already."""

    name = "telemetry.baseline.rollback"
    summary = "hold runs against the version before this one again"
    tags = frozenset({"operate"})
    input = RollBackInput

    def load(self, ctx: Context, input: RollBackInput) -> tuple[Baseline, Baseline]:
        """Find the version that bears the tag, and the one before.

        Raises:
            Conflict: the version does not bear the tag now, or is the first that did.
        """
        row = queries.find_baseline(ctx.tenant, input.version)
        scope = queries.scope_key(queries.circumstances(row))
        history = queries.tag_history(ctx.tenant, tag=input.tag, scope=scope, limit=10_000)
        if not history or history[0].baseline != row.id:
            raise Conflict(f"{row.name} is not {input.tag} now", remedy="see 'trueup telemetry baseline list'")
        before = _before(history)
        if before is None:
            raise Conflict(f"{row.name} is the first that was {input.tag}", remedy="promote another version")
        return row, queries.baseline_of(ctx.tenant, str(before))

    def apply(self, ctx: Context, input: RollBackInput, loaded: tuple[Baseline, Baseline], prepared: None) -> Outcome:
        """Move the tag back."""
        return moved(ctx, loaded[1], input.tag, "rollback", input.reason)


def _before(history: list[BaselineTag]) -> UUID | None:
    """Return the version that bore a tag before the present one, rollbacks undone: the newest move first."""
    stack: list[UUID] = []
    for move in reversed(history):
        if move.kind == "rollback" and stack:
            stack.pop()
        else:
            stack.append(move.baseline)
    return stack[-2] if len(stack) > 1 else None


ACTIONS = (CreateBaseline, PromoteBaseline, RollBackBaseline)
