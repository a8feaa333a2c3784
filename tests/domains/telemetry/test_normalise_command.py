"""``trueup telemetry normalize`` and ``registry`` through the installed command."""

import hashlib
import json
import os
import time

import pytest

REGISTRY = """\
version: 7
metrics:
  bus_voltage: {unit: V, aliases: [VBUS], invariant_min: 20, critical: true}
  power: {unit: W}
programs: {mars: {metrics: {bus_voltage: {invariant_min: 10}}}}
"""
EVENTS = """\
metric,value,unit,timestamp
vbus,28000,mV,2026-01-01T00:00:00Z
power,2,kW,2026-01-01T00:00:01Z
power,3,,2026-01-01T00:00:02Z
odd,5,,2026-01-01T00:00:02Z
"""
TAKE = ("telemetry", "normalize", "--input", "in.csv", "--output", "out.csv", "--registry", "r.yaml")


@pytest.fixture
def files(tmp_path):
    (tmp_path / "in.csv").write_text(EVENTS)
    (tmp_path / "r.yaml").write_text(REGISTRY)
    return tmp_path


@pytest.mark.requirement("telemetry:S4.2")
def test_names_units_and_where_they_came_from_stand_in_the_files(trueup, files):
    done = trueup(*TAKE, "--json")
    assert done.code == 0, done.err
    assert (files / "out.csv").read_text().splitlines()[1:3] == [
        "2026-01-01T00:00:00.000000Z,bus_voltage,28.0,V",
        "2026-01-01T00:00:01.000000Z,power,2000.0,W",
    ]
    meta = json.loads((files / "out.csv.meta.json").read_text())
    source = meta["metrics"]["bus_voltage"]["sources"][0]
    assert {
        name: source[name] for name in ("raw_name", "raw_unit", "unit", "factor", "offset", "mapped_by", "unit_assumed", "rows")
    } == {
        "raw_name": "vbus",
        "raw_unit": "mV",
        "unit": "V",
        "factor": 0.001,
        "offset": 0.0,
        "mapped_by": "alias",
        "unit_assumed": False,
        "rows": 1,
    }
    assert meta["registry"]["version"] == "7"
    assert meta["output"]["sha256"] == hashlib.sha256((files / "out.csv").read_bytes()).hexdigest()
    assert {name: done.json[name] for name in meta} == meta


def test_words_say_what_was_not_registered_and_which_unit_was_assumed(trueup, files):
    done = trueup(*TAKE)
    assert "4 values of 3 metrics" in done.out
    assert "not registered: odd" in done.out
    assert "unit assumed: power (W)" in done.out


@pytest.mark.requirement("telemetry:S4.2")
def test_normalising_twice_gives_the_same_bytes(trueup, files):
    trueup(*TAKE)
    again = trueup("telemetry", "normalize", "--input", "out.csv", "--output", "twice.csv", "--registry", "r.yaml", "--json")
    assert again.code == 0
    assert (files / "twice.csv").read_bytes() == (files / "out.csv").read_bytes()
    assert again.json["unit_assumed"] == []


@pytest.mark.parametrize(("allowed", "code"), [("0.4", 0), ("0.3", 20)])
def test_more_set_aside_than_is_allowed_is_a_failure_and_is_said(trueup, files, allowed, code):
    (files / "in.csv").write_text("metric,value\npower,1\npower,2\npower,x\n")
    done = trueup(*TAKE, "--max-quarantine", allowed)
    assert done.code == code
    assert "set aside: 1 (33.3 %" in done.out
    assert ("more than is allowed" in done.out) == (code == 20)
    assert json.loads((files / "out.csv.quarantine.jsonl").read_text())["text"] == "power,x"


def test_a_file_without_values_is_no_data(trueup, files):
    (files / "in.csv").write_text("metric,value\n")
    done = trueup(*TAKE, "--json")
    assert (done.code, done.json["verdict"], done.json["counts"]["written"]) == (30, "NO_DATA", 0)


@pytest.mark.parametrize(
    "option", [("--output", "in.csv"), ("--quarantine", "in.csv"), ("--output", "r.yaml.csv", "--quarantine", "r.yaml")]
)
def test_what_is_read_is_never_overwritten(trueup, files, option):
    before = {path: path.read_bytes() for path in (files / "in.csv", files / "r.yaml")}
    done = trueup(*TAKE, *option, "--json")
    assert (done.code, "would be overwritten" in done.json["error"]["message"]) == (2, True)
    assert {path: path.read_bytes() for path in before} == before


def test_another_name_of_the_input_is_the_input(trueup, files):
    os.link(files / "in.csv", files / "same.csv")
    assert trueup(*TAKE, "--output", "same.csv").code == 2
    assert (files / "in.csv").read_text() == EVENTS


def test_a_refused_file_leaves_nothing_behind(trueup, files):
    (files / "in.csv").write_text("1,2\n3,4\n")
    assert trueup(*TAKE).code == 2
    assert sorted(path.name for path in files.iterdir()) == ["home", "in.csv", "r.yaml"]


def test_a_wrong_registry_is_refused_with_its_line(trueup, files):
    (files / "r.yaml").write_text("version: 1\nmetrics:\n  m:\n    alias: [x]\n")
    done = trueup("telemetry", "registry", "check", "r.yaml", "--json")
    assert done.code == 2
    assert done.json["error"]["message"] == "r.yaml:4: metrics.m.alias: unknown key"
    assert done.json["error"]["remedy"] == "did you mean 'aliases'?"


def test_a_sound_registry_is_said_to_be_sound(trueup, files):
    done = trueup("telemetry", "registry", "check", "r.yaml", "--json")
    assert (done.code, done.json["metrics"], done.json["version"]) == (0, 2, "7")


def test_a_registry_and_a_schema_that_disagree_are_refused(trueup, files):
    (files / "s.yaml").write_text("version: 1\nfield_mapping: {P: {canonical: power, unit: V}}\n")
    done = trueup("telemetry", "registry", "check", "r.yaml", "--schema", "s.yaml", "--json")
    assert (done.code, "kept in W" in done.json["error"]["message"]) == (2, True)


def test_a_registry_is_shown_as_it_holds_in_a_program(trueup, files):
    done = trueup("telemetry", "registry", "show", "r.yaml", "--program", "mars", "--json")
    assert done.json["metrics"]["bus_voltage"]["minimum"] == 10.0


def test_a_hundred_thousand_lines_with_one_that_is_broken_lose_no_other(trueup, files):
    lines = [f"power,{index},W,{index}\n" for index in range(100_000)]
    lines[70_000] = "power,7\n"
    (files / "in.csv").write_text("metric,value,unit,timestamp\n" + "".join(lines))
    began = time.monotonic()
    done = trueup(*TAKE, "--output", "out.parquet", "--json")
    assert (done.code, done.json["counts"]["written"], done.json["quarantine"]["reasons"]) == (0, 99_999, {"columns": 1})
    assert json.loads((files / "out.parquet.quarantine.jsonl").read_text())["line"] == 70_002
    assert time.monotonic() - began < 60
