"""Sentences made from the numbers they speak of: the verb from the sign, the unit of the effect from the baseline."""

import math

_MINUS = "−"
_DIGITS = (3, 4, 5, 6, 8, 10, 12, 15, 17)
_PLAIN = (1e-3, 1e15)


def _shown(value: float, digits: int) -> str:
    if value == 0.0:
        return "0"
    size = abs(value)
    if not _PLAIN[0] <= size < _PLAIN[1]:
        text = f"{size:.{digits - 1}e}"
    else:
        decimals = max(0, digits - 1 - math.floor(math.log10(size)))
        text = f"{size:,.{decimals}f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
    return (_MINUS if value < 0 else "") + text


def number(value: float) -> str:
    """Write a number with three significant digits or all its integer digits.

    >>> number(-1234567.8), number(0.0123456)
    ('−1,234,568', '0.0123')
    """
    return _shown(value, _DIGITS[0])


def two_numbers(first: float, second: float) -> tuple[str, str]:
    """Write two different numbers with as many digits as it takes to see that they differ.

    >>> two_numbers(1000.01, 1000.02)
    ('1,000.01', '1,000.02')
    """
    for digits in _DIGITS:
        texts = _shown(first, digits), _shown(second, digits)
        if texts[0] != texts[1] or first == second:
            return texts
    return repr(first), repr(second)


def percent(before: float, after: float) -> str:
    """Write a relative change in brackets, with a space before it; empty where there is nothing to relate it to."""
    if before in (0.0, after):
        return ""
    change = 100.0 * (after / abs(before) - math.copysign(1.0, before))
    if not math.isfinite(change) or abs(change) >= 1e6:
        return ""
    sign = "+" if change > 0 else _MINUS
    size = abs(change)
    if size < 0.05:
        return f" ({sign}{size:.1g} %)" if size >= 1e-4 else ""
    return f" ({sign}{size:,.{0 if size >= 1000.0 else 1}f} %)"


def place(onset: int | None, rows: int) -> str:
    """Write from where on a change persists."""
    if onset is None:
        return "and came back before the end"
    return "from the first row on" if onset == 0 else f"from row {onset:,} of {rows:,} on"


def level(before: float, after: float, deviations: float, where: str, unit: str = "") -> str:
    """Explain a change of level.

    >>> level(12.1, 13.9, 7.4, "from row 9,000 of 10,000 on")
    'rose from 12.1 to 13.9 (+14.9 %), 7.4 baseline standard deviations, from row 9,000 of 10,000 on'
    """
    first, second = two_numbers(before, after)
    verb = "rose" if after > before else "fell"
    size = f"{number(deviations)} baseline standard deviations"
    return f"{verb} from {first} to {second}{of_unit(unit)}{percent(before, after)}, {size}, {where}"


def scale(before: float, after: float, where: str, unit: str = "") -> str:
    """Explain a change of scale, by the mean deviations from the median.

    >>> scale(0.5, 2.0, "from the first row on")
    'scatters 4 times as widely: mean deviation from the median rose from 0.5 to 2, from the first row on'
    """
    first, second = two_numbers(before, after)
    ratio = after / before if before else math.inf
    if ratio >= 1.0:
        how = f"{number(ratio)} times as widely" if math.isfinite(ratio) else "where it hardly did"
        return f"scatters {how}: mean deviation from the median rose from {first} to {second}{of_unit(unit)}, {where}"
    share_of = number(100.0 * ratio)
    return (
        f"scatters {share_of} % as widely: mean deviation from the median fell from {first} to {second}{of_unit(unit)}, {where}"
    )


def shape(distance: float) -> str:
    """Explain a change of shape."""
    return (
        f"its values are distributed differently even with location and scale made equal: the two distribution functions "
        f"are up to {number(100.0 * distance)} percentage points apart"
    )


def share(part: float) -> str:
    """Write a share as a percentage; never 0 or 100 unless it is."""
    if 0.0 < part < 0.0001:
        return "less than 0.01 %"
    if 0.9999 < part < 1.0:
        return "more than 99.99 %"
    return f"{100.0 * part:.3g} %"


def trend(before: float, after: float, deviations: float, where: str, unit: str = "") -> str:
    """Explain a trend.

    >>> trend(8.0, 11.0, 3.0, "from the first row on", "V")
    'rises steadily from 8 to 11 V (+37.5 %), 3 baseline standard deviations, from the first row on'
    """
    first, second = two_numbers(before, after)
    verb = "rises" if after > before else "falls"
    size = f"{number(deviations)} baseline standard deviations"
    return f"{verb} steadily from {first} to {second}{of_unit(unit)}{percent(before, after)}, {size}, {where}"


def oscillation(amplitude: float, period: float, deviations: float, where: str, unit: str = "") -> str:
    """Explain an oscillation; the period is in values.

    >>> oscillation(0.5, 50.0, 2.0, "from the first row on", "V")
    'swings by ±0.5 V every 50 values, 2 baseline standard deviations, from the first row on'
    """
    size = f"{number(deviations)} baseline standard deviations"
    return f"swings by ±{number(amplitude)}{of_unit(unit)} every {number(period)} values, {size}, {where}"


def stuck(value: float, longest: int, cells: int, total: int, where: str, unit: str = "") -> str:
    """Explain held values.

    >>> stuck(3.2, 500, 500, 1000, "from row 500 of 1,000 on")
    'held 3.2 for 500 values in a row; 500 of 1,000 values (50 %) repeat the one before for longer than chance, from row 500 of 1,000 on'
    """
    part = share(cells / total)
    return (
        f"held {number(value)}{of_unit(unit)} for {longest:,} values in a row; {cells:,} of {total:,} values ({part}) repeat "
        f"the one before for longer than chance, {where}"
    )


def spike(events: int, farthest: float, deviations: float, first: str, unit: str = "") -> str:
    """Explain spikes.

    >>> spike(5, 31.2, 30.5, "the first at row 17 of 1,000")
    'has 5 isolated spikes, the farthest 31.2, 30.5 baseline standard deviations out, the first at row 17 of 1,000'
    """
    size = f"{number(deviations)} baseline standard deviations out"
    return f"has {events:,} isolated spikes, the farthest {number(farthest)}{of_unit(unit)}, {size}, {first}"


def of_unit(unit: str) -> str:
    """Write a unit behind a number."""
    return f" {unit}" if unit else ""
