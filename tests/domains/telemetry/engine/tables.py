"""Tables in memory and samples with known properties, for the tests of the engine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from trueup.domains.telemetry.engine.compare import CompareConfig, compare
from trueup.domains.telemetry.engine.result import Comparison, Finding, MetricResult
from trueup.domains.telemetry.engine.table import ColumnData, Excluded

Values = NDArray[np.float64]
Generator = Callable[[np.random.Generator, int], Values]


@dataclass(frozen=True, slots=True)
class Memory:
    """A table in memory."""

    columns: Mapping[str, ColumnData]
    excluded: Sequence[Excluded] = ()

    @property
    def rows(self) -> int:
        return max((column.total for column in self.columns.values()), default=0)

    @property
    def numeric(self) -> Sequence[str]:
        return tuple(self.columns)

    def column(self, name: str) -> ColumnData:
        return self.columns[name]


def column(values: object, *, missing: Sequence[int] = (), **aside: int) -> ColumnData:
    """A column; the rows named in ``missing`` are empty, ``aside`` counts cells set aside after the last row."""
    cells = np.asarray(values, dtype=np.float64)
    rows = np.setdiff1d(np.arange(len(cells)), np.array(missing, dtype=np.int64)) if missing else None
    kept = cells if rows is None else cells[rows]
    total = len(cells) + sum(aside.values())
    return ColumnData(kept, total, rows, len(missing), aside)


def table(excluded: Sequence[Excluded] = (), **columns: object) -> Memory:
    made = {name: item if isinstance(item, ColumnData) else column(item) for name, item in columns.items()}
    return Memory(made, excluded)


def judged(baseline: object, run: object, **config: object) -> Comparison:
    """Compare one metric ``x``."""
    return compare(table(x=baseline), table(x=run), config=CompareConfig(**config))  # type: ignore[arg-type]


def only(comparison: Comparison) -> Finding:
    """The only finding."""
    (finding,) = comparison.findings
    return finding


def kinds(comparison: Comparison) -> list[str]:
    return sorted(str(finding.kind) for finding in comparison.findings)


def metric(comparison: Comparison, name: str = "x") -> MetricResult:
    return next(item for item in comparison.metrics if item.metric == name)


def autoregression(phi: float) -> Generator:
    def generate(rng: np.random.Generator, n: int) -> Values:
        return np.asarray(lfilter([1.0], [1.0, -phi], rng.normal(size=n + 500))[500:])

    return generate


MEANS = (10.0, 20.0, 5.0, 100.0, 1.0, 0.5, 37.0, 1013.0, 3.3, 42.0)


def ten_columns(n: int, seed: int) -> dict[str, Values]:
    """Ten metrics with a deviation of 2 % of their means."""
    rng = np.random.default_rng(seed)
    return {f"m{place:02}": rng.normal(mean, 0.02 * mean, n) for place, mean in enumerate(MEANS)}


def three_drifts(columns: Mapping[str, Values]) -> dict[str, Values]:
    """The same metrics, one 15 % higher, one with four times the deviation, one 50 % higher in the last tenth."""
    drifted = {name: values.copy() for name, values in columns.items()}
    drifted["m00"] *= 1.15
    drifted["m01"] = 20.0 + 4.0 * (drifted["m01"] - 20.0)
    drifted["m02"][int(0.9 * len(drifted["m02"])) :] += 2.5
    return drifted
