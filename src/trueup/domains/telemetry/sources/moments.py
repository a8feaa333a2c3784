"""Moments written as text: which writings are read, and what they are in microseconds since 1970. None is guessed.

Read is ISO 8601 with its date in full: ``2026-02-01``, ``2026-02-01T10:11:12.345678Z``, ``2026-02-01 10:11:12,5 +02:00``. A
text without a zone is taken for UTC, which is enough for the steps of a clock; of ``01/02/2026`` nobody can tell the month.
"""

import re
from datetime import date
from math import nan

from trueup.domains.telemetry.sources.session import literal

_DATE = r"[1-9]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_TIME = r"([01]\d|2[0-3]):[0-5]\d(:([0-5]\d|60)([.,]\d{1,9})?)?"
_ZONE = r" ?([Zz]|UTC|GMT|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)"
PLAIN = rf"{_DATE}([Tt ]{_TIME})?"
"""A moment that names no zone."""
ZONED = rf"{_DATE}[Tt ]{_TIME}{_ZONE}"
"""A moment that names its zone."""
UNGUESSED = r"(\d\d?[/.-]\d\d?[/.-]\d{4}|\d{4}[/.]\d\d?[/.]\d\d?|\d\d?/\d\d?/\d\d)([ T,].*)?"
"""A date whose day and month could be either."""
UNREAD = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?|\d\d?:\d\d:\d\d.*"
"""A time of day without a date, or a date with something else behind it."""
_PARTS = re.compile(r"(.{10})(?:.(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)? ?(?:[A-Za-z]+|([+-])(\d\d):?(\d\d)?)?", re.ASCII)
_EPOCH = date(1970, 1, 1).toordinal()


def micros(text: str) -> float:
    """Return a text that is ``PLAIN`` or ``ZONED`` in microseconds since 1970; NaN where the calendar has no such day.

    A leap second is the midnight that follows it, as POSIX has it: a clock never falls over one.

    >>> micros("1970-01-01T00:00:01.5Z"), micros("2016-12-31T23:59:60.7Z") == micros("2017-01-01")
    (1500000.0, True)
    """
    found = _PARTS.fullmatch(text)
    if found is None:
        return nan
    day, hour, minute, second, fraction, sign, east, past = found.groups()
    try:
        days = date.fromisoformat(day).toordinal() - _EPOCH
    except ValueError:
        return nan
    offset = (int(east or 0) * 60 + int(past or 0)) * (-1 if sign == "-" else 1)
    whole = 1_000_000 * (((days * 24 + int(hour or 0)) * 60 + int(minute or 0) - offset) * 60 + int(second or 0))
    return float(whole) if second == "60" or not fraction else whole + int(fraction.ljust(9, "0")) / 1000


def micros_sql(text: str) -> str:
    """Return the SQL of ``micros`` of a trimmed text; null of one that is no moment."""
    hour, minute = (f"coalesce(try_cast(nullif(substr({text}, {start}, 2), '') as bigint), 0)" for start in (12, 15))
    second = f"(case when substr({text}, 17, 1) = ':' then cast(substr({text}, 18, 2) as bigint) else 0 end)"
    digits = f"regexp_extract(substr({text}, 20), '^[.,](\\d+)', 1)"
    fraction = f"(case when {second} = 60 or {digits} = '' then 0 else cast(rpad({digits}, 9, '0') as bigint) / 1000 end)"
    sign, east, past = (rf"regexp_extract(substr({text}, 17), '([+-])(\d\d):?(\d\d)?$', {group})" for group in (1, 2, 3))
    offset = " + ".join(
        f"coalesce(try_cast(nullif({part}, '') as bigint), 0) * {minutes}" for part, minutes in ((east, 60), (past, 1))
    )
    shift = f"(case when {sign} = '-' then -1 else 1 end) * ({offset})"
    value = (
        f"cast(epoch_us(try_cast(substr({text}, 1, 10) as timestamp)) + "
        f"((({hour}) * 60 + {minute} - {shift}) * 60 + {second}) * 1000000 as double) + {fraction}"
    )
    return f"case when regexp_full_match({text}, {literal(f'{PLAIN}|{ZONED}')}) then {value} end"
