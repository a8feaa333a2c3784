"""The series that the detection matrix is measured with: faults with their names, and series without one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.table import ColumnData, Excluded

type Values = NDArray[np.float64]
type Generator = Callable[[np.random.Generator, int], Values]

CADENCE = 0.1  # seconds from row to row


@dataclass(frozen=True, slots=True)
class Memory:
    """A table in memory, with a clock where one is given."""

    columns: Mapping[str, ColumnData]
    times: Values | None = None
    excluded: Sequence[Excluded] = ()

    @property
    def rows(self) -> int:
        """Number of data rows."""
        return max((column.total for column in self.columns.values()), default=0)

    @property
    def numeric(self) -> Sequence[str]:
        """Names of the metrics."""
        return tuple(self.columns)

    def column(self, name: str) -> ColumnData:
        """Read one metric."""
        return self.columns[name]

    def clock(self) -> Values | None:
        """Return seconds from the first row; None where they fall."""
        return self.times if self.times is not None and bool((np.diff(self.times) >= 0.0).all()) else None

    def row_times(self) -> Values | None:
        """Return seconds from the first row as they stand."""
        return self.times


def table(values: Mapping[str, Values], *, every: float = CADENCE) -> Memory:
    """Return whole columns with a regular clock."""
    columns = {name: ColumnData(item, len(item)) for name, item in values.items()}
    return Memory(columns, np.arange(max(len(item) for item in values.values())) * every)


def _two_humps(rng: np.random.Generator, n: int) -> Values:
    sides = np.where(rng.random(n) < 0.5, -0.97, 0.97)
    return np.asarray(sides + np.sqrt(1.0 - 0.97**2) * rng.normal(size=n))


def _half_stuck(rng: np.random.Generator, n: int) -> Values:
    values = rng.normal(size=n)
    values[n // 2 :] = values[n // 2 - 1]
    return values


def _five_spikes(rng: np.random.Generator, n: int) -> Values:
    values = rng.normal(size=n)
    values[rng.choice(n, 5, replace=False)] += 30.0
    return values


def _empty_cells(rng: np.random.Generator, n: int) -> Memory:
    rows = np.flatnonzero(rng.random(n) >= 0.3)
    return Memory({"x": ColumnData(rng.normal(size=len(rows)), n, rows, n - len(rows))}, np.arange(n) * CADENCE)


def _missing_rows(rng: np.random.Generator, n: int) -> Memory:
    rows = np.flatnonzero(rng.random(n) >= 0.3)
    times = rows * CADENCE
    return Memory({"x": ColumnData(rng.normal(size=len(rows)), len(rows))}, times - times[0])


def _twice(rng: np.random.Generator, n: int) -> Values:
    """Return the rows of a run of which one in twenty is there twice."""
    repeats = np.ones(n, dtype=np.int64)
    repeats[rng.choice(n, n // 20, replace=False)] = 2
    return np.repeat(np.arange(n), repeats).astype(np.float64)


def _repeated_times(rng: np.random.Generator, n: int) -> Memory:
    rows = _twice(rng, n)
    return Memory({"x": ColumnData(rng.normal(size=n)[rows.astype(int)], len(rows))}, rows * CADENCE)


def _repeated_rows(rng: np.random.Generator, n: int) -> Memory:
    return Memory({"x": _repeated_times(rng, n).columns["x"]})


def _clock_set(seconds: float) -> Callable[[np.random.Generator, int], Memory]:
    def generate(rng: np.random.Generator, n: int) -> Memory:
        rows = np.arange(n)
        return Memory({"x": ColumnData(rng.normal(size=n), n)}, rows * CADENCE + np.where(rows < n // 2, 0.0, seconds))

    return generate


def _plain(generate: Generator) -> Callable[[np.random.Generator, int], Memory]:
    return lambda rng, n: table({"x": generate(rng, n)})


FAULTS: Mapping[str, tuple[str, Callable[[np.random.Generator, int], Memory]]] = {
    "mean + 0.5 sd": ("level", _plain(lambda rng, n: rng.normal(0.5, 1.0, n))),
    "variance × 9": ("scale", _plain(lambda rng, n: rng.normal(0.0, 3.0, n))),
    "two humps, equal mean and sd": ("shape", _plain(_two_humps)),
    "second half stuck": ("stuck", _plain(_half_stuck)),
    "five spikes of 30 sd": ("spike", _plain(_five_spikes)),
    "linear trend, ±1.5 sd": ("trend", _plain(lambda rng, n: rng.normal(size=n) + np.linspace(-1.5, 1.5, n))),
    "oscillation of 2 sd": ("oscillation", _plain(lambda rng, n: rng.normal(size=n) + 2.0 * np.sin(np.arange(n) / 8.0))),
    "30 % drop-out, empty cells": ("gap", _empty_cells),
    "30 % drop-out, missing rows": ("gap", _missing_rows),
    "one row in 20 twice, with a clock": ("duplication", _repeated_times),
    "one row in 20 twice, without a clock": ("duplication", _repeated_rows),
    "clock set forward by 5 s": ("clock", _clock_set(5.0)),
    "clock set back by 5 s": ("clock", _clock_set(-5.0)),
}


def autoregression(phi: float) -> Generator:
    """Return a generator of stationary first-order autoregressions of variance 1."""

    def generate(rng: np.random.Generator, n: int) -> Values:
        from scipy.signal import lfilter

        noise = rng.normal(size=n + 500) * np.sqrt(1.0 - phi * phi)
        return np.asarray(lfilter([1.0], [1.0, -phi], noise)[500:])

    return generate


def _bursts(rng: np.random.Generator, n: int) -> Values:
    return np.where(rng.random(n) < 0.1, rng.exponential(300.0, n), 0.0)


SERIES: Mapping[str, Generator] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "whole numbers": lambda rng, n: rng.poisson(3.0, n).astype(np.float64),
    "rounded to a quarter sd": lambda rng, n: np.round(rng.normal(size=n) * 4.0) / 4.0,
    "two values": lambda rng, n: (rng.random(n) < 0.2).astype(np.float64),
    "constant": lambda _, n: np.full(n, 3.5),
    "bursts over rest": _bursts,
    "heavy tails (t, 3)": lambda rng, n: rng.standard_t(3, size=n),
    "autoregression 0.5": autoregression(0.5),
    "autoregression 0.9": autoregression(0.9),
}
