"""Cells of a CSV file that a spreadsheet shows as they are, and never runs.

References:
    RFC 4180; OWASP, "CSV Injection".
"""

import re

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def cell(value: object) -> str:
    """Return a value as the text of a cell; what a spreadsheet would take for a formula begins with an apostrophe.

    >>> cell("=1+1"), cell(-3), cell("-3.5"), cell("-x")
    ("'=1+1", '-3', '-3.5', "'-x")
    """
    text = "" if value is None else str(value)
    harmless = not text.lstrip(" ").startswith(_DANGEROUS) or _NUMBER.fullmatch(text)
    return text if harmless else f"'{text}"


def line(values: "list[object]") -> str:
    """Return one record: every cell quoted, ended by CRLF."""
    return ",".join('"{}"'.format(cell(value).replace('"', '""')) for value in values) + "\r\n"
