"""What is said of the rows themselves, whatever metrics they hold: lost, late, repeated, and the clock that counts them."""

from dataclasses import replace
from typing import Any

import numpy as np

from trueup.domains.telemetry.engine import clocksteps
from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.duplicates import RowWatch, repeat_test, repeat_words
from trueup.domains.telemetry.engine.examined import Examined, Pictures, Rows, make_finding
from trueup.domains.telemetry.engine.gaps import ROWS, Clocks, clocks
from trueup.domains.telemetry.engine.result import Kind
from trueup.domains.telemetry.engine.table import ColumnData, Table, clock_of


def examine_clocks(baseline: Table, run: Table, config: CompareConfig) -> tuple[Examined, Clocks | None]:
    """Hold the clock of a run against its baseline's.

    Returns:
        What is known of the rows, and what the clocks say; None for the second unless both sides have a sound clock.
    """
    known = _known(baseline, run)
    first = clock_of(baseline)
    if first is None:
        return known, None
    second = clock_of(run)
    if second is None:
        return _unsound(known, baseline, run, float(np.median(np.diff(first)))), None
    found = clocks(first, second, config)
    return replace(known, baseline=found.baseline, run=found.run, more=found.tests, told=found.told), found


def _known(baseline: Table, run: Table) -> Examined:
    sides = ColumnData(np.empty(0), baseline.rows), ColumnData(np.empty(0), run.rows)
    numbers: tuple[dict[str, Any], dict[str, Any]] = ({"n": baseline.rows}, {"n": run.rows})
    return Examined(ROWS, *numbers, sides, Pictures(), Rows(None, run.rows))


def _unsound(known: Examined, baseline: Table, run: Table, interval: float) -> Examined:
    """Say what can be said of a run that has lost its clock: where it falls, or that nothing is judged by it."""
    times = clocksteps.times_as_they_stand(baseline, run)
    step = clocksteps.fall(times, interval) if times is not None and interval > 0.0 else None
    if step is not None:
        return _stepped(known, step)
    return replace(known, remark="the baseline has a clock and the run has no sound one: lost rows and the rate are not judged")


def _stepped(known: Examined, step: clocksteps.Step) -> Examined:
    shown = known.showing({"clock_step_s": step.seconds})
    finding = make_finding(shown, Kind.CLOCK, step.intervals, step.words, index=step.row)
    return replace(known, certain=(*known.certain, finding))


def with_repeats(known: Examined, watch: RowWatch, config: CompareConfig) -> Examined:
    """Add what is known of whole rows that repeat; for sides that no clock tells apart."""
    found = watch.found()
    test = repeat_test("repeated_rows", *found, config) if found else None
    if found is None or test is None:
        return known
    before, after = found
    told = {**known.told, Kind.DUPLICATION: (repeat_words(before, after, timed=False), after.first or 0)}
    return replace(
        known,
        baseline={**known.baseline, **before.numbers()},
        run={**known.run, **after.numbers()},
        more=(*known.more, test),
        told=told,
    )
