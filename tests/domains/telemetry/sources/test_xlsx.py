"""Sheets of workbooks are tables by the rules of CSV; what cannot be read is refused, whatever it would unpack to."""

import datetime as dt
import os
import zipfile
from contextlib import suppress

import numpy as np
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup.domains.telemetry.engine.table import clock_of
from trueup.domains.telemetry.sources.tabular import open_table
from trueup.domains.telemetry.sources.workbook import shows_moment
from trueup.kernel.errors import StorageFull, UnreadableInput, UsageError

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'


def relation(id, kind, target):
    return f'<Relationship Id="{id}" Type="{RELATION}/{kind}" Target="{target}"/>'


def package(path, rows, *, after="", texts=None, prefix="", parts=None, packing=zipfile.ZIP_DEFLATED):
    """Write a workbook of one sheet from the XML of its rows."""
    x = f"{prefix}:" if prefix else ""
    space = f'xmlns:{prefix}="{MAIN}"' if prefix else f'xmlns="{MAIN}"'
    listed = relation("r1", "worksheet", "worksheets/sheet1.xml")
    found = {
        "_rels/.rels": RELATIONS.format(relation("r1", "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATION}"><sheets><sheet name="data" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/worksheets/sheet1.xml": f"<{x}worksheet {space}><{x}sheetData>{rows}</{x}sheetData>{after}</{x}worksheet>",
    }
    if texts is not None:
        listed += relation("r2", "sharedStrings", "sharedStrings.xml")
        found["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{texts}</sst>'
    found["xl/_rels/workbook.xml.rels"] = RELATIONS.format(listed)
    with zipfile.ZipFile(path, "w", packing) as out:
        for name, content in (found | (parts or {})).items():
            out.writestr(name, content)
    return path


def text(place, words):
    return f'<c r="{place}" t="inlineStr"><is><t>{words}</t></is></c>'


HEADER = f'<row r="1">{text("A1", "a")}{text("B1", "b")}</row>'


def saved(path, rows, **sheets):
    """Write a workbook as another program does."""
    book = openpyxl.Workbook()
    book.active.title = "data"
    for row in rows:
        book.active.append(row)
    for title, more in sheets.items():
        sheet = book.create_sheet(title)
        for row in more:
            sheet.append(row)
    book.save(path)
    return path


def read(path, work, **how):
    with open_table(path, workdir=work, **how) as table:
        return {name: table.column(name).values.tolist() for name in table.numeric}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bench.xlsx"


@pytest.fixture
def refused(tmp_path):
    def refusal(path):
        with pytest.raises(UnreadableInput) as caught, open_table(path, workdir=tmp_path / "work"):
            pass
        assert str(path) in caught.value.message
        assert caught.value.remedy
        return caught.value.message

    return refusal


def test_a_sheet_is_a_table(path, tmp_path):
    saved(path, [["a", "b"], [1, 2.5], [-3e-9, True], [7, 4]])
    assert read(path, tmp_path) == {"a": [1, -3e-9, 7], "b": [2.5, 4]}


def test_a_workbook_is_known_by_its_content(path, tmp_path):
    saved(path, [["a"], [1], [5]])
    assert read(path.rename(tmp_path / "export.dat"), tmp_path) == {"a": [1, 5]}


def test_the_first_sheet_is_read_unless_one_is_named_and_a_note_says_so(path, tmp_path):
    saved(path, [["a"], [1], [9]], second=[["b"], [2], [8]])
    assert read(path, tmp_path) == {"a": [1, 9]}
    assert read(path, tmp_path, sheet="second") == {"b": [2, 8]}
    with open_table(path, workdir=tmp_path) as table:
        assert table.notes == (f"{path}: the sheet 'data' was read, not the 1 others (--sheet names one)",)


def test_a_hidden_sheet_is_not_the_first(path, tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["a"])
    book.active.sheet_state = "hidden"
    shown = book.create_sheet("shown")
    for row in (["b"], [3], [1]):
        shown.append(row)
    book.save(path)
    assert read(path, tmp_path) == {"b": [3, 1]}


def test_a_sheet_that_is_not_there_is_refused_with_those_that_are(path, tmp_path):
    saved(path, [["a"], [1]])
    with pytest.raises(UsageError) as caught, open_table(path, workdir=tmp_path, sheet="run"):
        pass
    assert "'data'" in caught.value.remedy


def test_a_sheet_of_a_file_without_sheets_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(UsageError), open_table(tmp_path / "t.csv", workdir=tmp_path, sheet="run"):
        pass


def test_dates_are_the_clock_whatever_their_format(path, tmp_path):
    first = dt.datetime(2026, 2, 1, 10, 11, 12)  # noqa: DTZ001 - spreadsheets know no zones
    saved(path, [["when", "x"], *([first + dt.timedelta(milliseconds=100 * k), k % 3] for k in range(50))])
    with open_table(path, workdir=tmp_path) as table:
        assert clock_of(table) == pytest.approx(0.1 * np.arange(50), abs=2e-5)
        assert [(item.name, item.reason) for item in table.excluded] == [("when", "time column (by date, without a zone)")]


def test_days_since_1904_are_the_same_days(path, tmp_path):
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    for row in (["when", "x"], [dt.date(2026, 2, 1), 1], [dt.date(2026, 2, 2), 5]):
        book.active.append(row)
    book.save(path)
    with open_table(path, workdir=tmp_path) as table:
        assert clock_of(table).tolist() == [0, 86_400]


def test_times_of_day_are_neither_a_clock_nor_a_metric(path, tmp_path):
    saved(path, [["when", "x"], [dt.time(10, 0), 1], [dt.time(11, 0), 5]])
    with open_table(path, workdir=tmp_path) as table:
        assert (table.numeric, clock_of(table)) == (("x",), None)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("General", False), ("0.00E+00", False), ('0.0" m/s"', False), ("[Red]0;[Blue]-0", False), ("#,##0\\ \\d", False),
        ("[h]:mm:ss", False), ("[$-409]d-mmm-yy", True), ("mm:ss.0", True), ("yyyy/mm/dd", True), ("0;yyyy", False),
    ],
)  # fmt: skip
def test_a_number_format_shows_a_moment_or_a_number(code, shown):
    assert shows_moment(code) is shown


@pytest.mark.requirement("telemetry:Q3")
def test_errors_are_set_aside_with_their_places(path, tmp_path):
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c><c r="B{n}"><v>{n * n}</v></c></row>' for n in range(2, 20))
    rows += '<row r="20"><c r="A20" t="e"><v>#N/A</v></c><c r="B20" t="e"><f>1/0</f><v>#DIV/0!</v></c></row>'
    with open_table(package(path, HEADER + rows), workdir=tmp_path) as table:
        assert [dict(table.column(name).quarantined) for name in ("a", "b")] == [{"text": 1}, {"text": 1}]
        assert table.notes == (f"{path}: cells that hold an error: #N/A at A20, #DIV/0! at B20",)


@pytest.mark.requirement("telemetry:Q3")
def test_formulas_count_with_their_stored_value_and_without_one_are_set_aside_with_their_places(path, tmp_path):
    rows = "".join(
        f'<row r="{n}"><c r="A{n}"><f>B{n}/2</f><v>{n / 2}</v></c><c r="B{n}"><v>{n}</v></c></row>' for n in range(2, 9)
    )
    rows += "".join(f'<row r="{n}"><c r="A{n}"><f>B{n}/2</f></c><c r="B{n}"><v>{n}</v></c></row>' for n in range(9, 14))
    with open_table(package(path, HEADER + rows), workdir=tmp_path) as table:
        a = table.column("a")
        assert (a.values.tolist(), dict(a.quarantined), a.missing) == ([n / 2 for n in range(2, 9)], {"no_stored_value": 5}, 0)
        assert table.notes == (f"{path}: formulas without a stored value: A9, A10, A11 and 2 more",)


def test_formulas_of_a_program_that_computes_nothing_are_no_values_at_all(path, tmp_path):
    saved(path, [["a", "b"], [1, "=A2*2"], [5, "=A3*2"]])
    with open_table(path, workdir=tmp_path) as table:
        assert [item.name for item in table.excluded] == ["b"]


def test_a_formula_whose_value_is_an_empty_text_is_missing(path, tmp_path):
    rows = '<row r="2"><c r="A2"><v>1</v></c></row><row r="3"><c r="A3" t="str"><f>IF(1,"")</f><v></v></c></row><row r="4"><c r="B4"><v>2</v></c></row>'
    with open_table(package(path, HEADER + rows), workdir=tmp_path) as table:
        assert (table.rows, table.column("a").missing, dict(table.column("a").quarantined)) == (2, 1, {})


def test_merged_cells_have_their_value_once_and_it_is_noted(path, tmp_path):
    rows = '<row r="2"><c r="A2"><v>1</v></c><c r="B2"><v>4</v></c></row><row r="3"><c r="A3"/><c r="B3"><v>5</v></c></row>'
    with open_table(
        package(path, HEADER + rows, after='<mergeCells><mergeCell ref="A2:A3"/></mergeCells>'), workdir=tmp_path
    ) as table:
        assert (table.column("a").values.tolist(), table.column("a").missing) == ([1], 1)
        assert "A2:A3" in table.notes[0]


def test_texts_are_joined_from_their_pieces_and_how_they_are_spoken_is_left_out(path, tmp_path):
    rows = '<row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2"><c r="A2" t="s"><v>1</v></c></row><row r="3"><c r="A3"><v>7</v></c></row>'
    texts = "<si><r><t>te</t></r><r><t>mp</t></r><rPh><t>spoken</t></rPh></si><si><t> 5.5 </t></si>"
    assert read(package(path, rows, texts=texts), tmp_path) == {"temp": [5.5, 7]}


def test_a_sheet_may_leave_places_out_and_give_its_elements_a_prefix(path, tmp_path):
    rows = "<x:row><x:c t='inlineStr'><x:is><x:t>a</x:t></x:is></x:c></x:row><x:row><x:c><x:v>3</x:v></x:c></x:row><x:row><x:c><x:v>1</x:v></x:c></x:row>"
    assert read(package(path, rows, prefix="x"), tmp_path) == {"a": [3, 1]}


def test_columns_without_a_header_are_numbered_and_empty_rows_are_none(path, tmp_path):
    saved(path, [[], [5, 2.5], [], [3, 4.5]])
    with open_table(path, workdir=tmp_path) as table:
        assert (list(table.numeric), table.rows) == (["column0", "column1"], 2)
        assert "no header" in table.notes[0]


def test_a_sheet_without_cells_or_with_a_header_alone_is_a_table_without_rows(path, tmp_path):
    for rows in ([], [["a", "b"]]):
        with open_table(saved(path, rows), workdir=tmp_path) as table:
            assert (table.rows, table.numeric) == (0, ())


def test_a_cell_beyond_the_header_is_refused_with_its_row(path, refused):
    assert "row 3: has 3 cells where the header has 2" in refused(saved(path, [["a", "b"], [1, 2], [3, 4, 5]]))


def test_two_columns_of_one_name_are_refused(path, refused):
    assert "'a'" in refused(saved(path, [["a", "a"], [1, 2]]))


@pytest.mark.parametrize("compound", ["EncryptedPackage".encode("utf-16-le"), b""])
def test_a_workbook_with_a_password_is_told_from_an_old_one(path, refused, compound):
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 3000 + compound + b"\0" * 500)
    assert ("protected by a password" if compound else ".xls") in refused(path)


def test_a_package_whose_parts_are_encrypted_is_refused(path, refused):
    content = bytearray(package(path, HEADER, packing=zipfile.ZIP_STORED).read_bytes())
    for at in range(len(content) - 10):
        if content[at : at + 4] == b"PK\x01\x02":
            content[at + 8] |= 1
    path.write_bytes(content)
    assert "password" in refused(path)


def test_a_sheet_that_unpacks_to_far_more_than_it_says_is_refused_before_it_is_unpacked(path, refused):
    blank = "<row/>" * (12 << 20)
    assert "when it is unpacked" in refused(package(path, blank))


def test_two_cells_at_the_corners_of_the_grid_take_no_room(path, refused):
    rows = HEADER + '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    assert "row 1048576" in refused(package(path, rows))


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="5"/><row r="4"/>', '<row r="1048577"/>', '<row r="0"/>', '<row r="x"/>', '<row r="1"><c r="B1"/><c r="A1"/></row>',
        '<row r="1"><c r="XFE1"><v>1</v></c></row>', '<row r="1"><c r="AAAAAA1"><v>1</v></c></row>', '<row r="1"><c r="A1" t="s"><v>9</v></c></row>',
        '<row r="1"><c r="A1"><v>1</c></row>', "<row", "&bomb;",
    ],
)  # fmt: skip
def test_a_sheet_that_is_not_well_formed_is_refused(path, refused, rows):
    refused(package(path, rows))


def test_a_sheet_with_entities_is_refused(path, refused):
    bomb = f'<!DOCTYPE w [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><worksheet xmlns="{MAIN}"><sheetData/></worksheet>'
    assert "document type" in refused(package(path, "", parts={"xl/worksheets/sheet1.xml": bomb}))


def test_an_archive_that_is_no_workbook_is_refused(path, refused):
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("readme.txt", "hello")
    assert "no workbook" in refused(path)


def test_a_package_with_a_list_of_parts_beyond_reason_is_refused(path, refused):
    with zipfile.ZipFile(path, "w") as out:
        for number in range(400):
            out.writestr(zipfile.ZipInfo(f"{number}" + "x" * 60_000), b"") if number < 80 else None
    assert "too many or too large parts" in refused(path)


@pytest.mark.parametrize("cut", [20, 200, 1500])
def test_a_workbook_cut_short_is_refused(path, refused, cut):
    saved(path, [["a"], [1]])
    path.write_bytes(path.read_bytes()[:-cut])
    refused(path)


def test_a_damaged_sheet_is_refused(path, refused):
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{n * 7 % 13}</v></c></row>' for n in range(2, 5000))
    content = bytearray(package(path, HEADER + rows).read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = os.urandom(40)
    path.write_bytes(content)
    refused(path)


def test_a_spool_without_room_is_refused(path, tmp_path):
    import resource

    package(path, HEADER + "".join(f'<row r="{n}"><c r="A{n}"><v>{n * 7 % 13}</v></c></row>' for n in range(2, 9000)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, hard))
    try:
        with pytest.raises(StorageFull), open_table(path, workdir=tmp_path / "work"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "work").iterdir()) == []


def test_a_sheet_of_several_batches_keeps_every_cell_in_its_row(path, tmp_path):
    rows = "".join(
        f'<row r="{n}">{f'<c r="A{n}"><v>{n % 11}</v></c>' if n % 5 else ""}<c r="B{n}"><v>{n % 7}</v></c></row>'
        for n in range(2, 10_002)
    )
    with open_table(package(path, HEADER + rows), workdir=tmp_path) as table:
        a = table.column("a")
        assert (table.rows, a.missing) == (10_000, 2_000)
        assert a.values.tolist() == [(row + 2) % 11 for row in a.rows.tolist()]
        assert table.column("b").values.tolist() == [n % 7 for n in range(2, 10_002)]


CELLS = st.one_of(
    st.integers(-(10**6), 10**6),
    st.floats(-1e9, 1e9).map(lambda value: float(f"{value:.12g}")),
    st.sampled_from(["", "x", "NA", "1.5", "true", "2026-02-01T10:00:00Z", "01/02/2026", "1,5", "-", "nan"]),
    st.booleans(),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12))
def test_a_sheet_is_read_as_the_same_cells_are_from_csv(tmp_path, rows):
    rows = [row for row in rows if row != ("", "")] or [(1, 2)]
    saved(tmp_path / "t.xlsx", [["a", "b"], *([None if cell == "" else cell for cell in row] for row in rows)])
    csv = "a,b\n" + "".join(",".join(f'"{cell}"' if cell != "" else "" for cell in row) + "\n" for row in rows)
    (tmp_path / "t.csv").write_text(csv)

    def all_of(name):
        with open_table(tmp_path / name, workdir=tmp_path / "work") as table:
            columns = [table.column(column) for column in table.numeric]
            found = [(one.values.tolist(), one.missing, dict(one.quarantined)) for one in columns]
            return table.rows, table.numeric, table.excluded, found

    assert all_of("t.xlsx") == all_of("t.csv")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 3000), st.binary(min_size=1, max_size=8))
def test_a_workbook_with_any_bytes_changed_is_a_table_or_a_refusal_and_never_a_crash(tmp_path, at, data):
    path = tmp_path / "t.xlsx"
    content = bytearray(package(path, HEADER + '<row r="2"><c r="A2"><v>1</v></c></row>', texts="").read_bytes())
    at %= len(content)
    content[at : at + len(data)] = data
    path.write_bytes(content)
    with suppress(UnreadableInput), open_table(path, workdir=tmp_path / "w") as table:
        for column in table.numeric:
            table.column(column)
