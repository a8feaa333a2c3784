"""Reading the runs of a test for early warning."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from trueup.domains.telemetry import configuring, measured
from trueup.domains.telemetry.models import Run
from trueup.kernel.errors import NotFound

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.series import Series  # needs NumPy, which most commands do not

ALL = "all"
RUNS = 50
MOST = 200  # metrics of a run whose page looks at all of them


def runs_until(tenant: UUID, run: Run, *, limit: int = RUNS) -> list[Run]:
    """Return the latest runs of a run's test up to it, the oldest first."""
    rows = Run.objects.filter(
        tenant=tenant,
        program=run.program,
        subsystem=run.subsystem,
        test_name=run.test_name,
        recorded_at__lte=run.recorded_at,
    )
    return list(rows.order_by("-recorded_at", "-id")[:limit])[::-1]


def outlook(tenant: UUID, run: Run, metric: str = ALL, *, limit: int = RUNS, alpha: float = 0.01) -> "tuple[Series, ...]":
    """Look ahead over the runs of a run's test up to it, by the bounds of the tenant's metric registry.

    Args:
        tenant: whose.
        run: the last of them.
        metric: of this metric, or of ``all`` that the run has.
        limit: how many runs at most.
        alpha: share of clean series that may be warned of by chance.

    Raises:
        NotFound: the run has no such metric.
        Damaged: the numbers of a run are not those that were recorded.
    """
    from trueup.domains.telemetry.engine.outlook import limits_of
    from trueup.domains.telemetry.engine.series import Point, series

    rows = runs_until(tenant, run, limit=limit)
    units = {name: str(source.get("unit", "")) for name, source in run.mapping.items()}
    wanted = list(units) if metric == ALL else [metric]
    if metric != ALL and metric not in units:
        raise NotFound(f"the run {run.name} has no metric {metric!r}", remedy=f"see 'trueup telemetry runs show {run.name}'")
    points: dict[str, list[Point]] = {name: [] for name in wanted}
    numbers = measured.by_run(tenant, rows)
    for row in rows:
        for item in numbers[row.id]:
            if item.metric in points and item.sd is not None and item.low is not None and item.high is not None:
                points[item.metric].append(Point(row.name, item.n, item.sd, item.low, item.high))
    registry, _ = configuring.registry_of(tenant)
    rules = configuring.rules(registry, run.program, run.context.get("operating_mode", ""))["rules"] if registry else {}
    limits = {name: limits_of(rules[name]) for name in wanted if name in rules}
    return series(points, limits, units=units, alpha=alpha)


def document(run: Run, found: "Sequence[Series]", runs: Sequence[str], *, alpha: float = 0.01) -> dict[str, Any]:
    """Return an outlook as commands and the API show it."""
    from trueup.domains.telemetry.engine.series import verdict_of

    return {
        "verdict": str(verdict_of(found)),
        "findings": [{"metric": one.metric, "signs": list(one.signs)} for one in found if one.signs],
        "run": run.name,
        "program": run.program,
        "subsystem": run.subsystem,
        "test_name": run.test_name,
        "runs": list(runs),
        "alpha": alpha,
        "series": [one.as_dict() for one in found],
    }


def shown(tenant: UUID, run: Run, chosen: str) -> dict[str, Any]:
    """Return what the page of a run says: of all metrics, or of the chosen one where they are too many for a page.

    Raises:
        Damaged: the numbers of a run are not those that were recorded.
    """
    from trueup.domains.telemetry.engine.series import MIN_RUNS

    one = len(run.mapping) > MOST and chosen in run.mapping
    found = outlook(tenant, run, chosen if one else ALL)
    runs = max((len(item.points) for item in found), default=0)
    rows = [
        {
            "metric": item.metric,
            "limit": item.limit.words if item.limit else "",
            "unit": item.unit,
            "signs": item.signs,
            "reach": item.reach.reason if item.reach and not item.reach.known else "",
        }
        for item in found
        if item.signs or (item.limit and not item.reason)
    ]
    chosen_signs = [sign for item in found if item.metric == chosen for sign in item.signs]
    return {"runs": runs, "least": MIN_RUNS, "rows": rows, "only": chosen if one else "", "chosen": chosen_signs}
