"""Columns that say when: their values in seconds."""

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.table import Excluded

_PER_SECOND = {"s": 1.0, "ms": 1e3, "µs": 1e6, "ns": 1e9}
_WORDS = {
    "ms": 1e3, "msec": 1e3, "millis": 1e3, "milli": 1e3, "milliseconds": 1e3,
    "us": 1e6, "usec": 1e6, "micros": 1e6, "microseconds": 1e6,
    "ns": 1e9, "nsec": 1e9, "nanos": 1e9, "nanoseconds": 1e9,
    "min": 1 / 60, "minutes": 1 / 60, "h": 1 / 3600, "hours": 1 / 3600, "d": 1 / 86400, "days": 1 / 86400,
}  # fmt: skip


_MOMENTS = ("time column (by date, ", "time column (by type, ")  # read as microseconds since 1970


def _per_second(name: str, reason: str) -> float:
    """Return units per second, from the epoch range that was recognised, else from the name; seconds if neither says."""
    if reason.startswith(_MOMENTS):
        return 1e6
    epoch = re.search(r"epoch (s|ms|µs|ns)\b", reason)
    if epoch:
        return _PER_SECOND[epoch.group(1)]
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).casefold()
    return next((_WORDS[word] for word in re.findall(r"[^\W_]+", spaced) if word in _WORDS), 1.0)


def is_time(reason: str) -> bool:
    """Return whether a column was left out because it says when."""
    return reason.startswith("time column")


def clock_seconds(name: str, reason: str, values: NDArray[np.float64], rows: int) -> NDArray[np.float64] | None:
    """Return a time column in seconds from its first row; None where it is not sound: a cell is missing, or it falls.

    Args:
        name: of the column; ``elapsed_ms`` says its unit.
        reason: why it was left out.
        values: float64[n], its finite values in row order.
        rows: of the table.
    """
    found = standing_seconds(name, reason, values, rows)
    if found is None or not found[-1] > 0.0 or not bool((np.diff(found) >= 0.0).all()):
        return None
    return found


def standing_seconds(name: str, reason: str, values: NDArray[np.float64], rows: int) -> NDArray[np.float64] | None:
    """Return a time column in seconds from its first row, whether it falls or not; None where a cell is missing.

    Args:
        name: of the column; ``elapsed_ms`` says its unit.
        reason: why it was left out.
        values: float64[n], its finite values in row order.
        rows: of the table.
    """
    if len(values) != rows or rows < 2:
        return None
    found: NDArray[np.float64] = (values - values[0]) / _per_second(name, reason)
    return found


def sole_clock(
    columns: Sequence[Excluded], values: Callable[[str], NDArray[np.float64] | None], rows: int, *, falling: bool = False
) -> NDArray[np.float64] | None:
    """Return the only sound time column, in seconds from the first row; None where there is none, or more than one.

    A column of numbers goes before one of dates, which often says the same once more for people to read.

    Args:
        columns: those that are not compared, with their reasons.
        values: reads one of them; None where it holds no numbers.
        rows: of the table.
        falling: whether one that falls will do.
    """
    seconds = standing_seconds if falling else clock_seconds
    for dates in (False, True):
        sound = []
        for item in columns:
            read = values(item.name) if is_time(item.reason) and item.reason.startswith(_MOMENTS) is dates else None
            times = None if read is None else seconds(item.name, item.reason, read, rows)
            if times is not None:
                sound.append(times)
        if sound:
            return sound[0] if len(sound) == 1 else None
    return None
