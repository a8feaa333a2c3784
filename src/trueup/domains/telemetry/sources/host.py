"""Samples the machine it runs on, and a process tree, into a table of metrics over time."""

import math
import os
import time
from array import array
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import numpy as np
import psutil
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.table import Excluded
from trueup.domains.telemetry.sources.parquet_writer import write_parquet
from trueup.domains.telemetry.sources.probes import MACHINE, Probe, ProcessTree, Reading, TreeReading, available, safely
from trueup.domains.telemetry.sources.rates import cpu_percent, rate, tree_cpu_seconds
from trueup.domains.telemetry.sources.sample import HostSample
from trueup.kernel.errors import NotFound, Refused, UsageError

__all__ = ["HostSample", "sample_host", "write_parquet"]

MAX_RATE = 100.0
MAX_SECONDS = 86_400.0
COARSE_PERCENT = 1.0
SELDOM_MODES = ("iowait", "irq", "softirq", "steal", "nice")


@dataclass(frozen=True, slots=True)
class _Moment:
    at: float
    readings: tuple[Reading, ...]
    tree: TreeReading | None

    @property
    def tree_ended(self) -> bool:
        return self.tree is not None and not self.tree.processes


def _row(before: _Moment, now: _Moment) -> dict[str, float]:
    elapsed = now.at - before.at
    row: dict[str, float] = {}
    for earlier, reading in zip(before.readings, now.readings, strict=True):
        if reading.cpu:
            row |= cpu_percent(earlier.cpu, reading.cpu)
        row |= reading.gauges
        row |= {name: rate(earlier.counters.get(name), value, elapsed) for name, value in reading.counters.items()}
    if now.tree is not None and now.tree.processes:
        known = before.tree is not None and before.tree.processes > 0 and elapsed > 0
        used = tree_cpu_seconds(before.tree.cpu, now.tree.cpu) if known and before.tree else math.nan
        row |= {
            "tree_cpu_percent": 100.0 * used / elapsed if known else math.nan,
            "tree_rss_bytes": now.tree.rss_bytes,
            "tree_threads": now.tree.threads,
            "tree_processes": now.tree.processes,
        }
    return row


def _cpu_modes(moment: _Moment) -> set[str]:
    return {f"cpu_{mode}_percent" for reading in moment.readings for mode in reading.cpu}


class _Columns:
    """Rows in, columns out: one growing float64 array per metric, missing cells as NaN."""

    def __init__(self) -> None:
        self._times = array("q")
        self._columns: dict[str, array[float]] = {}

    def add(self, time_ms: int, row: Mapping[str, float]) -> None:
        for name in row:
            if name not in self._columns:
                self._columns[name] = array("d", [math.nan]) * len(self._times)
        self._times.append(time_ms)
        for name, column in self._columns.items():
            column.append(row.get(name, math.nan))

    def arrays(self) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
        times = np.array(self._times, dtype=np.int64)
        return times, {name: np.array(column, dtype=np.float64) for name, column in self._columns.items()}


def _checked(*, seconds: float, rate: float) -> int:
    if not 0 < rate <= MAX_RATE:
        raise UsageError(f"a rate of {rate:g} per second cannot be sampled", remedy=f"choose 0 < rate ≤ {MAX_RATE:g}")
    if not 0 < seconds <= MAX_SECONDS:
        raise UsageError(f"{seconds:g} seconds cannot be sampled", remedy=f"choose 0 < seconds ≤ {MAX_SECONDS:g}")
    ticks = round(seconds * rate)
    if ticks < 1:
        raise UsageError(f"{seconds:g} seconds at {rate:g} per second make no row", remedy="sample longer or faster")
    return ticks


def coarse_modes(rate: float, *, tick: float, processors: int) -> tuple[Excluded, ...]:
    """Return the seldom CPU modes that cannot be sampled at a rate, each with its reason.

    The kernel counts CPU time in ticks. Where one tick is more than 1 % of the machine over one sample, a mode that runs
    now and then reads as zero with single spikes: noise of the clock, not behaviour of the machine.

    Args:
        rate: samples per second.
        tick: seconds.
        processors: of the machine.
    """
    share = 100.0 * tick * rate / processors
    if share <= COARSE_PERCENT:
        return ()
    reason = f"the kernel counts it in ticks of {tick * 1000:g} ms: at {rate:g} samples a second one tick is {share:.3g} % of this machine"
    return tuple(Excluded(f"cpu_{mode}_percent", reason) for mode in SELDOM_MODES)


def _tree(pid: int | None, clock: Callable[[], float]) -> ProcessTree | None:
    if pid is None:
        return None
    try:
        return ProcessTree(pid, clock=clock)
    except (psutil.NoSuchProcess, OverflowError, ValueError):
        raise NotFound(f"there is no process {pid}", remedy="give the id of a running process") from None
    except psutil.AccessDenied:
        raise Refused(f"process {pid} may not be read", remedy="sample as the process's owner") from None


def sampling(*, pid: int | None = None, clock: Callable[[], float] = time.monotonic) -> Generator[dict[str, float]]:
    """Yield one row of metrics each time it is asked, NaN where a value is not known; the first one has no rates.

    Args:
        pid: root of a process tree that is sampled too.
        clock: monotonic seconds.

    Raises:
        NotFound: there is no process ``pid``.
        Refused: the process may not be read.
    """
    tree = _tree(pid, clock)
    kept, _ = available(MACHINE)

    def read() -> _Moment:
        return _Moment(clock(), tuple(safely(probe) for probe in kept), tree.read() if tree else None)

    before = read()
    yield _row(before, before)
    while True:
        now = read()
        yield _row(before, now)
        before = now


def sample_host(
    *,
    seconds: float,
    rate: float,
    pid: int | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    wall: Callable[[], float] = time.time,
    probes: tuple[Probe, ...] = MACHINE,
) -> HostSample:
    """Sample the machine, and optionally a process tree, at a fixed rate.

    Ticks are held to deadlines counted from the start, so that they do not drift. CPU times, disk, network and
    kernel counters become rates over the time that really passed between two rows; a counter that was wrapped or
    reset gives a missing cell. Columns ``tree_*`` are sums over the process ``pid`` and all its descendants
    (``tree_cpu_percent`` in per cent of one core); without ``pid`` there are none.

    An interrupt (Ctrl-C) passes through: what was sampled so far is dropped, since half a run is not the run
    that was asked for.

    Args:
        seconds: how long, above 0 and at most a day.
        rate: rows per second, above 0 and at most 100.
        pid: root of the process tree.
        clock: monotonic seconds.
        sleep: waits that many seconds.
        wall: epoch seconds at the start; rows are stamped with it plus what ``clock`` counted since.
        probes: what to read of the machine.

    Raises:
        UsageError: seconds or rate out of range.
        NotFound: there is no process ``pid``.
        Refused: the process may not be read.
    """
    ticks = _checked(seconds=seconds, rate=rate)
    tree = _tree(pid, clock)
    kept, excluded = available(probes)
    coarse = coarse_modes(rate, tick=1.0 / os.sysconf("SC_CLK_TCK"), processors=psutil.cpu_count() or 1)
    hidden = {item.name for item in coarse}
    period = 1.0 / rate
    columns, late, skipped = _Columns(), 0, 0

    def read() -> _Moment:
        return _Moment(clock(), tuple(safely(probe) for probe in kept), tree.read() if tree else None)

    before = read()
    start, epoch_ms = before.at, wall() * 1000.0
    for tick in range(1, ticks + 1):
        deadline = start + tick * period
        if clock() >= deadline + period:
            skipped += 1
            continue
        if (wait := deadline - clock()) > 0:
            sleep(wait)
        now = read()
        late += now.at - deadline > period / 2
        row = {name: value for name, value in _row(before, now).items() if name not in hidden}
        columns.add(round(epoch_ms + (now.at - start) * 1000.0), row)
        before = now
    times, arrays = columns.arrays()
    if before.tree_ended:
        excluded = (*excluded, Excluded("tree_*", "the process tree ended before the sampling did; its later cells are missing"))
    seen = _cpu_modes(before)
    excluded = (*excluded, *(item for item in coarse if item.name in seen))
    return HostSample(times, arrays, excluded, rate, late, skipped)
