"""Small real actions for tests of the kernel: they go through the same door as every other."""

from typing import Any

from pydantic import SecretStr

from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.actions.errors import SeparationOfDuties
from trueup.kernel.errors import TrueupError
from trueup.kernel.evidence.engine.fact import Fact, Predicate, ValueType
from trueup.kernel.policy.engine.model import Risk

STATE = Predicate("testing.state", 1, ValueType.TEXT, "a state, for tests")
LEVEL = Predicate("testing.level", 1, ValueType.NUMBER, "a level, for tests", "V")
PREDICATES = (STATE, LEVEL)


class ObserveInput(Input):
    subject: str
    state: str = "good"
    parts: int = 0
    files: dict[str, str] = {}
    secret: SecretStr | None = None


class Observe(Action[ObserveInput, None, list[Any]]):
    """Record a state of a subject, with files."""

    name = "testing.thing.observe"
    summary = "record a state"
    tags = frozenset({"operate"})
    input = ObserveInput
    prepares = True
    calls = 0

    def prepare(self, ctx: Context, input: ObserveInput, loaded: None) -> list[Any]:
        type(self).calls += 1
        put = ctx.ports.artifacts.put
        return [put(ctx.tenant, text.encode(), name=name, media_type="text/plain") for name, text in input.files.items()]

    def apply(self, ctx: Context, input: ObserveInput, loaded: None, prepared: list[Any]) -> Outcome:
        subjects = [input.subject, *(f"{input.subject}/{part}" for part in range(input.parts))]
        facts = [
            Fact(subject=s, predicate=STATE.key, value=input.state, valid_at=ctx.now, recorded_at=ctx.now, source="tests")
            for s in subjects
        ]
        return Outcome({"subject": input.subject}, facts=facts, artifacts=prepared, subjects=[input.subject])


class BreakInput(Input):
    how: str


class Break(Action[BreakInput, None, None]):
    """End in one of the ways an action can end badly."""

    name = "testing.thing.break"
    summary = "fail"
    tags = frozenset({"operate"})
    input = BreakInput
    prepares = True

    def check(self, ctx: Context, input: BreakInput, loaded: None) -> None:
        if input.how == "check":
            raise SeparationOfDuties("not by you")

    def prepare(self, ctx: Context, input: BreakInput, loaded: None) -> None:
        if input.how == "prepare":
            raise TrueupError("prepare failed")
        if input.how == "bug":
            raise ZeroDivisionError

    def apply(self, ctx: Context, input: BreakInput, loaded: None, prepared: None) -> Outcome:
        fact = Fact(subject="broken", predicate="testing.unheard@1", value=1, valid_at=ctx.now, recorded_at=ctx.now, source="t")
        return Outcome({}, facts=[fact])


class RemoveInput(Input):
    subject: str
    token: SecretStr | None = None


class Remove(Action[RemoveInput, None, None]):
    """Something irreversible: held until it is approved."""

    name = "testing.thing.remove"
    summary = "remove for good"
    risk = Risk.R3
    tags = frozenset({"destroy"})
    input = RemoveInput

    def apply(self, ctx: Context, input: RemoveInput, loaded: None, prepared: None) -> Outcome:
        return Outcome({"removed": input.subject}, subjects=[input.subject])


class TouchInput(Input):
    tenant: str


class Touch(Action[TouchInput, None, None]):
    """Act on a resource of the tenant that the caller names."""

    name = "testing.thing.touch"
    summary = "touch"
    tags = frozenset({"operate"})
    input = TouchInput

    def resource(self, ctx: Context, input: TouchInput, loaded: None) -> Resource:
        from uuid import UUID

        return Resource("thing", "1", UUID(input.tenant))

    def apply(self, ctx: Context, input: TouchInput, loaded: None, prepared: None) -> Outcome:
        return Outcome({"touched": True})


ACTIONS = (Observe, Break, Remove, Touch)
