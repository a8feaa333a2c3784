"""Deciding a gate on stored facts, on the record."""

from datetime import datetime
from pathlib import Path
from typing import Any

from trueup.kernel.actions.base import Action, Context, Input, Outcome
from trueup.kernel.errors import Damaged
from trueup.kernel.evidence import ledger
from trueup.kernel.evidence.engine.encode import encode
from trueup.kernel.evidence.engine.fact import Fact
from trueup.kernel.evidence.predicates import registered
from trueup.kernel.evidence.proven import proven_facts
from trueup.kernel.gates.facts import OUTCOME

SOURCE = "trueup.gates"


class DecideGateInput(Input):
    """Which gate, and as of when."""

    gate: Path
    subject: str = ""
    now: datetime | None = None


class DecideGate(Action[DecideGateInput, list[Fact], dict[str, Any]]):
    """Evaluate a gate on the tenant's facts, after proving that they are those the ledger holds."""

    name = "gates.gate.decide"
    summary = "decide a gate on stored facts"
    tags = frozenset({"operate", "analyse"})
    input = DecideGateInput
    prepares = True
    local = True

    def load(self, ctx: Context, input: DecideGateInput) -> list[Fact]:
        """Read the facts that the checkpoint covers.

        Raises:
            Damaged: stored facts are not those that were recorded.
        """
        ledger.sequence(ctx.tenant, ctx.ports.keys.signer())
        found, problems = proven_facts(ctx.tenant, keys=ctx.ports.keys)
        if problems:
            raise Damaged(f"a decision on these facts would prove nothing: {problems[0]}", remedy="trueup evidence log verify")
        return found

    def prepare(self, ctx: Context, input: DecideGateInput, loaded: list[Fact]) -> dict[str, Any]:
        """Evaluate, and keep the gate's text with the explanation."""
        from trueup.kernel.gates import evaluate, load_gate

        gate = load_gate(input.gate, predicates=registered())
        now = input.now or ctx.now
        # What was written down later was not known then: a replay decides as it would have been decided.
        known = [fact for fact in loaded if fact.recorded_at <= now]
        decision = evaluate(gate, known, now, subject=input.subject)
        document: dict[str, Any] = decision.as_dict()
        put = ctx.ports.artifacts.put
        stored = [
            put(ctx.tenant, input.gate.read_bytes(), name=input.gate.name, media_type="application/yaml"),
            put(ctx.tenant, encode(document), name="decision.json", media_type="application/json"),
        ]
        return {"document": document, "artifacts": stored, "gate": gate.name}

    def apply(self, ctx: Context, input: DecideGateInput, loaded: list[Fact], prepared: dict[str, Any]) -> Outcome:
        """Record the outcome as a fact about the gate."""
        document = prepared["document"]
        subject = f"gate:{prepared['gate']}" + (f"/{input.subject}" if input.subject else "")
        fact = Fact(
            subject=subject,
            predicate=OUTCOME.key,
            value=document["outcome"],
            valid_at=ctx.now,
            recorded_at=ctx.now,
            source=SOURCE,
        )
        return Outcome(
            document,
            facts=[fact],
            artifacts=prepared["artifacts"],
            note={"gate": prepared["gate"], "outcome": document["outcome"]},
        )


ACTIONS = (DecideGate,)
