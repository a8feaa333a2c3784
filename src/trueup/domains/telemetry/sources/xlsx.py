"""XLSX: a sheet of a workbook as a table, by the same rules as CSV; formulas count with the values that were stored."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from trueup.domains.telemetry.sources.cells import Cell
from trueup.domains.telemetry.sources.sheet import Reader, Row
from trueup.domains.telemetry.sources.spooled import Column, Spooled
from trueup.domains.telemetry.sources.workbook import open_workbook
from trueup.kernel.errors import UnreadableInput

_BATCH = 4096
_MAX_COLUMNS = 4096


@contextmanager
def read_xlsx(path: Path, *, named: str, scratch: Path, sheet: str = "") -> Iterator[Spooled]:
    """Spool a sheet column by column and open the spool.

    The first row that holds something is the header, unless it holds numbers alone. Rows without cells are skipped. Errors
    (``#N/A``) are set aside as ``text``, formulas without a stored value as ``no_stored_value``; a note gives their
    places. Of merged cells only the first has the value. Numbers shown as dates are moments without a zone.

    Args:
        path: the file.
        named: what errors call it.
        scratch: a folder of the caller's own.
        sheet: its name; without one, the first that is not hidden.

    Raises:
        UnreadableInput: it is damaged, protected, larger than is read, or has a cell beyond its header.
        UsageError: there is no such sheet.
    """
    with (scratch / "columns").open("w+b") as spool:
        with open_workbook(path, named=named) as workbook:
            chosen = workbook.sheet(sheet)
            reader = Reader(workbook, chosen, named=named)
            table = _Table(spool, f"{named}: sheet {chosen.name!r}")
            reader.read(table.row)
            columns = table.finish()
            others = len(workbook.sheets) - 1
        spool.flush()
        notes = []
        if others and not sheet:
            notes.append(f"{named}: the sheet {chosen.name!r} was read, not the {others} others (--sheet names one)")
        if table.numbered:
            notes.append(f"{named} has no header line: its columns are called column0 and so on")
        if reader.uncomputed.count:
            notes.append(f"{named}: formulas without a stored value: {reader.uncomputed}")
        if reader.errors.count:
            notes.append(f"{named}: cells that hold an error: {reader.errors}")
        if reader.merged.count:
            notes.append(f"{named}: only the first of merged cells has their value: {reader.merged}")
        yield Spooled(spool, columns, table.rows, notes=tuple(notes))


class _Block:
    """The cells of one column that are not in the spool yet; those that are not there are missing."""

    def __init__(self) -> None:
        self.values, self.kinds = array("d"), bytearray()

    def put(self, row: int, kind: Cell, value: float) -> None:
        """Take the cell of a row of the batch."""
        self.fill(row)
        self.values.append(value)
        self.kinds.append(kind)

    def fill(self, rows: int) -> None:
        """Let it have so many cells."""
        lacking = rows - len(self.kinds)
        if lacking > 0:
            self.values.extend((0.0,) * lacking)
            self.kinds.extend((Cell.MISSING,) * lacking)


class _Table:
    """Puts rows into columns."""

    def __init__(self, spool: IO[bytes], named: str) -> None:
        self._spool, self._named = spool, named
        self._names: dict[int, str] | None = None
        self._blocks: dict[int, _Block] = {}
        self._columns: dict[int, Column] = {}
        self.rows, self._first = 0, 0
        self.numbered = False

    def row(self, number: int, cells: Row) -> None:
        """Take a row; the first is the header."""
        filled = [cell for cell in cells if cell[1] is not Cell.MISSING]
        if not filled:
            return
        if self._names is None:
            self.numbered = all(kind is Cell.NUMBER for _, kind, _, _ in filled)
            self._names = self._header(number, filled)
            if not self.numbered:
                return
        at = self.rows - self._first
        for index, kind, value, _ in filled:
            block = self._blocks.get(index)
            if block is None:
                block = self._blocks[index] = self._known(number, index)
            block.put(at, kind, value)
        self.rows += 1
        if self.rows - self._first == _BATCH:
            self._flush()

    def _header(self, number: int, cells: Row) -> dict[int, str]:
        if len(cells) > _MAX_COLUMNS:
            raise UnreadableInput(f"{self._named}: has more than {_MAX_COLUMNS} columns", remedy="split it into several sheets")
        if self.numbered:
            return {index: f"column{index}" for index, _, _, _ in cells}
        names = {index: text.strip() or f"{value:g}" for index, _, value, text in cells}
        if len(set(names.values())) != len(names):
            double = next(name for name in names.values() if list(names.values()).count(name) > 1)
            raise UnreadableInput(
                f"{self._named}: row {number}: two columns are called {double!r}", remedy="give every column its own name"
            )
        return names

    def _known(self, number: int, index: int) -> _Block:
        """Return a place for a column that has a header, or stands between two that have."""
        names = self._names or {}
        if index > max(names):
            raise UnreadableInput(
                f"{self._named}: row {number}: has {index + 1} cells where the header has {max(names) + 1}",
                remedy="put the table alone on a sheet, under one row of headers",
            )
        names.setdefault(index, f"Unnamed: {index}")
        return _Block()

    def _flush(self) -> None:
        rows = self.rows - self._first
        for index, block in self._blocks.items():
            block.fill(rows)
            column = self._columns.setdefault(index, Column(first_row=self._first))
            column.append(self._spool, np.frombuffer(block.values, dtype=np.float64), np.frombuffer(block.kinds, dtype=np.uint8))
            self._blocks[index] = _Block()
        self._first = self.rows

    def finish(self) -> dict[str, Column]:
        """Return the columns by their names, in the order of the sheet."""
        self._flush()
        names = self._names or {}
        for index in names:
            self._columns.setdefault(index, Column(first_row=0))
        return {names[index]: self._columns[index] for index in sorted(names)}
