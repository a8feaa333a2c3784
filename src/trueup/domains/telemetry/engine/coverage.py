"""Cells that are not there: columns missing from the run, cells set aside, gaps."""

from dataclasses import dataclass

from trueup.domains.telemetry.engine import explain
from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.rawtest import RawTest
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.table import ColumnData
from trueup.kernel.stats import share_test


@dataclass(frozen=True, slots=True)
class Aside:
    """What the cells set aside mean for a metric.

    Args:
        fails: explanation of the finding that fails the run; empty without one.
        effect: share of cells the finding speaks of.
        unjudged: why the metric cannot be judged; empty when it can.
    """

    fails: str = ""
    effect: float = 0.0
    unjudged: str = ""


def set_aside(column: ColumnData) -> int:
    """Return the number of cells of a column that were set aside, for whatever reason."""
    return sum(column.quarantined.values())


def aside_share(column: ColumnData) -> float:
    """Return the share of a column's cells that were set aside."""
    return set_aside(column) / column.total if column.total else 0.0


def _cells(column: ColumnData) -> str:
    reasons = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in sorted(column.quarantined.items()) if count)
    return f"{set_aside(column):,} of {column.total:,} cells ({explain.share(aside_share(column))}) were set aside ({reasons})"


def quarantine(metric: str, baseline: ColumnData, run: ColumnData, config: CompareConfig) -> Aside:
    """Judge the cells set aside on both sides.

    More than ``quarantine_limit`` of the run's cells fail the run; of the baseline's, they leave nothing sound to
    compare with. A critical metric has to be clean to the last cell, on both sides.
    """
    limit = config.quarantine_limit
    if aside_share(run) > limit:
        return Aside(f"{_cells(run)}; at most {explain.share(limit)} may be", aside_share(run))
    if metric in config.critical:
        for side, column in (("in the run", run), ("in the baseline", baseline)):
            if set_aside(column):
                return Aside(f"{_cells(column)} {side}; a critical metric has to be clean", aside_share(column))
    if aside_share(baseline) > limit:
        return Aside(unjudged=f"in the baseline {_cells(baseline)}: there is nothing sound to compare with")
    return Aside()


def gap_test(baseline: ColumnData, run: ColumnData, config: CompareConfig) -> RawTest | None:
    """Test whether more of the run's cells are missing than of the baseline's; None when none are missing.

    Cells are counted as they are, however they cluster: one long outage is as real a loss of data as many short ones,
    and the floor keeps single ones out.
    """
    if not run.missing or not run.total or not baseline.total:
        return None
    result = share_test(baseline.missing, baseline.total, run.missing, run.total)
    more = run.missing / run.total - baseline.missing / baseline.total
    effect = max(0.0, more)
    p_value = result.p_value if more > 0.0 else 1.0
    return RawTest("missing_cells", Kind.GAP, result.statistic, p_value, effect, config.gap_floor, effect / config.gap_floor)


def explain_gap(baseline: ColumnData, run: ColumnData) -> str:
    """Explain a finding of the gap test."""
    before, after = baseline.missing / baseline.total, run.missing / run.total
    lost = f"{explain.share(after)} of the run's cells are missing ({run.missing:,} of {run.total:,})"
    return f"{lost}, against {explain.share(before)} of the baseline's"
