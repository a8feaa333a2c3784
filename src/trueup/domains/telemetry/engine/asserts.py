"""Asserts: conditions that every sample of a metric has to meet, with the segment that does not.

``pass`` needs at least one sample and none that breaks the condition; a metric that is not there, has no sample, or has
cells that could not be read and breaks nothing, is ``unknown``, which is no pass.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.coverage import set_aside
from trueup.domains.telemetry.engine.limits import persistent
from trueup.domains.telemetry.engine.sample import clean
from trueup.domains.telemetry.engine.table import ColumnData, Table, clock_of
from trueup.kernel.errors import UsageError

type Number = float
type Mask = NDArray[np.bool_]

_SINGLE: Mapping[str, Callable[[NDArray[np.float64], float], Mask]] = {
    "<": lambda values, bound: values < bound,
    "<=": lambda values, bound: values <= bound,
    ">": lambda values, bound: values > bound,
    ">=": lambda values, bound: values >= bound,
    "==": lambda values, bound: values == bound,
    "!=": lambda values, bound: values != bound,
}
_LISTED = ("in", "not_in")
OPERATORS = (*_SINGLE, *_LISTED)
"""What an assert can ask."""

SEVERITIES = ("info", "warning", "fail")
_FIELDS = ("id", "metric", "op", "value", "severity", "persistence")
_SHOWN = 10


class Outcome(StrEnum):
    """The answer of an assert."""

    PASS = "pass"  # noqa: S105 - an answer, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Assert:
    """A condition on every sample of a metric.

    Args:
        id: what it is called.
        metric: its name.
        op: of ``OPERATORS``.
        value: what the samples are held against, in the metric's unit; several for ``in`` and ``not_in``.
        severity: what a failure means: info, warning or fail.
        persistence: (k, n): it fails where k of n samples in a row break the condition.
    """

    id: str
    metric: str
    op: str
    value: Number | tuple[Number, ...]
    severity: str = "fail"
    persistence: tuple[int, int] = (1, 1)

    @property
    def condition(self) -> str:
        """What is asked, as people write it (``volt <= 12.5``)."""
        value = ", ".join(f"{one:g}" for one in self.value) if isinstance(self.value, tuple) else f"{self.value:g}"
        k, n = self.persistence
        lasting = "" if (k, n) == (1, 1) else f", broken where {k} of {n} in a row are"
        return f"{self.metric} {self.op.replace('_', ' ')} {value}{lasting}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, as ``asserts_of`` reads it."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        k, n = self.persistence
        return {
            "id": self.id,
            "metric": self.metric,
            "op": self.op,
            "value": value,
            "severity": self.severity,
            "persistence": {"k": k, "n": n},
        }


@dataclass(frozen=True, slots=True)
class Asserted:
    """What an assert gave.

    Args:
        result: pass, fail or unknown.
        reason: half a sentence, from the verb on.
        samples: how many were looked at.
        count: how many break the condition, of those that persist.
        index_range: first and last row of the offending segment.
        time_range: the same in seconds from the first row; None without a clock.
        values: the first offending values, at most ten.
        rows: their rows.
        times: their times in seconds; None without a clock.
    """

    check: Assert
    result: Outcome
    reason: str
    samples: int = 0
    count: int = 0
    index_range: tuple[int, int] | None = None
    time_range: tuple[float, float] | None = None
    values: tuple[float, ...] = ()
    rows: tuple[int, ...] = ()
    times: tuple[float, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the condition and its answer as plain data."""
        return self.check.as_dict() | {
            "result": str(self.result),
            "reason": self.reason,
            "samples": self.samples,
            "count": self.count,
            "index_range": None if self.index_range is None else list(self.index_range),
            "time_range": None if self.time_range is None else list(self.time_range),
            "values": list(self.values),
            "rows": list(self.rows),
            "times": None if self.times is None else list(self.times),
        }


def check_all(checks: Sequence[Assert], table: Table) -> tuple[Asserted, ...]:
    """Hold a table against its asserts; each metric is read once.

    Args:
        checks: the conditions, each with an id of its own, answered in their order.
        table: the run.
    """
    times, there = clock_of(table), set(table.numeric)
    reasons = {item.name: item.reason for item in table.excluded}
    answers: dict[str, Asserted] = {}
    for metric in dict.fromkeys(check.metric for check in checks):
        asked = [check for check in checks if check.metric == metric]
        if metric in there:
            column = clean(table.column(metric))
            answers |= {check.id: _checked(check, column, times) for check in asked}
        else:
            why = f" ({reasons[metric]})" if metric in reasons else ""
            answers |= {check.id: Asserted(check, Outcome.UNKNOWN, f"is no numeric column of the run{why}") for check in asked}
    return tuple(answers[check.id] for check in checks)


def _kept(check: Assert, values: NDArray[np.float64]) -> Mask:
    if isinstance(check.value, tuple):
        found = np.isin(values, np.array(check.value, dtype=np.float64))
        return found if check.op == "in" else ~found
    return _SINGLE[check.op](values, check.value)


def _checked(check: Assert, column: ColumnData, times: NDArray[np.float64] | None) -> Asserted:
    n, aside = len(column.values), set_aside(column)
    if not n:
        return Asserted(check, Outcome.UNKNOWN, "has no sample in the run")
    cells = np.flatnonzero(persistent(~_kept(check, column.values), *check.persistence))
    if not len(cells):
        if aside:
            return Asserted(check, Outcome.UNKNOWN, f"holds in {n:,} samples, but {aside:,} cells could not be read", n)
        return Asserted(check, Outcome.PASS, f"holds in all {n:,} samples", n)
    rows = cells if column.rows is None else column.rows[cells]
    first, last = int(rows[0]), int(rows[-1])
    shown = rows[:_SHOWN]
    return Asserted(
        check,
        Outcome.FAIL,
        f"does not hold in {len(cells):,} of {n:,} samples, rows {first:,} to {last:,}",
        samples=n,
        count=len(cells),
        index_range=(first, last),
        time_range=None if times is None else (float(times[first]), float(times[last])),
        values=tuple(column.values[cells[:_SHOWN]].tolist()),
        rows=tuple(shown.tolist()),
        times=None if times is None else tuple(times[shown].tolist()),
    )


def asserts_of(data: Any, *, named: str = "asserts") -> tuple[Assert, ...]:
    """Read asserts from plain data: ``{"asserts": [{id, metric, op, value, severity, persistence}]}``, or the list alone.

    A ``version`` beside the list is the writer's own and decides nothing.

    Args:
        data: as JSON or YAML gave it.
        named: what an error calls it.

    Raises:
        UsageError: it is not of that form; the message names the assert and the field.
    """
    if isinstance(data, Mapping):
        extra = sorted(str(key) for key in data if key not in {"asserts", "version"})
        if extra or "asserts" not in data:
            what = f"the key {extra[0]!r} is not known" if extra else "there is no key 'asserts'"
            raise UsageError(f"{named}: {what}", remedy="write the key 'asserts' with a list, and 'version' if need be")
        data = data["asserts"]
    if not isinstance(data, list | tuple):
        raise UsageError(f"{named}: is not a list", remedy="write a list of asserts")
    found = tuple(_assert(item, f"{named}[{place}]") for place, item in enumerate(data))
    seen: set[str] = set()
    for place, check in enumerate(found):
        if check.id in seen:
            raise UsageError(f"{named}[{place}].id: {check.id!r} is there twice", remedy="give every assert its own id")
        seen.add(check.id)
    return found


def _assert(item: Any, where: str) -> Assert:
    if not isinstance(item, Mapping):
        raise UsageError(f"{where}: is not an object", remedy="write id, metric, op and value")
    for key in item:
        if key not in _FIELDS:
            raise UsageError(f"{where}.{key}: is not known", remedy=f"the fields are {', '.join(_FIELDS)}")
    for key in ("id", "metric"):
        if not isinstance(item.get(key), str) or not item[key]:
            raise UsageError(f"{where}.{key}: is {item.get(key)!r}, not a text", remedy=f"write the {key}")
    op, severity = item.get("op"), item.get("severity", "fail")
    if op not in OPERATORS:
        raise UsageError(f"{where}.op: is {op!r}, not one of {' '.join(OPERATORS)}", remedy="choose one of them")
    if severity not in SEVERITIES:
        raise UsageError(f"{where}.severity: is {severity!r}", remedy=f"choose one of {', '.join(SEVERITIES)}")
    value = _value(item.get("value"), op in _LISTED, f"{where}.value")
    return Assert(item["id"], item["metric"], op, value, severity, _persistence(item.get("persistence"), where))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _value(value: Any, listed: bool, where: str) -> Number | tuple[Number, ...]:  # noqa: FBT001 - two forms of one field
    if listed:
        if not isinstance(value, list | tuple) or not value or not all(_is_number(one) for one in value):
            raise UsageError(f"{where}: is {value!r}, not a list of finite numbers", remedy="write a list")
        return tuple(float(one) for one in value)
    if not _is_number(value):
        raise UsageError(f"{where}: is {value!r}, not a finite number", remedy="write a number")
    return float(value)


def _persistence(value: Any, where: str) -> tuple[int, int]:
    if value is None:
        return 1, 1
    if isinstance(value, Mapping) and set(value) == {"k", "n"}:
        value = [value["k"], value["n"]]
    is_pair = isinstance(value, list | tuple) and len(value) == 2 and all(type(one) is int for one in value)
    if not is_pair or not 1 <= value[0] <= value[1]:
        raise UsageError(f"{where}.persistence: is {value!r}, not k of n with 1 ≤ k ≤ n", remedy="write {k: 3, n: 5}")
    return value[0], value[1]
