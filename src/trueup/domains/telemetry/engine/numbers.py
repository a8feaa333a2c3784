"""The plain numbers of a metric that lists and trends show."""

from dataclasses import dataclass

import numpy as np

from trueup.domains.telemetry.engine.table import ColumnData


@dataclass(frozen=True, slots=True)
class MetricNumbers:
    """Values of one metric: how many, mean, standard deviation, least and greatest; None where there is no such number."""

    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None


def numbers_of(column: ColumnData) -> MetricNumbers:
    """Return the numbers of a column's finite values."""
    values = column.values[np.isfinite(column.values)]
    if not len(values):
        return MetricNumbers(0, None, None, None, None)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, sd = float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    found = [x if np.isfinite(x) else None for x in (mean, sd)]
    return MetricNumbers(len(values), found[0], found[1], float(values.min()), float(values.max()))
