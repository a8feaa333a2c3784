"""From running counters to rates: arithmetic only."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

type ProcessKey = tuple[int, float]
"""A process for good: its id and its start time (ids are used again)."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds of one process: its own, and those of children it has waited for."""

    own: float
    reaped: float


def rate(previous: float | None, current: float | None, elapsed: float) -> float:
    """Return the counter's growth per second; NaN (a missing cell) where it cannot be known.

    A counter that went back was wrapped or reset; its growth is unknown, and a spike would be a lie.

    >>> rate(100.0, 150.0, 0.5)
    100.0
    >>> rate(100.0, 3.0, 0.5)
    nan
    """
    if previous is None or current is None or elapsed <= 0 or current < previous:
        return math.nan
    return (current - previous) / elapsed


def cpu_percent(previous: Mapping[str, float], current: Mapping[str, float]) -> dict[str, float]:
    """Return the share of each CPU mode between two readings, in per cent of the whole machine.

    ``cpu_percent`` is everything that is neither idle nor waiting for a disk. Modes that ran backwards (it
    happens to idle and iowait on some kernels) give missing cells.
    """
    deltas = {mode: current[mode] - previous.get(mode, math.nan) for mode in current}
    total = sum(deltas.values())
    names = {mode: f"cpu_{mode}_percent" for mode in current}
    if not total > 0 or min(deltas.values()) < 0:
        return dict.fromkeys(("cpu_percent", *names.values()), math.nan)
    shares = {names[mode]: 100.0 * delta / total for mode, delta in deltas.items()}
    resting = deltas.get("idle", 0.0) + deltas.get("iowait", 0.0)
    return {"cpu_percent": 100.0 * (total - resting) / total, **shares}


def tree_cpu_seconds(previous: Mapping[ProcessKey, Cpu], current: Mapping[ProcessKey, Cpu]) -> float:
    """Return the CPU seconds a process tree used between two readings; never negative.

    A child that ends hands its CPU time to the parent that waits for it. So what has vanished is taken off what the
    living gained: the rest is what was really used since, short-lived children included. Where the vanished were
    waited for by nobody in the tree this would go below zero, and only what the living used themselves counts.
    """
    none = Cpu(0.0, 0.0)
    gained = sum(
        now.own + now.reaped - (before.own + before.reaped)
        for now, before in ((cpu, previous.get(key, none)) for key, cpu in current.items())
    )
    vanished = sum(cpu.own + cpu.reaped for key, cpu in previous.items() if key not in current)
    if gained - vanished >= 0:
        return gained - vanished
    return sum(max(0.0, cpu.own - previous.get(key, none).own) for key, cpu in current.items())
