"""What a sampler hands on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.engine.table import Excluded


@dataclass(frozen=True, slots=True)
class HostSample:
    """What was sampled.

    Args:
        time_ms: int64[n], epoch milliseconds of each row.
        columns: metric name to float64[n]; NaN is a missing cell.
        excluded: sensors this machine does not have, each with its reason.
        rate: rows per second that were asked for.
        late: rows taken more than half a period after their moment.
        skipped: rows left out because the machine was busy over their whole period.
    """

    time_ms: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]
    excluded: tuple[Excluded, ...]
    rate: float
    late: int
    skipped: int

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what a reader should know."""
        if not self.late and not self.skipped:
            return ()
        return (f"of {len(self.time_ms) + self.skipped} ticks {self.late} came late and {self.skipped} were left out",)
