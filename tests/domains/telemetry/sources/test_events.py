"""Files of events: every line is written, missing, left out with its column, or set aside with its reason."""

import csv
import io
import json

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueup.domains.telemetry.engine.normalise import REASONS, Normaliser
from trueup.domains.telemetry.engine.normalise_schema import read_schema
from trueup.domains.telemetry.engine.registryread import read_registry
from trueup.domains.telemetry.sources.eventnormal import normalise_file
from trueup.domains.telemetry.sources.eventwrite import wanted
from trueup.domains.telemetry.sources.registryfile import form
from trueup.kernel.documents import parse_yaml
from trueup.kernel.errors import UnreadableInput, UsageError

REGISTRY = read_registry(
    parse_yaml("version: 1\nmetrics: {power: {unit: W, aliases: [Pwr]}, temp: {unit: degC}, resets: {unit: count}}\n", "r.yaml"),
    form("metric-registry"),
)


@pytest.fixture
def normalise(tmp_path):
    def call(content, name="in.csv", *, out="out.csv", strict=False, schema=None):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        told = read_schema(parse_yaml(schema, "s.yaml"), form("telemetry-schema")) if schema else None
        normaliser = Normaliser(REGISTRY, told, strict=strict) if told else Normaliser(REGISTRY, strict=strict)
        files = wanted(path, tmp_path / out, None)
        done = normalise_file(path, files, normaliser, workdir=tmp_path)
        aside = [json.loads(line) for line in files.quarantine.read_text().splitlines()]
        return done, rows_of(files.output), aside

    return call


def rows_of(path):
    if path.suffix == ".csv":
        return [list(row.values()) for row in csv.DictReader(io.StringIO(path.read_text()))]
    read = "read_parquet" if path.suffix == ".parquet" else "read_json"
    return [list(row) for row in duckdb.execute(f"select * from {read}('{path}')").fetchall()]


LONG = "metric,value,unit,timestamp\n"


def test_a_long_file_gives_one_row_an_event(normalise):
    _, rows, aside = normalise(LONG + "Pwr,2,kW,1700000000000\ntemp,212,degF,1700000000100\nother,5,,1700000000200\n")
    assert rows == [
        ["1700000000000", "power", "2000.0", "W"],
        ["1700000000100", "temp", "100.0", "degC"],
        ["1700000000200", "other", "5.0", ""],
    ]
    assert aside == []


@pytest.mark.parametrize("out", ["out.csv", "out.jsonl", "out.parquet"])
def test_the_extension_says_how_it_is_written(normalise, out):
    _, rows, _ = normalise(LONG + "Pwr,2,kW,1700000000000\n", out=out)
    assert [str(cell) for cell in rows[0]] == ["1700000000000", "power", "2000.0", "W"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_usual_delimiter_is_found(normalise, delimiter):
    done, rows, _ = normalise((LONG + "Pwr,2,kW,1\n").replace(",", delimiter))
    assert (done.written, rows[0][1]) == (1, "power")


def test_a_wide_file_gives_one_row_a_cell(normalise):
    done, rows, _ = normalise("time,Pwr [kW],temp (degF),resets,note\n1,2,32,0,a\n2,,50,1,b\n")
    assert [row[:3] for row in rows] == [
        ["1", "power", "2000.0"],
        ["1", "temp", "0.0"],
        ["1", "resets", "0.0"],
        ["2", "temp", "10.0"],
        ["2", "resets", "1.0"],
    ]
    assert {row[1]: row[3] for row in rows} == {"power": "W", "temp": "degC", "resets": "count"}
    assert (done.missing, done.excluded) == (1, (("note", "text column"),))


def test_a_registered_column_that_turned_into_text_is_set_aside_and_never_left_out(normalise):
    done, rows, _ = normalise("time,power,note\n1,ERR,a\n2,ERR,b\n")
    assert (rows, done.quarantined, done.excluded) == ([], {"not_a_number": 2}, (("note", "text column"),))


def test_two_columns_that_are_one_metric_are_refused(normalise):
    with pytest.raises(UnreadableInput, match="both the metric 'power'"):
        normalise("time,power,Pwr\n1,2,3\n")


def test_json_lines_may_be_long_or_wide(normalise):
    lines = [
        '{"metric":"Pwr","value":2,"unit":"kW","time":1}',
        '{"ts":2,"temp":20.5,"cpu":{"user":3},"seq":9}',
        '{"ts":3,"on":true}',
    ]
    _, rows, _ = normalise("\n".join(lines), "in.jsonl")
    assert [row[:3] for row in rows] == [
        ["1", "power", "2000.0"],
        ["2", "temp", "20.5"],
        ["2", "cpu.user", "3.0"],
        ["3", "on", "1.0"],
    ]


@pytest.mark.parametrize("wide", [False, True])
def test_parquet_is_read_in_place(normalise, tmp_path, wide):
    select = "'Pwr' as metric, 2.0 as value, 'kW' as unit" if not wide else '2.0 as "Pwr [kW]"'
    duckdb.execute(
        f"copy (select timestamptz '2026-01-01 01:00:00+01' as time, {select}) to '{tmp_path}/in.parquet' (format parquet)"
    )
    _, rows, _ = normalise(None, "in.parquet")
    assert rows == [["2026-01-01T00:00:00.000000Z", "power", "2000.0", "W"]]


def test_what_does_not_fit_in_a_parquet_file_is_set_aside_with_its_row(normalise, tmp_path):
    duckdb.execute(
        f"copy (select unnest(['a', 'power']) as metric, unnest([1.0, 'nan'::double]) as value) to '{tmp_path}/in.parquet' (format parquet)"
    )
    _, _, aside = normalise(None, "in.parquet")
    assert [(item["line"], item["reason"], item["metric"]) for item in aside] == [(2, "not_finite", "power")]


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z"),
        ("2026-01-01 02:00:00+02:00", "2026-01-01T00:00:00.000000Z"),
        ("2025-12-31T18:30:00.123456-0530", "2026-01-01T00:00:00.123456Z"),
        ("2026-01-01", "2026-01-01T00:00:00.000000Z"),
        ("1700000000", "1700000000"),
        ("1700000000123456789", "1700000000123456789"),
        ("0.25", "0.25"),
    ],
)
def test_times_are_numbers_as_they_were_or_dates_in_utc(normalise, cell, written):
    _, rows, _ = normalise(f"{LONG}power,1,W,{cell}\n")
    assert rows[0][0] == written


def test_times_that_have_decimals_further_down_all_have_them(normalise):
    done, rows, _ = normalise(LONG + "power,1,W,0\n" * 6000 + "power,1,W,0.5\n")
    assert (done.written, rows[-1][0]) == (6001, "0.5")


Q3 = [
    (b"power,abc,W,1", "not_a_number"),
    (b"power,1_000,W,1", "not_a_number"),
    (b"power,NaN,W,1", "not_finite"),
    (b"power,-Inf,W,1", "not_finite"),
    (b"power,1e308,W,1", "out_of_range"),
    (b"power,1e999,W,1", "not_finite"),
    (b"power,1,V,1", "dimension_mismatch"),
    (b"power,1,kw,1", "unknown_unit"),
    (b"power,1,W,yesterday", "bad_time"),
    (b"power,1,W,", "bad_time"),
    (b",1,W,1", "no_name"),
    (b"power,1,W", "columns"),
    (b"power,1,W,1,2", "columns"),
    (b"power,1\x00,W,1", "binary"),
    (b"power,1\xff,W,1", "not_utf8"),
    (b'power,"1,W,1', "quote"),
    (b'power,"1"x,W,1', "quote"),
    (b"power,1,W,1" + b"x" * 10_000_000, "too_long"),
    (b'power,1,W,"' + b"x" * 200_000 + b'"x', "too_long"),
]


@pytest.mark.requirement("telemetry:Q3")
@pytest.mark.parametrize(("line", "reason"), Q3)
@pytest.mark.parametrize("last", [False, True])
def test_a_corrupt_line_is_set_aside_with_reason_and_text_and_no_other_is_lost(normalise, line, reason, last):
    good = b"power,2,kW,1\n" * 40
    content = LONG.encode() + (good + line + b"\n" if last else good[: len(good) // 2] + line + b"\n" + good[len(good) // 2 :])
    done, rows, aside = normalise(content)
    assert len(rows) == done.written == 40
    assert done.quarantined == {reason: 1}
    assert [item["line"] for item in aside] == [42 if last else 22]
    assert aside[0]["reason"] == reason in REASONS
    assert aside[0]["text"].startswith(line[:8].decode("utf-8", "backslashreplace"))
    assert aside[0].get("bytes", 0) == (len(line) + 1 if len(line) > 1 << 20 else 0)


@pytest.mark.requirement("telemetry:Q3")
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"metric":"power","value":', "not_json"),
        (b"[1,2]", "not_json"),
        (b"plain text", "not_json"),
        (b'{"metric":"power","value":NaN}', "not_finite"),
        (b'{"metric":"power","value":-Infinity}', "not_finite"),
        (b'{"metric":"power","value":1e308}', "out_of_range"),
        (b'{"metric":"power","value":"x"}', "not_a_number"),
        (b'{"metric":"power","value":[1]}', "not_a_number"),
        (b'{"metric":"p\\u0000","value":1}', "no_name"),
        (b'{"metric":"power","value":1,"unit":"V"}', "dimension_mismatch"),
        (b'{"a":"\x00"}', "binary"),
        (b'{"a":"\xff"}', "not_utf8"),
        (b"[" * 100_000, "not_json"),
        (b'{"a":"' + b"x" * 10_000_000 + b'"}', "too_long"),
    ],
)
def test_a_corrupt_json_line_is_set_aside_with_reason_and_text_and_no_other_is_lost(normalise, line, reason):
    good = b'{"metric":"power","value":2,"unit":"kW"}\n' * 20
    done, rows, aside = normalise(good + line + b"\n" + good, "in.jsonl")
    assert len(rows) == 40
    assert (done.quarantined, [item["line"] for item in aside]) == ({reason: 1}, [21])
    assert aside[0]["text"].startswith(line[:5].decode("utf-8", "backslashreplace"))


def test_many_broken_lines_and_cells_stand_in_quarantine_in_the_order_of_the_file(normalise):
    done, _, aside = normalise(LONG + "power,1\npower,x,W,1\n" * 12_000)
    assert done.quarantined == {"columns": 12_000, "not_a_number": 12_000}
    assert [item["line"] for item in aside] == list(range(2, 24_002))
    assert done.share == 1.0


def test_a_stray_quote_takes_no_other_line_with_it(normalise):
    done, _, aside = normalise(LONG + 'power,"2,W,1\n' + "power,2,W,1\n" * 300)
    assert (done.written, [item["line"] for item in aside]) == (300, [2])


def test_a_record_of_several_lines_is_kept_whole_in_quarantine(normalise):
    done, _, aside = normalise(LONG + 'power,2,W,1\npower,"2\n3",W,1\npower,2,W,1\n')
    assert (done.written, aside[0]["line"], aside[0]["text"]) == (2, 3, 'power,"2\n3",W,1')


@pytest.mark.parametrize("cell", ["", "NULL", "null", "NA", r"\N", '""'])
def test_a_cell_that_says_nothing_was_measured_is_missing_and_not_corrupt(normalise, cell):
    done, rows, aside = normalise(f"{LONG}power,{cell},W,1\npower,2,W,1\n")
    assert (done.missing, len(rows), aside) == (1, 1, [])


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + LONG + "power,2,W,1\n",
        (LONG + "power,2,W,1\n").replace("\n", "\r\n"),
        LONG + "\npower,2,W,1\n\n",
        LONG + "power,2,W,1",
    ],
)
def test_marks_blank_lines_and_line_ends_do_not_matter(normalise, content):
    done, rows, _ = normalise(content)
    assert (done.written, rows[0][1:]) == (1, ["power", "2.0", "W"])


@pytest.mark.requirement("telemetry:W8.2.6")
@pytest.mark.parametrize(("name", "content"), [("in.csv", ""), ("in.csv", LONG), ("in.jsonl", ""), ("in.jsonl", "\n\n")])
def test_an_empty_file_makes_no_event_up(normalise, name, content):
    done, rows, aside = normalise(content, name)
    assert (done.events, done.written, rows, aside) == (0, 0, [], [])


def test_strict_sets_aside_what_is_not_registered(normalise):
    done, rows, aside = normalise(LONG + "other,1,W,1\npower,2,W,1\n", strict=True)
    assert (done.written, len(rows), aside[0]["reason"]) == (1, 1, "unregistered")


def test_tags_are_carried(normalise):
    _, rows, _ = normalise("metric,value,unit,timestamp,tags\npower,1,W,1,rig=7\n")
    assert rows[0] == ["1", "power", "1.0", "W", "rig=7"]


SYSLOG = """\
version: 1
sources:
  mqtt:
    topic_map: {'rig/+/+': 'rig{1}.{2}'}
  syslog:
    patterns:
      - {pattern: 'temp=(?P<value>[-0-9.]+)(?P<unit>[A-Za-z]*)', metric: temp}
      - {pattern: 'resets (?P<resets>[0-9]+) of (?P<boots>[0-9]+)'}
"""


@pytest.mark.requirement("telemetry:W8.2.5")
def test_patterns_read_the_values_out_of_lines_of_text(normalise):
    lines = [
        {"time": 1, "topic": "h", "metric": "app", "value": "temp=212degF ok, resets 2 of 9", "raw": False},
        {"time": 2, "topic": "h", "metric": "app", "value": "nothing to see", "raw": True},
    ]
    done, rows, aside = normalise("\n".join(map(json.dumps, lines)), "in.jsonl", schema=SYSLOG)
    assert [row[1:] for row in rows] == [["temp", "100.0", "degC"], ["resets", "2.0", "count"], ["boots", "9.0", ""]]
    assert (done.quarantined, aside[0]["line"]) == ({"no_pattern": 1}, 2)


def test_topics_name_metrics(normalise):
    lines = ['{"time":1,"topic":"rig/7/volts","value":3}', '{"time":1,"topic":"lab/amps","value":4}']
    _, rows, _ = normalise("\n".join(lines), "in.jsonl", schema=SYSLOG)
    assert [row[1] for row in rows] == ["rig7.volts", "lab/amps"]


def test_a_registered_name_in_a_head_is_not_cut_at_its_bracket(normalise):
    _, rows, _ = normalise("time,odd (thing),power (V)\n1,2,3\n")
    assert [row[1] for row in rows] == ["odd (thing)"]


def test_a_pattern_that_would_run_away_runs_in_no_time(normalise):
    evil = "version: 1\nsources: {syslog: {patterns: [{pattern: '(?P<x>(a+)+)$'}]}}\n"
    line = json.dumps({"metric": "m", "value": "a" * 5000 + "!"})
    done, _, _ = normalise("\n".join([line] * 50), "in.jsonl", schema=evil)
    assert done.quarantined == {"no_pattern": 50}


def test_a_pattern_that_needs_backtracking_is_refused_with_its_place(normalise):
    with pytest.raises(UnreadableInput, match=r"s\.yaml:2: sources\.syslog\.patterns\[0\]"):
        normalise("{}", "in.jsonl", schema="version: 1\nsources: {syslog: {patterns: [{pattern: '(?P<x>a)(?=b)'}]}}\n")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("in.csv", b"\x1f\x8b" + b"x" * 50, "gzip"),
        ("in.csv", b"1,2,3\n4,5,6\n", "names neither"),
        ("in.csv", b"metric,metric,value\na,b,1\n", "two columns"),
        ("in.parquet", b"PAR1 and no more", "whole Parquet"),
        ("in.parquet", b"text", "not a Parquet file"),
    ],
)
def test_what_is_no_table_of_events_is_refused(normalise, name, content, words):
    with pytest.raises(UnreadableInput, match=words):
        normalise(content, name)


@pytest.mark.parametrize("out", ["in.csv", "out.txt", "nowhere/out.csv"])
def test_an_output_that_cannot_be_is_refused(normalise, out):
    with pytest.raises(UsageError):
        normalise(LONG, out=out)


CELLS = st.sampled_from(
    [
        "power",
        "Pwr",
        "temp",
        "other",
        "",
        "1",
        "2.5",
        "-3e2",
        "NaN",
        "x",
        '"',
        '"a\nb"',
        "kW",
        "W",
        "degF",
        "V",
        "NA",
        "\t",
        "é",
        "1700000000000",
    ]
)
LINES = st.lists(st.lists(CELLS, min_size=1, max_size=6).map(",".join), max_size=30)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, st.sampled_from(["\n", "\r\n"]))
def test_nothing_is_lost_of_any_file_and_normalising_again_changes_nothing(normalise, tmp_path, lines, end):
    done, rows, aside = normalise(end.join([LONG.strip(), *lines]))
    assert done.events == done.written + done.missing + done.left_out + sum(done.quarantined.values()) - broken(done)
    assert (len(rows), len(aside)) == (done.written, sum(done.quarantined.values()))
    first = (tmp_path / "out.csv").read_bytes()
    again, _, _ = normalise(first, "again.csv", out="second.csv")
    assert (again.written, (tmp_path / "second.csv").read_bytes()) == (done.written, first)


def broken(done):
    return sum(
        count for reason, count in done.quarantined.items() if reason in ("columns", "quote", "binary", "not_utf8", "too_long")
    )
