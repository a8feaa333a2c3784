"""Workbooks (XLSX, ECMA-376): the package, its sheets, texts and styles, with a bound on everything that is unpacked."""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.parsers import expat

from trueup.kernel.errors import UnreadableInput, UsageError

SAVE_REMEDY = "open it in a spreadsheet program and save it as .xlsx, without a password, or export the sheet as CSV"
_DIRECTORY_BYTES = 4 << 20
_SMALL, _TEXTS, _SHEET = 8 << 20, 128 << 20, 2 << 30
_PIECE = 1 << 16
_TEXT_COUNT = 2_000_000
_RATIO, _RATIO_FROM = 200, 64 << 20
_END = b"PK\x05\x06"
_PACKED = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_DATES = frozenset([*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)])
"""Built-in number formats that show a moment (ECMA-376 part 1, 18.8.30); 46 is a span of hours."""
_NOT_SHOWN = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!(?:h+|m+|s+)\])[^\]]*\]', re.IGNORECASE)
_SPAN = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)

type Attributes = dict[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of a workbook.

    Args:
        name: on its tab.
        part: where it lies in the package.
        hidden: nobody sees it who opens the workbook.
    """

    name: str
    part: str
    hidden: bool


class Workbook:
    """An open workbook.

    Args:
        package: the ZIP file.
        named: how errors call it.

    Raises:
        UnreadableInput: it is no workbook, or one that is not read.
    """

    def __init__(self, package: zipfile.ZipFile, named: str) -> None:
        self._package, self._named = package, named
        self._parts = {info.filename.lstrip("/"): info for info in package.infolist()}
        if any(info.flag_bits & 1 for info in self._parts.values()):
            raise _protected(named)
        self.part = next((part for part in self._targets("").values() if part.endswith("workbook.xml")), "")
        if self.part not in self._parts:
            what = "a binary or foreign workbook" if any("workbook" in part for part in self._parts) else "no workbook"
            raise UnreadableInput(f"{named}: is a ZIP archive and {what}, not an .xlsx workbook", remedy=SAVE_REMEDY)
        self.since_1904 = False
        self.sheets: tuple[Sheet, ...] = tuple(self._sheets())

    def _targets(self, part: str) -> dict[str, str]:
        """Return the parts that a part relates to, by the ids of the relations."""
        folder, name = posixpath.split(part)
        found: dict[str, str] = {}

        def relation(tag: str, attributes: Attributes) -> None:
            if tag == "Relationship" and attributes.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", "")))
                found[attributes.get("Id", "")] = target.lstrip("/")

        related = posixpath.join(folder, "_rels", f"{name}.rels")
        if related in self._parts:
            self.parse(related, relation, limit=_SMALL)
        return found

    def _sheets(self) -> Iterator[Sheet]:
        targets, listed = self._targets(self.part), []

        def element(tag: str, attributes: Attributes) -> None:
            if tag == "workbookPr":
                self.since_1904 = attributes.get("date1904") in {"1", "true"}
            elif tag == "sheet":
                id = next((value for name, value in attributes.items() if name.rpartition(" ")[2] == "id"), "")
                listed.append((attributes.get("name", ""), targets.get(id, ""), attributes.get("state", "visible") != "visible"))

        self.parse(self.part, element, limit=_SMALL)
        for name, part, hidden in listed:
            if "worksheets/" in part and part in self._parts:
                yield Sheet(name, part, hidden)

    def sheet(self, name: str) -> Sheet:
        """Return the sheet of a name; without one, the first that is not hidden.

        Raises:
            UsageError: there is no sheet of that name.
            UnreadableInput: there is no sheet with cells at all.
        """
        if not self.sheets:
            raise UnreadableInput(f"{self._named}: has no sheet with cells", remedy=SAVE_REMEDY)
        if not name:
            return next((sheet for sheet in self.sheets if not sheet.hidden), self.sheets[0])
        found = next((sheet for sheet in self.sheets if sheet.name == name), None)
        if found is None:
            there = ", ".join(repr(sheet.name) for sheet in self.sheets[:20])
            raise UsageError(f"{self._named}: has no sheet called {name!r}", remedy=f"name one of {there}")
        return found

    def open(self, part: str, *, limit: int = _SHEET) -> IO[bytes]:
        """Open a part.

        Raises:
            UnreadableInput: unpacked it is larger than allowed, or it is packed in a way that is not read.
        """
        info = self._parts[part]
        if info.compress_type not in _PACKED:
            raise UnreadableInput(f"{self._named}: is packed in a way that is not read", remedy=SAVE_REMEDY)
        swollen = info.file_size > _RATIO_FROM and info.file_size > _RATIO * max(1, info.compress_size)
        if info.file_size > limit or swollen:
            raise UnreadableInput(
                f"{self._named}: {part} becomes {info.file_size >> 20} MiB when it is unpacked, more than is read",
                remedy="export the sheet as CSV or Parquet",
            )
        return self._package.open(info)

    def parse(self, part: str, element: Callable[[str, Attributes], None], *, limit: int) -> None:
        """Call a function for every element of a small part, by its local name."""
        parser = parser_of(self._named, namespaces=True)
        parser.StartElementHandler = lambda name, attributes: element(name.rpartition(" ")[2], attributes)
        with self.open(part, limit=limit) as stream:
            feed(parser, stream)

    def texts(self) -> list[str]:
        """Return the shared texts."""
        part = next((part for part in self._targets(self.part).values() if part.endswith("sharedStrings.xml")), "")
        if part not in self._parts:
            return []
        texts: list[str] = []
        pieces: list[str] = []
        inside = spoken = False

        def start(name: str, _: Attributes) -> None:
            nonlocal inside, spoken
            name = name.rpartition(" ")[2]
            inside = name == "t" and not spoken
            spoken = spoken or name == "rPh"

        def end(name: str) -> None:
            nonlocal inside, spoken
            name = name.rpartition(" ")[2]
            inside = False
            if name == "rPh":
                spoken = False
            elif name == "si":
                texts.append("".join(pieces))
                pieces.clear()
                if len(texts) > _TEXT_COUNT:
                    raise UnreadableInput(f"{self._named}: holds more texts than are read", remedy="export the sheet as CSV")

        parser = parser_of(self._named, namespaces=True)
        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler = lambda data: pieces.append(data) if inside else None
        with self.open(part, limit=_TEXTS) as stream:
            feed(parser, stream)
        return texts

    def dates(self) -> list[bool]:
        """Return for each style of a cell whether it shows a number as a moment."""
        part = next((part for part in self._targets(self.part).values() if part.endswith("styles.xml")), "")
        if part not in self._parts:
            return []
        codes: dict[int, bool] = {}
        styles: list[bool] = []
        inside = False

        def element(tag: str, attributes: Attributes) -> None:
            nonlocal inside
            if tag == "numFmt":
                codes[_number(attributes, "numFmtId")] = shows_moment(attributes.get("formatCode", ""))
            elif tag == "xf" and inside:
                id = _number(attributes, "numFmtId")
                styles.append(codes.get(id, id in _DATES))
            else:
                inside = tag == "cellXfs" or (inside and tag in {"alignment", "protection"})

        self.parse(part, element, limit=_SMALL)
        return styles


def _number(attributes: Mapping[str, str], name: str) -> int:
    text = attributes.get(name, "0")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def shows_moment(code: str) -> bool:
    """Tell whether a number format shows a date or a time of day; a span such as ``[h]:mm`` is a number.

    >>> [shows_moment(code) for code in ("yyyy-mm-dd", "0.00", '0.0" days"', "[Red]0", "[h]:mm:ss", "hh:mm:ss.0")]
    [True, False, False, False, False, True]
    """
    shown = _NOT_SHOWN.sub("", code).partition(";")[0]
    return not _SPAN.search(shown) and any(letter in "ymdhs" for letter in shown.lower() if shown.lower() != "general")


def parser_of(named: str, *, namespaces: bool = False) -> expat.XMLParserType:
    """Return a parser that refuses document type declarations, and so entities of any kind."""

    def refused(*_: object) -> None:
        raise UnreadableInput(f"{named}: declares a document type, which no spreadsheet program does", remedy=SAVE_REMEDY)

    parser = expat.ParserCreate(namespace_separator=" " if namespaces else None)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refused
    return parser


def feed(parser: expat.XMLParserType, stream: IO[bytes]) -> None:
    """Parse a part, in pieces larger than the parser would take by itself."""
    while piece := stream.read(_PIECE):
        parser.Parse(piece, False)  # noqa: FBT003 - expat's own signature
    parser.Parse(b"", True)  # noqa: FBT003


@contextmanager
def open_workbook(path: Path, *, named: str) -> Iterator[Workbook]:
    """Open a workbook for the time of a ``with`` block.

    Raises:
        UnreadableInput: it is none, is damaged, protected by a password, or unpacks to more than is read.
    """
    _check_directory(path, named)
    try:
        with zipfile.ZipFile(path) as package:
            yield Workbook(package, named)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        raise UnreadableInput(f"{named}: is a damaged workbook or ZIP archive", remedy=SAVE_REMEDY) from None
    except expat.ExpatError as error:
        raise UnreadableInput(f"{named}: is a damaged workbook ({error})", remedy=SAVE_REMEDY) from None


def _check_directory(path: Path, named: str) -> None:
    """Refuse a package whose list of parts is so long that reading the list alone would fill the memory."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - (1 << 16) - 64))
        tail = stream.read()
    at = tail.rfind(_END)
    record = tail[at : at + 22]
    if at < 0 or len(record) < 22:
        raise UnreadableInput(f"{named}: is a damaged workbook or ZIP archive", remedy=SAVE_REMEDY)
    if b"PK\x06\x07" in tail[max(0, at - 20) : at] or int.from_bytes(record[12:16], "little") > _DIRECTORY_BYTES:
        raise UnreadableInput(f"{named}: is a ZIP archive of too many or too large parts", remedy=SAVE_REMEDY)


def _protected(named: str) -> UnreadableInput:
    return UnreadableInput(
        f"{named}: is protected by a password", remedy="save it without a password, or export the sheet as CSV"
    )


def refused_compound(path: Path, named: str) -> UnreadableInput:
    """Return why an OLE compound file is not read: encrypted workbooks come as one, and so do those before 2007."""
    with path.open("rb") as stream:
        encrypted = "EncryptedPackage".encode("utf-16-le") in stream.read(1 << 20)
        if not encrypted:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - (1 << 20)))
            encrypted = "EncryptedPackage".encode("utf-16-le") in stream.read()
    if encrypted:
        return _protected(named)
    return UnreadableInput(f"{named}: is an old spreadsheet (.xls), not a table that is read", remedy=SAVE_REMEDY)
