"""The pages of baselines: the versions, and one version with its quality, its runs and its tags."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.domains.telemetry import queries
from trueup.domains.telemetry.actions_baselines import PromoteBaseline, RollBackBaseline
from trueup.domains.telemetry.models import Baseline
from trueup.kernel.actions.runner import run as run_action
from trueup.kernel.errors import UsageError
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.pages import acted
from trueup.kernel.http.tables import Column, Empty, Filter, Rows, Table


class BaselinesTable(Table):
    """All versions of a tenant."""

    name, title = "baselines", "Baselines"
    columns = (
        Column("version", "Version", sort=("name",)),
        Column("tags", "Tags", kind="badge"),
        Column("program", "Program", sort=("program",), narrow=False),
        Column("subsystem", "Subsystem", narrow=False),
        Column("test_name", "Test", sort=("test_name",), narrow=False),
        Column("runs", "Runs", kind="number", narrow=False),
        Column("fit", "Fit", kind="badge"),
        Column("created_at", "Made", kind="time", sort=("created_at",), narrow=False),
    )
    order = ("-created_at", "-id")
    filters = (
        Filter("program", "Program", lambda rows, v: rows.filter(program=v), hint="whole name"),
        Filter("test_name", "Test", lambda rows, v: rows.filter(test_name=v), hint="whole name"),
    )
    empty = Empty(
        "No baseline version was made yet",
        "A version is made of runs that passed, and never changes; with a tag and the consent of another person runs are held against it.",
        "trueup telemetry baseline create --run RUN",
        "scale",
    )

    def rows(self, tenant: UUID) -> Rows:
        """All versions of a tenant."""
        return Baseline.objects.filter(tenant=tenant)

    def present(self, tenant: UUID, rows: Sequence[Baseline]) -> list[dict[str, Any]]:
        """Link to the version."""
        bearing = queries.tags(tenant)
        return [
            {
                "version": row.name,
                "version_url": f"/telemetry/baselines/{row.name}/",
                "tags": ", ".join(sorted(bearing.get(row.id, ()))) or "none",
                "program": row.program,
                "subsystem": row.subsystem,
                "test_name": row.test_name,
                "runs": len(row.manifest),
                "fit": "yes" if row.quality["passed"] else "no",
                "created_at": row.created_at,
            }
            for row in rows
        ]


BASELINES = BaselinesTable()


def baselines(request: HttpRequest) -> HttpResponseBase:
    """List versions."""
    readers.require(caller_of(request), "read")
    return BASELINES.respond(request)


def baseline(request: HttpRequest, name: str) -> HttpResponseBase:
    """Show a version; or ask that it gets a tag, or give its tag back."""
    readers.require(caller_of(request), "read")
    if request.method != "POST":
        return _baseline(request, name)
    return acted(
        request,
        lambda: _act(request, name),
        lambda problem: _baseline(request, name, problem=problem, status=400),
        onto=f"/telemetry/baselines/{name}/",
    )


def _act(request: HttpRequest, name: str) -> None:
    given = request.POST
    asked = {"version": name, "tag": given.get("tag") or "golden", "reason": given.get("reason", "")[:1000]}
    if given.get("do") == "promote":
        more = {"digest": given.get("digest", ""), "skip_quality": "skip" in given}
        run_action(PromoteBaseline, context_of(request), {**asked, **more})
    elif given.get("do") == "rollback":
        run_action(RollBackBaseline, context_of(request), asked)
        messages.success(request, "The version before bears the tag again.")
    else:
        raise UsageError("the form is not one of this page's")


def _baseline(request: HttpRequest, name: str, *, problem: str = "", status: int = 200) -> HttpResponseBase:
    caller = caller_of(request)
    row = queries.find_baseline(caller.tenant, name[:100])
    bears = sorted(queries.tags(caller.tenant).get(row.id, ()))
    scope = queries.scope_key(queries.circumstances(row))
    context = {
        "baseline": queries.baseline_document(row, bears),
        "bears": bears,
        "history": [move for move in queries.tag_history(caller.tenant, scope=scope) if row.id in (move.baseline, move.previous)],
        "id": row.id,
        "subject": f"baseline/{row.name}",
        "may": readers.may(caller.principal, "operate"),
        "problem": problem,
    }
    return render(request, "telemetry/baseline.html", context, status=status)
