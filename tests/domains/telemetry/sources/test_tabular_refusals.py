"""Tables that cannot be read as such: refused with their place, and nothing left behind."""

import gzip
import json
import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.domains.telemetry.sources.test_tabular import read, refusal, written
from trueup.domains.telemetry.sources.tabular import open_table
from trueup.kernel.errors import StorageFull, UnreadableInput


def test_a_folder_a_missing_file_and_a_device_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv", Path(os.devnull), tmp_path / "a\0b"):
        with pytest.raises(UnreadableInput), open_table(path, workdir=tmp_path):
            pass


def test_the_spool_is_gone_after_use_and_after_a_refusal(tmp_path: Path) -> None:
    work = tmp_path / "work"
    with open_table(written(tmp_path, "a\n1\n"), workdir=work):
        assert all(child.name.startswith(".spool-") for child in work.iterdir())
    assert list(work.iterdir()) == []
    refusal(tmp_path, "a,b\n1\n")
    assert list(work.iterdir()) == []


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond 64 KiB: what a full disk or quota does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def large_files(tmp_path: Path) -> list[Path]:
    rows = [f"{i}.5,{i % 7}" for i in range(40_000)]
    lines = [f'{{"a": {i}.5, "b": {i % 7}}}' for i in range(40_000)]
    return [
        written(tmp_path, "\n".join(["a,b", *rows]), "plain.csv"),
        written(tmp_path, "\ufeff" + "\n".join(["a,b", *rows]), "marked.csv"),
        written(tmp_path, gzip.compress("\n".join(["a,b", *rows]).encode()), "packed.csv.gz"),
        written(tmp_path, "\n".join(lines), "lines.jsonl"),
    ]


def test_a_spool_without_room_is_refused_and_leaves_nothing(tmp_path: Path, large_files: list[Path], small_files: None) -> None:
    for path in large_files:
        with pytest.raises(StorageFull), open_table(path, workdir=tmp_path / "work"):
            pass
    assert list((tmp_path / "work").iterdir()) == []


def test_an_unknown_or_excluded_column_is_a_key_error(tmp_path: Path) -> None:
    for name, content in (("t.csv", "ts,a\n1,2\n2,5\n"), ("t.jsonl", '{"ts": 1, "a": 2}\n{"ts": 2, "a": 5}\n')):
        with open_table(written(tmp_path, content, name), workdir=tmp_path) as table:
            for column in ("ts", "none"):
                with pytest.raises(KeyError):
                    table.column(column)


def test_parquet_types_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table(
        {
            "A": pa.array([1, 5, None], pa.int64()),
            "a": pa.array([1.5, float("nan"), float("inf")], pa.float32()),
            "decimal": pa.array([1, 2, 3], pa.decimal128(30, 2)),
            "flag": pa.array([True, False, None]),
            "text": ["x", "y", "z"],
            "numbers": ["1", "x", "3"],
            "stamp": pa.array([1, 2, 3], pa.timestamp("us", tz="UTC")),
            "day": pa.array([1, 2, 3], pa.date32()),
            "nested": [{"x": 1, "y": 2}] * 3,
            "list": [[1.0]] * 3,
            "blob": [b"1"] * 3,
            "nothing": pa.array([None] * 3, pa.float64()),
            "huge": pa.array([2**63 + 1, 5, 6], pa.uint64()),
        }
    )
    pq.write_table(table, path)
    with open_table(path, workdir=tmp_path) as opened:
        assert list(opened.numeric) == ["A", "a", "decimal", "flag", "numbers", "huge"]
        assert {item.name: item.reason for item in opened.excluded} == {
            "text": "text column",
            "stamp": "time column (by type, timestamp with time zone)",
            "day": "time column (by type, date)",
            "nested": "nested values",
            "list": "nested values",
            "blob": "not a number (blob)",
            "nothing": "no values",
        }
        assert (opened.column("A").values.tolist(), opened.column("A").missing) == ([1, 5], 1)
        assert (opened.column("a").values.tolist(), dict(opened.column("a").quarantined)) == ([1.5], {"non_finite": 2})
        assert opened.column("flag").values.tolist() == [1, 0]
        assert dict(opened.column("numbers").quarantined) == {"text": 1}


def test_a_parquet_file_of_one_large_block_is_read_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    noise = np.random.default_rng(3)
    pq.write_table(pa.table({f"c{i}": noise.random(150_000) for i in range(80)}), path, compression="none", use_dictionary=False)
    with open_table(path, workdir=tmp_path) as table:
        assert (len(table.numeric), table.rows, len(table.column("c79").values)) == (80, 150_000, 150_000)


def test_a_parquet_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": np.random.default_rng(1).random(5000)}), path)
    refusal(tmp_path, path.read_bytes()[:-9], "cut.parquet")


def test_a_parquet_file_with_two_columns_of_one_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table([pa.array([1.0]), pa.array([2.0])], names=["a", "a"]), path)
    assert "'a'" in refusal(tmp_path, path.read_bytes(), "t.parquet").message


def test_a_parquet_file_with_no_rows_is_a_table_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": pa.array([], pa.float64())}), path)
    with open_table(path, workdir=tmp_path) as table:
        assert (table.rows, table.numeric) == (0, ())


def test_json_lines_are_read_with_gaps_and_late_keys(tmp_path: Path) -> None:
    content = '\ufeff{"a": 1, "b": null}\n\n{"a": "2.5", "late": 7}\n{"b": true, "late": 8}\n{}\n'
    with open_table(written(tmp_path, content, "t.jsonl"), workdir=tmp_path) as table:
        assert (table.rows, list(table.numeric)) == (4, ["a", "b", "late"])
        late = table.column("late")
        assert late.rows is not None
        assert (late.values.tolist(), late.rows.tolist(), late.missing) == ([7, 8], [1, 2], 2)
        assert table.column("a").values.tolist() == [1, 2.5]
        assert table.column("b").values.tolist() == [1]


def test_json_lines_are_known_by_content_too(tmp_path: Path) -> None:
    assert read(tmp_path, '{"a": 1}\n{"a": 5}\n', "t.log") == {"a": [1, 5]}


def test_nested_json_is_flattened_one_level_and_excluded_below(tmp_path: Path) -> None:
    content = '{"cpu": {"user": 1, "deep": {"x": 1}}, "list": [1], "s": "x"}\n{"cpu": 5}\n'
    with open_table(written(tmp_path, content, "t.jsonl"), workdir=tmp_path) as table:
        assert list(table.numeric) == ["cpu", "cpu.user"]
        assert {item.name: item.reason for item in table.excluded} == {
            "cpu.deep": "nested values",
            "list": "nested values",
            "s": "text column",
        }


def test_json_cells_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    lines = [1, 2, 3, "4", 5, "x", True, "true", [1], float("nan"), 10**400, None, "NA"]
    content = "".join(json.dumps({"a": cell}) + "\n" for cell in lines)
    with open_table(written(tmp_path, content, "t.jsonl"), workdir=tmp_path) as table:
        a = table.column("a")
        assert (a.values.tolist(), dict(a.quarantined), a.missing) == ([1, 2, 3, 4, 5], {"text": 4, "non_finite": 2}, 2)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('{"a": 1}\n{"a": \n', 2),
        ('{"a": 1}\n\n[1]\n', 3),
        ('{"a": 1}\n5\n', 2),
        ('{"a": 1}\nnull\n', 2),
        ('{"a": 1}\n"x"\n', 2),
        ('{"a": 1}\n{"a": 1, "a": 2}\n', 2),
        (b'{"a": 1}\n{"a": "\xff"}\n', 2),
        ('{"a": 1}\n' + "[" * 100_000 + "\n", 2),
        ('[{"a": 1}]', 1),
        ('{"a": 1}\n{"a": "' + "x" * (17 << 20) + '"}\n', 2),
        ('{"a": 1}\n{"a": ' + "1" * 5000 + "}\n", 2),
    ],
)
def test_a_broken_json_line_is_refused_with_its_line(tmp_path: Path, content: str | bytes, line: int) -> None:
    assert f": line {line}: " in refusal(tmp_path, content, "t.jsonl").message


def test_json_keys_that_meet_when_flattened_are_refused(tmp_path: Path) -> None:
    assert "'a.b'" in refusal(tmp_path, '{"a.b": 1, "a": {"b": 2}}\n', "t.jsonl").message


def test_json_with_thousands_of_keys_is_refused(tmp_path: Path) -> None:
    content = "".join(json.dumps({f"k{i}.{j}": 1 for j in range(50)}) + "\n" for i in range(100))
    assert "keys" in refusal(tmp_path, content, "t.jsonl").message


def test_an_empty_json_lines_file_is_a_table_without_rows(tmp_path: Path) -> None:
    with open_table(written(tmp_path, "\n", "t.jsonl"), workdir=tmp_path) as table:
        assert (table.rows, table.numeric) == (0, ())


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(finite, st.one_of(st.none(), finite)), min_size=1, max_size=40))
def test_numbers_come_back_exactly_and_in_order_from_every_format(tmp_path: Path, rows: list[tuple[float, float | None]]) -> None:
    files = {
        "t.csv": "value,other\n" + "".join(f"{a!r},{'' if b is None else repr(b)}\n" for a, b in rows),
        "t.jsonl": "".join(json.dumps({"value": a, "other": b}) + "\n" for a, b in rows),
    }
    pq.write_table(
        pa.table({"value": pa.array([a for a, _ in rows]), "other": pa.array([b for _, b in rows], pa.float64())}),
        tmp_path / "t.parquet",
    )
    filled = [(i, b) for i, (_, b) in enumerate(rows) if b is not None]
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        path = written(tmp_path, files[name], name) if name in files else tmp_path / name
        with open_table(path, workdir=tmp_path) as table:
            assert table.column("value").values.tolist() == [a for a, _ in rows]
            if filled:
                other = table.column("other")
                where = range(len(rows)) if other.rows is None else other.rows.tolist()
                assert list(zip(where, other.values.tolist(), strict=True)) == filled


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=60), st.text(alphabet='1a,;"\n\r\t{}[]:_ .x\ufeff', max_size=60).map(str.encode)))
def test_any_bytes_are_a_table_or_a_refusal_and_never_a_crash(tmp_path: Path, content: bytes) -> None:
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        path = written(tmp_path, content, name)
        with suppress(UnreadableInput), open_table(path, workdir=tmp_path / "w") as table:
            for column in table.numeric:
                data = table.column(column)
                assert len(data.values) + data.missing + sum(data.quarantined.values()) == table.rows == data.total


def test_a_damaged_parquet_page_is_refused_when_it_is_met(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": np.arange(50_000.0) % 97}), path, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = b"\xff" * 64
    damaged = written(tmp_path, bytes(content), "damaged.parquet")
    with pytest.raises(UnreadableInput, match="its data cannot be read"), open_table(damaged, workdir=tmp_path) as table:
        table.column("a")


def test_a_damaged_table_is_named_even_when_another_is_open(tmp_path: Path) -> None:
    path, sound = tmp_path / "t.parquet", written(tmp_path, "a\n1\n", "sound.csv")
    pq.write_table(pa.table({"a": [1.0, 2.0], "b": np.arange(2.0)}), path)
    with open_table(path, workdir=tmp_path) as damaged, open_table(sound, workdir=tmp_path):
        path.write_bytes(b"no longer a table")
        with pytest.raises(UnreadableInput, match=r"t\.parquet"):
            damaged.column("a")
