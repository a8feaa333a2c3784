"""The pages of runs: the list, and one run with its metrics, its trend and what it was found to be."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from trueup.domains.telemetry import measured, outlooks, queries
from trueup.domains.telemetry.actions_baselines import CreateBaseline
from trueup.domains.telemetry.actions_runs import AnalyzeRun
from trueup.domains.telemetry.engine.rollup import rollup as sum_up
from trueup.domains.telemetry.models import Run
from trueup.kernel.actions.errors import PolicyRefused
from trueup.kernel.actions.runner import run as run_action
from trueup.kernel.errors import TrueupError, UsageError
from trueup.kernel.http import readers
from trueup.kernel.http.callers import caller_of, context_of
from trueup.kernel.http.pages import said
from trueup.kernel.http.tables import Column, Empty, Filter, Rows, Table
from trueup.kernel.words import Verdict


class RunsTable(Table):
    """All runs of a tenant."""

    name, title = "runs", "Runs"
    columns = (
        Column("run", "Run", sort=("name",)),
        Column("verdict", "Verdict", kind="badge"),
        Column("program", "Program", sort=("program",), narrow=False),
        Column("test_name", "Test", sort=("test_name",), narrow=False),
        Column("rows", "Rows", kind="number", sort=("rows",), narrow=False),
        Column("recorded_at", "Taken in", kind="time", sort=("recorded_at",)),
    )
    order = ("-recorded_at", "-id")
    filters = (
        Filter("verdict", "Verdict", lambda rows, v: rows.filter(verdict=v), tuple((str(v), str(v)) for v in Verdict)),
        Filter("program", "Program", lambda rows, v: rows.filter(program=v), hint="whole name"),
        Filter("test_name", "Test", lambda rows, v: rows.filter(test_name=v), hint="whole name"),
        Filter("name", "Name begins with", lambda rows, v: rows.filter(name__istartswith=v)),
    )
    empty = Empty(
        "No run was taken in yet",
        "A run is a recorded file of a test and what is said about it; each is held against its baseline.",
        "trueup telemetry run FILE --program P --subsystem S --test-name T",
        "activity",
    )

    def rows(self, tenant: UUID) -> Rows:
        """All runs of a tenant."""
        return Run.objects.filter(tenant=tenant)

    def present(self, tenant: UUID, rows: Sequence[Run]) -> list[dict[str, Any]]:  # noqa: ARG002 - the table's form
        """Link to the run."""
        return [
            {
                "run": row.name,
                "run_url": f"/telemetry/runs/{row.name}/",
                # what was asked for is shown in no verdict's colour
                "verdict": f"{row.verdict}{'' if row.by_policy else ' (asked)'}" if row.verdict else "not analysed",
                "program": row.program,
                "test_name": row.test_name,
                "rows": row.rows,
                "recorded_at": row.recorded_at,
            }
            for row in rows
        ]


RUNS = RunsTable()


def runs(request: HttpRequest) -> HttpResponseBase:
    """List runs."""
    caller = caller_of(request)
    readers.require(caller, "read")
    program, test_name = (request.GET.get(name, "")[:120] for name in ("program", "test_name"))
    found = sum_up(queries.judged(caller.tenant, program=program, test_name=test_name))
    return RUNS.respond(
        request, "telemetry/runs.html", {"rollup": found if found.runs else None, "counts": list(found.counts.items())}
    )


def run(request: HttpRequest, name: str) -> HttpResponseBase:
    """Show a run; or analyse it, or make a baseline version of it."""
    caller = caller_of(request)
    readers.require(caller, "read")
    if request.method != "POST":
        return _run(request, name)
    try:
        return HttpResponseRedirect(_act(request, name))
    except PolicyRefused:
        raise
    except TrueupError as exc:
        return _run(request, name, problem=said(exc), status=400)


def _act(request: HttpRequest, name: str) -> str:
    do = request.POST.get("do", "")
    if do == "analyze":
        run_action(AnalyzeRun, context_of(request), {"run": name, "baseline": request.POST.get("baseline", "")[:100]})
        return f"/telemetry/runs/{name}/"
    if do == "baseline":
        made = run_action(CreateBaseline, context_of(request), {"runs": [name]}).value
        return f"/telemetry/baselines/{made['version']}/"
    raise UsageError("the form is not one of this page's")


def _run(request: HttpRequest, name: str, *, problem: str = "", status: int = 200) -> HttpResponseBase:
    from trueup.domains.telemetry.report.trend import trend

    caller = caller_of(request)
    row = queries.find_run(caller.tenant, name[:100])
    metrics = measured.documents(caller.tenant, row)
    history = queries.analyses(caller.tenant, row.id)
    chosen = request.GET.get("metric", "") or (str(metrics[0]["metric"]) if metrics else "")
    points = queries.trend(caller.tenant, row, chosen) if chosen else []
    context = {
        "run": queries.run_document(row),
        "metrics": metrics,
        "analyses": history,
        "latest": history[0] if history else None,
        "metric": chosen,
        "picture": trend(points, metric=chosen) if points else "",
        "points": len(points),
        "outlook": outlooks.shown(caller.tenant, row, chosen),
        "subject": queries.subject(row.name),
        "may_analyze": readers.may(caller.principal, "operate") or readers.may(caller.principal, "analyse"),
        "may_found": readers.may(caller.principal, "operate")
        and row.by_policy
        and row.verdict in (Verdict.PASS, Verdict.NO_BASELINE),
        "problem": problem,
    }
    return render(request, "telemetry/run.html", context, status=status)
