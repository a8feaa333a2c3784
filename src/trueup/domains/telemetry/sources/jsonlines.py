"""JSON lines: one object a line, read with the standard library so that every rule and every line number is ours."""

import json
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from trueup.domains.telemetry.sources.cells import Cell, text_cell
from trueup.domains.telemetry.sources.spooled import Column, Spooled
from trueup.kernel.errors import UnreadableInput

_BATCH = 4096
_MAX_LINE = 16 << 20
_MAX_COLUMNS = 4096
_REMEDY = "write one JSON object a line, with every key once"


@contextmanager
def read_json_lines(path: Path, *, named: str, scratch: Path) -> Iterator[Spooled]:
    """Spool a JSON-lines file column by column and open the spool.

    Objects are flattened one level deep (``cpu.user``); what is nested deeper, and lists, are excluded. Numbers written
    as strings are numbers.

    Args:
        path: the file.
        named: what errors call it.
        scratch: a folder of the caller's own.

    Raises:
        UnreadableInput: a line is not a JSON object, or names a key twice; the message gives the line.
    """
    columns: dict[str, Column] = {}
    rows = 0
    with (scratch / "columns").open("w+b") as spool:
        for batch in _batches(path, named):
            _store(spool, columns, batch, rows, named)
            rows += len(batch)
        spool.flush()
        yield Spooled(spool, columns, rows)


def _batches(path: Path, named: str) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(_MAX_LINE + 1):
            number += 1
            if len(line) > _MAX_LINE:
                raise UnreadableInput(f"{named}: line {number}: is longer than {_MAX_LINE >> 20} MiB", remedy=_REMEDY)
            if record := _record(line, number, named):
                batch.append(record)
            elif record is not None:
                batch.append({})
            if len(batch) == _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        keys = [key for key, _ in pairs]
        raise KeyError(next(key for key in keys if keys.count(key) > 1))
    return record


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def _record(line: bytes, number: int, named: str) -> dict[str, Any] | None:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        if not text:
            return None
        record = _DECODER.decode(text)
    except UnicodeDecodeError:
        raise UnreadableInput(f"{named}: line {number}: is not UTF-8 text", remedy="export it as UTF-8") from None
    except KeyError as error:
        raise UnreadableInput(f"{named}: line {number}: names the key {error.args[0]!r} twice", remedy=_REMEDY) from None
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        reason = getattr(error, "msg", "nested too deeply or a number too long")
        raise UnreadableInput(f"{named}: line {number}: is not JSON ({reason})", remedy=_REMEDY) from None
    if not isinstance(record, dict):
        what = {list: "a list", str: "a string", type(None): "null"}.get(type(record), "a bare value")
        raise UnreadableInput(f"{named}: line {number}: is {what}, not an object", remedy=_REMEDY)
    return record


def _store(spool: IO[bytes], columns: dict[str, Column], batch: list[dict[str, Any]], first: int, named: str) -> None:
    names = dict.fromkeys(chain.from_iterable(batch))
    if len(columns.keys() | names.keys()) > _MAX_COLUMNS:
        raise _too_many_keys(named)
    flat: dict[str, list[Any]] = {}
    for name in names:
        cells = [record.get(name) for record in batch]
        parts = _flattened(name, cells) if dict in set(map(type, cells)) else {name: cells}
        for part, values in parts.items():
            if part in flat:
                raise UnreadableInput(
                    f"{named}: two columns are called {part!r} once objects are flattened", remedy="rename one of the keys"
                )
            flat[part] = values
    if len(columns.keys() | flat.keys()) > _MAX_COLUMNS:
        raise _too_many_keys(named)
    for name in chain(flat, [known for known in columns if known not in flat]):
        column = columns.setdefault(name, Column(first_row=first))
        column.append(spool, *_typed(flat.get(name, [None] * len(batch))))


def _too_many_keys(named: str) -> UnreadableInput:
    return UnreadableInput(f"{named}: has more than {_MAX_COLUMNS} different keys", remedy="move varying keys into values")


def _flattened(name: str, cells: Sequence[Any]) -> dict[str, list[Any]]:
    parts: dict[str, list[Any]] = {}
    plain = [None if isinstance(cell, dict) else cell for cell in cells]
    if any(cell is not None for cell in plain):
        parts[name] = plain
    inner = dict.fromkeys(chain.from_iterable(cell for cell in cells if isinstance(cell, dict)))
    for key in inner:
        parts[f"{name}.{key}"] = [cell.get(key) if isinstance(cell, dict) else None for cell in cells]
    return parts


def _typed(cells: list[Any]) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    if set(map(type, cells)) <= {int, float}:
        try:
            return np.array(cells, dtype=np.float64), np.zeros(len(cells), dtype=np.uint8)
        except OverflowError:
            pass  # an integer beyond every double: cell by cell below
    values, kinds = array("d"), bytearray()
    for cell in cells:
        kind, value = _typed_cell(cell)
        kinds.append(kind)
        values.append(value)
    return np.frombuffer(values, dtype=np.float64), np.frombuffer(kinds, dtype=np.uint8)


def _typed_cell(cell: Any) -> tuple[Cell, float]:
    if cell is None:
        return Cell.MISSING, 0.0
    if isinstance(cell, bool):
        return Cell.BOOLEAN, float(cell)
    if isinstance(cell, int | float):
        try:
            return Cell.NUMBER, float(cell)
        except OverflowError:
            return Cell.NUMBER, float("inf")
    if isinstance(cell, str):
        return text_cell(cell)
    return Cell.NESTED, 0.0
