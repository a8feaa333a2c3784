"""Syslog messages, of RFC 5424, of RFC 3164, or neither. Pure: one message in, its parts out.

References:
    RFC 5424, section 6 (ABNF); RFC 3164, sections 4.1 and 5.4; the form of local sockets and log files, which leave out the
    host name or the priority.
"""

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple

from trueup.domains.telemetry.sources.live.event import micros

BOM = "\ufeff"
NIL = "-"
_SD_PARAM = r' [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\.)*+"'
_RFC5424 = re.compile(
    r"<(?P<pri>0|[1-9]\d{0,2})>1 (?P<time>-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) "
    r"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<proc>[!-~]{1,128}) (?P<id>[!-~]{1,32}) "
    rf"(?P<data>-|(?:\[[!#-<>-\\^-~]{{1,32}}(?:{_SD_PARAM})*+\])++)(?: (?P<text>.*))?",
    re.DOTALL | re.ASCII,
)
_RFC3164 = re.compile(
    r"(?:<(?P<pri>0|[1-9]\d{0,2})>)?"
    r"(?:(?P<day>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-3]?\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)"
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d))) "
    r"(?:(?P<host>[^\s\[\]]*[^\s\[\]:]) )?"
    r"(?:(?P<app>[^\s:\[\]]{1,128}+)(?:\[(?P<proc>[^\[\]\s]{0,128}+)\]:?|:) ?)?"
    r"(?P<text>.*)",
    re.DOTALL | re.ASCII,
)
_DATA = re.compile(r'\[([^ \]]+)((?: [^=]+="(?:[^"\\\]]|\\.)*+")*+)\]', re.DOTALL)
_PARAM = re.compile(r' ([^=]+)="((?:[^"\\\]]|\\.)*+)"', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\\]])')
_MONTHS = {
    name: number
    for number, name in enumerate(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], start=1)
}


class Message(NamedTuple):
    """One syslog message.

    Args:
        grammar: which one it fits; ``raw`` for none, and then only ``text`` is known.
        text: the message proper.
        facility: 0 (kernel) … 23; None where it has no priority.
        severity: 0 (emergency) … 7 (debug).
        time: epoch microseconds by the sender; None where it names none.
        host: as named; empty where it is not.
        app: the program, without its process id.
        process: id of the process, as written.
        id: type of message (RFC 5424).
        data: structured data as written (RFC 5424).
    """

    grammar: Literal["rfc5424", "rfc3164", "raw"]
    text: str
    facility: int | None = None
    severity: int | None = None
    time: int | None = None
    host: str = ""
    app: str = ""
    process: str = ""
    id: str = ""
    data: str = ""


def parse(line: bytes, received: int, *, zone: tzinfo = UTC) -> Message:
    """Return the parts of a message; one that fits no grammar is ``raw``, whole.

    Args:
        line: without its frame.
        received: epoch microseconds; says the year that RFC 3164 leaves out.
        zone: of senders that name none (RFC 3164).
    """
    text = line.decode("utf-8", "backslashreplace")
    found = _RFC5424.fullmatch(text)
    if found is not None:
        made = _modern(found)
    else:
        found = _RFC3164.fullmatch(text)
        made = None if found is None else _old(found, received, zone)
    return made or Message("raw", text)


def _modern(found: re.Match[str]) -> Message | None:
    pri, time, host, app, process, id, data, text = found.groups()
    number = int(pri)
    if number > 191:
        return None
    at = None
    if time != NIL:
        at = _iso(time)
        if at is None:
            return None
    text = text or ""
    return Message(
        "rfc5424",
        text.removeprefix(BOM),
        number >> 3,
        number & 7,
        at,
        _present(host),
        _present(app),
        _present(process),
        _present(id),
        _present(data),
    )


def _present(part: str) -> str:
    return "" if part == NIL else part


def _old(found: re.Match[str], received: int, zone: tzinfo) -> Message | None:
    pri, day, time, host, app, process, text = found.groups()
    number = None if pri is None else int(pri)
    if number is not None and number > 191:
        return None
    at = _iso(time) if day is None else _dated(day, received // _HALF_DAY, zone)
    if at is None:
        return None
    if not pri and not host and not app:
        return None
    return Message(
        "rfc3164",
        text,
        None if number is None else number >> 3,
        None if number is None else number & 7,
        at,
        host or "",
        app or "",
        process or "",
    )


@lru_cache(maxsize=4096)
def _iso(text: str) -> int | None:
    try:
        return micros(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


_HALF_DAY = 43_200_000_000


@lru_cache(maxsize=4096)
def _dated(text: str, half_day: int, zone: tzinfo) -> int | None:
    """Return the moment of a date without a year: the one that is nearest to its receipt, so that New Year is crossed right."""
    received = half_day * _HALF_DAY
    this = datetime.fromtimestamp(received // 1_000_000, zone).year
    clock = text[-8:] if "." not in text else text.rsplit(maxsplit=1)[-1]
    found = []
    for year in (this - 1, this, this + 1):
        try:
            day = datetime.fromisoformat(f"{year:04d}-{_MONTHS[text[:3]]:02d}-{int(text[4:6]):02d}T{clock}")
            found.append(micros(day.replace(tzinfo=zone)))
        except (ValueError, OverflowError):
            continue
    return min(found, key=lambda at: abs(at - received), default=None)


def structured(data: str) -> dict[str, list[tuple[str, str]]]:
    r"""Return the elements of structured data: id to its parameters in their order, escapes undone.

    >>> structured('[origin@0 ip="192.0.2.1"][x k="a\\]b"]')
    {'origin@0': [('ip', '192.0.2.1')], 'x': [('k', 'a]b')]}
    """
    return {
        element[1]: [(name, _ESCAPED.sub(r"\1", value)) for name, value in _PARAM.findall(element[2])]
        for element in _DATA.finditer(data)
    }
