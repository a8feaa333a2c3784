"""A test of one metric before the p-values of all metrics are adjusted together."""

from dataclasses import dataclass

from trueup.domains.telemetry.engine.result import Kind

# more tests than any one metric has
_TESTS = 16


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

    def is_sure(self, sure: float) -> bool:
        """Return whether what was tested may be taken out of the run before the other tests."""
        return self.p_value < sure and self.strength >= 1.0


def sure_below(alpha: float, metrics: int) -> float:
    """Return the p-value below which a test stays significant however the p-values of so many metrics are adjusted.

    Only what is found beyond doubt may be taken out of a run: what is taken out and then not found would be hidden.
    """
    return alpha / (_TESTS * max(1, metrics))
