"""What a run can be held against: the runs and versions of a tenant, and which of them can stand for a baseline."""

from datetime import datetime
from uuid import UUID

from trueup.domains.telemetry import queries
from trueup.domains.telemetry.engine.circumstances import Scope
from trueup.domains.telemetry.engine.selection import Candidate, Form
from trueup.domains.telemetry.engine.standing import RunStanding, VersionStanding, trusted
from trueup.domains.telemetry.models import Baseline, BaselineTag, Run


def _only(scope: Scope | None) -> dict[str, str]:
    return {} if scope is None else {"program": scope.program, "subsystem": scope.subsystem, "test_name": scope.test_name}


def _withdrawn(tenant: UUID) -> tuple[set[UUID], set[UUID]]:
    """Return the versions that were ever given a tag, and those whose tag was taken back and not given again."""
    vouched, withdrawn = set(), set()
    for move in BaselineTag.objects.filter(tenant=tenant).order_by("id"):
        vouched.add(move.baseline)
        withdrawn.discard(move.baseline)
        if move.kind == "rollback" and move.previous:
            withdrawn.add(move.previous)
    return vouched, withdrawn


def _found(tenant: UUID, scope: Scope | None) -> tuple[list[Run], list[Baseline], frozenset[str]]:
    runs = list(Run.objects.filter(tenant=tenant, **_only(scope)).order_by("recorded_at", "name"))
    versions = list(Baseline.objects.filter(tenant=tenant, **_only(scope)))
    vouched, withdrawn = _withdrawn(tenant)
    can_stand = trusted(
        [RunStanding(str(row.id), row.verdict, row.by_policy, str(row.against or "")) for row in runs],
        [
            VersionStanding(str(row.id), tuple(part["id"] for part in row.manifest), row.id in vouched, row.id in withdrawn)
            for row in versions
        ],
    )
    return runs, versions, can_stand


def candidates(tenant: UUID, scope: Scope | None = None) -> list[Candidate]:
    """Return the runs and versions that a run of a scope, or any run, can be held against."""
    runs, versions, can_stand = _found(tenant, scope)
    bearing = queries.tags(tenant)
    found = [
        Candidate(
            Form.VERSION,
            str(row.id),
            row.name,
            queries.circumstances(row),
            row.created_at,
            tags=frozenset(bearing.get(row.id, ())),
            trusted=str(row.id) in can_stand,
        )
        for row in versions
    ]
    return found + [
        Candidate(Form.RUN, str(row.id), row.name, queries.circumstances(row), row.recorded_at, trusted=str(row.id) in can_stand)
        for row in runs
    ]


def eligible(tenant: UUID, scope: Scope, since: datetime) -> list[Run]:
    """Return the runs of a scope that can stand for a baseline and were recorded since, the oldest first."""
    runs, _, can_stand = _found(tenant, scope)
    return [row for row in runs if str(row.id) in can_stand and row.recorded_at >= since]
