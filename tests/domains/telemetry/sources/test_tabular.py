"""Tables are read from real files; every fault names its file and its line."""

import gzip
import os
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from trueup.domains.telemetry.sources.tabular import open_table
from trueup.kernel.errors import UnreadableInput

MEGA = "a,b\n" + "1,2\n" * 1_000_000


def written(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(folder: Path, content: str | bytes, name: str = "t.csv") -> dict[str, list[float]]:
    with open_table(written(folder, content, name), workdir=folder / "work") as table:
        return {column: table.column(column).values.tolist() for column in table.numeric}


def reasons(folder: Path, content: str | bytes, name: str = "t.csv") -> dict[str, str]:
    with open_table(written(folder, content, name), workdir=folder / "work") as table:
        return {item.name: item.reason for item in table.excluded}


def refusal(folder: Path, content: str | bytes, name: str = "t.csv") -> UnreadableInput:
    path = written(folder, content, name)
    with pytest.raises(UnreadableInput) as caught, open_table(path, workdir=folder / "work"):
        pass
    assert str(path) in caught.value.message
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n3,4\n", {"a": [1, 3], "b": [2, 4]}),
        ("a,b\r\n1,2\r\n3,4\r\n", {"a": [1, 3], "b": [2, 4]}),
        ("a,b\r1,2\r3,4\r", {"a": [1, 3], "b": [2, 4]}),
        ("a,b\n1,2\r\n3,4\n", {"a": [1, 3], "b": [2, 4]}),
        ("a,b\n1,2\n3,4", {"a": [1, 3], "b": [2, 4]}),
        ("\ufeffa,b\n1,2\n", {"a": [1], "b": [2]}),
        ("\n\na,b\n1,2\n\n3,4\n\n", {"a": [1, 3], "b": [2, 4]}),
        ("a;b\n1.5;2\n3;4\n", {"a": [1.5, 3], "b": [2, 4]}),
        ("a\tb\n1\t2\n3\t4\n", {"a": [1, 3], "b": [2, 4]}),
        ("a|b\n1|2\n3|4\n", {"a": [1, 3], "b": [2, 4]}),
        ("a,b,\n1,2,\n3,4,\n", {"a": [1, 3], "b": [2, 4]}),
        ('a,b\n"1","2"\n3,"4"\n', {"a": [1, 3], "b": [2, 4]}),
        ("a\n1\n4\n2\n", {"a": [1, 4, 2]}),
        ("a,b\n 1 , 2 \n", {"a": [1], "b": [2]}),
        ("a,b\n1e308,-1e-308\n.5,5.\n", {"a": [1e308, 0.5], "b": [-1e-308, 5]}),
        ("a,b\n9007199254740993,1\n5,2\n", {"a": [9007199254740992.0, 5], "b": [1, 2]}),
        ('"x,y","q""z"\n1,2\n', {"x,y": [1], 'q"z': [2]}),
        ('"two\nlines",höhe\n5,2\n1,1\n', {"two\nlines": [5, 1], "höhe": [2, 1]}),
        ("A,a\n1,2\n", {"A": [1], "a": [2]}),
        ("on,v\ntrue,1\nfalse,0\nTRUE,5\n", {"on": [1, 0, 1], "v": [1, 0, 5]}),
    ],
)
def test_a_well_formed_table_is_read_whatever_its_dialect(tmp_path: Path, content: str, expected: dict[str, list[float]]) -> None:
    assert read(tmp_path, content) == expected


def test_a_tsv_is_read_by_its_extension_even_where_commas_abound(tmp_path: Path) -> None:
    assert read(tmp_path, "a\tb,c\n1\t2\n", "t.tsv") == {"a": [1], "b,c": [2]}


def test_a_gzipped_table_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, gzip.compress(b"a,b\n1,2\n", mtime=0), "t.csv.gz") == {"a": [1], "b": [2]}
    assert read(tmp_path, gzip.compress(b'{"a": 1}\n'), "t.jsonl.gz") == {"a": [1]}


@pytest.mark.parametrize("content", ["", "\n\n", "a,b\n", "a,b", "\ufeff", "a,b\n\n\n"])
def test_an_empty_file_or_a_header_alone_is_a_table_without_rows(tmp_path: Path, content: str) -> None:
    with open_table(written(tmp_path, content), workdir=tmp_path) as table:
        assert (table.rows, list(table.numeric)) == (0, [])


def test_columns_without_a_header_are_numbered_and_it_is_noted(tmp_path: Path) -> None:
    with open_table(written(tmp_path, "5,2.5\n3,4.5\n"), workdir=tmp_path) as table:
        assert (list(table.numeric), table.rows) == (["column0", "column1"], 2)
        assert "no header" in table.notes[0]


def test_a_table_with_a_header_has_no_such_note(tmp_path: Path) -> None:
    with open_table(written(tmp_path, "a\n1\n"), workdir=tmp_path) as table:
        assert table.notes == ()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a,b\n1,2\n3\n", 3),
        ("a,b\n1,2\n3,4,5\n", 3),
        ('"a\nx",b\n1,2\n3\n', 4),
        ('a,b\n1,2\n3,"4\n', 3),
        ('a,b\n1,2\n3,"4"5\n5,6\n', 3),
        ("a,b\n1,2\n3,\0\n", 3),
        (b"a,b\n1,2\n3,\xff\n", 3),
        (b"a,b\n1,2\n3,4\n5,\xc3", 4),
        ("a,b\n1,2\n3,4\n".encode("utf-16"), 1),
        ("a,a\n1,2\n", 1),
        ("a,b\n1,2,\n3,4,,5\n", 3),
        (MEGA + "3\n", 1_000_002),
        (MEGA + "3,4,5\n", 1_000_002),
        (MEGA + "3,4,5\n" + "1,2\n" * 999_999, 1_000_002),
        (b"a,b\n" + b"1,2\n" * 100_000 + b"1,\xff\n", 100_002),
    ],
)
def test_a_damaged_text_table_is_refused_with_its_line(tmp_path: Path, content: str | bytes, line: int) -> None:
    assert f": line {line}: " in refusal(tmp_path, content).message


@pytest.mark.parametrize("tail", ["3,x\n", "3,1_000\n"])
def test_the_last_row_of_a_large_file_is_not_lost_when_it_breaks_the_type(tmp_path: Path, tail: str) -> None:
    with open_table(written(tmp_path, MEGA + "1,2\n" * 1_000_000 + tail), workdir=tmp_path) as table:
        data = table.column("b")
        assert (table.rows, data.total, dict(data.quarantined)) == (2_000_001, 2_000_001, {"text": 1})
        assert table.column("a").values[-1] == 3


def test_text_that_first_comes_late_is_quarantined_and_counted(tmp_path: Path) -> None:
    with open_table(written(tmp_path, "a,b\n" + "1,2\n" * 30_000 + "ERR,2\n1,3\n"), workdir=tmp_path) as table:
        a = table.column("a")
        assert (len(a.values), a.total, a.missing, dict(a.quarantined)) == (30_001, 30_002, 0, {"text": 1})
        assert a.rows is not None
        assert a.rows[-1] == 30_001
        assert dict(table.column("b").quarantined) == {}


@pytest.mark.parametrize(
    "cell", ["abc", "0x10", "1_000", "1e", "--1", "$5", "1 2", "true", "2024-01-01", "١", "1.2.3", "-", "n/a"]
)
def test_a_cell_that_is_no_plain_number_is_text(tmp_path: Path, cell: str) -> None:
    with open_table(written(tmp_path, f"a,b\n1,2\n{cell},3\n4,5\n"), workdir=tmp_path) as table:
        a = table.column("a")
        assert (a.values.tolist(), dict(a.quarantined)) == ([1, 4], {"text": 1})


def test_a_decimal_comma_makes_a_text_column_and_never_a_number(tmp_path: Path) -> None:
    assert reasons(tmp_path, "a;b\n1,5;1\n2,5;2\n") == {"a": "text column"}


@pytest.mark.parametrize("cell", ["NaN", "nan", "inf", "-Infinity", "1e999"])
def test_a_cell_that_is_not_finite_is_set_aside_as_such(tmp_path: Path, cell: str) -> None:
    with open_table(written(tmp_path, f"a,b\n1,2\n{cell},3\n4,x\n"), workdir=tmp_path) as table:
        a = table.column("a")
        assert (a.values.tolist(), dict(a.quarantined), a.missing) == ([1, 4], {"non_finite": 1}, 0)


@pytest.mark.parametrize("cell", ["", " ", '""', "NULL", "null", "NA", r"\N"])
def test_an_empty_or_null_cell_is_missing(tmp_path: Path, cell: str) -> None:
    with open_table(written(tmp_path, f"a,b\n1,2\n{cell},3\n4,5\n"), workdir=tmp_path) as table:
        a = table.column("a")
        assert a.rows is not None
        assert (a.values.tolist(), a.rows.tolist(), a.missing, dict(a.quarantined)) == ([1, 4], [0, 2], 1, {})


def test_a_blank_line_is_a_missing_cell_where_there_is_one_column(tmp_path: Path) -> None:
    with open_table(written(tmp_path, "a\n1\n\n5\n"), workdir=tmp_path) as table:
        assert (table.rows, table.column("a").missing) == (3, 1)


def test_a_column_is_numeric_from_half_of_its_filled_cells_on(tmp_path: Path) -> None:
    content = "half,less\n1,1\n2,x\nx,y\ny,2\n,z\n"
    with open_table(written(tmp_path, content), workdir=tmp_path) as table:
        assert list(table.numeric) == ["half"]
        assert [(item.name, item.reason) for item in table.excluded] == [("less", "text column")]


def test_columns_that_are_not_compared_are_listed_with_their_reasons(tmp_path: Path) -> None:
    content = "ts,when,host,empty,Unnamed: 0,v\n" + "".join(
        f"{1700000000000 + i * 100},2024-01-01T00:00:{i:02d}Z,web,,{i},{i % 3}\n" for i in range(9)
    )
    assert reasons(tmp_path, content) == {
        "ts": "time column (by name, epoch ms)",
        "when": "time column (by date, with a zone)",
        "host": "text column",
        "empty": "no values",
        "Unnamed: 0": "row counter (one more in every row)",
    }


def test_a_rising_counter_stays_a_metric(tmp_path: Path) -> None:
    assert "packets" in read(tmp_path, "packets,v\n" + "".join(f"{i * 7},{i % 3}\n" for i in range(50)))


def test_a_file_name_with_wildcards_and_quotes_is_just_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "year=2020" / "it's [1]*?"
    folder.mkdir(parents=True)
    written(folder, "a\n9\n", "x1.csv")
    assert read(folder, "a\n5\n", "x[1]*.csv") == {"a": [5]}
    pq.write_table(pa.table({"a": [7.0]}), folder / "p[1].parquet")
    with open_table(folder / "p[1].parquet", workdir=folder / "w") as table:
        assert list(table.numeric) == ["a"]
        assert table.excluded == ()


def test_thousands_of_columns_are_read(tmp_path: Path) -> None:
    names = [f"m{i}" for i in range(1000)]
    rows = [",".join(str(i * r % 17) for i in range(1000)) for r in range(3)]
    with open_table(written(tmp_path, "\n".join([",".join(names), *rows])), workdir=tmp_path) as table:
        assert (len(table.numeric), table.rows) == (1000, 3)
        assert table.column("m999").values.tolist() == [0, 999 % 17, 1998 % 17]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (os.urandom(5000) + b"\0", "t.csv"),
        (b"PK\x03\x04rest", "t.csv"),
        (b"PAR1 and then nothing that ends well", "t.parquet"),
        (b"a,b\n1,2\n", "t.parquet"),
        (b"", "t.parquet"),
        (b"\x1f\x8bnot really", "t.csv.gz"),
        (gzip.compress(b"a\n1\n" * 1000, mtime=0)[:-20], "t.csv.gz"),
        (b"a,b\n" + b"1,2\n" * 50 + b"3," + b"7" * 3_000_000 + b"\n", "t.csv"),
        (b'"', "t.csv"),
    ],
)
def test_what_is_no_table_is_refused_with_a_remedy(tmp_path: Path, content: bytes, name: str) -> None:
    refusal(tmp_path, content, name)
