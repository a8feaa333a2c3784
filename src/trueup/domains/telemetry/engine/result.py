"""What a comparison answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.table import Excluded
from trueup.kernel.words import Verdict

if TYPE_CHECKING:
    from trueup.domains.telemetry.engine.asserts import Asserted
    from trueup.domains.telemetry.engine.outlook import Outlook


class Kind(StrEnum):
    """What is different about a metric."""

    LEVEL = "level"
    SCALE = "scale"
    SHAPE = "shape"
    CONSTANT_CHANGED = "constant_changed"
    MISSING = "missing"
    QUARANTINE = "quarantine"
    GAP = "gap"
    TREND = "trend"
    OSCILLATION = "oscillation"
    STUCK = "stuck"
    SPIKE = "spike"
    RATE = "rate"
    LIMIT = "limit"
    INVARIANT = "invariant"
    DUPLICATION = "duplication"
    CLOCK = "clock"
    ASSERT = "assert"


@dataclass(frozen=True, slots=True)
class Finding:
    """One significant difference between a metric's run and its baseline.

    Args:
        effect: unit-free size of the difference (level, trend, oscillation and spike: baseline standard deviations;
            scale: ratio of deviations; shape: Kolmogorov-Smirnov distance; missing, gap and quarantine: share of
            cells; stuck, limit, invariant and assert: share of values; rate: ratio of sample intervals; duplication: share
            of rows; clock: seconds of the greatest jump, in intervals of the baseline's rows).
        q_value: false-discovery-adjusted p-value; None where nothing was tested (a missing column).
        onset_index: first data row of the run (0-based) from which the change persists; None if unknown.
        onset_fraction: ``onset_index`` as a fraction of the run's rows, 0…1.
        baseline, run: the summary numbers the finding speaks of (mean, sd, median, n, …).
        explanation: one sentence made from the numbers.
        index_range: first and last data row that the finding speaks of; None where it speaks of no part.
        time_range: their times, in seconds from the run's first row; None without a clock.
        worst: the value farthest beyond a bound, in the metric's unit; None where there is no bound.
    """

    metric: str
    kind: Kind
    effect: float
    q_value: float | None
    onset_index: int | None
    onset_fraction: float | None
    baseline: Mapping[str, Any]
    run: Mapping[str, Any]
    explanation: str
    index_range: tuple[int, int] | None = None
    time_range: tuple[float, float] | None = None
    worst: float | None = None


@dataclass(frozen=True, slots=True)
class Test:
    """One test that was carried out on one metric, significant or not (the evidence behind PASS)."""

    name: str
    kind: Kind
    statistic: float
    p_value: float
    q_value: float
    effect: float
    floor: float
    significant: bool


@dataclass(frozen=True, slots=True)
class Envelope:
    """A series thinned for drawing: per bucket the least, mean and greatest value, all float64[k], k ≤ 240."""

    low: NDArray[np.float64]
    mean: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MetricResult:
    """All that was computed for one metric, for the report and for the record."""

    metric: str
    verdict: Verdict
    reason: str
    baseline: Mapping[str, Any]
    run: Mapping[str, Any]
    tests: tuple[Test, ...]
    baseline_envelope: Envelope | None
    run_envelope: Envelope | None
    baseline_histogram: NDArray[np.float64] | None
    run_histogram: NDArray[np.float64] | None
    histogram_edges: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole answer.

    Args:
        findings: significant ones only, strongest first.
        metrics: every metric that was looked at, in baseline order.
        excluded: columns that were not compared.
        notes: sentences about what a reader should know (extra columns, short samples, …).
        config: every number that decided (alpha, floors, minimum n, …), as written into evidence.
        clock: what both clocks say of rows and rates; None unless both sides have one.
        coverage: share of the baseline's metrics that have a value in the run; None without a baseline.
        asserts: what the conditions gave that were asked of the run, in their order.
        outlook: early warning, for each metric that has a bound; no part of the verdict.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    metrics: tuple[MetricResult, ...]
    excluded: tuple[Excluded, ...]
    notes: tuple[str, ...]
    baseline_rows: int
    run_rows: int
    config: Mapping[str, Any]
    clock: Mapping[str, Any] | None = None
    coverage: float | None = None
    asserts: tuple["Asserted", ...] = ()
    outlook: tuple["Outlook", ...] = ()
