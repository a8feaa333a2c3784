"""Goes through a file of events line by line: what is a record is written out cleanly, what is not is set aside."""

import csv
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

MAX_LINE = 1 << 20
"""Bytes of the longest line that is read."""
_SPAN = 100  # physical lines of one record; a quote that is open for longer was never meant to open
_DEPTH = 16
_METRIC, _VALUE, _UNIT = ("metric", "name"), "value", ("unit", "units")
_TIMES = ("time", "timestamp", "ts", "device_time", "datetime")
_KEPT_APART = frozenset({"received", "sequence", "seq", "raw", "tags", "topic"})


class Texts(Protocol):
    """What a schema knows of topics and of lines of text."""

    def name_of(self, topic: str, metric: str) -> str:
        """Return what a value of a topic is called."""

    def read(self, texts: list[str]) -> list[list[tuple[str, str, str]]] | None:
        """Return the (metric, value, unit) that each text holds; None where no pattern is declared."""


class Rejected(NamedTuple):
    """A line, or a few, that is no record."""

    line: int
    last: int
    reason: str


@dataclass(slots=True)
class Lines:
    """Takes what is no record, in the order of the file.

    Args:
        path: where it is noted.
        damaged: the file was found to hold lines that are no records, or the fast reader to lose some.
        count: how many were taken.
    """

    path: Path
    damaged: bool = False
    count: int = 0
    _pending: list[Rejected] = field(default_factory=list)

    def take(self, line: int, last: int, why: str) -> None:
        """Set lines aside."""
        self._pending.append(Rejected(line, last, why))
        self.count += 1
        if len(self._pending) >= 10_000:
            self.flush()

    def flush(self) -> None:
        """Write down what was taken."""
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(f"{item.line},{item.last},{item.reason}\n" for item in self._pending)
        self._pending.clear()


@dataclass(slots=True)
class Counted:
    """What a file of JSON lines holds."""

    events: int = 0
    lines: int = 0
    timed: bool = False
    tagged: bool = False


class _Physical(NamedTuple):
    number: int
    text: str
    reason: str


def physical(stream: BinaryIO) -> Iterator[_Physical]:
    """Yield each physical line with its number and, where it is no text, the reason."""
    number = 0
    while data := stream.readline(MAX_LINE + 1):
        number += 1
        if len(data) > MAX_LINE:
            while data and not data.endswith(b"\n"):
                data = stream.readline(MAX_LINE)
            yield _Physical(number, "", "too_long")
            continue
        if number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in data:
            yield _Physical(number, "", "binary")
            continue
        try:
            yield _Physical(number, data.decode(), "")
        except UnicodeDecodeError:
            yield _Physical(number, "", "not_utf8")


def clean_csv(path: Path, target: Path, *, delimiter: str, width: int, lines: Lines) -> int:
    """Write every good record but the header as ``line,last,cells…``; return how many there are.

    A quote that does not end within 100 lines takes its own line with it and no more.
    """
    written, header = 0, True
    with path.open("rb") as stream, target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for first, last, text, unread in _records(physical(stream)):
            if not unread and not text.strip():
                continue
            cells, why = ([], unread) if unread else _cells(text, delimiter, width)
            if header:
                header = False
                continue
            if why:
                lines.take(first, last, why)
                continue
            writer.writerow((first, last, *cells))
            written += 1
    lines.flush()
    return written


def _records(found: Iterator[_Physical]) -> Iterator[tuple[int, int, str, str]]:
    """Join physical lines while a quote is open."""
    waiting: deque[_Physical] = deque()

    def following() -> _Physical | None:
        return waiting.popleft() if waiting else next(found, None)

    while (line := following()) is not None:
        if line.reason or line.text.count('"') % 2 == 0:
            yield line.number, line.number, line.text, line.reason
            continue
        held = [line]
        closed = False
        size = len(line.text)
        while len(held) < _SPAN and size <= MAX_LINE and (more := following()) is not None:
            held.append(more)
            size += len(more.text)
            if more.reason:
                break
            if more.text.count('"') % 2:
                closed = True
                break
        if closed:
            yield line.number, held[-1].number, "".join(part.text for part in held), ""
        else:
            waiting.extendleft(reversed(held[1:]))
            yield line.number, line.number, "", "quote"


def _cells(text: str, delimiter: str, width: int) -> tuple[list[str], str]:
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return [], "too_long" if "larger than field limit" in str(error) else "quote"
    cells = rows[0] if len(rows) == 1 else []
    if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
        cells = cells[:width]
    return (cells, "") if len(cells) == width else ([], "columns")


class _Out(NamedTuple):
    line: int
    time: str | None
    metric: str
    value: str
    unit: str
    tags: str | None
    wide: bool


def clean_json(path: Path, target: Path, *, texts: Texts, name_of: Callable[[str], tuple[str, str]], lines: Lines) -> Counted:
    """Write every value of a file of JSON lines as ``line,last,time,metric,value,unit,tags,wide``; count them."""
    counted = Counted()
    with path.open("rb") as stream, target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for batch in _batches(_objects(stream, lines, counted)):
            for out in _written(batch, texts, name_of, lines):
                counted.events += 1
                counted.timed = counted.timed or out.time is not None
                counted.tagged = counted.tagged or out.tags is not None
                writer.writerow(
                    (out.line, out.line, out.time, out.metric, out.value, out.unit, out.tags, "true" if out.wide else "false")
                )
    lines.flush()
    return counted


def _objects(stream: BinaryIO, lines: Lines, counted: Counted) -> Iterator[tuple[int, dict[str, Any]]]:
    for line in physical(stream):
        if not line.reason and not line.text.strip():
            continue
        counted.lines += 1
        body, why = (None, line.reason) if line.reason else _parsed(line.text)
        if why or not isinstance(body, dict):
            lines.take(line.number, line.number, why or "not_json")
        else:
            yield line.number, body


def _parsed(text: str) -> tuple[Any, str]:
    """Parse a line; numbers stay as they were written."""
    try:
        return json.loads(text, parse_float=_Number, parse_int=_Number, parse_constant=_Number), ""
    except (ValueError, RecursionError):
        return None, "not_json"


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _batches(items: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    batch: list[tuple[int, dict[str, Any]]] = []
    for item in items:
        batch.append(item)
        if len(batch) == 2000:
            yield batch
            batch = []
    if batch:
        yield batch


def _written(
    batch: list[tuple[int, dict[str, Any]]], texts: Texts, name_of: Callable[[str], tuple[str, str]], lines: Lines
) -> Iterator[_Out]:
    found = [out for number, body in batch for out in _values(number, body, texts, name_of)]
    spoken = [index for index, out in enumerate(found) if not out.wide and out.value and not _is_number(out.value)]
    read = texts.read([found[index].value for index in spoken]) if spoken else None
    held = dict(zip(spoken, read, strict=True)) if read is not None else {}
    for index, out in enumerate(found):
        if index not in held:
            yield out
        elif held[index]:
            yield from (out._replace(metric=metric, value=value, unit=unit) for metric, value, unit in held[index])
        else:
            lines.take(out.line, out.line, "no_pattern")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.strip().lower() in {"true", "false", "null", "na", "\\n"}
    return True


def _values(number: int, body: Mapping[str, Any], texts: Texts, name_of: Callable[[str], tuple[str, str]]) -> Iterator[_Out]:
    clock = next((name for name in _TIMES if name in body), "")
    time = _plain(body[clock]) if clock else None
    tags = body.get("tags")
    held = None if tags is None else tags if type(tags) is str else json.dumps(tags, ensure_ascii=False, sort_keys=True)
    topic = body.get("topic")
    topic = topic if isinstance(topic, str) else ""
    if _VALUE in body:
        name = next((body[key] for key in _METRIC if isinstance(body.get(key), str)), "") or topic
        unit = next((body[key] for key in _UNIT if isinstance(body.get(key), str)), "")
        yield _Out(
            number, time, _one_line(texts.name_of(topic, name) if topic else name), _plain(body[_VALUE]), unit, held, wide=False
        )
        return
    rest = {name: value for name, value in body.items() if name != clock and name not in _KEPT_APART}
    for key, value in _flat(rest, "", 0):
        name, unit = name_of(texts.name_of(topic, key) if topic else key)
        yield _Out(number, time, _one_line(name), _plain(value), unit, held, wide=True)


def _one_line(name: str) -> str:
    """Keep a name that cannot stand in a text file as one that is refused for what it is."""
    return name.replace("\0", "\x01").encode("utf-8", "backslashreplace").decode()


def _flat(body: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in body.items():
        if isinstance(value, dict) and depth < _DEPTH:
            yield from _flat(value, f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}", value


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=True)
