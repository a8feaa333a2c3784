"""This machine, sampled for as long as it is wanted."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from trueup.domains.telemetry.sources.host import MAX_RATE, sampling
from trueup.domains.telemetry.sources.live.event import Event, key_of
from trueup.domains.telemetry.sources.live.sink import Sink
from trueup.kernel.errors import UsageError

TOPIC = "host"


@dataclass
class HostSource:
    """Samples the machine, and optionally a process tree, at a fixed rate.

    Args:
        rate: samples a second, above 0 and at most 100.
        pid: root of the process tree.
    """

    rate: float = 1.0
    pid: int | None = None
    kind: str = "host"
    sleep: Callable[[float], None] = time.sleep

    def run(self, sink: Sink, stop: Callable[[], bool]) -> None:
        """Sample until it is stopped; while nothing can be kept, nothing is sampled.

        Raises:
            UsageError: the rate is out of range.
        """
        if not 0 < self.rate <= MAX_RATE:
            raise UsageError(f"a rate of {self.rate:g} per second cannot be sampled", remedy=f"choose 0 < rate ≤ {MAX_RATE:g}")
        rows = sampling(pid=self.pid)
        next(rows)
        began = time.monotonic()
        ticks = 0
        sink.live()
        while not stop():
            ticks += 1
            deadline = began + ticks / self.rate
            while (wait := deadline - time.monotonic()) > 0 and not stop():
                if sink.due:
                    sink.commit()
                self.sleep(min(wait, 0.1))
            if stop():
                return
            ticks = max(ticks, math.floor((time.monotonic() - began) * self.rate))
            if sink.full and not sink.commit():
                continue
            row = {name: value for name, value in next(rows).items() if math.isfinite(value)}
            sink.put(_event(row, sink.now()))


def _event(row: dict[str, float], at: int) -> Event:
    body = json.dumps({"ts": at / 1e6, **row}).encode()
    return Event(TOPIC, body, at, key_of(TOPIC, sequence=None, device_time=at, payload=body), None, at)
