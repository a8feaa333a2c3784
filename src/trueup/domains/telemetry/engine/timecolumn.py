"""Which columns say *when* and not *how much*: clocks and row counters are recognised and never compared.

Leaving a metric out is as wrong as comparing a clock: a leak that was taken for a time axis would pass. So a column is
left out by its name or its type first, and by its values alone only where nothing speaks against it.
"""

import re

import numpy as np
from numpy.typing import NDArray


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TIME = _words("time timestamp timestamps ts datetime date epoch stamp elapsed clock")
_AROUND_TIME = _words(
    """
    unix posix utc gmt tai iso local event sample sampled sampling record recorded log logged wall gps at in start begin
    relative rel since now measurement measured ingest received
    s sec secs second seconds ms msec millis milli milliseconds us usec micros microseconds ns nsec nanos nanoseconds
    min minutes h hours d days
    """
)
_COUNTER = _words(
    """
    index idx row rows rowindex rownum rowid rowno rownumber seq seqno sequence sequencenumber no nr num id i n
    line lineno sample unnamed column tick step
    """
)
_QUANTITY = _words(
    """
    byte bytes kb mb gb kib mib gib mem memory rss vms heap size used free available total count counter bits packets
    errors requests bandwidth rate load hz frequency freq usage disk cache swap volume energy
    """
)
_FIRST_YEAR, _LAST_YEAR = 946_684_800.0, 4_102_444_800.0  # 2000-01-01 and 2100-01-01, in epoch seconds
_UNITS = {"s": 1.0, "ms": 1e3, "µs": 1e6, "ns": 1e9}
_REGULAR_SHARE = 0.9
_MIN_BY_VALUE = 3


def _tokens(name: str) -> list[str]:
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return re.findall(r"[^\W_]+", spaced.casefold())


def has_time_name(name: str) -> bool:
    """Tell whether a name speaks of a moment: a word for time, and beside it only words that qualify a moment.

    A lone small ``t`` is time; ``T`` and ``t1`` are temperatures more often than not.

    >>> [has_time_name(name) for name in ("ts", "Time (ms)", "event_time", "epoch_ms", "response_time", "cpu_time")]
    [True, True, True, True, False, False]
    """
    tokens = _tokens(name)
    if re.fullmatch(r"t(\W.*|_\w+)?", name.strip()):
        return all(token in _AROUND_TIME for token in tokens[1:])
    return any(token in _TIME for token in tokens) and all(token in _TIME | _AROUND_TIME for token in tokens)


def has_counter_name(name: str) -> bool:
    """Tell whether a name is that of a row counter; ``Unnamed: 0`` and ``column0`` (no name at all) are.

    >>> [has_counter_name(name) for name in ("index", "Row Number", "Unnamed: 0", "seq_no", "packets", "")]
    [True, True, True, True, False, True]
    """
    joined = re.sub(r"\d", "", "".join(_tokens(name)))
    return joined in _COUNTER or not joined


def _has_quantity_name(name: str) -> bool:
    return any(token in _QUANTITY for token in _tokens(name))


def epoch_unit(values: NDArray[np.float64]) -> str | None:
    """Return the unit in which all values lie between the years 2000 and 2100, or None.

    >>> epoch_unit(np.array([1.7e12, 1.7e12 + 100]))
    'ms'
    """
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    for unit, factor in _UNITS.items():
        if _FIRST_YEAR * factor <= low and high <= _LAST_YEAR * factor:
            return unit
    return None


def _is_regular(steps: NDArray[np.float64]) -> bool:
    moves = steps[steps > 0]
    if not len(moves):
        return False
    typical = float(np.median(moves))
    near = (moves >= typical / 2) & (moves <= typical * 2)
    return bool(near.mean() >= _REGULAR_SHARE)


def time_reason(name: str, values: NDArray[np.float64], *, rows: NDArray[np.int64] | None = None) -> str | None:
    """Return why a numeric column is a clock or a row counter, or None when it is a metric.

    In this order:

    * *by name:* a time name (``has_time_name``) whose values never fall, or all lie in one epoch range (2000…2100
      in s, ms, µs or ns, in any order: late records are still times);
    * *row counter:* a counter name, or no name, and every step from row to row is exactly +1;
    * *by value:* the values never fall, are all in one epoch range, move in regular steps (nine in ten within a
      factor of two of the median step; repeats are allowed), and the name is not that of a quantity such as
      ``rss_bytes``, whose numbers can look like seconds of our century while it leaks.

    A rising counter that is none of these stays a metric.

    Args:
        name: as it stands in the file.
        values: float64[n], finite, in row order.
        rows: int64[n], the rows they stand in; None when none is missing.
    """
    if not len(values):
        return None
    steps = np.diff(values)
    rising = bool((steps >= 0).all())
    unit = epoch_unit(values)
    if has_time_name(name) and (unit or (rising and (len(values) == 1 or bool(values[-1] > values[0])))):
        return f"time column (by name, epoch {unit})" if unit else "time column (by name, never falls)"
    if not rising:
        return None
    if len(values) > 1 and has_counter_name(name):
        gaps = np.ones(len(steps)) if rows is None else np.diff(rows).astype(np.float64)
        if bool((steps == gaps).all()):
            return "row counter (one more in every row)"
    if unit and len(values) >= _MIN_BY_VALUE and not _has_quantity_name(name) and _is_regular(steps):
        return f"time column (by value, epoch {unit})"
    return None
