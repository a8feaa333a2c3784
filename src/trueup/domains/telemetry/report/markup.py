"""HTML that is escaped by construction: text is text unless it was built here."""

import html
import math
from collections.abc import Iterable
from typing import Any


class Safe(str):
    """Markup that was built by ``tag`` and needs no escaping."""

    __slots__ = ()

    def __html__(self) -> str:
        """Return it as templates take what is escaped already."""
        return str(self)


type Node = str | Safe | Iterable["Node"] | None

_VOID = frozenset({"meta", "br", "line", "path", "rect", "circle"})
_PRINTABLE = {code: None for code in range(32) if code not in {9, 10, 13}}


def text(value: str) -> Safe:
    """Escape a text; control characters, which no page may hold, are left out."""
    return value if isinstance(value, Safe) else Safe(html.escape(value.translate(_PRINTABLE), quote=True))


def join(*nodes: Node) -> Safe:
    """Put nodes one after the other."""
    parts: list[str] = []
    for node in nodes:
        if node is None:
            continue
        parts.append(text(node) if isinstance(node, str) else join(*node))
    return Safe("".join(parts))


def tag(name: str, /, *children: Node, **attributes: str | float | None) -> Safe:
    """Build an element. A trailing underscore of an attribute is dropped, others become hyphens; None leaves it out.

    >>> tag("p", "a < b", class_="x")
    '<p class="x">a &lt; b</p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(number(value) if isinstance(value, float) else str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID and not children:
        return Safe(f"<{name}{written}/>" if name not in {"meta", "br"} else f"<{name}{written}>")
    return Safe(f"<{name}{written}>{join(*children)}</{name}>")


def number(value: float) -> str:
    """Write a coordinate: two decimals, no more zeros than needed."""
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"


_GROUPED_FROM, _GROUPED_TO, _SMALLEST = 1e4, 1e12, 1e-4


def figure(value: Any) -> str:
    """Write a number for a reader: four significant digits, grouped thousands, a true minus sign.

    >>> [figure(value) for value in (12.34567, 1234567.8, 1e-9, -3, 0.0, None, True)]
    ['12.35', '1,234,568', '1.000e-9', '−3', '0', '–', 'true']
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, int | float):
        return str(value)
    size = abs(value)
    if isinstance(value, int) and size < _GROUPED_TO:
        written = f"{value:,}"
    elif not math.isfinite(value):
        written = str(float(value))
    elif value and not _SMALLEST <= size < _GROUPED_TO:
        mantissa, exponent = f"{value:.3e}".split("e")
        written = f"{mantissa}e{int(exponent)}"
    elif size >= _GROUPED_FROM:
        written = f"{value:,.0f}"
    else:
        written = f"{value:.4g}"
    return written.replace("-", "−") if "e" not in written else ("−" + written[1:] if written.startswith("-") else written)


def compact(value: Any) -> str:
    """Write a number as ``figure`` does, from a million on with a decimal suffix after a no-break space.

    >>> [compact(value).split() for value in (24_894_380_442, -1.5e6, 999_999, None)]
    [['24.89', 'G'], ['−1.5', 'M'], ['999,999'], ['–']]
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and _MILLION <= abs(value) < _GROUPED_TO * 1e3:
        factor, suffix = next((one, mark) for one, mark in _SUFFIXES if abs(value) >= one)
        return f"{value / factor:.4g}\u00a0{suffix}".replace("-", "−")
    return figure(value)


_MILLION = 1e6
_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def short(value: float) -> str:
    """Write an axis label: three significant digits with a decimal suffix.

    >>> [short(value) for value in (930344517.0, 12.5, -1500.0, 0.0, 1e-7, 5e15)]
    ['930M', '12.5', '−1.5k', '0', '1e-7', '5e15']
    """
    size = abs(value)
    if value and not 1e-3 <= size < 1e15:
        mantissa, exponent = f"{value:.2e}".split("e")
        written = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    else:
        factor, suffix = next(((one, mark) for one, mark in _SUFFIXES if size >= one), (1.0, ""))
        digits = f"{value / factor:.3g}"
        written = (f"{value / factor:.0f}" if "e" in digits else digits) + suffix
    return "−" + written[1:] if written.startswith("-") else written
