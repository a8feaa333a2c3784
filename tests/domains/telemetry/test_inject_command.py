"""Every fault: the data is what is said of it, and the same seed gives the same bytes."""

import csv
import json
import math

import duckdb
import numpy as np
import pytest

from trueup.domains.telemetry.engine.inject import DEFAULTS, Change, Dose, Fault
from trueup.domains.telemetry.sources.faultfile import inject_file
from trueup.kernel.errors import UsageError

ROWS = 400
STARTS = 200


@pytest.fixture
def table(tmp_path):
    """A recording of three metrics, in each of the three forms."""
    rng = np.random.default_rng(7)
    columns = {
        "ts": [1_700_000_000_000 + 100 * row for row in range(ROWS)],
        "m": (10 + rng.standard_normal(ROWS)).round(6).tolist(),
        "latency_ms": (5 + 0.1 * rng.standard_normal(ROWS)).round(6).tolist(),
        "note": ["quiet"] * ROWS,
    }
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    duckdb.execute(f"copy (select * from read_csv('{tmp_path}/t.csv')) to '{tmp_path}/t.parquet' (format parquet)")
    return tmp_path


def read(path):
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        return {name: [row.get(name) for row in rows] for name in rows[0]}
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        return {name: [number(row[name]) for row in rows] for name in rows[0]}
    found = duckdb.execute(f"select * from '{path}'")
    names = [item[0] for item in found.description]
    return dict(zip(names, map(list, zip(*found.fetchall(), strict=True)), strict=True))


def number(cell):
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell


@pytest.fixture
def inject(table):
    def call(fault, suffix, *, metrics=(), seed=0, out="out", **more):
        target = table / f"{out}{suffix}"
        dose = Dose(**{**DEFAULTS[Fault(fault)], **more})
        return inject_file(
            table / f"t{suffix}", target, Fault(fault), metrics=metrics, seed=seed, dose=dose, workdir=table
        ), target

    return call


FORMS = (".csv", ".jsonl", ".parquet")


@pytest.fixture(params=FORMS)
def suffix(request):
    return request.param


def changed(before, after):
    return [row for row, (one, two) in enumerate(zip(before, after, strict=True)) if one != two]


@pytest.mark.requirement("telemetry:S4.7")
@pytest.mark.parametrize("fault", list(Fault))
def test_the_same_seed_gives_the_same_bytes_and_they_are_not_those_of_the_input(inject, table, fault):
    for suffix in FORMS:
        _, first = inject(fault, suffix, seed=3, out="first")
        _, second = inject(fault, suffix, seed=3, out="second")
        assert first.read_bytes() == second.read_bytes() != (table / f"t{suffix}").read_bytes()


@pytest.mark.parametrize(
    "fault", ["value_corruption", "spike", "packet_loss", "duplication", "drop_out", "latency_spike", "oscillation"]
)
def test_another_seed_gives_other_bytes(inject, fault):
    _, first = inject(fault, ".csv", seed=3, out="first")
    _, second = inject(fault, ".csv", seed=4, out="second")
    assert first.read_bytes() != second.read_bytes()


@pytest.mark.parametrize(
    "fault",
    [
        fault
        for fault in Fault
        if "seconds" not in DEFAULTS[fault] and fault not in ("schema_change", "duplication", "packet_loss")
    ],
)
def test_only_rows_from_the_start_on_change_and_as_many_cells_as_are_told(inject, table, suffix, fault):
    done, out = inject(fault, suffix, metrics=["m"])
    before, after = read(table / f"t{suffix}"), read(out)
    rows = changed(before["m"], after["m"])
    assert len(rows) == done.cells > 0
    assert min(rows) >= done.start == STARTS
    assert {name: after[name] for name in ("ts", "latency_ms", "note")} == {
        name: before[name] for name in ("ts", "latency_ms", "note")
    }


def test_corruption_hits_the_share_of_rows_it_is_asked_for(inject, table, suffix):
    done, _ = inject("value_corruption", suffix, metrics=["m"], share=0.1)
    assert done.cells == 20


def test_a_stuck_sensor_shows_what_it_showed_last(inject, table, suffix):
    _, out = inject("stuck_at", suffix, metrics=["m"])
    assert set(read(out)["m"][STARTS:]) == {read(table / f"t{suffix}")["m"][STARTS]}


def test_a_stuck_sensor_shows_the_value_it_is_told(inject, suffix):
    _, out = inject("stuck_at", suffix, metrics=["m"], value=0)
    assert set(read(out)["m"][STARTS:]) == {0.0}


def test_spikes_are_as_many_and_as_high_as_asked_for(inject, table, suffix):
    _, out = inject("spike", suffix, metrics=["m"], count=4, scale=30)
    before, after = read(table / f"t{suffix}")["m"], read(out)["m"]
    rows = changed(before, after)
    assert len(rows) == 4
    assert all(math.isclose(abs(after[row] - before[row]), 30 * np.std(before)) for row in rows)


def test_a_sensor_drifts_by_so_many_deviations_until_the_end(inject, table, suffix):
    _, out = inject("sensor_drift", suffix, metrics=["m"], scale=3)
    before, after = read(table / f"t{suffix}")["m"], read(out)["m"]
    moved = np.subtract(after, before)[STARTS:]
    assert math.isclose(moved[-1], 3 * np.std(before))
    assert (np.diff(moved) > 0).all()


def test_duplication_writes_rows_twice_in_place(inject, table, suffix):
    done, out = inject("duplication", suffix, share=0.1)
    before, after = read(table / f"t{suffix}"), read(out)
    assert done.rows_out == len(after["ts"]) == ROWS + 20
    assert sorted(set(after["ts"])) == before["ts"]
    assert after["ts"] == sorted(after["ts"])


def test_drop_out_empties_cells_and_keeps_rows(inject, suffix):
    _, out = inject("drop_out", suffix, metrics=["m"], share=0.3)
    after = read(out)["m"]
    assert len(after) == ROWS
    assert after.count(None) == 60


def test_packet_loss_takes_whole_rows(inject, table, suffix):
    done, out = inject("packet_loss", suffix, share=0.3)
    assert done.rows_out == len(read(out)["ts"]) == ROWS - 60
    assert set(read(out)["ts"]) < set(read(table / f"t{suffix}")["ts"])


def test_latency_spikes_are_put_into_what_is_called_latency(inject, table, suffix):
    done, out = inject("latency_spike", suffix)
    before, after = read(table / f"t{suffix}"), read(out)
    assert done.metrics == ("latency_ms",)
    assert max(after["latency_ms"]) > 8 * max(before["latency_ms"])
    assert after["m"] == before["m"]


def test_variance_grows_by_its_factor_and_the_mean_stays(inject, table, suffix):
    _, out = inject("variance", suffix, metrics=["m"], scale=3)
    before, after = np.array(read(table / f"t{suffix}")["m"]), np.array(read(out)["m"])
    assert np.allclose(after[STARTS:] - before.mean(), 3 * (before[STARTS:] - before.mean()))


def test_oscillation_has_its_period(inject, table, suffix):
    _, out = inject("oscillation", suffix, metrics=["m"], period=40)
    wave = np.subtract(read(out)["m"], read(table / f"t{suffix}")["m"])[STARTS:]
    assert np.allclose(wave[:-40], wave[40:])
    assert np.argmax(np.abs(np.fft.rfft(wave))) == len(wave) // 40


def test_a_swapped_unit_multiplies_by_its_factor(inject, table, suffix):
    _, out = inject("unit_swap", suffix, metrics=["m"])
    before, after = read(table / f"t{suffix}")["m"], read(out)["m"]
    assert np.allclose(after[STARTS:], np.multiply(before[STARTS:], 1000))


def test_a_skewed_clock_is_off_by_its_seconds(inject, table, suffix):
    done, out = inject("time_skew", suffix, seconds=-3)
    before, after = read(table / f"t{suffix}"), read(out)
    assert done.metrics == ("ts",)
    assert set(np.subtract(after["ts"], before["ts"])[STARTS:]) == {-3000}
    assert after["ts"][:STARTS] == before["ts"][:STARTS]


def test_a_clock_of_dates_is_skewed_too(trueup, tmp_path):
    (tmp_path / "t.csv").write_text("time,m\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:01Z,2\n")
    done = trueup(
        "telemetry", "inject", "--fault", "time_skew", "--input", "t.csv", "--output", "o.csv", "--from", 0, "--seconds", 60
    )
    assert done.code == 0, done.err
    assert (tmp_path / "o.csv").read_text() == "time,m\n2026-01-01T00:01:00Z,1\n2026-01-01T00:01:01Z,2\n"


def test_a_changed_schema_renames(inject, table, suffix):
    _, out = inject("schema_change", suffix, metrics=["m"])
    before, after = read(table / f"t{suffix}"), read(out)
    assert list(after) == ["ts", "m_v2", "latency_ms", "note"]
    assert after["m_v2"] == before["m"]


def test_a_changed_schema_drops(inject, suffix):
    _, out = inject("schema_change", suffix, metrics=["m"], change=Change.DROP)
    assert list(read(out)) == ["ts", "latency_ms", "note"]


def test_a_changed_schema_turns_numbers_into_text(inject, table, suffix):
    _, out = inject("schema_change", suffix, metrics=["m"], change=Change.RETYPE)
    after = read(out)["m"]
    assert all(isinstance(cell, str) and "," in cell for cell in after)
    assert [float(cell.replace(",", ".")) for cell in after] == read(table / f"t{suffix}")["m"]


def test_untouched_cells_keep_every_character(trueup, tmp_path):
    (tmp_path / "t.csv").write_text("m,n\n1.500,2e3\n2.500,3e3\n3.500,+4\n4.500,5.0\n")
    done = trueup(
        "telemetry", "inject", "--fault", "stuck_at", "--input", "t.csv", "--output", "o.csv", "--metric", "m", "--value", 9
    )
    assert done.code == 0, done.err
    assert (tmp_path / "o.csv").read_text() == "m,n\n1.500,2e3\n2.500,3e3\n9.0,+4\n9.0,5.0\n"


def test_a_fault_that_changes_nothing_is_an_error_and_writes_nothing(trueup, tmp_path):
    (tmp_path / "t.csv").write_text("m\n" + "5\n" * 20)
    done = trueup("telemetry", "inject", "--fault", "stuck_at", "--input", "t.csv", "--output", "o.csv", "--json")
    assert (done.code, "changes nothing" in done.json["error"]["message"]) == (2, True)
    assert not (tmp_path / "o.csv").exists()


def test_a_clock_that_is_off_by_nothing_is_an_error(inject, table):
    with pytest.raises(UsageError, match="changes nothing"):
        inject("time_skew", ".csv", seconds=0.0)
    assert not (table / "out.csv").exists()


def test_the_command_says_what_it_changed_in_words_and_in_a_document(trueup, table):
    args = ("telemetry", "inject", "--fault", "spike", "--input", "t.csv", "--output", "o.csv", "--metric", "m", "--seed", 5)
    words = trueup(*args)
    assert words.code == 0
    assert "spike from row 200: 5 cells changed, 400 rows" in words.out
    done = trueup(*args, "--json").json
    assert (done["fault"], done["seed"], done["columns"], done["rows_in"], done["cells_changed"]) == ("spike", 5, ["m"], 400, 5)
    assert done["parameters"] == {"from": 0.5, "scale": 30.0, "count": 5}


def test_a_table_without_a_header_is_refused_and_not_taken_for_one_row_less(trueup, tmp_path):
    (tmp_path / "t.csv").write_text("1,2\n3,4\n5,7\n")
    done = trueup("telemetry", "inject", "--fault", "packet_loss", "--input", "t.csv", "--output", "o.csv", "--json")
    assert (done.code, "does not name the column" in done.json["error"]["message"]) == (2, True)
    assert not (tmp_path / "o.csv").exists()


def test_a_blank_line_of_a_table_with_one_column_is_a_row(table):
    (table / "one.csv").write_text("m\n1\n\n3\n4\n")
    dose = Dose(start=0.5, value=9.0)
    inject_file(table / "one.csv", table / "two.csv", Fault.STUCK_AT, metrics=[], seed=0, dose=dose, workdir=table)
    assert (table / "two.csv").read_text() == 'm\n1\n""\n9.0\n9.0\n'


@pytest.mark.parametrize(
    ("fault", "dose", "line"),
    [
        (Fault.STUCK_AT, Dose(start=0, value=9.0), '{"ts":2,"cpu":{"user":9.0}}'),
        (Fault.SCHEMA_CHANGE, Dose(), '{"ts":2,"cpu":{"user_v2":5.5}}'),
        (Fault.SCHEMA_CHANGE, Dose(change=Change.DROP), '{"ts":2,"cpu":{}}'),
        (Fault.SCHEMA_CHANGE, Dose(change=Change.RETYPE), '{"ts":2,"cpu":{"user":"5,5"}}'),
    ],
)
def test_nested_fields_of_json_lines_are_hit_where_they_are(tmp_path, fault, dose, line):
    (tmp_path / "t.jsonl").write_text('{"ts":1,"cpu":{"user":4.5}}\n{"ts":2,"cpu":{"user":5.5}}\n')
    inject_file(tmp_path / "t.jsonl", tmp_path / "o.jsonl", fault, metrics=["cpu.user"], seed=0, dose=dose, workdir=tmp_path)
    assert (tmp_path / "o.jsonl").read_text().splitlines()[1] == line


def test_a_clock_of_timestamps_is_skewed_in_parquet(tmp_path):
    duckdb.execute(
        f"copy (select unnest([timestamp '2026-01-01', timestamp '2026-01-02']) as time, unnest([1.5, 2.5]) as m) to '{tmp_path}/t.parquet' (format parquet)"
    )
    inject_file(
        tmp_path / "t.parquet",
        tmp_path / "o.parquet",
        Fault.TIME_SKEW,
        metrics=[],
        seed=0,
        dose=Dose(start=0.5, seconds=1.5),
        workdir=tmp_path,
    )
    assert [str(cell) for cell in read(tmp_path / "o.parquet")["time"]] == ["2026-01-01 00:00:00", "2026-01-02 00:00:01.500000"]


def test_a_name_that_is_taken_is_not_given_by_a_changed_schema(tmp_path):
    (tmp_path / "t.csv").write_text("m,m_v2\n1.5,2.5\n3.5,1.5\n")
    with pytest.raises(UsageError, match="already a column"):
        inject_file(
            tmp_path / "t.csv", tmp_path / "o.csv", Fault.SCHEMA_CHANGE, metrics=["m"], seed=0, dose=Dose(), workdir=tmp_path
        )


def test_a_table_without_numbers_takes_no_fault_of_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("note\nquiet\nloud\n")
    with pytest.raises(UsageError, match="no numeric column"):
        inject_file(tmp_path / "t.csv", tmp_path / "o.csv", Fault.SPIKE, metrics=[], seed=0, dose=Dose(), workdir=tmp_path)


def test_every_fault_that_the_engine_knows_can_be_asked_for(trueup):
    helped = trueup("telemetry", "inject", "--help").out
    assert [fault for fault in Fault if fault not in helped] == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--fault", "spike", "--input", "t.csv", "--output", "t.csv"), "would be overwritten"),
        (("--fault", "spike", "--input", "t.csv", "--output", "o.parquet"), "in the form of their input"),
        (("--fault", "spike", "--input", "t.csv", "--output", "o.csv", "--metric", "note"), "no numeric column"),
        (("--fault", "time_skew", "--input", "n.csv", "--output", "o.csv"), "no time column"),
        (("--fault", "spike", "--input", "nowhere.csv", "--output", "o.csv"), "No such file"),
        (("--fault", "spike", "--input", "t.csv", "--output", "nowhere/o.csv"), "no such folder"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(trueup, table, args, words):
    (table / "n.csv").write_text("m\n1.5\n2.5\n")
    done = trueup("telemetry", "inject", "--json", *args)
    assert done.code == 2
    assert words in done.json["error"]["message"]
    assert done.json["error"]["remedy"]


def test_a_wish_that_no_column_can_fulfil_names_the_columns(inject):
    with pytest.raises(UsageError) as refused:
        inject("spike", ".csv", metrics=["temperature"])
    assert "latency_ms" in refused.value.remedy
