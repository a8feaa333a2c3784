"""``trueup telemetry sketch`` and ``check`` through the installed command."""

import hashlib
import json

import pytest

from tests.domains.telemetry.runfiles import write_run


@pytest.fixture
def sketched(trueup, tmp_path):
    source, out = write_run(tmp_path / "base.csv", 1), tmp_path / "base.sketches"
    done = trueup("telemetry", "sketch", source, "--out", out, "--window", "10s", "--json")
    assert done.code == 0, done.err
    return source, out, done.json


def test_a_file_is_sketched_whole_and_by_windows(sketched):
    source, out, value = sketched
    document = json.loads(out.read_bytes())
    assert (document["form"], document["version"]) == ("trueup-sketches", 1)
    assert [metric["name"] for metric in document["whole"]["metrics"]] == ["volt", "amp"]
    assert [window["rows"] for window in document["windows"]] == [[at, at + 100] for at in range(0, 600, 100)]
    assert value["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert document["source"] == {"name": "base.csv", "sha256": hashlib.sha256(source.read_bytes()).hexdigest()}


def test_a_run_is_checked_against_a_sketch_file(trueup, sketched, tmp_path):
    _, out, made = sketched
    clean = trueup("telemetry", "check", "--baseline", out, "--run", write_run(tmp_path / "clean.csv", 2), "--json")
    assert (clean.code, clean.json["verdict"]) == (0, "PASS")
    assert clean.json["files"]["baseline"]["sha256"] == made["sha256"]
    assert "spike" in clean.json["not_judged_kinds"]
    drifted = write_run(tmp_path / "drifted.csv", 3, shift=0.2)
    found = trueup("telemetry", "check", "--baseline", out, "--run", drifted, "--drift-is-fail")
    assert found.code == 20
    assert "volt rose from 12" in found.out
    assert "not looked at: oscillation, spike" in found.out


def test_a_baseline_that_is_nowhere_is_not_found(trueup, tmp_path):
    done = trueup("telemetry", "check", "--baseline", "nowhere", "--run", write_run(tmp_path / "run.csv", 2), "--json")
    assert (done.code, done.json["error"]["code"]) == (4, "NOT_FOUND")


def test_a_file_that_holds_no_sketches_is_refused_by_name(trueup, tmp_path):
    (tmp_path / "s.json").write_text("[1]")
    done = trueup("telemetry", "check", "--baseline", tmp_path / "s.json", "--run", write_run(tmp_path / "run.csv", 2))
    assert done.code == 2
    assert "s.json: is no sketch file" in done.err


@pytest.mark.parametrize("length", ["10", "0s", "rows", "5 parsecs"])
def test_what_is_no_length_of_a_window_is_refused(length):
    import click

    from trueup.domains.telemetry.cli_sketch import window

    with pytest.raises(click.UsageError, match="no length of a window"):
        window(length)
