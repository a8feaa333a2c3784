"""The cells of a sheet, row by row as they stand in the file, in flat memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.parsers.expat import XMLParserType

from trueup.domains.telemetry.sources.cells import Cell, text_cell
from trueup.domains.telemetry.sources.workbook import Attributes, Sheet, Workbook, feed, parser_of
from trueup.kernel.errors import UnreadableInput

_ROWS, _COLUMNS = 1_048_576, 16_384
_COLUMN = re.compile(r"[A-Z]{1,3}")
_LETTERS = str.maketrans("", "", "0123456789")
_FIRST_DAY = 61.0  # the first of March 1900: before it, a spreadsheet's days are not the calendar's
_EPOCH_DAY, _DAYS_TO_1904 = 25_569, 1_462.0
_TENTHS = 8_640_000_000  # of a day, each of ten microseconds: what is left of a moment in the 15 digits that are stored
_KEPT_PLACES = 3

type Row = list[tuple[int, Cell, float, str]]
"""The cells of a row that are there: column (from 0), kind, value, and the text of one that is no number."""


@dataclass(slots=True)
class Places:
    """Cells of one sort: how many, and the first of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, place: str) -> None:
        """Count one."""
        self.count += 1
        if len(self.first) < _KEPT_PLACES:
            self.first.append(place)

    def __str__(self) -> str:
        more = self.count - len(self.first)
        return ", ".join(self.first) + (f" and {more:,} more" if more else "")


class Reader:
    """Reads a sheet once.

    Args:
        workbook: where it lies.
        sheet: which.
        named: how errors call the file.

    Attributes:
        uncomputed: formulas whose value was not stored.
        errors: cells that hold an error (``#N/A``).
        merged: ranges of merged cells.
    """

    def __init__(self, workbook: Workbook, sheet: Sheet, *, named: str) -> None:
        self._workbook, self._sheet, self._named = workbook, sheet, named
        self._texts = workbook.texts()
        self._dates = [str(style) for style, shown in enumerate(workbook.dates()) if shown]
        self._shift = _DAYS_TO_1904 if workbook.since_1904 else 0.0
        self._known: dict[str, int] = {}
        self.uncomputed, self.errors, self.merged = Places(), Places(), Places()
        self.row_number = 0

    def read(self, row: Callable[[int, Row], None]) -> None:
        """Call a function for every row that has cells, with its number (from 1).

        Raises:
            UnreadableInput: the sheet is not well formed; the message gives the row.
        """
        cells = _Cells(self, row, frozenset(self._dates))
        parser = parser_of(self._named)
        cells.listen_to(parser)
        with self._workbook.open(self._sheet.part) as stream:
            feed(parser, stream)

    def number(self, text: str | None) -> int:
        """Return the number of the next row, which says its own or none."""
        number = self.row_number + 1 if text is None else int(text) if text.isdecimal() and len(text) < 9 else 0
        if not self.row_number < number <= _ROWS:
            raise self._broken(f"row {text} follows row {self.row_number}")
        return number

    def column(self, place: str | None, last: int) -> int:
        """Return the column of the next cell of a row, from 0; it says its place or none."""
        if place is None:
            return last + 1
        letters = place.translate(_LETTERS)
        found = self._known.get(letters)
        if found is None:
            found = -1
            if _COLUMN.fullmatch(letters):
                for letter in letters:
                    found = (found + 1) * 26 + ord(letter) - ord("A")
            self._known[letters] = found
        if not last < found < _COLUMNS:
            raise self._broken(f"row {self.row_number}: the cell {place!r} is not where it may be")
        return found

    def _broken(self, words: str) -> UnreadableInput:
        return UnreadableInput(
            f"{self._named}: sheet {self._sheet.name!r}: {words}", remedy="open it in a spreadsheet program and save it again"
        )

    def cell(self, attributes: Attributes, text: str, *, formula: bool, dated: bool) -> tuple[Cell, float, str]:
        """Return a cell's kind, its value, and its text where it is none."""
        kind = attributes.get("t", "n")
        if kind == "n":
            if text:
                return self._from_number(text, dated=dated)
            if not formula:
                return Cell.MISSING, 0.0, ""
            self.uncomputed.add(self._place(attributes))
            return Cell.UNCOMPUTED, 0.0, ""
        if kind == "s":
            text = self._shared(text)
        elif kind == "b":
            return Cell.BOOLEAN, float(text.strip() in {"1", "true"}), text
        elif kind == "e":
            self.errors.add(f"{text} at {self._place(attributes)}")
            return Cell.TEXT, 0.0, text
        return (*text_cell(text), text)

    def _from_number(self, text: str, *, dated: bool) -> tuple[Cell, float, str]:
        try:
            value = float(text)
        except ValueError:
            return Cell.TEXT, 0.0, text
        if not dated:
            return (Cell.TEXT, 0.0, text) if "_" in text else (Cell.NUMBER, value, "")
        day = value + self._shift
        if not _FIRST_DAY <= day < 2_958_466:  # the end of the year 9999
            return Cell.UNREAD, 0.0, text
        return Cell.MOMENT, 10.0 * round((day - _EPOCH_DAY) * _TENTHS), text

    def _shared(self, text: str) -> str:
        if not (text.isdecimal() and len(text) < 10 and int(text) < len(self._texts)):
            raise self._broken(f"row {self.row_number}: refers to a text that is not there")
        return self._texts[int(text)]

    def _place(self, attributes: Attributes) -> str:
        return attributes.get("r", f"row {self.row_number}")


class _Cells:
    """Listens to a parser: elements become cells, and cells become rows.

    Args:
        reader: knows places, texts and styles.
        row: called with each row.
        dates: styles that show a number as a moment.
    """

    __slots__ = ("_attributes", "_cells", "_column", "_dates", "_formula", "_inside", "_pieces", "_reader", "_row", "_spoken")

    def __init__(self, reader: Reader, row: Callable[[int, Row], None], dates: frozenset[str]) -> None:
        self._reader, self._row, self._dates = reader, row, dates
        self._cells: Row = []
        self._attributes: Attributes = {}
        self._pieces: list[str] = []
        self._column = -1
        self._formula = self._inside = self._spoken = False

    def listen_to(self, parser: XMLParserType) -> None:
        """Begin with the first element, whose prefix is that of all."""

        def first(name: str, _: Attributes) -> None:
            prefix = name.removesuffix("worksheet")
            begins = {f"{prefix}{tag}": begin for tag, begin in self._begins().items()}
            ends = {f"{prefix}{tag}": end for tag, end in self._ends().items()}

            def start(name: str, attributes: Attributes) -> None:
                begin = begins.get(name)
                if begin is not None:
                    begin(attributes)

            def stop(name: str) -> None:
                end = ends.get(name)
                if end is not None:
                    end()

            parser.StartElementHandler, parser.EndElementHandler = start, stop

        parser.StartElementHandler = first
        parser.CharacterDataHandler = self._data

    def _begins(self) -> dict[str, Callable[[Attributes], None]]:
        return {
            "row": self._begin_row,
            "c": self._begin_cell,
            "f": self._begin_formula,
            "v": self._begin_text,
            "t": self._begin_text,
            "rPh": self._begin_spoken,
            "mergeCell": lambda attributes: self._reader.merged.add(attributes.get("ref", "")),
        }

    def _ends(self) -> dict[str, Callable[[], None]]:
        return {
            "row": self._end_row,
            "c": self._end_cell,
            "v": self._end_text,
            "t": self._end_text,
            "rPh": self._end_spoken,
        }

    def _begin_row(self, attributes: Attributes) -> None:
        self._reader.row_number = self._reader.number(attributes.get("r"))
        self._cells.clear()
        self._column = -1

    def _begin_cell(self, attributes: Attributes) -> None:
        self._attributes, self._formula = attributes, False
        self._column = self._reader.column(attributes.get("r"), self._column)
        self._pieces.clear()

    def _begin_formula(self, _: Attributes) -> None:
        self._formula = True

    def _begin_text(self, _: Attributes) -> None:
        self._inside = not self._spoken

    def _begin_spoken(self, _: Attributes) -> None:
        self._spoken = True

    def _data(self, data: str) -> None:
        if self._inside:
            self._pieces.append(data)

    def _end_text(self) -> None:
        self._inside = False

    def _end_spoken(self) -> None:
        self._spoken = False

    def _end_cell(self) -> None:
        attributes, pieces = self._attributes, self._pieces
        dated = attributes.get("s") in self._dates
        if len(pieces) == 1 and not dated and "t" not in attributes and pieces[0].isascii() and "_" not in pieces[0]:
            try:  # the common case, without a detour
                self._cells.append((self._column, Cell.NUMBER, float(pieces[0]), ""))
            except ValueError:
                pass
            else:
                return
        found = self._reader.cell(attributes, "".join(pieces), formula=self._formula, dated=dated)
        self._cells.append((self._column, *found))

    def _end_row(self) -> None:
        self._row(self._reader.row_number, self._cells)
