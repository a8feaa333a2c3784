"""Every change to alerts and sinks."""

import json
from typing import Any
from uuid import UUID

from pydantic import Field, field_validator

from trueup.kernel.actions.base import Action, Context, Input, Outcome, Resource
from trueup.kernel.actions.ports import Event
from trueup.kernel.errors import Conflict, NotFound, TrueupError
from trueup.kernel.notify import alerts
from trueup.kernel.notify.engine.alerts import Alarm, Severity, State, Told, checked_target, require_step
from trueup.kernel.notify.models import Alert, Sink


def _severity(value: object) -> object:
    try:
        return Severity.named(value).word if isinstance(value, str) else value
    except TrueupError as exc:
        raise ValueError(f"{exc.message}; {exc.remedy}") from None


class RaiseAlertInput(Input):
    """What somebody should look at."""

    rule: str = Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$", max_length=120)
    subject: str = Field(min_length=1, max_length=300)
    severity: str
    title: str = Field(min_length=3, max_length=500)
    detail: dict[str, Any] = Field(default_factory=dict)
    key: str = Field(default="", max_length=500)

    known_severity = field_validator("severity")(_severity)


class RaiseAlert(Action[RaiseAlertInput, None, None]):
    """Raise an alert, or count one that is live already."""

    name = "notify.alert.raise"
    summary = "raise an alert, or count one that is live already"
    tags = frozenset({"operate"})
    input = RaiseAlertInput

    def apply(self, ctx: Context, input: RaiseAlertInput, loaded: None, prepared: None) -> Outcome:
        """Write the alert and its deliveries."""
        alarm = Alarm(input.rule, input.subject, Severity.named(input.severity), input.title, input.detail, input.key)
        row, jobs, events = alerts.raise_alert(ctx, alarm)
        return Outcome(
            {"alert": str(row.id), "state": str(row.state), "count": row.count},
            subjects=[input.subject],
            note={"alert": str(row.id), "rule": input.rule, "severity": input.severity, "count": row.count},
            jobs=jobs,
            events=events,
        )


class ChangeAlertInput(Input):
    """Which alert, and why."""

    alert: UUID
    comment: str = Field(default="", max_length=2000)


class _ChangeAlert(Action[ChangeAlertInput, Alert, None]):
    """What acknowledging and resolving have in common."""

    tags = frozenset({"operate"})
    input = ChangeAlertInput

    def load(self, ctx: Context, input: ChangeAlertInput) -> Alert:
        """Find the alert."""
        row = Alert.objects.filter(tenant=ctx.tenant, id=input.alert).first()
        if row is None:
            raise NotFound(f"there is no alert {input.alert}", remedy="list them with 'trueup alert list'")
        return row

    def resource(self, ctx: Context, input: ChangeAlertInput, loaded: Alert) -> Resource:
        """The alert."""
        return Resource("alert", str(loaded.id), loaded.tenant)

    def _step(self, ctx: Context, input: ChangeAlertInput, loaded: Alert, then: State) -> Alert:
        moved = Alert.objects.filter(tenant=ctx.tenant, id=loaded.id, state=loaded.state).update(
            state=then, changed_by=ctx.principal.id, changed_at=ctx.now, comment=input.comment
        )
        if not moved:
            raise Conflict("the alert has just changed", remedy="look at it again")
        return Alert.objects.get(tenant=ctx.tenant, id=loaded.id)


class AcknowledgeAlert(_ChangeAlert):
    """Say that somebody is looking at it."""

    name = "notify.alert.acknowledge"
    summary = "say that somebody is looking at an alert"

    def check(self, ctx: Context, input: ChangeAlertInput, loaded: Alert) -> None:
        """Refuse a state that cannot follow."""
        require_step(State(loaded.state), State.ACKNOWLEDGED)

    def apply(self, ctx: Context, input: ChangeAlertInput, loaded: Alert, prepared: None) -> Outcome:
        """Write the state."""
        row = self._step(ctx, input, loaded, State.ACKNOWLEDGED)
        return Outcome({"alert": str(row.id), "state": row.state}, subjects=[row.subject], note={"alert": str(row.id)})


class ResolveAlert(_ChangeAlert):
    """Say that it is over; raised again it is a new alert."""

    name = "notify.alert.resolve"
    summary = "say that an alert is over"

    def check(self, ctx: Context, input: ChangeAlertInput, loaded: Alert) -> None:
        """Refuse a state that cannot follow."""
        require_step(State(loaded.state), State.RESOLVED)

    def apply(self, ctx: Context, input: ChangeAlertInput, loaded: Alert, prepared: None) -> Outcome:
        """Write the state, and tell the sinks."""
        row = self._step(ctx, input, loaded, State.RESOLVED)
        return Outcome(
            {"alert": str(row.id), "state": row.state},
            subjects=[row.subject],
            note={"alert": str(row.id)},
            jobs=alerts.told_sinks(ctx.tenant, row, Told.RESOLVED, ctx.now),
            events=[Event("notify.alert.resolved", row.subject, {"alert": str(row.id), "rule": row.rule})],
        )


class PutSinkInput(Input):
    """Where alerts are told."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")
    kind: str
    target: str = ""
    severity: str = "warning"

    known_severity = field_validator("severity")(_severity)


class PutSink(Action[PutSinkInput, None, None]):
    """Have alerts told somewhere, from a severity upwards."""

    name = "notify.sink.put"
    summary = "have alerts told somewhere"
    tags = frozenset({"administer"})
    input = PutSinkInput

    def check(self, ctx: Context, input: PutSinkInput, loaded: None) -> None:
        """Refuse what is no place to tell alerts at."""
        checked_target(input.kind, input.target)

    def apply(self, ctx: Context, input: PutSinkInput, loaded: None, prepared: None) -> Outcome:
        """Write the sink; one of the same name is replaced."""
        Sink.objects.update_or_create(
            tenant=ctx.tenant,
            name=input.name,
            defaults={"kind": input.kind, "target": input.target, "severity": Severity.named(input.severity)},
            create_defaults={
                "kind": input.kind,
                "target": input.target,
                "severity": Severity.named(input.severity),
                "created_at": ctx.now,
            },
        )
        return Outcome({"sink": input.name}, note=json.loads(input.model_dump_json()))


class RemoveSinkInput(Input):
    """Which sink."""

    name: str


class RemoveSink(Action[RemoveSinkInput, None, None]):
    """Tell a place of alerts no more; what is under way is still delivered."""

    name = "notify.sink.remove"
    summary = "tell a place of alerts no more"
    tags = frozenset({"administer"})
    input = RemoveSinkInput

    def check(self, ctx: Context, input: RemoveSinkInput, loaded: None) -> None:
        """Refuse a sink that is not there."""
        if not Sink.objects.filter(tenant=ctx.tenant, name=input.name).exists():
            raise NotFound(f"there is no sink {input.name!r}", remedy="list them with 'trueup sink list'")

    def apply(self, ctx: Context, input: RemoveSinkInput, loaded: None, prepared: None) -> Outcome:
        """Remove the row."""
        Sink.objects.filter(tenant=ctx.tenant, name=input.name).delete()
        return Outcome({"removed": input.name}, note={"sink": input.name})


ACTIONS = (RaiseAlert, AcknowledgeAlert, ResolveAlert, PutSink, RemoveSink)
