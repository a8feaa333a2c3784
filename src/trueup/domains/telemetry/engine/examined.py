"""What is known of one metric before the tests of all metrics are adjusted together, and the findings made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.detect import Detected
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Envelope, Finding, Kind
from trueup.domains.telemetry.engine.sample import finite
from trueup.domains.telemetry.engine.table import ColumnData

STEADY = "no difference was found"

# explanations that begin with a verb of the metric; the others begin with a count
_NAMED = frozenset(
    {Kind.LEVEL, Kind.SCALE, Kind.CONSTANT_CHANGED, Kind.MISSING, Kind.TREND, Kind.OSCILLATION, Kind.STUCK, Kind.SPIKE}
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of the run a metric's values stand in; None when value and row are the same."""

    rows: NDArray[np.int64] | Mapping[int, int] | None
    total: int

    def only(self, *indices: int | None) -> "Rows":
        """Return the rows of these values alone, so that the array can be freed."""
        rows = self.rows
        return self if rows is None else Rows({i: int(rows[i]) for i in indices if i is not None}, self.total)

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return the rows of two values."""
        return (first, last) if self.rows is None else (int(self.rows[first]), int(self.rows[last]))

    def of(self, index: int | None) -> int | None:
        """Return the row of a value."""
        return index if index is None or self.rows is None else int(self.rows[index])

    def fraction(self, row: int | None) -> float | None:
        """Return a row as a fraction of all rows."""
        return None if row is None else row / max(self.total, 1)

    def place(self, index: int | None) -> str:
        """Write from which row on."""
        # the first value is where a metric starts, whatever rows before it are empty
        return explain.place(0 if index == 0 else self.of(index), self.total)

    def at(self, index: int) -> str:
        """Write at which row."""
        return f"at row {self.of(index):,} of {self.total:,}"


@dataclass(frozen=True, slots=True)
class Pictures:
    """What the report draws."""

    baseline_envelope: Envelope | None = None
    run_envelope: Envelope | None = None
    baseline_histogram: NDArray[np.float64] | None = None
    run_histogram: NDArray[np.float64] | None = None
    histogram_edges: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """Everything about one metric that is known before the tests of all metrics are adjusted together.

    Args:
        certain: findings that no test decides (constants, cells set aside, slow metrics beyond doubt).
        failing: whether one of them fails the run by itself.
        detected: raw tests of level, scale and shape; None when none could be carried out.
        unjudged: why the metric cannot be judged; empty when it was.
        reason: what there is to say when nothing was found.
        note: a sentence for the reader, told where nothing was found.
        remark: a sentence for the reader, found or not.
        more: tests of what is no metric (rows), with the words of their findings in ``told``.
        present: whether the run has a value of it.
        exponent: the power of two that the comparison's unit stands for.
        deviation: the baseline's standard deviation, in the comparison's unit.
        unit: what the metric is measured in; empty where nobody said.
    """

    metric: str
    baseline: Mapping[str, Any]
    run: Mapping[str, Any]
    columns: tuple[ColumnData, ColumnData]
    pictures: Pictures
    rows: Rows
    certain: tuple[Finding, ...] = ()
    failing: bool = False
    gap: RawTest | None = None
    detected: Detected | None = None
    constant: bool = False
    unjudged: str = ""
    reason: str = STEADY
    note: str = ""
    remark: str = ""
    more: tuple[RawTest, ...] = ()
    told: Mapping[Kind, tuple[str, int]] = field(default_factory=dict)
    present: bool = True
    exponent: int = 0
    deviation: float = 0.0
    unit: str = ""

    def showing(self, numbers: Mapping[str, Any]) -> "Examined":
        """Return it with further numbers about the run."""
        return replace(self, run={**self.run, **numbers})


def make_finding(
    known: Examined, kind: Kind, effect: float, explanation: str, *, index: int | None = None, q_value: float | None = None
) -> Finding:
    """Make a finding about a metric.

    Args:
        known: the metric.
        kind: what is different.
        effect: unit-free size.
        explanation: from the verb on; the metric's name is put before it.
        index: the run's value from which on the difference persists.
        q_value: adjusted p-value; None where nothing was tested.
    """
    row = known.rows.of(index)
    return Finding(
        metric=known.metric,
        kind=kind,
        effect=finite(effect),
        q_value=q_value,
        onset_index=row,
        onset_fraction=known.rows.fraction(row),
        baseline=known.baseline,
        run=known.run,
        explanation=f"{known.metric} {explanation}" if kind in _NAMED else f"{known.metric}: {explanation}",
    )
