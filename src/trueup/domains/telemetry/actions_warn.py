"""Recording what the runs of a test warn of; no run's verdict changes."""

from typing import Any

from pydantic import Field

from trueup.domains.telemetry import facts as known
from trueup.domains.telemetry import outlooks, queries
from trueup.domains.telemetry.models import Run
from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.evidence.artifacts import Artifact
from trueup.kernel.evidence.engine.encode import encode
from trueup.kernel.evidence.engine.fact import Fact, FactValue, Predicate

SOURCE = "trueup.telemetry.series"


class WarnInput(Input):
    """Up to which run to look, and at what."""

    run: str = Field(max_length=100)
    metric: str = Field(default=outlooks.ALL, max_length=200)
    runs: int = Field(default=outlooks.RUNS, ge=2, le=1_000)
    alpha: float = Field(default=0.01, gt=0, le=0.5)


class Warn(Action[WarnInput, Run, tuple[dict[str, Any], Artifact]]):
    """Look ahead over the runs of a test: does a metric scatter more and more, and when does it meet its limit?"""

    name = "telemetry.series.warn"
    summary = "look ahead over the runs of a test and record what they warn of"
    tags = frozenset({"operate", "analyse"})
    input = WarnInput
    prepares = True

    def load(self, ctx: Context, input: WarnInput) -> Run:
        """Find the run."""
        return queries.find_run(ctx.tenant, input.run)

    def resource(self, ctx: Context, input: WarnInput, loaded: Run) -> Resource:
        """Policy decides about the run."""
        return Resource("run", str(loaded.id), loaded.tenant, created_by=loaded.recorded_by)

    def prepare(self, ctx: Context, input: WarnInput, loaded: Run) -> tuple[dict[str, Any], Artifact]:
        """Compute; store the document."""
        found = outlooks.outlook(ctx.tenant, loaded, input.metric, limit=input.runs, alpha=input.alpha)
        names = [row.name for row in outlooks.runs_until(ctx.tenant, loaded, limit=input.runs)]
        body = outlooks.document(loaded, found, names, alpha=input.alpha)
        return body, ctx.ports.artifacts.put(ctx.tenant, encode(body), name="outlook.json", media_type="application/json")

    def apply(self, ctx: Context, input: WarnInput, loaded: Run, prepared: tuple[dict[str, Any], Artifact]) -> Outcome:
        """Record facts and entry."""
        body, artifact = prepared
        subject = queries.subject(loaded.name)

        def fact(predicate: Predicate, value: FactValue, part: str = "") -> Fact:
            key, unit = predicate.key, predicate.unit
            return Fact(f"{subject}{part}", key, value, valid_at=ctx.now, recorded_at=ctx.now, source=SOURCE, unit=unit)

        signs = sum(len(item["signs"]) for item in body["findings"])
        facts = [fact(known.WARNINGS, signs)] if input.metric == outlooks.ALL else []
        left: dict[str, float] = {}
        for one in body["series"]:
            reach = one["runs_to_limit"]
            if reach and reach["runs"] is not None:
                left[one["metric"]] = min(float(reach["runs"]), left.get(one["metric"], float("inf")))
        facts += [fact(known.RUNS_TO_LIMIT, value, f"/{metric}") for metric, value in left.items()]
        note = {"verdict": body["verdict"], "runs": len(body["runs"]), "signs": signs}
        return Outcome(
            {**body, "artifacts": {artifact.name: artifact.sha256}},
            facts=facts,
            artifacts=[artifact],
            subjects=[subject],
            note=note,
        )


ACTIONS = (Warn,)
