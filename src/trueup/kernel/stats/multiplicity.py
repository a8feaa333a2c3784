"""Many tests at once: p-values adjusted so that the share of false findings stays bounded."""

from collections.abc import Sequence


def _step_up(p_values: Sequence[float], factor: float) -> list[float]:
    count = len(p_values)
    order = sorted(range(count), key=lambda i: p_values[i], reverse=True)
    adjusted = [0.0] * count
    least = 1.0
    for place, index in enumerate(order):
        least = min(least, p_values[index] * count * factor / (count - place))
        adjusted[index] = least
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return q-values that bound the false discovery rate of independent or positively dependent tests.

    >>> benjamini_hochberg([0.01, 0.02, 0.5])
    [0.03, 0.03, 0.5]

    References:
        Benjamini & Hochberg (1995), "Controlling the false discovery rate", section 2.
    """
    return _step_up(p_values, 1.0)


def benjamini_yekutieli(p_values: Sequence[float]) -> list[float]:
    """Return q-values that bound the false discovery rate under any dependence, at a logarithmic price.

    References:
        Benjamini & Yekutieli (2001), "The control of the false discovery rate under dependency", theorem 1.3.
    """
    return _step_up(p_values, sum(1.0 / k for k in range(1, len(p_values) + 1)))
