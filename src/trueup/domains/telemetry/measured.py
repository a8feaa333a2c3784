"""The numbers of a run's metrics, held against the digest that the ledger has of them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from trueup.domains.telemetry.engine.quality import Numbers, RunNumbers
from trueup.domains.telemetry.models import Run, RunMetric
from trueup.kernel.errors import Damaged
from trueup.kernel.evidence.engine.encode import encode

_SHOWN = ("metric", "unit", "n", "mean", "sd", "low", "high")


def document(row: RunMetric) -> dict[str, Any]:
    """Return the numbers of one metric as lists and commands show them."""
    return {name: getattr(row, name) for name in _SHOWN}


def digest(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of the numbers of all metrics of one run, as ``document`` returns them, in any order."""
    return hashlib.sha256(encode({one["metric"]: dict(one) for one in documents})).hexdigest()


def metrics(tenant: UUID, run: Run) -> list[RunMetric]:
    """Return the numbers of a run's metrics, by name.

    Raises:
        Damaged: they are not those that were recorded.
    """
    return by_run(tenant, [run])[run.id]


def by_run(tenant: UUID, runs: Sequence[Run]) -> dict[UUID, list[RunMetric]]:
    """Return the numbers of the metrics of each run, by name.

    Raises:
        Damaged: those of a run are not those that were recorded.
    """
    found: dict[UUID, list[RunMetric]] = {run.id: [] for run in runs}
    for row in RunMetric.objects.filter(tenant=tenant, run__in=list(found)).order_by("metric"):
        found[row.run].append(row)
    for run in runs:
        if digest(map(document, found[run.id])) != run.numbers:
            raise Damaged(
                f"the numbers of run {run.name} are not those that were recorded",
                remedy="look for who changed the store: trueup evidence log verify; take the file in again under another name",
            )
    return found


def documents(tenant: UUID, run: Run) -> list[dict[str, Any]]:
    """Return the numbers of a run's metrics as lists and commands show them.

    Raises:
        Damaged: they are not those that were recorded.
    """
    return [document(row) for row in metrics(tenant, run)]


def run_numbers(tenant: UUID, runs: Sequence[Run]) -> list[RunNumbers]:
    """Return what the quality of a baseline is computed from.

    Raises:
        Damaged: the numbers of a run are not those that were recorded.
    """
    found = by_run(tenant, runs)
    return [
        RunNumbers(
            run.name,
            dict(run.context),
            (run.ended_at - run.started_at).total_seconds() if run.started_at and run.ended_at else None,
            {
                row.metric: Numbers(row.n, row.mean, row.sd)
                for row in found[run.id]
                if row.mean is not None and row.sd is not None
            },
        )
        for run in runs
    ]
