"""Faults that are put into a recording on purpose, to see whether they are found. Same seed, same fault, to the last bit."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from trueup.kernel.errors import UsageError

type Values = NDArray[np.float64]


class Fault(StrEnum):
    """What can go wrong with a recording."""

    VALUE_CORRUPTION = "value_corruption"
    SCHEMA_CHANGE = "schema_change"
    TIME_SKEW = "time_skew"
    STUCK_AT = "stuck_at"
    SPIKE = "spike"
    SENSOR_DRIFT = "sensor_drift"
    DUPLICATION = "duplication"
    DROP_OUT = "drop_out"
    LATENCY_SPIKE = "latency_spike"
    PACKET_LOSS = "packet_loss"
    VARIANCE = "variance"
    OSCILLATION = "oscillation"
    UNIT_SWAP = "unit_swap"


class Change(StrEnum):
    """How a schema changes."""

    RENAME = "rename"
    DROP = "drop"
    RETYPE = "retype"


@dataclass(frozen=True, slots=True)
class Dose:
    """How much of a fault.

    Args:
        start: share of the rows after which it begins, 0 (all rows) to below 1.
        scale: how strong; what it counts is the fault's own matter (see ``DEFAULTS``).
        count: spikes, bursts, or copies of a row.
        share: share of the rows from the start that are hit.
        value: what a stuck sensor shows; None for what it showed last.
        seconds: by how much a clock is off.
        period: rows of one oscillation.
        change: how a schema changes.
    """

    start: float = 0.5
    scale: float = 1.0
    count: int = 1
    share: float = 0.1
    value: float | None = None
    seconds: float = 5.0
    period: int = 50
    change: Change = Change.RENAME


DEFAULTS: Mapping[Fault, Mapping[str, float]] = {
    Fault.VALUE_CORRUPTION: {"scale": 10.0, "share": 0.05},
    Fault.SCHEMA_CHANGE: {},
    Fault.TIME_SKEW: {"seconds": 5.0},
    Fault.STUCK_AT: {},
    Fault.SPIKE: {"scale": 30.0, "count": 5},
    Fault.SENSOR_DRIFT: {"scale": 3.0},
    Fault.DUPLICATION: {"count": 1, "share": 0.1},
    Fault.DROP_OUT: {"share": 0.3},
    Fault.LATENCY_SPIKE: {"scale": 10.0, "count": 3, "share": 0.01},
    Fault.PACKET_LOSS: {"share": 0.3},
    Fault.VARIANCE: {"scale": 3.0},
    Fault.OSCILLATION: {"scale": 2.0, "period": 50},
    Fault.UNIT_SWAP: {"scale": 1000.0},
}
"""What each fault uses, and how much of it where nothing is said."""

_LATENCY = ("latency", "delay", "rtt", "response", "duration", "jitter")


@dataclass(frozen=True, slots=True)
class Injected:
    """What is different.

    Args:
        start: the first row that may be hit.
        columns: new values, float64[n] over the rows of the input; NaN empties the cell. Only cells that differ are written.
        repeats: int64[n], how often each row is written; None for once.
        renamed: old name to new.
        dropped: columns that are gone.
        retyped: columns whose numbers become text with a decimal comma.
        shifted: rows whose time is off, bool[n]; None where no clock is touched.
        seconds: by how much.
    """

    start: int
    columns: Mapping[str, Values] = field(default_factory=dict)
    repeats: NDArray[np.int64] | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    retyped: frozenset[str] = frozenset()
    shifted: NDArray[np.bool_] | None = None
    seconds: float = 0.0


LIMITS: Mapping[str, str] = {
    "time_skew of every row": (
        "a clock that is off by the same amount from the first row to the last shows nowhere in the recording; "
        "hold it against another clock"
    ),
    "time_skew forward by less than 20 intervals, or less than three times the baseline's longest step": (
        "it looks like a late row; `clock_floor` sets the 20"
    ),
    "time_skew back by less than an interval": "it looks like rows that overtook each other on their way",
    "time_skew, or packet_loss, of a table without a time column": "nothing tells when a row was taken",
    "time_skew of one metric alone": "a wide table has one clock for all of its metrics",
    "duplication of less than 1 % of the rows": "it is below `duplication_floor`",
    "duplication in a table without a time column, where every metric often repeats by itself": (
        "rows that were written twice look like rows that did not change; a metric tells if at most 1 % of its baseline repeats"
    ),
}
"""What no comparison finds: the fault, and why. The reference of detection lists it."""


def hidden(fault: Fault, start: int) -> str:
    """Say why a fault that begins at a row leaves nothing that could be found; empty where it does.

    >>> bool(hidden(Fault.TIME_SKEW, 0)), hidden(Fault.TIME_SKEW, 5)
    (True, '')
    """
    return LIMITS["time_skew of every row"] if fault is Fault.TIME_SKEW and start == 0 else ""


def inject(fault: Fault, columns: Mapping[str, Values], rows: int, *, seed: int, dose: Dose) -> Injected:
    """Compute a fault.

    Args:
        fault: which.
        columns: the metrics it is put into, float64[rows]; NaN where a cell holds no number.
        rows: data rows of the table.
        seed: of everything that is drawn.
        dose: how much of it.

    Raises:
        UsageError: there is nothing it could be put into.
    """
    if rows < 1:
        raise UsageError("the table has no rows", remedy="inject into a recording that holds something")
    start = min(int(rows * dose.start), rows - 1)
    rng = np.random.default_rng([seed, zlib.crc32(fault.encode())])
    if fault in _ROWS:
        return _ROWS[fault](rows, start, dose, rng)
    if not columns:
        raise UsageError("the table has no numeric column", remedy="inject into a recording that holds a metric")
    if fault is Fault.SCHEMA_CHANGE:
        return _schema_change(columns, start, dose)
    change = _CELLS[fault]
    return Injected(start, {name: change(values, start, dose, rng) for name, values in columns.items()})


def targets(fault: Fault, numeric: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics a fault is put into: those that are wanted, else all that it makes sense for.

    Raises:
        UsageError: a wanted one is no numeric column.
    """
    for name in wanted:
        if name not in numeric:
            raise UsageError(f"{name!r} is no numeric column of the table", remedy=f"choose among {', '.join(numeric) or 'none'}")
    if wanted:
        return tuple(dict.fromkeys(wanted))
    if fault is Fault.SCHEMA_CHANGE:
        return tuple(numeric[:1])
    if fault is Fault.LATENCY_SPIKE:
        return tuple(name for name in numeric if any(word in name.lower() for word in _LATENCY)) or tuple(numeric)
    return tuple(numeric)


def differs(before: Values, after: Values) -> NDArray[np.bool_]:
    """Tell which cells are no longer what they were; an empty cell equals an empty one."""
    same: NDArray[np.bool_] = (before == after) | (np.isnan(before) & np.isnan(after))
    return ~same


def shifted_time(cell: str, seconds: float) -> str | None:
    """Return a time that is off by some seconds, written as it was; None for what is no time.

    Numbers are seconds, milli-, micro- or nanoseconds, told apart by their size.

    >>> shifted_time("1700000000000", 5), shifted_time("2026-01-01T00:00:00Z", -1)
    ('1700000005000', '2025-12-31T23:59:59Z')
    """
    text = cell.strip()
    try:
        number = float(text)
    except ValueError:
        return _shifted_date(text, seconds)
    if not np.isfinite(number):
        return None
    step = seconds * time_scale(number)
    return str(int(text) + round(step)) if text.lstrip("+-").isdigit() else repr(number + step)


def time_scale(number: float) -> float:
    """Return how many of its units a second has, for a time that is a number."""
    return next((scale for least, scale in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3)) if abs(number) >= least), 1.0)


def _shifted_date(text: str, seconds: float) -> str | None:
    try:
        at = datetime.fromisoformat(text) + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return None
    written = at.isoformat(sep=text[10] if len(text) > 10 else "T")
    return written.replace("+00:00", "Z") if text.endswith("Z") else written


def _spread(values: Values) -> float:
    """Return the deviation of a column; of a constant one a tenth of its magnitude, and at least a tenth."""
    found = values[np.isfinite(values)]
    deviation = float(np.std(found)) if len(found) else 0.0
    return deviation or 0.1 * max(abs(float(found[0])) if len(found) else 0.0, 1.0)


def _center(values: Values) -> float:
    found = values[np.isfinite(values)]
    return float(np.mean(found)) if len(found) else 0.0


def _some(rows: int, start: int, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw rows from the start on, at least one, in order."""
    count = max(1, round((rows - start) * share))
    return np.sort(rng.choice(np.arange(start, rows, dtype=np.int64), size=min(count, rows - start), replace=False))


def _value_corruption(values: Values, start: int, dose: Dose, rng: np.random.Generator) -> Values:
    hit = _some(len(values), start, dose.share, rng)
    made = values.copy()
    made[hit] += dose.scale * _spread(values) * rng.standard_normal(len(hit))
    return made


def _stuck_at(values: Values, start: int, dose: Dose, rng: np.random.Generator) -> Values:
    del rng
    before = values[: start + 1][np.isfinite(values[: start + 1])]
    last = float(before[-1]) if len(before) else _center(values)
    made = values.copy()
    made[start:][np.isfinite(made[start:])] = last if dose.value is None else dose.value
    return made


def _spike(values: Values, start: int, dose: Dose, rng: np.random.Generator) -> Values:
    hit = rng.choice(np.arange(start, len(values)), size=min(dose.count, len(values) - start), replace=False)
    made = values.copy()
    made[hit] += dose.scale * _spread(values) * rng.choice([-1.0, 1.0], size=len(hit))
    return made


def _sensor_drift(values: Values, start: int, dose: Dose, rng: np.random.Generator) -> Values:
    del rng
    made = values.copy()
    rest = len(values) - start
    made[start:] += dose.scale * _spread(values) * np.arange(1, rest + 1) / rest
    return made


def _drop_out(values: Values, start: int, dose: Dose, rng: np.random.Generator) -> Values:
    made = values.copy()
    made[_some(len(values), start, dose.share, rng)] = np.nan
    return made


def _latency_spike(values: Values, start: int, dose: Dose, rng: np.random.Generator) -> Values:
    """Raise bursts that die away, as a queue does once it is served again."""
    made = values.copy()
    length = max(2, round((len(values) - start) * dose.share))
    for begin in np.sort(rng.integers(start, len(values), size=dose.count)):
        part = made[begin : begin + length]
        part += (dose.scale - 1) * np.abs(part) * np.exp(-3 * np.arange(len(part)) / length)
    return made


def _variance(values: Values, start: int, dose: Dose, rng: np.random.Generator) -> Values:
    del rng
    made = values.copy()
    center = _center(values)
    made[start:] = center + (made[start:] - center) * dose.scale
    return made


def _oscillation(values: Values, start: int, dose: Dose, rng: np.random.Generator) -> Values:
    made = values.copy()
    phase = rng.uniform(0, 2 * np.pi)
    made[start:] += dose.scale * _spread(values) * np.sin(2 * np.pi * np.arange(len(values) - start) / dose.period + phase)
    return made


def _unit_swap(values: Values, start: int, dose: Dose, rng: np.random.Generator) -> Values:
    del rng
    made = values.copy()
    made[start:] *= dose.scale
    return made


def _schema_change(columns: Mapping[str, Values], start: int, dose: Dose) -> Injected:
    names = tuple(columns)
    match dose.change:
        case Change.RENAME:
            return Injected(start, renamed={name: f"{name}_v2" for name in names})
        case Change.DROP:
            return Injected(start, dropped=frozenset(names))
        case Change.RETYPE:
            return Injected(start, retyped=frozenset(names))


def _time_skew(rows: int, start: int, dose: Dose, rng: np.random.Generator) -> Injected:
    del rng
    return Injected(start, shifted=np.arange(rows) >= start, seconds=dose.seconds)


def _duplication(rows: int, start: int, dose: Dose, rng: np.random.Generator) -> Injected:
    repeats = np.ones(rows, dtype=np.int64)
    repeats[_some(rows, start, dose.share, rng)] += dose.count
    return Injected(start, repeats=repeats)


def _packet_loss(rows: int, start: int, dose: Dose, rng: np.random.Generator) -> Injected:
    repeats = np.ones(rows, dtype=np.int64)
    repeats[_some(rows, start, dose.share, rng)] = 0
    return Injected(start, repeats=repeats)


_ROWS: Mapping[Fault, Callable[[int, int, Dose, np.random.Generator], Injected]] = {
    Fault.TIME_SKEW: _time_skew,
    Fault.DUPLICATION: _duplication,
    Fault.PACKET_LOSS: _packet_loss,
}
_CELLS: Mapping[Fault, Callable[[Values, int, Dose, np.random.Generator], Values]] = {
    Fault.VALUE_CORRUPTION: _value_corruption,
    Fault.STUCK_AT: _stuck_at,
    Fault.SPIKE: _spike,
    Fault.SENSOR_DRIFT: _sensor_drift,
    Fault.DROP_OUT: _drop_out,
    Fault.LATENCY_SPIKE: _latency_spike,
    Fault.VARIANCE: _variance,
    Fault.OSCILLATION: _oscillation,
    Fault.UNIT_SWAP: _unit_swap,
}
