"""Units: what a label means, and the exact line that leads from one to another.

``pint`` knows the units; two things it takes for numbers are kept apart here, because telling them apart is the point: a
turn is no ``1`` (60 rpm are one turn a second and not 6.28 Hz), and neither is a bit.

References:
    BIPM, *The International System of Units*, 9th edition, section 5.4; NIST SP 811, B.8 (conversion factors).
"""

import re
import tokenize
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from trueup.kernel.errors import UsageError

if TYPE_CHECKING:
    import pint

MAX_LABEL = 64
_NAME = r"[A-Za-zµμΩΩÅ°℃℉%‰_][A-Za-zµμΩΩ0-9_]*"
_POWER = r"(?:(?:\*\*|\^)-?[0-9](?:\.5)?|[⁻]?[²³¹⁰⁴-⁹])?"
_FACTOR = rf"{_NAME}{_POWER}"
_PRODUCT = rf"{_FACTOR}(?:\s?[*·/ ]\s?{_FACTOR}){{0,7}}"
_LABEL = re.compile(rf"(?:1\s?/\s?)?(?:{_PRODUCT}|\({_PRODUCT}\))(?:\s?[*/]\s?(?:\({_PRODUCT}\)|{_FACTOR})){{0,3}}")
_LEVELS = re.compile(r"dB(m|W|V|mV|µV|uV|u|A|i|d|c|FS|SPL|Hz)?")
_COUNTS = frozenset({"", "1", "count", "counts", "dimensionless"})
_WORDS = {"Ohm": "ohm", "Ohms": "ohm", "°": "degree", "‰": "permille", "℃": "degC", "℉": "degF"}


class UnknownUnit(UsageError):
    """A label that names no unit."""

    code = "UNKNOWN_UNIT"


class DimensionMismatch(UsageError):
    """Two units that do not measure the same thing."""

    code = "DIMENSION_MISMATCH"


@dataclass(frozen=True, slots=True)
class Line:
    """``value * factor + offset``, exactly.

    >>> Line(Fraction(9, 5), Fraction(32))(100.0)
    212.0
    """

    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)

    def __call__(self, value: float) -> float:
        """Return where a value lands, as doubles compute it."""
        return value if self.is_identity else value * float(self.factor) + float(self.offset)

    @property
    def is_identity(self) -> bool:
        """Whether every value stays what it is."""
        return self.factor == 1 and self.offset == 0

    def then(self, following: "Line") -> "Line":
        """Return this line followed by another."""
        return Line(self.factor * following.factor, self.offset * following.factor + following.offset)


def is_count(label: str) -> bool:
    """Tell whether a label says that a plain number is meant."""
    return label.strip() in _COUNTS


@lru_cache(maxsize=4096)
def known(label: str) -> bool:
    """Tell whether a label names a unit.

    >>> known("mm/s^2"), known("%"), known("dBm"), known("kw"), known("9**9**9")
    (True, True, True, False, False)
    """
    label = label.strip()
    if is_count(label) or _LEVELS.fullmatch(label):
        return True
    try:
        _parsed(label)
    except UnknownUnit:
        return False
    return True


@lru_cache(maxsize=4096)
def line(source: str, target: str) -> Line:
    """Return the line from one unit to another.

    Temperatures are temperatures, with their zero; a difference of temperatures has a unit of its own (``delta_degC``), and
    neither becomes the other. Levels (``dB``, ``dBm``) stay what they are.

    >>> line("degF", "degC"), line("kW", "W").factor
    (Line(factor=Fraction(5, 9), offset=Fraction(-160, 9)), Fraction(1000, 1))

    Raises:
        UnknownUnit: one of them names no unit.
        DimensionMismatch: they do not measure the same thing.
    """
    source, target = source.strip(), target.strip()
    if source == target or (is_count(source) and is_count(target)):
        return Line()
    parsed: list[Any] = [None if _LEVELS.fullmatch(label) else _parsed(label) for label in (source, target)]
    if None in parsed or _base(parsed[0]) != _base(parsed[1]):
        raise DimensionMismatch(f"{source!r} and {target!r} do not measure the same thing")
    convert = _units().convert
    try:
        zero, one = (Fraction(convert(Fraction(number), parsed[0], parsed[1])) for number in (0, 1))
    except (TypeError, ValueError, ArithmeticError, AttributeError):
        raise DimensionMismatch(f"{source!r} cannot become {target!r}") from None
    return Line(one - zero, zero)


@cache
def _units() -> "pint.UnitRegistry[Any]":
    import pint

    return pint.UnitRegistry(non_int_type=Fraction, cache_folder=None)


@lru_cache(maxsize=4096)
def _parsed(label: str) -> Any:
    if is_count(label):
        return _units().parse_units("dimensionless")
    text = _WORDS.get(label, label)
    if len(label) <= MAX_LABEL and _LABEL.fullmatch(text):
        try:
            found = _units().parse_units(text)
            _units().get_root_units(found)
        except (AttributeError, TypeError, ValueError, KeyError, AssertionError, ArithmeticError, tokenize.TokenError):
            pass
        else:
            return found
    raise UnknownUnit(
        f"{label[:MAX_LABEL]!r} is no known unit",
        remedy="correct its spelling (kW, degC, mm/s), or say in the schema's unit_aliases what it stands for",
    )


def _base(unit: Any) -> frozenset[tuple[str, Any]]:
    """Return the units that a unit is made of in the end; counted things are numbers, turns and bits are not."""
    _, root = _units().get_root_units(unit)
    return frozenset((name, power) for name, power in root._units.items() if name != "count")
