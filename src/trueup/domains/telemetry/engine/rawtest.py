"""A test of one metric before the p-values of all metrics are adjusted together."""

from dataclasses import dataclass

from trueup.domains.telemetry.engine.config import CompareConfig
from trueup.domains.telemetry.engine.result import Kind

# a component is taken out of a run only where the adjustment cannot bring its test back above alpha
_SURE = 0.01


@dataclass(frozen=True, slots=True)
class RawTest:
    """A test before the adjustment for the number of tests.

    Args:
        effect: unit-free size, comparable with ``floor``.
        strength: the effect on a scale where the floor is 1 (a ratio of 1/4 is as strong as one of 4).
    """

    name: str
    kind: Kind
    statistic: float
    p_value: float
    effect: float
    floor: float
    strength: float

    def is_sure(self, config: CompareConfig) -> bool:
        """Return whether what was tested may be taken out of the run before the other tests."""
        return self.p_value < _SURE * config.alpha and self.strength >= 1.0
